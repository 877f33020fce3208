"""Software bill of materials (SBOM) of what is deployed, as CycloneDX JSON: `make sbom`.

It lists the packages that the program and the Lambda archives are built from, and the page's JavaScript library.
Packages for development are not deployed, and boto3 is part of the Lambda runtime.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tomllib
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from .lock_file import read_lock_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT: Final = Path(__file__).resolve().parents[1]
LOCK_FILES: Final = (
    "requirements.txt",
    "policy/requirements.txt",
    "handlers/requirements/posting.txt",
    "handlers/requirements/tokens.txt",
)
"""The lock files of what is deployed."""
VENDORED: Final = "dashboard/vendor/oauth4webapi.js"
USED_IN: Final = "formbridge:used-in"
"""Name of the property that says where a component comes from: a lock file, or a file of the page."""

Component = dict[str, Any]


def build_sbom() -> dict[str, Any]:
    """Return the bill of materials in the form of CycloneDX 1.6: https://cyclonedx.org/docs/1.6/json/."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    program: Component = {
        "type": "application",
        "bom-ref": project["name"],
        "name": project["name"],
        "version": project["version"],
        "licenses": [{"expression": project["license"]}],
    }
    components = [*_list_packages(), _vendored_library()]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": uuid4().urn,
        "version": 1,
        "metadata": {"timestamp": datetime.now(UTC).isoformat(timespec="seconds"), "component": program},
        "components": components,
        "dependencies": [{"ref": program["bom-ref"], "dependsOn": [one["bom-ref"] for one in components]}],
    }


def _list_packages() -> Iterator[Component]:
    """Yield one component per package and version, with the lock files that contain it."""
    used_in: dict[tuple[str, str], list[str]] = {}
    for lock_file in LOCK_FILES:
        for package in read_lock_file(ROOT / lock_file):
            used_in.setdefault((package.name, package.version), []).append(lock_file)
    for (name, version), lock_files in sorted(used_in.items()):
        yield _library(f"pkg:pypi/{name}@{version}", name, version, _find_license(name), lock_files)


def _vendored_library() -> Component:
    version: str = json.loads((ROOT / "package.json").read_text())["devDependencies"]["oauth4webapi"]
    digest = hashlib.sha256((ROOT / VENDORED).read_bytes()).hexdigest()
    library = _library(f"pkg:npm/oauth4webapi@{version}", "oauth4webapi", version, "MIT", [VENDORED])
    return {**library, "hashes": [{"alg": "SHA-256", "content": digest}]}


def _library(purl: str, name: str, version: str, license_expression: str | None, used_in: Sequence[str]) -> Component:
    licenses = [{"expression": license_expression}] if license_expression else []
    return {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "purl": purl,
        "licenses": licenses,
        "properties": [{"name": USED_IN, "value": file} for file in used_in],
    }


def _find_license(package: str) -> str | None:
    """Return the license expression of an installed package, or None if it is not installed or states none."""
    try:
        expression = metadata(package).json.get("license_expression")
    except PackageNotFoundError:
        return None
    return expression if isinstance(expression, str) else None


if __name__ == "__main__":
    json.dump(build_sbom(), sys.stdout, indent=2)
