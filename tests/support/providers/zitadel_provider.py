"""The example provider of github.com/zitadel/oidc, in a process of its own over TLS on localhost. It needs Go."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Self

import pytest

MODULE = Path(__file__).with_name("zitadel")
CLIENT_ID = "dashboard"
USER, PASSWORD = "test-user@localhost", "verysecure"
"""A user of the example."""


class ZitadelProvider:
    """A running provider. As a context manager, it ends with the block.

    Args:
        certificate: A PEM file with the certificate of localhost and its private key.
        folder: The folder for the program.
        id_token_seconds: The lifetime of ID tokens.
    """

    def __init__(self, certificate: Path, folder: Path, id_token_seconds: int = 3600) -> None:
        self.issuer = ""
        self._settings = {
            "pem": certificate.read_text(),
            "claims": {"custom:tenant_id": "t_acme"},
            "id_token_seconds": id_token_seconds,
        }
        self._process = subprocess.Popen(
            [_build(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def __enter__(self) -> Self:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(self._settings), file=self._process.stdin, flush=True)
        self.issuer = self._process.stdout.readline().strip()
        assert self.issuer, f"the provider ended with exit code {self._process.wait()}"
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()


def _build(folder: Path) -> Path:
    """Build the provider. The test skips if there is no Go, if it is too old, or if it cannot download the modules."""
    how = "needs Go, at least the version in tests/support/providers/zitadel/go.mod: https://go.dev/doc/install"
    go = shutil.which("go")
    if go is None:
        pytest.skip(how)
    downloaded = _run(go, "mod", "download")
    if "requires go >=" in downloaded.stderr:
        pytest.skip(how)
    if downloaded.returncode:
        pytest.skip("needs a module proxy: run `go mod download` in tests/support/providers/zitadel")
    program = folder / "zitadel"
    built = _run(go, "build", "-mod=readonly", "-o", str(program), ".")
    assert built.returncode == 0, built.stderr
    return program


def _run(go: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    return subprocess.run([go, *arguments], cwd=MODULE, env=environment, check=False, capture_output=True, text=True)
