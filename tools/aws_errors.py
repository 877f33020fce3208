"""Errors of AWS that are an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def get_error_code(error: ClientError) -> str:
    """Return the error code of AWS, such as `AccessDenied`."""
    return str(error.response.get("Error", {}).get("Code", ""))


def find(ask: Callable[[], T], *missing: str) -> T | None:
    """Call AWS.

    Args:
        ask: Makes the call.
        missing: Error codes that mean that something does not exist.

    Returns:
        The answer. None: AWS answered with one of the error codes.

    Raises:
        ClientError: AWS answered with another error.
    """
    try:
        return ask()
    except ClientError as error:
        if get_error_code(error) not in missing:
            raise
        return None
