"""Check of event patterns, with the same code that matches them in the local run's pipe."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ._checks import check_list

if TYPE_CHECKING:
    from formbridge.wire import event_pattern
else:
    from ._formbridge.wire import event_pattern


def serialize_patterns(field: str, patterns: Sequence[Any]) -> list[str]:
    """Return each pattern as the JSON string that a pipe expects.

    Raises:
        ValueError: `patterns` is not a list or has more than five items, or a pattern is longer than 4,096 characters
            or not valid in EventBridge Pipes.
    """
    check_list(field, patterns)
    if len(patterns) > event_pattern.MAX_FILTERS:
        raise ValueError(f"{field}: must have at most {event_pattern.MAX_FILTERS} patterns, got {len(patterns)}")
    return [_serialize(f"{field}[{index}]", pattern) for index, pattern in enumerate(patterns)]


def _serialize(field: str, pattern: Any) -> str:
    """Return a pattern as JSON after its check."""
    try:
        event_pattern.validate(pattern)
    except event_pattern.BadPattern as error:
        raise ValueError(f"{field}: {error}") from error
    # Pulumi sends integers as floating-point numbers, and EventBridge does not match 5.0 with 5.
    exact = json.loads(json.dumps(pattern), parse_float=_parse_number)
    text = json.dumps(exact, separators=(",", ":"), ensure_ascii=False)
    if len(text) > event_pattern.MAX_PATTERN_LENGTH:
        limit = f"{event_pattern.MAX_PATTERN_LENGTH:,} characters as JSON"
        raise ValueError(f"{field}: must have at most {limit}, got {len(text):,}: {text:.80}…")
    return text


def _parse_number(text: str) -> float:
    """Return a JSON number, as an integer if it is one."""
    number = float(text)
    return int(number) if number.is_integer() else number
