"""What the page takes from others, unchanged."""

from __future__ import annotations

import hashlib
import json
import re

from tests.support.browser.fake_gateway import DASHBOARD

VENDOR = DASHBOARD / "vendor"
VERSION = "3.8.8"
SHA256 = "72a5f6d84416e92b659c6b8fd837c5fa38d44b7f2e18f91daa1fe57da677c7ad"
"""Of `build/index.js` in that version's package."""


def test_the_vendored_library_is_the_published_file_of_the_version_that_the_readme_names() -> None:
    library = (VENDOR / "oauth4webapi.js").read_bytes()
    assert hashlib.sha256(library).hexdigest() == SHA256
    assert f"const VERSION = 'v{VERSION}';".encode() in library
    named = re.search(r"\) (\d+\.\d+\.\d+), unchanged", (VENDOR / "README.md").read_text())
    assert named
    assert named[1] == VERSION
    assert "MIT" in (VENDOR / "oauth4webapi.LICENSE.md").read_text()


def test_the_type_checker_takes_the_librarys_types_from_the_same_version() -> None:
    package = json.loads((DASHBOARD.parent / "package.json").read_text())
    assert package["devDependencies"]["oauth4webapi"] == VERSION
