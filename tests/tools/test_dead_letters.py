"""The search of the dead-letter queue, under moto."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from formbridge.runtime.dead_letter_queue import DeadLetterQueue
from tests.support.handlers.builders import bus_event, received
from tools import dead_letters
from tools.dead_letters import Scope, search

if TYPE_CHECKING:
    from tests.support.tools.stack import Stack

ACME = Scope("t_acme")


def find(stack: Stack, scope: Scope = ACME, *, dry_run: bool = False) -> tuple[int, list[str]]:
    return search(stack.sqs, stack.queue_url, scope, dry_run=dry_run, advance=lambda _: None)


def invocation_record(event: dict[str, Any]) -> dict[str, Any]:
    """Lambda's record of an event that persist could not store."""
    return {
        "version": "1.0",
        "timestamp": "2026-11-22T20:00:00.000Z",
        "requestContext": {"requestId": "r", "condition": "RetriesExhausted", "approximateInvokeCount": 3},
        "requestPayload": event,
        "responseContext": {"statusCode": 200, "functionError": "Unhandled"},
        "responsePayload": {"errorMessage": "…", "errorType": "ClientError"},
    }


def parts_of(event: dict[str, Any], count: int = 3, event_id: object = None) -> list[dict[str, Any]]:
    """A dead letter in parts, as `DeadLetterQueue` sends one above 1 MiB."""
    text = json.dumps(event)
    size = len(text) // count + 1
    texts = [text[start : start + size] for start in range(0, len(text), size)]
    assert len(texts) == count
    return [
        {"reason": "payload: …", "event_id": event_id or event["id"], "part": number, "parts": count, "text": text}
        for number, text in enumerate(texts, 1)
    ]


def forms_of(event: dict[str, Any]) -> list[dict[str, Any]]:
    """Each form of a dead letter that holds an event."""
    return [event, {"reason": "form_id: must not be empty", "event": event}, invocation_record(event)]


def test_every_form_of_a_tenants_dead_letter_is_deleted_and_no_other(stack: Stack) -> None:
    mine, other = received(), received(tenant_id="t_globex")
    stack.send(*forms_of(mine), *parts_of(mine))
    deleted = set(stack.sent)
    stack.send(*forms_of(other), *parts_of(other))

    assert find(stack) == (6, [])
    assert stack.visible() == [message_id for message_id in stack.sent if message_id not in deleted]


def test_a_malformed_event_belongs_to_the_tenant_that_it_names(stack: Stack) -> None:
    stack.send({"reason": "submission_id: …", "event": received(submission_id=None, form_id=7)})

    assert find(stack) == (1, [])
    assert stack.visible() == []


def test_only_the_dead_letters_of_one_submission_are_deleted(stack: Stack) -> None:
    stack.send(received(), received(submission_id="s2"), received(tenant_id="t_globex"))

    assert find(stack, Scope("t_acme", "s1")) == (1, [])
    assert stack.visible() == stack.sent[1:]


def test_a_dry_run_counts_and_deletes_nothing(stack: Stack) -> None:
    stack.send(received(), received(tenant_id="t_globex"), *parts_of(received()))

    assert find(stack, dry_run=True) == (4, [])
    assert stack.visible() == stack.sent


def test_each_of_many_messages_is_received_once(stack: Stack) -> None:
    stack.send(*(received(tenant_id=f"t_{number % 3}") for number in range(95)))
    advances: list[int] = []

    result = search(stack.sqs, stack.queue_url, Scope("t_1"), dry_run=False, advance=advances.append)
    assert result == (32, [])
    assert sum(advances) == 95
    assert len(stack.visible()) == 63


KEPT = "; check it and delete it yourself"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("t_acme, not JSON", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ({"tenant_id": "t_acme"}, "contains no event"),
        (["t_acme"], "contains no event"),
        ({"event": None}, "names no valid tenant"),
        ({"event": bus_event("submission.received", "t_acme")}, "names no valid tenant"),
        (received(tenant_id="a#b"), "names no valid tenant"),
        (received(tenant_id=["t_acme"]), "names no valid tenant"),
        (parts_of(received(), event_id="e")[0], "is one of several parts that are not one event"),
    ],
)
def test_a_dead_letter_whose_tenant_is_unknown_is_kept_and_reported(stack: Stack, body: Any, reason: str) -> None:
    stack.send(body if isinstance(body, str) else json.dumps(body))

    assert find(stack) == (0, [f"dead letter {stack.sent[0]}: kept, because it {reason}{KEPT}"])
    assert stack.visible() == stack.sent


def test_a_dead_letter_of_the_tenant_without_a_valid_submission_is_reported_where_one_is_searched(
    stack: Stack,
) -> None:
    stack.send(received(submission_id=""), received(tenant_id="t_globex", submission_id=""))

    reason = "names no valid submission"
    assert find(stack, Scope("t_acme", "s1")) == (
        0,
        [f"dead letter {stack.sent[0]}: kept, because it {reason}{KEPT}"],
    )
    assert stack.visible() == stack.sent


