"""What goes into a Lambda's archive, and how its dependencies come to be."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from components import _packaging
from components._packaging import PackagingError, build_handler_archive, install_dependencies
from local.archives import build_zip
from tests.support.components.packages import LEFT_OUT, PACKAGED, POSTING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pulumi

HANDLERS = _packaging.HANDLERS
ENTRY_POINTS = sorted(path.stem for path in HANDLERS.glob("*.py"))
CORE = {path.relative_to(HANDLERS).as_posix() for path in (HANDLERS / "formbridge").rglob("*.py")}
AARCH64 = 0xB7
"""ELF's number for 64-bit ARM."""


def names(archive: pulumi.AssetArchive) -> list[str]:
    return list(archive.assets)


class TestArchive:
    @pytest.mark.parametrize("entry_point", ENTRY_POINTS)
    def test_holds_the_entry_point_and_the_core_and_nothing_else(self, entry_point: str) -> None:
        packed = names(build_handler_archive(entry_point, "lambda"))

        assert "formbridge/submissions/submission.py" in CORE
        assert set(packed) == {f"{entry_point}.py"} | CORE

    @pytest.mark.parametrize(
        ("requirements", "carried"),
        [(["tokens"], PACKAGED), (["posting"], POSTING), (["tokens", "posting"], PACKAGED | POSTING)],
    )
    def test_holds_the_dependencies_that_are_needed(self, requirements: Sequence[str], carried: set[str]) -> None:
        packed = names(build_handler_archive("authorize", "lambda", requirements))

        assert set(packed) == {"authorize.py"} | CORE | carried
        assert not LEFT_OUT.intersection(packed)

    def test_is_the_same_from_two_copies_of_the_tree(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        first, second = copy_tree(tmp_path / "first"), copy_tree(tmp_path / "second")
        # What a run, an editor, another clock and another order of writing leave behind.
        (second / "formbridge" / "submissions" / "submission.py~").write_text("as it was")
        (second / "formbridge" / "submissions" / "__pycache__").mkdir()
        (second / "formbridge" / "submissions" / "__pycache__" / "submission.cpython-313.pyc").write_bytes(b"bytecode")
        for path in sorted(second.rglob("*.py"), reverse=True):
            content = path.read_bytes()
            path.unlink()
            path.write_bytes(content)
            os.utime(path, (0, 0))

        zips: list[bytes] = []
        orders: list[list[str]] = []
        for tree in (first, second):
            monkeypatch.setattr(_packaging, "HANDLERS", tree)
            archive = build_handler_archive("persist", "lambda")
            zips.append(build_zip(archive, tree))
            orders.append(names(archive))

        assert zips[0] == zips[1]
        assert orders[0] == orders[1] == sorted(orders[0])

    def test_changes_with_the_code(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(_packaging, "HANDLERS", copy_tree(tmp_path))
        before = build_zip(build_handler_archive("persist", "lambda"), tmp_path)
        (tmp_path / "formbridge" / "submissions" / "submission.py").write_text("VERSION = 2\n")

        assert build_zip(build_handler_archive("persist", "lambda"), tmp_path) != before


def copy_tree(target: Path) -> Path:
    shutil.copytree(HANDLERS, target, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    return target


class FakePip:
    """Stands for `subprocess.run`: keeps each command, and does to its target what a test wants."""

    def __init__(self, install: Callable[[Path], None] = lambda target: target.mkdir(), stderr: str = "") -> None:
        self.commands: list[list[str]] = []
        self._install = install
        self._stderr = stderr

    def __call__(self, command: Sequence[str], **_: object) -> subprocess.CompletedProcess[str]:
        self.commands.append([*command])
        if self._stderr:
            return subprocess.CompletedProcess(command, 1, "", self._stderr)
        self._install(Path(command[command.index("--target") + 1]))
        return subprocess.CompletedProcess(command, 0, "", "")


class TestDependencies:
    @pytest.fixture(autouse=True)
    def build(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setattr(_packaging, "BUILD", tmp_path / "build")
        return tmp_path / "build"

    @pytest.fixture
    def use(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[FakePip], FakePip]:
        def use(pip: FakePip) -> FakePip:
            monkeypatch.setattr(_packaging.subprocess, "run", pip)
            return pip

        return use

    def test_are_built_once_and_then_kept(self, build: Path, use: Callable[[FakePip], FakePip]) -> None:
        pip = use(FakePip())

        first, second = install_dependencies("tokens", "lambda"), install_dependencies("tokens", "lambda")

        assert first == second
        assert first.is_dir()
        assert list(build.iterdir()) == [first]
        assert len(pip.commands) == 1

    def test_are_those_pinned_by_hash_as_wheels_without_bytecode(self, use: Callable[[FakePip], FakePip]) -> None:
        (command,) = built_by(use(FakePip()), "host")

        assert command[:4] == [sys.executable, "-m", "pip", "install"]
        assert command[command.index("--requirement") + 1] == str(HANDLERS / "requirements" / "tokens.txt")
        assert {"--no-deps", "--no-compile", "--only-binary=:all:", "--require-hashes"} <= set(command)

    def test_for_lambda_are_for_python_3_13_on_arm64(self, use: Callable[[FakePip], FakePip]) -> None:
        (command,) = built_by(use(FakePip()), "lambda")

        assert {"--implementation=cp", "--python-version=3.13"} <= set(command)
        platforms = [word for word in command if word.startswith("--platform=")]
        assert platforms
        assert all(word.endswith("_aarch64") for word in platforms)

    def test_for_this_machine_are_what_pip_takes_by_itself(self, use: Callable[[FakePip], FakePip]) -> None:
        (command,) = built_by(use(FakePip()), "host")

        assert not [word for word in command if word.startswith(("--platform", "--python-version"))]

    def test_are_built_again_when_their_pins_change(
        self, tmp_path: Path, use: Callable[[FakePip], FakePip], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pip = use(FakePip())
        before = install_dependencies("tokens", "lambda")
        monkeypatch.setattr(_packaging, "HANDLERS", copy_tree(tmp_path / "handlers"))
        (tmp_path / "handlers" / "requirements" / "tokens.txt").write_text("PyJWT==99.0\n")

        assert install_dependencies("tokens", "lambda") != before
        assert len(pip.commands) == 2

    def test_differ_between_machines_and_sets(self, use: Callable[[FakePip], FakePip]) -> None:
        pip = use(FakePip())

        places = {
            install_dependencies(name, machine) for name in _packaging.REQUIREMENTS for machine in ("lambda", "host")
        }

        assert len(places) == len(pip.commands) == 4

    def test_are_of_every_set_that_there_is(self) -> None:
        assert set(_packaging.REQUIREMENTS) == {path.stem for path in (HANDLERS / "requirements").glob("*.txt")}

    def test_that_another_process_built_meanwhile_are_used(
        self, build: Path, use: Callable[[FakePip], FakePip]
    ) -> None:
        use(FakePip())
        place = install_dependencies("tokens", "lambda")
        shutil.rmtree(place)

        def meanwhile(target: Path) -> None:
            target.mkdir()
            place.mkdir()
            (place / "theirs").touch()

        use(FakePip(meanwhile))

        assert (install_dependencies("tokens", "lambda") / "theirs").exists()
        assert list(build.iterdir()) == [place]

    def test_that_cannot_be_built_are_an_error_in_pips_words(
        self, build: Path, use: Callable[[FakePip], FakePip]
    ) -> None:
        use(FakePip(stderr="ERROR: No matching distribution found for cffi==2.1.1\n"))

        with pytest.raises(PackagingError) as raised:
            install_dependencies("tokens", "lambda")

        assert str(raised.value) == (
            "pip could not install tokens.txt:\nERROR: No matching distribution found for cffi==2.1.1"
        )
        assert list(build.iterdir()) == [], "half an installation must not be taken for a whole one"


def built_by(pip: FakePip, package_for: str) -> list[list[str]]:
    install_dependencies("tokens", package_for)
    return pip.commands


class TestRealDependencies:
    """Those that `make setup` has built."""

    @pytest.fixture(autouse=True)
    def built_before(self, monkeypatch: pytest.MonkeyPatch) -> None:
        if not _packaging.BUILD.is_dir():
            pytest.skip("needs the Lambdas' dependencies: make setup")
        monkeypatch.setattr(_packaging.subprocess, "run", FakePip(stderr="not built: make setup"))
        monkeypatch.setattr(_packaging, "install_dependencies", install_dependencies)

    @pytest.mark.parametrize("package_for", ["lambda", "host"])
    def test_are_what_is_imported_and_nothing_that_differs_between_machines(self, package_for: str) -> None:
        packed = names(build_handler_archive("authenticate", package_for, ["tokens", "posting"]))

        imported = {"jwt/__init__.py", "cryptography/__init__.py", "cffi/__init__.py", "pycurl/__init__.py"}
        assert imported | {"authenticate.py"} < set(packed)
        assert not [
            name for name in packed if "__pycache__" in name or name.endswith((".pyc", "/RECORD", "/direct_url.json"))
        ]

    @pytest.mark.parametrize(
        ("name", "modules"),
        [
            ("tokens", {"_cffi_backend", "cryptography/hazmat/bindings/_rust"}),
            ("posting", {"pycurl/_pycurl"}),
        ],
    )
    def test_for_lambda_are_binaries_for_python_3_13_on_arm64(self, name: str, modules: set[str]) -> None:
        folder = install_dependencies(name, "lambda")
        binaries = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.so*")}
        # What they bring along, such as libcurl, is next to them.
        imported = [path for path in binaries if not path.startswith("pycurl.libs/")]

        assert {path.split(".")[0] for path in imported} == modules
        for path in imported:
            assert path.endswith((".cpython-313-aarch64-linux-gnu.so", ".abi3.so"))
        for path, binary in binaries.items():
            assert machine(binary) == AARCH64, path


def machine(binary: Path) -> int:
    """The machine that an ELF file was built for."""
    header = binary.read_bytes()[:20]
    assert header[:4] == b"\x7fELF"
    (found,) = struct.unpack_from("<H", header, 18)
    return found
