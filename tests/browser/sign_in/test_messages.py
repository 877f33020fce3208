"""The map of messages: each is one sentence and one action, and a message about the configuration says where."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

import pytest

from tests.support.browser.fake_gateway import DASHBOARD

if TYPE_CHECKING:
    from playwright.sync_api import Page

Messages: TypeAlias = dict[str, dict[str, str]]

PLACES = re.compile(
    r"\bsettings?\b|\bat the provider\b|\bthe provider (put|must)|\boperator\b|\badministrator\b|\bReload\b|\bfilter\b"
)


@pytest.fixture
def messages(page: Page) -> Messages:
    page.goto("/style.css")
    return page.evaluate("""async () => (await import("/messages.js")).MESSAGES""")


def test_each_message_is_one_sentence_and_one_action(messages: Messages) -> None:
    for code, message in messages.items():
        for sentence in (message["text"], message["action"]):
            assert re.fullmatch(r"[A-Z{h].*[^.]\.", sentence), code
            assert ". " not in sentence, code


def test_a_message_about_the_configuration_says_where_to_change_it(messages: Messages) -> None:
    kinds = {message["kind"] for message in messages.values()}
    unclear = [
        code for code, one in messages.items() if one["kind"] == "configuration" and not PLACES.search(one["action"])
    ]
    assert kinds == {"retry", "sign_in", "configuration"}
    assert unclear == []


def test_each_message_is_used(messages: Messages) -> None:
    """By the page's modules, or by the gateway, whose codes are those of the protocol."""
    protocol = (DASHBOARD.parent / "docs" / "protocol.md").read_text()
    modules = [
        path.read_text() for path in DASHBOARD.rglob("*.js") if path.name not in ("messages.js", "oauth4webapi.js")
    ]
    sources = "\n".join([*modules, protocol])
    assert [code for code in messages if f'"{code}"' not in sources and f"`{code}`" not in sources] == []
