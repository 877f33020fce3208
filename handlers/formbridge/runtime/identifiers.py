"""The shapes of the names that cross the wire, and the one way to check them."""

from __future__ import annotations

import re
import reprlib
from typing import Final

TENANT_ID: Final = re.compile(r"t_[A-Za-z0-9_-]{1,64}")
"""A tenant, as `protocol.md` fixes it."""

SUBMISSION_ID: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
FORM_ID: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
STATUS: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")
# Short and ASCII on purpose: 200 submissions, the largest snapshot, then always fit one 128 KB frame.

_REPR: Final = reprlib.Repr()
_REPR.maxstring = _REPR.maxlong = _REPR.maxother = 80
_REPR.maxlevel = 2


def describe_mismatch(name: str, shape: re.Pattern[str], value: object) -> str | None:
    """What is wrong with a field that must be a text of a shape; None where nothing is."""
    if isinstance(value, str) and shape.fullmatch(value):
        return None
    return f"{name}: must match {shape.pattern}, got {quote(value)}"


def quote(value: object) -> str:
    """`value` as an error shows it: its repr, cut short however long or deep it is."""
    return _REPR.repr(value)
