"""Archives of the Lambdas. An archive contains the code of a handler and its pinned dependencies.

The dependencies are installed for the machine that runs the Lambdas: AWS Lambda, or this machine for an emulator.

The files of an archive are in sorted order and have no timestamps, so two clones build identical archives. An archive
contains no `.pyc` files. A different Python version could not read them, and Lambda could not write new ones
(docs/adr/0006).
"""

import hashlib
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pulumi

from ._input_error import InputError

DEFAULT_PACKAGE_FOR = "lambda"
HANDLERS = Path(__file__).resolve().parent.parent / "handlers"
"""Folder of the handlers' code."""
REQUIREMENTS = ("tokens", "posting")
"""Names of the sets of dependencies. The file `handlers/requirements/{name}.txt` pins the packages of a set with their
hashes."""
BUILD = Path(__file__).resolve().parent.parent / ".build"
"""Folder into which the dependencies are installed. Each set has a subfolder per machine."""

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
"""Options with which pip chooses the wheels, by the machine that runs the Lambdas.

`lambda` is the runtime python3.13 of AWS Lambda on arm64 with glibc 2.34. `host` is this machine with this Python.
"""


class PackagingError(pulumi.RunError):
    """Error: the dependencies could not be installed. The message contains the error output of pip."""


def check_package_for(field: str, package_for: str) -> str:
    """Check the name of the machine that runs the Lambdas, and return it.

    Raises:
        InputError: The value is neither `lambda` nor `host`.
    """
    if package_for not in PLATFORMS:
        raise InputError(field, f"must be one of {', '.join(PLATFORMS)}, got {package_for!r}")
    return package_for


def build_handler_archive(entry_point: str, package_for: str, requirements: Sequence[str] = ()) -> pulumi.AssetArchive:
    """Build the archive of one Lambda: `{entry_point}.py`, `formbridge/` and the dependencies.

    `requirements` names the sets of dependencies that the archive contains. `REQUIREMENTS` lists all names.

    Raises:
        PackagingError: The dependencies could not be installed.
    """
    files = {f"{entry_point}.py": HANDLERS / f"{entry_point}.py", **_list_files(HANDLERS, "formbridge/**/*.py")}
    for name in requirements:
        files |= _list_files(install_dependencies(name, package_for), "**/*")
    assets: dict[str, pulumi.Asset | pulumi.Archive] = {
        name: pulumi.FileAsset(str(path)) for name, path in sorted(files.items())
    }
    return pulumi.AssetArchive(assets)


def install_dependencies(name: str, package_for: str) -> Path:
    """Return the folder with the dependencies of `requirements/{name}.txt`, installed for the machine `package_for`.

    If the folder does not exist, pip installs them first.

    Raises:
        PackagingError: pip failed.
    """
    requirements = HANDLERS / "requirements" / f"{name}.txt"
    # Wheels for this machine depend on its platform and its Python version. Wheels for Lambda are always the same.
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
                # Another process may have created the folder in the meantime. Its content is the same.
                if not built.is_dir():
                    raise
    return built


def _pip_install(requirements: Path, target: Path, platform: list[str]) -> None:
    """Install the wheels of a requirements file into `target`. pip refuses a wheel whose hash is not in the file."""
    command = [
        *(sys.executable, "-m", "pip", "install", "--quiet", "--no-compile"),
        *("--no-deps", "--only-binary=:all:", "--require-hashes"),
    ]
    finished = subprocess.run(  # noqa: S603 - the command contains no input
        [*command, *platform, "--target", str(target), "--requirement", str(requirements)],
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode != 0:
        raise PackagingError(f"pip could not install {requirements.name}:\n{finished.stderr.strip()}")


def _list_files(root: Path, pattern: str) -> dict[str, Path]:
    """Return the files below `root` that match `pattern`, by their path in the archive.

    The result contains no files that differ between machines.
    """
    return {
        path.relative_to(root).as_posix(): path
        for path in root.glob(pattern)
        if path.is_file()
        and not {"__pycache__", "bin"}.intersection(path.relative_to(root).parts)
        and path.name not in {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}
    }
