"""Event patterns, checked by the very code that matches them in the local pipe."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from formbridge import filters
else:
    from ._formbridge import filters

MAX_FILTERS = 5
"""https://docs.aws.amazon.com/eventbridge/latest/pipes-reference/API_FilterCriteria.html"""
MAX_PATTERN_LENGTH = 4096
"""https://docs.aws.amazon.com/eventbridge/latest/pipes-reference/API_Filter.html"""


def pattern_texts(field: str, patterns: Sequence[Any]) -> list[str]:
    """Each pattern as the JSON text that a pipe takes.

    Raises:
        ValueError: more than five, one over 4,096 characters, or one that EventBridge Pipes does not take.
    """
    if len(patterns) > MAX_FILTERS:
        raise ValueError(f"{field}: at most {MAX_FILTERS}, got {len(patterns)}")
    return [_text(f"{field}[{index}]", pattern) for index, pattern in enumerate(patterns)]


def _text(field: str, pattern: Any) -> str:
    try:
        filters.validate(pattern)
    except filters.BadPattern as error:
        raise ValueError(f"{field}: {error}") from error
    text = json.dumps(pattern, separators=(",", ":"), ensure_ascii=False)
    if len(text) > MAX_PATTERN_LENGTH:
        raise ValueError(f"{field}: at most {MAX_PATTERN_LENGTH:,} characters as JSON, got {len(text):,}: {text:.80}…")
    return text