class TestParts:
    def test_the_parts_that_the_persist_lambda_sends_belong_together(self, stack: Stack) -> None:
        queue = DeadLetterQueue(stack.sqs, stack.queue_url)
        queue.send(received(payload="ä" * 300_000), "payload: …")
        queue.send(received(payload="ä" * 300_000, tenant_id="t_globex"), "payload: …")

        assert find(stack) == (4, [])
        left = stack.sqs.receive_message(QueueUrl=stack.queue_url, MaxNumberOfMessages=10).get("Messages", [])
        assert len(left) == 4

    def test_parts_may_come_in_any_order_and_twice(self, stack: Stack) -> None:
        mine, other = parts_of(received()), parts_of(received(tenant_id="t_globex"))
        order = [mine[2], other[0], mine[0], mine[2], other[2], mine[1], other[1], mine[0], other[1]]
        stack.send(*order)

        assert find(stack) == (5, [])
        assert stack.visible() == [
            message_id for message_id, part in zip(stack.sent, order, strict=True) if part in other
        ]

    @pytest.mark.parametrize("first", [0, 3], ids=["theirs-first", "mine-first"])
    def test_parts_of_two_events_with_one_id_are_kept(self, stack: Stack, first: int) -> None:
        mine = parts_of(received(), event_id="same")
        other = parts_of(received(tenant_id="t_globex"), event_id="same")
        mixed = [other[0], mine[0], other[1], mine[1], other[2], mine[2]]
        stack.send(*mixed[first:], *mixed[:first])

        matching, problems = find(stack)
        assert (matching, len(problems)) == (0, 6)
        assert stack.visible() == stack.sent

    def test_parts_of_dead_letters_of_different_sizes_are_kept(self, stack: Stack) -> None:
        stack.send(*parts_of(received(), 3, "same"), *parts_of(received(), 4, "same"))

        assert len(find(stack)[1]) == 7
        assert stack.visible() == stack.sent

    def test_parts_that_are_no_event_are_kept(self, stack: Stack) -> None:
        stack.send({"event_id": "e", "part": 1, "parts": 1, "text": "{"})

        assert find(stack)[1] == [f"dead letter {stack.sent[0]}: kept, because it is not JSON{KEPT}"]


class TestFailures:
    def test_messages_that_another_program_has_received_are_reported(self, stack: Stack) -> None:
        stack.send(received(), received())
        stack.sqs.receive_message(QueueUrl=stack.queue_url, MaxNumberOfMessages=1, VisibilityTimeout=60)

        problem = "about 1 dead letters were not read; run the command again when no program reads them"
        assert find(stack) == (1, [problem])

    def test_a_search_that_would_hide_too_many_messages_ends(
        self, stack: Stack, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(dead_letters, "MAX_HIDDEN_MESSAGES", 20)
        stack.send(*(received(tenant_id="t_globex") for _ in range(30)))

        assert find(stack) == (0, ["the queue has too many messages for one search, so some were not read"])
        assert stack.visible() == stack.sent

    def test_a_search_that_takes_too_long_ends(self, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(dead_letters, "SEARCH_SECONDS", 0)
        stack.send(*(received(tenant_id="t_globex") for _ in range(11)))

        assert find(stack) == (0, ["the queue has too many messages for one search, so some were not read"])
        assert stack.visible() == stack.sent

    def test_messages_are_visible_again_after_an_error(self, stack: Stack) -> None:
        stack.send(received(tenant_id="t_globex"), received())

        def fail(_: int) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            search(stack.sqs, stack.queue_url, ACME, dry_run=False, advance=fail)
        assert stack.visible() == stack.sent[:1]

    @pytest.mark.parametrize("failures", [2, 3])
    def test_a_delete_that_fails_is_repeated(
        self, stack: Stack, failures: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        delete, calls = stack.sqs.delete_message_batch, list[int]()

        def fail_first(**request: Any) -> Any:
            calls.append(len(request["Entries"]))
            if len(calls) > failures:
                return delete(**request)
            failed, *others = request["Entries"]
            if others:
                delete(QueueUrl=request["QueueUrl"], Entries=others)
            return {
                "Successful": [{"Id": other["Id"]} for other in others],
                "Failed": [{"Id": failed["Id"], "Code": "InternalError", "SenderFault": False}],
            }

        monkeypatch.setattr(stack.sqs, "delete_message_batch", fail_first)
        stack.send(received(), received())
        result = find(stack)
        assert calls == [2, 1, 1]
        if failures == 2:
            assert result == (2, [])
            assert stack.visible() == []
        else:
            (left,) = stack.visible()
            assert result == (1, [f"dead letter {left}: not deleted: InternalError"])

    def test_a_deleted_message_that_is_delivered_again_is_deleted_again(
        self, stack: Stack, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        receive, handles = stack.sqs.receive_message, list[str]()
        answers: list[Any] = []

        def receive_twice(**request: Any) -> Any:
            answer = receive(**request)
            if answer.get("Messages"):
                answers.append(answer)
                return answer
            return answers.pop() if answers else answer

        def delete(**request: Any) -> Any:
            handles.extend(entry["ReceiptHandle"] for entry in request["Entries"])
            return {"Successful": [{"Id": entry["Id"]} for entry in request["Entries"]]}

        monkeypatch.setattr(stack.sqs, "receive_message", receive_twice)
        monkeypatch.setattr(stack.sqs, "delete_message_batch", delete)
        stack.send(received())
        assert find(stack) == (1, [])
        assert len(handles) == 2
