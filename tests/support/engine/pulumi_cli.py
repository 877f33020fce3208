"""The Pulumi CLI for the tests: the one on `PATH`, or one that is built once from Pulumi's Go module.

`pulumi/go.mod` and `pulumi/go.sum` pin the module. `go install …@version` cannot build it, because its `go.mod` has
`replace` directives, so a module of ours repeats the one that is needed. The program is stored in the user's cache, in
a folder that is named after `go.sum`. It has no language plugins.

`python3 tests/support/engine/pulumi_cli.py` prints the path, and needs nothing but Python.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

MODULE: Final = Path(__file__).with_name("pulumi")
PACKAGE: Final = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
HOW: Final = (
    "needs the Pulumi CLI (https://www.pulumi.com/docs/install/), or Go, at least the version in "
    "tests/support/engine/pulumi/go.mod, with which `python3 tests/support/engine/pulumi_cli.py` builds it"
)
"""How to get the program, in one line."""


class PulumiMissing(Exception):
    """Error: there is no Pulumi CLI and none can be built. The message says how to get it."""


def find_pulumi() -> Path:
    """Return the path of the Pulumi CLI. If there is none, build it, which takes a few minutes.

    Raises:
        PulumiMissing: There is no `go`, it is too old, or it cannot download the modules.
    """
    if found := shutil.which("pulumi"):
        return Path(found)
    program = _built_program()
    if not program.exists():
        _build(program)
    return program


def is_missing() -> bool:
    """Return whether there is neither a Pulumi CLI nor Go."""
    return not (shutil.which("pulumi") or _built_program().exists() or shutil.which("go"))


def _built_program() -> Path:
    """Return the path of the program that is built, in this project's folder of the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "formbridge-realtime"
    return cache / f"pulumi-{hashlib.sha256((MODULE / 'go.sum').read_bytes()).hexdigest()[:16]}" / "pulumi"


def _build(program: Path) -> None:
    go = shutil.which("go")
    if go is None:
        raise PulumiMissing(HOW)
    program.parent.mkdir(parents=True, exist_ok=True)
    with (program.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run in several processes, and one of them builds
        if program.exists():
            return
        if (downloaded := _run(go, "mod", "download")).returncode:
            raise PulumiMissing(f"{HOW}; `go mod download` failed: {downloaded.stderr.strip()}")
        unfinished = program.with_name("unfinished")
        flags = f"-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version={_version()}"
        built = _run(go, "build", "-mod=readonly", "-trimpath", "-ldflags", flags, "-o", str(unfinished), PACKAGE)
        if built.returncode:
            raise RuntimeError(f"go build failed:\n{built.stderr}")
        unfinished.rename(program)


def _version() -> str:
    """Return the version that go.mod requires. The program does not know it by itself."""
    (version,) = re.findall(r"github\.com/pulumi/pulumi/pkg/v3 (v\S+)", (MODULE / "go.mod").read_text())
    return version


def _run(go: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local"}
    return subprocess.run([go, *arguments], cwd=MODULE, env=environment, check=False, capture_output=True, text=True)


if __name__ == "__main__":
    try:
        print(find_pulumi())
    except PulumiMissing as missing:
        sys.exit(str(missing))
