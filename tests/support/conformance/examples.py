"""The page's examples of frames, and whether a frame is like one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from tests.support.conformance.wire import Frame


def like(frame: Frame, example: str) -> bool:
    """Whether a frame has each field of an example, of the same type; more may have been added."""
    return _like(frame, json.loads(example.replace("[…]", "[]").replace("{…}", "{}")))


def _like(value: object, example: object) -> bool:
    if type(value) is not type(example):
        return False
    if isinstance(example, dict):
        fields = cast("dict[str, Any]", value)
        return all(
            name in fields and _like(fields[name], field) and (name != "type" or fields[name] == field)
            for name, field in cast("dict[str, Any]", example).items()
        )
    if isinstance(example, list):
        elements = cast("list[object]", example)
        return all(_like(element, elements[0]) for element in cast("list[object]", value) if elements)
    return True
