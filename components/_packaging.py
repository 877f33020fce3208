"""What goes into a Lambda: our code, and its pinned dependencies built for the machine that runs it.

Everything in an archive is read from sorted paths and carries no time, so two clones make the same bytes. No `.pyc`
goes in: one compiled here would not be read by another Python, and Lambda could not write it back (docs/adr/0006).
"""

import hashlib
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pulumi

DEFAULT_PACKAGE_FOR = "lambda"
HANDLERS = Path(__file__).resolve().parent.parent / "handlers"
REQUIREMENTS = ("tokens", "posting")
"""Sets of dependencies: `handlers/requirements/{name}.txt`."""
BUILD = Path(__file__).resolve().parent.parent / ".build"

PLATFORMS: dict[str, list[str]] = {
    "lambda": [
        "--implementation=cp",
        "--python-version=3.13",
        "--platform=manylinux_2_34_aarch64",
        "--platform=manylinux_2_28_aarch64",
        "--platform=manylinux2014_aarch64",
    ],
    "host": [],
}
"""What tells pip which wheels to take: Lambda's python3.13 on arm64 (glibc 2.34), or this Python's."""


class PackagingError(Exception):
    """The dependencies could not be built; the text holds what pip said."""


def check_package_for(field: str, package_for: str) -> str:
    """`package_for` if handlers can be packaged for such a machine.

    Raises:
        ValueError: they cannot.
    """
    if package_for not in PLATFORMS:
        raise ValueError(f"{field}: must be one of {', '.join(PLATFORMS)}, got {package_for!r}")
    return package_for


def handler_archive(entry_point: str, package_for: str, requirements: Sequence[str] = ()) -> pulumi.AssetArchive:
    """The code of one Lambda: `{entry_point}.py` and `formbridge/`, and the sets of dependencies that it needs.

    Raises:
        PackagingError: the dependencies could not be built.
    """
    files = {f"{entry_point}.py": HANDLERS / f"{entry_point}.py", **_files(HANDLERS, "formbridge/**/*.py")}
    for name in requirements:
        files |= _files(dependencies(name, package_for), "**/*")
    assets: dict[str, pulumi.Asset | pulumi.Archive] = {
        name: pulumi.FileAsset(str(path)) for name, path in sorted(files.items())
    }
    return pulumi.AssetArchive(assets)


def dependencies(name: str, package_for: str) -> Path:
    """The folder of a set of dependencies installed for a machine; built once, then kept.

    Raises:
        PackagingError: pip failed.
    """
    requirements = HANDLERS / "requirements" / f"{name}.txt"
    # Wheels for this machine depend on it and its Python, those for Lambda do not.
    machine = f"{sysconfig.get_platform()}-{sys.version_info.major}.{sys.version_info.minor}"
    platform = machine if package_for == "host" else "python3.13-arm64"
    digest = hashlib.sha256(requirements.read_bytes() + repr(PLATFORMS[package_for]).encode()).hexdigest()[:12]
    built = BUILD / f"{name}-{package_for}-{platform}-{digest}"
    if not built.is_dir():
        BUILD.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=BUILD) as scratch:
            target = Path(scratch) / "target"
            _pip_install(requirements, target, PLATFORMS[package_for])
            try:
                target.rename(built)
            except OSError:
                # Another process has built the same meanwhile: theirs is as good.
                if not built.is_dir():
                    raise
    return built


def _pip_install(requirements: Path, target: Path, platform: list[str]) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", "--only-binary=:all:"]
    finished = subprocess.run(  # noqa: S603 - every word of the command is ours
        [*command, *platform, "--target", str(target), "--requirement", str(requirements)],
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode != 0:
        raise PackagingError(f"pip could not install {requirements.name}:\n{finished.stderr.strip()}")


def _files(root: Path, pattern: str) -> dict[str, Path]:
    """The files below `root` by their path in the archive; without what differs from machine to machine."""
    return {
        path.relative_to(root).as_posix(): path
        for path in root.glob(pattern)
        if path.is_file()
        and not {"__pycache__", "bin"}.intersection(path.relative_to(root).parts)
        and path.name not in {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}
    }
