"""Settings of a pipe for the tests of `local.pipes`."""

from __future__ import annotations

from typing import Any

from local.pipes import PipeSettings

STREAM = "arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/2026-11-22T20:00:00.000"
FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:f"
QUEUE = "arn:aws:sqs:us-east-1:000000000000:q"
PIPE = "arn:aws:pipes:us-east-1:000000000000:pipe/p"
NOW = 1_790_000_000.0


def settings(**changes: Any) -> PipeSettings:
    """Return the settings of a pipe with a dead-letter queue and otherwise only required properties, plus `changes`."""
    fields: dict[str, Any] = {
        "arn": PIPE,
        "stream_arn": STREAM,
        "function_arn": FUNCTION,
        "starting_position": "TRIM_HORIZON",
        "dead_letter_arn": QUEUE,
        **changes,
    }
    return PipeSettings(**fields)
