"""What a Lambda takes from its environment, checked when it is first read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

Choice = TypeVar("Choice", bound=str)


class EnvironmentVariableError(ValueError):
    """An environment variable is missing or not of its type; the text names it."""


def string(name: str) -> str:
    """A variable that must be there.

    Raises:
        EnvironmentVariableError: it is not, or it is empty.
    """
    value = os.environ.get(name, "")
    if not value:
        raise EnvironmentVariableError(f"{name}: the environment variable is not set")
    return value


def optional_string(name: str) -> str | None:
    """A variable that may be left out; None where it is, or is empty."""
    return os.environ.get(name) or None


def integer(name: str) -> int:
    """A variable that must be a whole number.

    Raises:
        EnvironmentVariableError: it is not.
    """
    value = string(name)
    try:
        return int(value)
    except ValueError as error:
        raise EnvironmentVariableError(f"{name}: must be a whole number, got {value!r}") from error


def choice(name: str, choices: Sequence[Choice]) -> Choice:
    """A variable that must be one of some words.

    Raises:
        EnvironmentVariableError: it is none of them.
    """
    value = string(name)
    for choice in choices:
        if value == choice:
            return choice
    raise EnvironmentVariableError(f"{name}: must be one of {', '.join(choices)}, got {value!r}")


def boolean(name: str) -> bool:
    """A variable that must be `true` or `false`.

    Raises:
        EnvironmentVariableError: it is neither.
    """
    value = string(name)
    if value not in ("true", "false"):
        raise EnvironmentVariableError(f"{name}: must be true or false, got {value!r}")
    return value == "true"


def strings(name: str) -> list[str]:
    """A variable of words with spaces between; none where it is not set."""
    return os.environ.get(name, "").split()
