from __future__ import annotations

import re
from html import unescape
from queue import SimpleQueue
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import pytest

from local import browser
from local.browser import has_screen, open_page

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("environment", "platform", "screen"),
    [
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({}, "darwin", True),
        ({}, "linux", False),
        ({"DISPLAY": ""}, "linux", False),
    ],
)
def test_a_browser_is_opened_only_where_it_has_a_window(
    environment: dict[str, str], platform: str, screen: bool
) -> None:
    assert has_screen(environment, platform) is screen


def test_the_browser_gets_a_private_file_and_not_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: SimpleQueue[str] = SimpleQueue()
    monkeypatch.setattr("local.browser.webbrowser.open", opened.put)
    url = "http://127.0.0.1:8400/?key=a&b"
    open_page(url, tmp_path)
    given = urlsplit(opened.get(timeout=20))
    path = tmp_path / browser.FILE_NAME
    assert (given.scheme, unquote(given.path), given.query) == ("file", str(path), "")
    assert path.stat().st_mode & 0o777 == 0o600
    found = re.search('content="0; url=(.*)"', path.read_text())
    assert found is not None
    assert unescape(found[1]) == url

    browser.remove(tmp_path)
    browser.remove(tmp_path)
    assert list(tmp_path.iterdir()) == []
