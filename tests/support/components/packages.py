"""What is packaged, in small: the Lambdas' dependencies without pip, and a page of one file."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from components import _packaging, dashboard_page

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from pathlib import Path

PACKAGED = {
    "jwt/__init__.py",
    "cffi/api.py",
    "cryptography/hazmat/bindings/_rust.abi3.so",
    "_cffi_backend.cpython-313-aarch64-linux-gnu.so",
    "pyjwt-2.15.0.dist-info/METADATA",
}
"""What of the folder for verifying tokens belongs into a Lambda."""

POSTING = {"pycurl.cpython-313-aarch64-linux-gnu.so", "pycurl-7.49.0.dist-info/METADATA"}
"""What is packaged for posting."""

LEFT_OUT = {
    "jwt/__pycache__/__init__.cpython-313.pyc",
    "bin/cffi-gen-src",
    "pyjwt-2.15.0.dist-info/RECORD",
    "pyjwt-2.15.0.dist-info/INSTALLER",
    "pyjwt-2.15.0.dist-info/REQUESTED",
    "pyjwt-2.15.0.dist-info/direct_url.json",
}
"""What pip leaves there too, and what differs from machine to machine."""


def write_dependencies(folder: Path) -> Path:
    """Make `folder` what pip would."""
    return _write(folder, PACKAGED | LEFT_OUT)


def _write(folder: Path, names: Iterable[str]) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"the content of {name}")
    return folder


@contextmanager
def small_packages(folder: Path) -> Generator[None]:
    """Meanwhile the dependencies for any machine, and the dashboard's page, are small; both lie in `folder`."""
    packages = {
        "tokens": write_dependencies(folder / "tokens"),
        "posting": _write(folder / "posting", POSTING),
    }
    page = folder / "page"
    page.mkdir()
    (page / "index.html").write_text("<!doctype html>")

    def install_dependencies(name: str, package_for: str) -> Path:
        return packages[name]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_packaging, "install_dependencies", install_dependencies)
        patch.setattr(dashboard_page, "DASHBOARD", page)
        yield
