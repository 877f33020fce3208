"""The bill of materials: valid, and complete."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tests.support.requirements import ROOT, read_lock
from tools.sbom import LOCK_FILES, USED_IN, VENDORED

if TYPE_CHECKING:
    from collections.abc import Mapping


@pytest.fixture(scope="module")
def text() -> str:
    """What `make sbom` writes."""
    return subprocess.run(
        [sys.executable, "-m", "tools.sbom"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout


@pytest.fixture(scope="module")
def components(text: str) -> Mapping[str, Any]:
    """By package URL."""
    return {one["purl"]: one for one in json.loads(text)["components"]}


def is_valid(text: str) -> bool:
    return JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


def test_is_valid_cyclonedx(text: str) -> None:
    assert json.loads(text)["specVersion"] == "1.6"
    assert is_valid(text)
    assert not is_valid(text.replace('"type": "library"', '"type": "thing"', 1))


def test_names_each_package_that_is_deployed(components: Mapping[str, Any]) -> None:
    used_in = {(purl, one["value"]) for purl, found in components.items() for one in found["properties"]}
    locked = {
        (f"pkg:pypi/{entry.name}@{entry.version}", lock_file)
        for lock_file in LOCK_FILES
        for entry in read_lock(lock_file.replace(".txt", ".in")).entries
    }

    assert {one for one in used_in if one[0].startswith("pkg:pypi/")} == locked
    assert {one["name"] for found in components.values() for one in found["properties"]} == {USED_IN}


def test_names_each_folder_of_packages_of_the_lambdas() -> None:
    lambdas = {f"handlers/requirements/{path.name}" for path in (ROOT / "handlers" / "requirements").glob("*.txt")}

    assert {one for one in LOCK_FILES if one.startswith("handlers/")} == lambdas


def test_names_the_library_of_the_page_with_its_hash(components: Mapping[str, Any]) -> None:
    (library,) = [one for purl, one in components.items() if purl.startswith("pkg:npm/")]
    vendored = {path.name for path in (ROOT / VENDORED).parent.glob("*.js")}

    assert vendored == {library["name"] + ".js"}
    assert library["hashes"] == [
        {"alg": "SHA-256", "content": hashlib.sha256((ROOT / VENDORED).read_bytes()).hexdigest()}
    ]
    assert library["licenses"] == [{"expression": "MIT"}]


def test_says_what_it_is_of(text: str, components: Mapping[str, Any]) -> None:
    bom = json.loads(text)
    (program,) = [one for one in bom["dependencies"] if one["ref"] == "formbridge-realtime"]

    assert bom["metadata"]["component"]["licenses"] == [{"expression": "Apache-2.0"}]
    assert set(program["dependsOn"]) == {one["bom-ref"] for one in components.values()}


def test_names_licenses(components: Mapping[str, Any]) -> None:
    stated = [one for one in components.values() if one["licenses"]]

    assert len(stated) > len(components) / 2
