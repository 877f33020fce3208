"""Every package is installed with the hash that its lock file names, and the lock files follow from their sources."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.requirements import ROOT, SOURCES, Lock, read_lock, read_source

if TYPE_CHECKING:
    from collections.abc import Iterator

MAKEFILE = (ROOT / "Makefile").read_text()
WORKFLOWS = sorted((ROOT / ".github").rglob("*.yml"))
ISOLATED: Final = ("requirements/actionlint.in", "requirements/audit.in", "requirements/checkov.in")
"""Packages of environments of their own. They may have other versions than the development environment."""
DEVELOPMENT: Final = "requirements-dev.in"


@pytest.fixture(params=sorted(SOURCES))
def source(request: pytest.FixtureRequest) -> str:
    return request.param


def test_these_are_the_sources() -> None:
    assert set(SOURCES) == {
        "requirements.in",
        DEVELOPMENT,
        "policy/requirements.in",
        "handlers/requirements/posting.in",
        "handlers/requirements/tokens.in",
        *ISOLATED,
    }


def test_make_lock_writes_each_lock_file() -> None:
    names = re.findall(r"^\tfor name in (.*); do", MAKEFILE, re.MULTILINE)

    assert {f"{name}.in" for line in names for name in line.split()} == set(SOURCES)
    assert {path.relative_to(ROOT).with_suffix(".in").as_posix() for path in locks()} == set(SOURCES) | {
        "components/requirements.in"  # refers to the lock file of the program
    }


def locks() -> Iterator[Path]:
    for folder in (".", "components", "policy", "handlers/requirements", "requirements"):
        yield from (path for path in (ROOT / folder).glob("*.txt") if "requirements" in path.as_posix())


def test_a_source_pins_each_package(source: str) -> None:
    pins = read_source(source)

    assert pins
    assert {name: pin for name, pin in pins.items() if not re.fullmatch(r"==[\w.]+", str(pin.specifier))} == {}


def test_a_lock_file_has_the_versions_of_its_source(source: str) -> None:
    lock = read_lock(source)

    assert {
        name: pin for name, pin in read_source(source).items() if str(pin.specifier) not in lock.versions(name)
    } == {}


def test_a_lock_file_has_hashes_of_each_package_and_names_no_server(source: str) -> None:
    lock = read_lock(source)

    assert [entry for entry in lock.entries if not entry.hashes] == []
    assert [
        digest for entry in lock.entries for digest in entry.hashes if not re.fullmatch("sha256:[0-9a-f]{64}", digest)
    ] == []
    for text in (lock.text, (ROOT / source).read_text()):
        assert "://" not in text
        assert not re.search(r"^--(?!hash)", text, re.MULTILINE)


def test_a_lock_file_is_for_every_python_and_machine(source: str) -> None:
    command = read_lock(source).text.splitlines()[1]

    assert "--universal --python-version 3.11 --generate-hashes" in command
    assert f" {source} --output-file {Path(source).with_suffix('.txt')}" in command


def test_a_lock_file_has_what_its_packages_require(source: str) -> None:
    lock = read_lock(source)
    missing = {
        f"{name} requires {required}"
        for name in lock.names()
        for required in installed_requirements(name)
        if required not in lock.names()
    }

    assert missing == set()


def installed_requirements(name: str) -> Iterator[str]:
    """Yield what the installed package `name` requires on this machine; nothing if it is not installed."""
    try:
        found = requires(name) or []
    except PackageNotFoundError:
        return
    for requirement in map(Requirement, found):
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield canonicalize_name(requirement.name)


@pytest.mark.parametrize("source", sorted(set(SOURCES) - {DEVELOPMENT, *ISOLATED}))
def test_what_is_tested_is_what_is_deployed(source: str) -> None:
    tested, deployed = pairs(read_lock(DEVELOPMENT)), pairs(read_lock(source))

    assert deployed
    assert deployed <= tested


def pairs(lock: Lock) -> set[tuple[str, str, frozenset[str]]]:
    return {(entry.name, entry.version, frozenset(entry.hashes)) for entry in lock.entries}


def test_every_installation_checks_hashes() -> None:
    commands = [
        line.strip()
        for path in (ROOT / "Makefile", *WORKFLOWS)
        for line in path.read_text().splitlines()
        if re.search(r"pip install\b", line)
    ]

    assert commands
    assert [command for command in commands if "--require-hashes" not in command] == []
    assert [
        line for line in MAKEFILE.splitlines() if "pip install" in line and not line.startswith("INSTALL := ")
    ] == []
