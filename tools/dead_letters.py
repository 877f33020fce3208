"""Search of the ingest dead-letter queue for the dead letters of one tenant or one submission."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from formbridge.runtime.identifiers import SUBMISSION_ID, TENANT_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from re import Pattern

    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

BATCH_SIZE: Final = 10
"""Maximum number of messages of one request to SQS."""
WAIT_SECONDS: Final = 2
"""Seconds for which SQS waits for a message. With a wait, an empty answer means that no message is visible."""
VISIBILITY_SECONDS: Final = 3600
"""Seconds for which a received message is hidden. A search is shorter, so that it receives each message once."""
SEARCH_SECONDS: Final = VISIBILITY_SECONDS - 600
"""Time limit of a search."""
MAX_HIDDEN_MESSAGES: Final = 119_000
"""Number of hidden messages at which a search ends. SQS allows about 120,000 hidden messages of a standard queue.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html"""
DELETE_ATTEMPTS: Final = 3
"""Maximum number of requests to delete a message."""


class Scope(NamedTuple):
    """The submissions to search for: all submissions of a tenant, or one of them."""

    tenant_id: str
    """Tenant that owns the submissions."""
    submission_id: str | None = None
    """Submission to search for; None for all submissions of the tenant."""


class SearchResult(NamedTuple):
    """Result of a search."""

    found: int
    """Number of messages that were deleted. In a dry run, the number of messages that belong to the scope."""
    problems: list[str]
    """A message for each dead letter whose submission is not known or that could not be deleted, and for each reason
    why the search is incomplete."""


def search(
    client: SQSClient, queue_url: str, scope: Scope, *, dry_run: bool, advance: Callable[[int], object]
) -> SearchResult:
    """Delete the dead letters of a scope, and no others.

    Each message is received once and then stays hidden. The search ends when no message is left to receive. Then the
    messages that it did not delete become visible again.

    Args:
        client: SQS client.
        queue_url: URL of the ingest dead-letter queue.
        scope: Submissions whose dead letters are deleted.
        dry_run: Whether to count the dead letters without deleting them.
        advance: Function that is called with the number of messages after each request.

    Raises:
        BotoCoreError, ClientError: The queue cannot be read.
    """
    expected = count_messages(client, queue_url)
    queue, sorter, is_complete = _Queue(client, queue_url), _Sorter(scope), True
    deadline = time.monotonic() + SEARCH_SECONDS
    try:
        while messages := queue.receive():
            for message in messages:
                sorter.add(message.get("MessageId", ""), message.get("Body", ""))
            if not dry_run:
                queue.delete(sorter.take_matching())
            advance(len(messages))
            is_complete = len(queue.hidden) < MAX_HIDDEN_MESSAGES and time.monotonic() < deadline
            if not is_complete:
                break
        sorter.join_parts()
        if not dry_run:
            queue.delete(sorter.take_matching())
    finally:
        queue.show()
    problems = [f"dead letter {message_id}: not deleted: {reason}" for message_id, reason in queue.failures.items()]
    problems += sorter.list_problems()
    if not is_complete:
        problems.append("the queue has too many messages for one search, so some were not read")
    elif (unread := expected - sorter.seen) > 0:
        problems.append(f"about {unread} dead letters were not read; run the command again when no program reads them")
    return SearchResult(sorter.matching - len(queue.failures), problems)


def count_messages(client: SQSClient, queue_url: str) -> int:
    """Return the approximate number of messages of a queue, including the hidden ones.

    Raises:
        BotoCoreError, ClientError: The queue cannot be read.
    """
    counts = client.get_queue_attributes(
        QueueUrl=queue_url, AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    )["Attributes"]
    return sum(map(int, counts.values()))


@dataclass(slots=True)
class _Queue:
    """A queue, and the messages that a search has received from it."""

    client: SQSClient
    url: str
    hidden: dict[str, str] = field(default_factory=dict[str, str])
    """Receipt handles of the received messages that were not deleted, by message id."""
    failures: dict[str, str] = field(default_factory=dict[str, str])
    """Reasons why messages could not be deleted, by message id."""

    def receive(self) -> list[MessageTypeDef]:
        """Receive and hide up to `BATCH_SIZE` messages. Return an empty list if no message is visible."""
        messages = self.client.receive_message(
            QueueUrl=self.url,
            MaxNumberOfMessages=BATCH_SIZE,
            VisibilityTimeout=VISIBILITY_SECONDS,
            WaitTimeSeconds=WAIT_SECONDS,
        ).get("Messages", [])
        self.hidden |= {message.get("MessageId", ""): message.get("ReceiptHandle", "") for message in messages}
        return messages

    def delete(self, message_ids: Sequence[str]) -> None:
        """Delete received messages."""
        for batch in _split(message_ids):
            failed = dict.fromkeys(batch, "")
            for _ in range(DELETE_ATTEMPTS):
                if failed:
                    failed = self._try_to_delete(list(failed))
            self.failures |= failed

    def _try_to_delete(self, message_ids: Sequence[str]) -> dict[str, str]:
        """Delete messages with one request. Return the reasons of those that could not be deleted, by message id."""
        answer = self.client.delete_message_batch(
            QueueUrl=self.url,
            Entries=[
                {"Id": str(number), "ReceiptHandle": self.hidden[message_id]}
                for number, message_id in enumerate(message_ids)
            ],
        )
        for deleted in answer.get("Successful", []):
            del self.hidden[message_ids[int(deleted["Id"])]]
        return {message_ids[int(error["Id"])]: error["Code"] for error in answer.get("Failed", [])}

    def show(self) -> None:
        """Make the hidden messages visible again.

        A failure for single messages is ignored: they become visible after `VISIBILITY_SECONDS`.
        """
        for batch in _split(list(self.hidden.values())):
            self.client.change_message_visibility_batch(
                QueueUrl=self.url,
                Entries=[
                    {"Id": str(number), "ReceiptHandle": handle, "VisibilityTimeout": 0}
                    for number, handle in enumerate(batch)
                ],
            )


def _split(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(values), BATCH_SIZE):
        yield values[start : start + BATCH_SIZE]


class _Verdict(Enum):
    """What a search knows about a message. The value completes the sentence "the dead letter …"."""

    MATCHING = "belongs to the scope"
    OTHER = "belongs to another tenant or submission"
    NOT_JSON = "is not JSON"
    NO_EVENT = "contains no event"
    NO_TENANT = "names no valid tenant"
    NO_SUBMISSION = "names no valid submission"
    INCOMPLETE = "is one of several parts that are not one event"


class _Part(NamedTuple):
    """A message that holds a part of a dead letter above 1 MiB. `DeadLetterQueue` describes it."""

    message_id: str
    number: int
    total: int
    text: str


class _Sorter:
    """The verdicts on the messages of a search. The messages may be added in any order.

    Args:
        scope: Submissions whose dead letters are matching.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._verdicts: dict[str, _Verdict] = {}
        self._parts: dict[str, list[_Part]] = {}
        self._taken: list[str] = []

    @property
    def seen(self) -> int:
        """Number of messages that were added."""
        return len(self._verdicts)

    @property
    def matching(self) -> int:
        """Number of matching messages."""
        return sum(verdict is _Verdict.MATCHING for verdict in self._verdicts.values())

    def add(self, message_id: str, body: str) -> None:
        """Add a message. SQS may deliver a message twice, even after it was deleted."""
        if message_id not in self._verdicts:
            self._decide(message_id, body)
        elif self._verdicts[message_id] is _Verdict.MATCHING:
            self._taken.append(message_id)

    def take_matching(self) -> list[str]:
        """Return the ids of the matching messages that were found since the last call."""
        taken, self._taken = self._taken, []
        return taken

    def join_parts(self) -> None:
        """Decide on the dead letters in parts. Call this after the last message was added.

        An earlier decision could join parts of two events, and delete the dead letter of another tenant.
        """
        for parts in self._parts.values():
            self._set([part.message_id for part in parts], self._judge_parts(parts))
        self._parts.clear()

    def list_problems(self) -> list[str]:
        """Return a problem for each message that may belong to the scope."""
        return [
            f"dead letter {message_id}: kept, because it {verdict.value}; check it and delete it yourself"
            for message_id, verdict in self._verdicts.items()
            if verdict not in (_Verdict.MATCHING, _Verdict.OTHER)
        ]

    def _decide(self, message_id: str, body: str) -> None:
        value = _parse_json(body)
        if value is None:
            self._set([message_id], _Verdict.NOT_JSON)
            return
        dead_letter = cast("dict[str, object]", value) if isinstance(value, dict) else {}
        match dead_letter:
            case {"event_id": str(event_id), "part": int(part), "parts": int(total), "text": str(text)}:
                self._set([message_id], _Verdict.INCOMPLETE)
                self._parts.setdefault(event_id, []).append(_Part(message_id, part, total, text))
            # An event as EventBridge sends it, Lambda's record of a failed invocation, and a dead letter of persist.
            case {"detail": object()}:
                self._set([message_id], self._judge(dead_letter))
            case {"requestPayload": event} | {"event": event}:
                self._set([message_id], self._judge(event))
            case _:
                self._set([message_id], _Verdict.NO_EVENT)

    def _set(self, message_ids: Iterable[str], verdict: _Verdict) -> None:
        for message_id in message_ids:
            self._verdicts[message_id] = verdict
            if verdict is _Verdict.MATCHING:
                self._taken.append(message_id)

    def _judge_parts(self, parts: Collection[_Part]) -> _Verdict:
        """Return the verdict on the parts with one `event_id`. SQS or persist may have sent a part twice."""
        texts = {part.number: part.text for part in parts}
        totals = {part.total for part in parts}
        if totals != {len(texts)} or any(part.text != texts[part.number] for part in parts):
            return _Verdict.INCOMPLETE
        event = _parse_json("".join(text for _, text in sorted(texts.items())))
        return _Verdict.NOT_JSON if event is None else self._judge(event)

    def _judge(self, event: object) -> _Verdict:
        """Return the verdict on an event. The event may be malformed."""
        tenant_id = _read_id(event, "tenant_id", TENANT_ID)
        if tenant_id is None:
            return _Verdict.NO_TENANT
        if tenant_id != self._scope.tenant_id:
            return _Verdict.OTHER
        if self._scope.submission_id is None:
            return _Verdict.MATCHING
        submission_id = _read_id(event, "submission_id", SUBMISSION_ID)
        if submission_id is None:
            return _Verdict.NO_SUBMISSION
        return _Verdict.MATCHING if submission_id == self._scope.submission_id else _Verdict.OTHER


def _parse_json(text: str) -> object:
    """Return the value of a JSON text; None if the text is not JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _read_id(event: object, name: str, pattern: Pattern[str]) -> str | None:
    """Return an id in the detail of an event; None if it is missing or invalid."""
    fields: object = event
    for key in ("detail", name):
        fields = cast("dict[str, object]", fields).get(key) if isinstance(fields, dict) else None
    return fields if isinstance(fields, str) and pattern.fullmatch(fields) else None
