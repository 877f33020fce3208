from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from formbridge.runtime import batch_read
from tests.support.handlers.builders import submission
from tests.support.handlers.region import SUBMISSIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

    from tests.support.handlers.region import Region

KEYS: list[dict[str, AttributeValueTypeDef]] = [
    {"PK": {"S": f"SUB#t_acme#s{number}"}, "SK": {"S": "META"}} for number in range(3)
]


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses, which pass at once."""
    taken: list[float] = []
    monkeypatch.setattr("formbridge.runtime.batch_read.time.sleep", taken.append)
    return taken


def withholding(answers: int) -> Callable[..., None]:
    """Let DynamoDB leave all items unread in its first answers."""
    left = answers

    def withhold(parsed: dict[str, Any], **_: object) -> None:
        nonlocal left
        if left:
            left -= 1
            parsed["Responses"], parsed["UnprocessedKeys"] = {}, {SUBMISSIONS: {"Keys": KEYS}}

    return withhold


def test_what_was_not_returned_is_asked_for_again_after_a_growing_pause(region: Region, pauses: list[float]) -> None:
    region.put(submission("s1"))

    with region.on("after-call.dynamodb.BatchGetItem", withholding(batch_read.MAX_READS - 1)):
        items = batch_read.read_items(region.dynamodb, SUBMISSIONS, KEYS, ProjectionExpression="submission_id")

    assert items == [{"submission_id": {"S": "s1"}}]
    assert len(pauses) == batch_read.MAX_READS - 1
    assert all(0 <= pause <= batch_read.PAUSE_SECONDS * 2**number for number, pause in enumerate(pauses))


def test_what_is_never_returned_is_an_error(region: Region, pauses: list[float]) -> None:
    with (
        region.on("after-call.dynamodb.BatchGetItem", withholding(batch_read.MAX_READS)),
        pytest.raises(batch_read.ItemsUnread, match="3 items of submissions were not returned"),
    ):
        batch_read.read_items(region.dynamodb, SUBMISSIONS, KEYS)

    assert len(pauses) == batch_read.MAX_READS - 1


def test_no_keys_are_no_request(region: Region) -> None:
    def refuse(**_: object) -> None:
        raise AssertionError("nothing was to be read")

    with region.on("provide-client-params.dynamodb.BatchGetItem", refuse):
        assert batch_read.read_items(region.dynamodb, SUBMISSIONS, []) == []
