"""What a Lambda takes from its environment, checked when it is first read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

Choice = TypeVar("Choice", bound=str)


class SettingsError(ValueError):
    """An environment variable is missing or not of its type; the text names it."""


def text(name: str) -> str:
    """A variable that must be there.

    Raises:
        SettingsError: it is not, or it is empty.
    """
    value = os.environ.get(name, "")
    if not value:
        raise SettingsError(f"{name}: the environment variable is not set")
    return value


def optional_text(name: str) -> str | None:
    """A variable that may be left out; None where it is, or is empty."""
    return os.environ.get(name) or None


def whole_number(name: str) -> int:
    """A variable that must be a whole number.

    Raises:
        SettingsError: it is not.
    """
    value = text(name)
    try:
        return int(value)
    except ValueError as error:
        raise SettingsError(f"{name}: must be a whole number, got {value!r}") from error


def one_of(name: str, choices: Sequence[Choice]) -> Choice:
    """A variable that must be one of some words.

    Raises:
        SettingsError: it is none of them.
    """
    value = text(name)
    for choice in choices:
        if value == choice:
            return choice
    raise SettingsError(f"{name}: must be one of {', '.join(choices)}, got {value!r}")


def flag(name: str) -> bool:
    """A variable that must be `true` or `false`.

    Raises:
        SettingsError: it is neither.
    """
    value = text(name)
    if value not in ("true", "false"):
        raise SettingsError(f"{name}: must be true or false, got {value!r}")
    return value == "true"


def words(name: str) -> list[str]:
    """A variable of words with spaces between; none where it is not set."""
    return os.environ.get(name, "").split()
