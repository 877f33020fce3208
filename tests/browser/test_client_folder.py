"""The folder `dashboard/client/`, copied alone into another project."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser.fake_gateway import DASHBOARD, FakeGateway, FakeSite, update

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CLIENT = DASHBOARD / "client"
README = (CLIENT / "README.md").read_text()
IMPORT = re.compile(r"""(?:\bfrom|\bimport)\s*\(?\s*["']([^"']+)["']""")
"""An import, an export from another module, a dynamic import or a JSDoc import, each with its specifier."""


def foreign_imports(folder: Path) -> list[str]:
    """Return the imports of `folder`'s modules, as `file: specifier`, that do not lead to a file in `folder`."""
    return [
        f"{module.relative_to(folder).as_posix()}: {specifier}"
        for module in sorted(folder.rglob("*.js"))
        for specifier in IMPORT.findall(module.read_text())
        if not specifier.startswith(("./", "../"))
        or not (target := (module.parent / specifier).resolve()).is_relative_to(folder.resolve())
        or not target.is_file()
    ]


def code_block(language: str) -> str:
    """Return the README's only code block in this language."""
    (block,) = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    return block


@pytest.fixture
def site(tmp_path: Path, gateway: FakeGateway) -> Iterator[FakeSite]:
    """A site that has the copied folder and the README's example, and nothing else of the dashboard."""
    shutil.copytree(CLIENT, tmp_path / "client")
    script, replacements = re.subn(r'url: "wss:[^"]+"', f'url: "{gateway.url}"', code_block("js"))
    assert replacements == 1
    (tmp_path / "app.js").write_text(script)
    (tmp_path / "index.html").write_text(code_block("html"))
    (tmp_path / "token").write_text("a-token")
    with FakeSite(gateway.url, folder=tmp_path) as site:
        yield site


def test_the_folder_works_alone_with_the_example_of_its_readme(page: Page, gateway: FakeGateway) -> None:
    missing: list[str] = []
    page.on("response", lambda response: missing.append(response.url) if response.status == 404 else None)
    page.goto("/")
    connection = gateway.accept()
    connection.subscribed(update("sub_1"))
    expect(page.locator("li")).to_have_text(["sub_1: received"])
    connection.push(update("sub_1", 2, event="modify", status="completed"))
    expect(page.locator("li")).to_have_text(["sub_1: completed"])
    connection.push(update("sub_1", 3, event="remove"))
    expect(page.locator("li")).to_have_count(0)
    assert [url for url in missing if not url.endswith("/favicon.ico")] == []


def test_each_module_of_the_folder_loads_alone(page: Page) -> None:
    page.goto("/client/client.js")
    for module in sorted(CLIENT.glob("*.js")):
        exported = page.evaluate("async path => Object.keys(await import(path))", f"/client/{module.name}")
        assert exported, f"{module.name} exports nothing"


def test_no_module_imports_anything_out_of_the_folder() -> None:
    assert foreign_imports(CLIENT) == []


@pytest.mark.parametrize(
    ("statement", "specifier"),
    [
        ('import { byId } from "../dom.js";', "../dom.js"),
        ('import "../dom.js";', "../dom.js"),
        ('export * from "../vendor/oauth4webapi.js";', "../vendor/oauth4webapi.js"),
        ('const { byId } = await import("../dom.js");', "../dom.js"),
        ('/** @typedef {import("../config.js").SiteConfig} SiteConfig */', "../config.js"),
        ('import { missing } from "./missing.js";', "./missing.js"),
        ('import * as oauth from "oauth4webapi";', "oauth4webapi"),
    ],
)
def test_an_import_out_of_the_folder_is_found(tmp_path: Path, statement: str, specifier: str) -> None:
    folder = shutil.copytree(CLIENT, tmp_path / "client")
    module = folder / "store.js"
    module.write_text(f"{statement}\n{module.read_text()}")
    assert foreign_imports(folder) == [f"store.js: {specifier}"]


def test_the_readme_describes_each_public_method(page: Page) -> None:
    page.goto("/client/client.js")
    methods = page.evaluate(
        """async () => {
            const { RealtimeClient } = await import("/client/client.js");
            const { SubmissionStore } = await import("/client/store.js");
            return [RealtimeClient, SubmissionStore].flatMap(({ prototype }) => Object.getOwnPropertyNames(prototype));
        }"""
    )
    described = set(re.findall(r"^\| `(\w+)\(", README, re.MULTILINE))
    assert set(methods) - {"constructor"} <= described
