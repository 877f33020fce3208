"""`orders` on the embedded run: a table with keys of its own, live on dashboards. And `everything` comes up there."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from formbridge.runtime.clock import now_ms
from formbridge.runtime.timestamps import to_iso
from local import tokens
from local.background import running_stack
from tests.examples.conftest import EXAMPLES
from tests.support.e2e.client import aws, dashboard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from local.stack import Stack


@pytest.fixture(scope="module")
def state_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shop")


@pytest.fixture(scope="module")
def stack(state_dir: Path) -> Iterator[Stack]:
    elsewhere = shutil.copytree(EXAMPLES / "orders", state_dir / "program")
    with running_stack(state_dir, state_dir / "up.log", root=elsewhere) as stack:
        yield stack


@dataclass(frozen=True)
class Shop:
    """Who writes the orders."""

    dynamodb: Any
    table_name: str

    def write(self, order_id: str, branch: str, status: str, version: int) -> None:
        now = to_iso(now_ms())
        item = {
            "order_id": order_id,
            "tenant_id": branch,
            "submission_id": order_id,
            "form_id": "order",
            "status": status,
            "submitted_at": now,
            "updated_at": now,
            "GSI1PK": f"TENANT#{branch}",
            "GSI1SK": f"{now}#{order_id}",
        }
        attributes: dict[str, Any] = {name: {"S": value} for name, value in item.items()}
        self.dynamodb.put_item(TableName=self.table_name, Item={**attributes, "version": {"N": str(version)}})


@pytest.fixture(scope="module")
def shop(stack: Stack) -> Shop:
    return Shop(aws(stack, "dynamodb"), stack.output("table_name"))


@pytest.fixture(scope="module")
def token(stack: Stack, state_dir: Path) -> Callable[[str], str]:
    return lambda branch: tokens.mint(stack, state_dir, branch)


def test_an_order_reaches_its_branchs_dashboards_and_no_other(
    stack: Stack, shop: Shop, token: Callable[[str], str]
) -> None:
    with dashboard(stack, token("t_berlin")) as berlin, dashboard(stack, token("t_paris")) as paris:
        shop.write("o-1", "t_berlin", "draft", version=1)
        shop.write("o-1", "t_berlin", "paid", version=2)
        shop.write("o-2", "t_paris", "paid", version=1)
        berlin.until_held(lambda held: "o-1" in held)
        paris.until_held(lambda held: "o-2" in held)

        assert set(berlin.held) == {"o-1"}
        assert set(paris.held) == {"o-2"}
        assert berlin.held["o-1"]["status"] == "paid"
        assert not [frame for frame in berlin.frames if frame.get("data", {}).get("status") == "draft"]


def test_a_dashboard_that_comes_later_finds_what_there_is(
    stack: Stack, shop: Shop, token: Callable[[str], str]
) -> None:
    shop.write("o-3", "t_rome", "paid", version=1)
    with dashboard(stack, token("t_rome"), subscribe=False) as rome:
        reply = rome.ask("subscribe", snapshot=10)

        assert [update["data"]["submission_id"] for update in reply["updates"]] == ["o-3"]
        shop.write("o-3", "t_rome", "shipped", version=2)
        rome.until_held(lambda held: held["o-3"]["version"] == 2)
        assert rome.held["o-3"]["status"] == "shipped"


def test_everything_comes_up_too(tmp_path: Path) -> None:
    with running_stack(tmp_path / "state", tmp_path / "up.log", root=EXAMPLES / "everything") as stack:
        assert stack.output("websocket_url").startswith("ws://127.0.0.1:")
        assert stack.output("dashboard_url").endswith(".cloudfront.net")
