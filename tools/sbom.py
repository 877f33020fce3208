"""Software bill of materials (SBOM) of what is deployed, as CycloneDX JSON: `make sbom`.

It lists the packages that the program and the Lambda archives are built from, and the page's JavaScript library.
Packages for development are not deployed, and boto3 is part of the Lambda runtime.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from .lock_file import read_lock_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cyclonedx.model.license import License

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


def build_sbom() -> Bom:
    """Return the bill of materials."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    program = Component(
        name=project["name"],
        version=project["version"],
        type=ComponentType.APPLICATION,
        licenses=[_license(project["license"])],
        bom_ref=project["name"],
    )
    components = [*_list_packages(), _vendored_library()]
    bom = Bom(components=components)
    bom.metadata.component = program
    bom.register_dependency(program, components)
    return bom


def _list_packages() -> Iterator[Component]:
    """Yield one component per package and version, with the lock files that contain it."""
    used_in: dict[tuple[str, str], list[str]] = {}
    for lock_file in LOCK_FILES:
        for package in read_lock_file(ROOT / lock_file):
            used_in.setdefault((package.name, package.version), []).append(lock_file)
    for (name, version), lock_files in used_in.items():
        purl = PackageURL("pypi", name=name, version=version)
        expression = _find_license(name)
        yield Component(
            name=name,
            version=version,
            purl=purl,
            bom_ref=str(purl),
            licenses=[_license(expression)] if expression else [],
            properties=[Property(name=USED_IN, value=lock_file) for lock_file in lock_files],
        )


def _vendored_library() -> Component:
    version: str = json.loads((ROOT / "package.json").read_text())["devDependencies"]["oauth4webapi"]
    purl = PackageURL("npm", name="oauth4webapi", version=version)
    digest = hashlib.sha256((ROOT / VENDORED).read_bytes()).hexdigest()
    return Component(
        name="oauth4webapi",
        version=version,
        purl=purl,
        bom_ref=str(purl),
        licenses=[_license("MIT")],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)],
        properties=[Property(name=USED_IN, value=VENDORED)],
    )


def _find_license(package: str) -> str | None:
    """Return the license expression of an installed package, or None if it is not installed or states none."""
    try:
        return metadata(package).get("License-Expression")
    except PackageNotFoundError:
        return None


def _license(expression: str) -> License:
    return LicenseFactory().make_from_string(expression)


if __name__ == "__main__":
    sys.stdout.write(JsonV1Dot6(build_sbom()).output_as_string(indent=2) + "\n")
