"""The patterns of identifiers in events and frames, and descriptions of values for error messages."""

from __future__ import annotations

import re
import reprlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

TENANT_ID: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,65}")
"""The form of all tenant ids, which is safe in every key. The setting `tenantIdPattern` of a stack narrows it for new
tokens and events (`tenant_id_pattern`). What is stored already was checked then, and may be older than the setting."""

# Submission ids, form ids and statuses are limited to a few ASCII characters, so that the largest snapshot (200
# submissions) always fits one frame of 128 KB.
SUBMISSION_ID: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
"""Pattern of a submission id."""
FORM_ID: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
"""Pattern of a form id."""
STATUS: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")
"""Pattern of a submission's status."""

_TYPE_NAMES: Final[Mapping[type, str]] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    list: "list",
    dict: "object",
    type(None): "None",
}

_REPR: Final = reprlib.Repr()
_REPR.maxstring = _REPR.maxlong = _REPR.maxother = 80
_REPR.maxlevel = 2


def describe_mismatch(name: str, pattern: re.Pattern[str], value: object) -> str | None:
    """Return an error message if `value` is not a string that matches `pattern`, else None.

    Args:
        name: Name of the field. The message begins with this name.
        pattern: Pattern that the whole value must match.
        value: Value of the field.
    """
    if isinstance(value, str) and pattern.fullmatch(value):
        return None
    return f"{name}: must match {pattern.pattern}, got {quote(value)}"


def quote(value: object) -> str:
    """Return the repr of `value` for an error message, shortened if it is long or deeply nested."""
    return _REPR.repr(value)


def describe_type(value: object) -> str:
    """Return the name of a value's type, for an error message that must not quote the value."""
    return _TYPE_NAMES.get(type(value), type(value).__name__)
