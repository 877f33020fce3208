"""Event patterns, checked by the very code that matches them in the local pipe."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ._checks import check_list

if TYPE_CHECKING:
    from formbridge.wire import event_pattern
else:
    from ._formbridge.wire import event_pattern


def pattern_texts(field: str, patterns: Sequence[Any]) -> list[str]:
    """Each pattern as the JSON text that a pipe takes.

    Raises:
        ValueError: no list, more than five, one over 4,096 characters, or one that EventBridge Pipes does not take.
    """
    check_list(field, patterns)
    if len(patterns) > event_pattern.MAX_FILTERS:
        raise ValueError(f"{field}: at most {event_pattern.MAX_FILTERS}, got {len(patterns)}")
    return [_text(f"{field}[{index}]", pattern) for index, pattern in enumerate(patterns)]


def _text(field: str, pattern: Any) -> str:
    try:
        event_pattern.validate(pattern)
    except event_pattern.BadPattern as error:
        raise ValueError(f"{field}: {error}") from error
    # Pulumi's wire knows no integers, and EventBridge does not take 5.0 for 5.
    exact = json.loads(json.dumps(pattern), parse_float=_number)
    text = json.dumps(exact, separators=(",", ":"), ensure_ascii=False)
    if len(text) > event_pattern.MAX_PATTERN_LENGTH:
        limit = f"{event_pattern.MAX_PATTERN_LENGTH:,} characters as JSON"
        raise ValueError(f"{field}: at most {limit}, got {len(text):,}: {text:.80}…")
    return text


def _number(text: str) -> float:
    number = float(text)
    return int(number) if number.is_integer() else number
