"""A JSON parser for documents that decide who gets access. Pure: no I/O.

Python's parser takes the last of two fields with the same name, and it accepts `NaN` and `Infinity`. Another program
may read such a document differently, so this parser refuses it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from collections.abc import Sequence

EXPECTED: Final = "one JSON object in UTF-8, with each field once"


def parse_object(document: bytes) -> dict[str, object]:
    """Return the one JSON object of a document in UTF-8.

    Raises:
        ValueError: The document is not one JSON object, has two fields with the same name, or is nested too deeply. The
            message quotes no part of the document.
    """
    try:
        parsed: object = json.loads(
            document.decode(), object_pairs_hook=_collect_fields, parse_constant=_refuse_constant
        )
    except (ValueError, RecursionError) as error:
        raise ValueError(f"must be {EXPECTED}") from error
    if not isinstance(parsed, dict):
        raise ValueError(f"must be {EXPECTED}")  # noqa: TRY004 - the content of a document, not a type in the program
    return cast("dict[str, object]", parsed)


def _collect_fields(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("two fields have the same name")
    return fields


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")
