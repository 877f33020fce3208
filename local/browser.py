"""The user's browser."""

from __future__ import annotations

import html
import threading
import webbrowser
from typing import TYPE_CHECKING, Final

from .private_files import private

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILE_NAME: Final = "dashboard.html"


def has_screen(environment: Mapping[str, str], platform: str) -> bool:
    """Return whether there is a screen for a browser.

    Without a screen, the dashboard must not be opened: `webbrowser` could start a terminal browser such as `w3m`.
    """
    return platform == "darwin" or bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))


def open_page(url: str, state_dir: Path) -> None:
    """Open a URL that contains a key in the user's browser. Return immediately.

    The browser gets the name of a private file that continues to the URL. Every local user can read the command line of
    a browser, so the URL must not be in it.
    """
    path = state_dir / FILE_NAME
    with open(path, "w", opener=private) as file:
        file.write(f'<!doctype html><meta http-equiv="refresh" content="0; url={html.escape(url)}">')
    # Use a thread: with some browsers, `webbrowser.open` returns only after the browser is closed.
    threading.Thread(target=webbrowser.open, args=[path.as_uri()], daemon=True).start()


def remove(state_dir: Path) -> None:
    """Remove the file of `open_page`, if it exists."""
    (state_dir / FILE_NAME).unlink(missing_ok=True)
