"""Environment variables of a Lambda. Each function here reads one variable and checks its value."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

Choice = TypeVar("Choice", bound=str)


class EnvironmentVariableError(ValueError):
    """A missing or invalid environment variable. The message names the variable and its value."""


def string(name: str) -> str:
    """Return the value of a required variable.

    Raises:
        EnvironmentVariableError: The variable is not set, or it is empty.
    """
    value = os.environ.get(name, "")
    if not value:
        raise EnvironmentVariableError(f"{name}: the environment variable is not set")
    return value


def optional_string(name: str) -> str | None:
    """Return the value of an optional variable, or None if it is not set or empty."""
    return os.environ.get(name) or None


def integer(name: str) -> int:
    """Return the value of a required variable as an integer.

    Raises:
        EnvironmentVariableError: The variable is not set, or it is not an integer.
    """
    value = string(name)
    try:
        return int(value)
    except ValueError as error:
        raise EnvironmentVariableError(f"{name}: must be an integer, got {value!r}") from error


def choice(name: str, choices: Sequence[Choice]) -> Choice:
    """Return the value of a required variable that must be one of `choices`.

    Raises:
        EnvironmentVariableError: The variable is not set, or it is not one of `choices`.
    """
    value = string(name)
    for allowed in choices:
        if value == allowed:
            return allowed
    raise EnvironmentVariableError(f"{name}: must be one of {', '.join(choices)}, got {value!r}")


def boolean(name: str) -> bool:
    """Return the value of a required variable that must be `true` or `false`.

    Raises:
        EnvironmentVariableError: The variable is not set, or it is neither `true` nor `false`.
    """
    value = string(name)
    if value not in ("true", "false"):
        raise EnvironmentVariableError(f"{name}: must be true or false, got {value!r}")
    return value == "true"


def strings(name: str) -> list[str]:
    """Return the space-separated words of a variable, or an empty list if it is not set."""
    return os.environ.get(name, "").split()
