from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from formbridge.runtime import dead_letter_queue
from formbridge.runtime.dead_letter_queue import MAX_MESSAGE_BYTES, DeadLetterQueue

if TYPE_CHECKING:
    import pytest

    from tests.support.handlers.region import Region


def kept(region: Region) -> list[dict[str, Any]]:
    """Take every message of the dead-letter queue."""
    messages: list[dict[str, Any]] = []
    while bodies := region.dead_letters():
        messages += map(json.loads, bodies)
    return messages


def test_an_event_is_kept_with_its_reason(region: Region) -> None:
    DeadLetterQueue(region.sqs, region.queue_url).send({"id": "e1", "detail": {"n": 1}}, "n: must be a string")

    assert kept(region) == [{"reason": "n: must be a string", "event": {"id": "e1", "detail": {"n": 1}}}]


def test_a_dead_letter_of_another_queue_is_kept_unchanged(region: Region) -> None:
    DeadLetterQueue(region.sqs, region.queue_url).forward("{not json", "m1", "unreadable")

    assert kept(region) == [{"reason": "unreadable", "dead_letter": "{not json"}]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(content=st.text(min_size=1, max_size=200))
def test_the_parts_of_a_large_event_make_it_whole_again(
    region: Region, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    monkeypatch.setattr(dead_letter_queue, "MAX_MESSAGE_BYTES", 40)
    monkeypatch.setattr(dead_letter_queue, "PART_CHARACTERS", 16)
    event = {"id": "e1", "detail": content}
    DeadLetterQueue(region.sqs, region.queue_url).send(event, "too large")

    parts = sorted(kept(region), key=lambda part: part["part"])
    assert {(part["reason"], part["event_id"], part["parts"]) for part in parts} == {("too large", "e1", len(parts))}
    assert json.loads("".join(part["text"] for part in parts)) == event


def test_a_part_fits_a_message_even_if_every_character_is_escaped() -> None:
    part = {"reason": "x" * 1_000, "dead_letter_id": "x" * 100, "part": 99, "parts": 99}

    assert len(json.dumps({**part, "text": '"' * dead_letter_queue.PART_CHARACTERS})) <= MAX_MESSAGE_BYTES
