"""What an update changes."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from components import DashboardSite, _packaging
from tests.support.program.whole_program import declare

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.engine.stacks import World


@pytest.fixture
def handlers(tmp_path: Path) -> Iterator[Path]:
    """A copy of the handlers, from which the program builds the archives."""
    copy = tmp_path / "handlers"
    shutil.copytree(_packaging.HANDLERS, copy, ignore=shutil.ignore_patterns("__pycache__"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_packaging, "HANDLERS", copy)
        yield copy


def change(file: Path) -> None:
    file.write_text(f"{file.read_text()}\n# A change.\n")


def test_the_folder_of_the_handlers_does_not_matter(deployed: World, handlers: Path) -> None:
    assert deployed.stack().preview().operations == {}


def test_a_shared_module_is_in_every_function(deployed: World, handlers: Path) -> None:
    change(handlers / "formbridge" / "runtime" / "keys.py")

    outcome = deployed.stack().up()

    functions = [one.name for one in declare().of_type("lambda/function:Function")]
    assert outcome.operations == dict.fromkeys(functions, "update")
    assert sorted(deployed.cloud.called("update")) == sorted(functions)


def test_an_entry_point_is_in_one_function(deployed: World, handlers: Path) -> None:
    change(handlers / "persist.py")

    assert deployed.stack().up().operations == {"ingest-persist-function": "update"}


def test_the_headers_of_the_page_are_replaced_and_never_updated(empty: World) -> None:
    """The deploy role has no permission for their update, because it could not be limited to the stack's own."""

    def declare_site(source: str) -> None:
        DashboardSite("site", {"connect_sources": [source]})

    first = empty.stack(program=lambda: declare_site("https://one.example.com")).up()
    (before,) = empty.cloud.of_name("site-headers")
    second = empty.stack(program=lambda: declare_site("https://two.example.com")).up()

    assert not first.failed, first.output
    assert not second.failed, second.output
    assert empty.cloud.called("update") == ["site-distribution"]
    (after,) = empty.cloud.of_name("site-headers")
    assert after.id != before.id
