"""Check of event patterns.

The check uses the module `event_pattern`, which also matches records in the pipe of the local run.
"""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ._checks import check_list
from ._input_error import InputError

if TYPE_CHECKING:
    from formbridge.wire import event_pattern
else:
    from ._formbridge.wire import event_pattern


def serialize_patterns(field: str, patterns: Sequence[Any]) -> list[str]:
    """Check each pattern, and return it as the JSON string that a pipe expects.

    Raises:
        InputError: `patterns` is not a list or has more than five items. Or a pattern is longer than 4,096 characters
            as JSON, or EventBridge Pipes does not accept it.
    """
    check_list(field, patterns)
    if len(patterns) > event_pattern.MAX_FILTERS:
        raise InputError(field, f"must have at most {event_pattern.MAX_FILTERS} patterns, got {len(patterns)}")
    return [_serialize(f"{field}[{index}]", pattern) for index, pattern in enumerate(patterns)]


def _serialize(field: str, pattern: Any) -> str:
    """Check a pattern and return it as JSON."""
    try:
        event_pattern.validate(pattern)
    except event_pattern.BadPattern as error:
        raise InputError(field, str(error)) from error
    # Pulumi sends integers as floating-point numbers: 5 arrives as 5.0. In EventBridge, 5.0 does not match 5.
    exact = json.loads(json.dumps(pattern), parse_float=_parse_number)
    text = json.dumps(exact, separators=(",", ":"), ensure_ascii=False)
    if len(text) > event_pattern.MAX_PATTERN_LENGTH:
        limit = f"{event_pattern.MAX_PATTERN_LENGTH:,} characters as JSON"
        raise InputError(field, f"must have at most {limit}, got {len(text):,}: {text:.80}…")
    return text


def _parse_number(text: str) -> float:
    """Return the value of a JSON number: an integer if the number has no fraction, otherwise a float."""
    number = float(text)
    return int(number) if number.is_integer() else number
