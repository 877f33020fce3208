"""A client whose connection drops, and whose frames come twice and in any order, ends with what the table holds."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import pytest
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from formbridge.runtime.timestamps import to_iso
from formbridge.submissions.event import RECEIVED, UPDATED
from formbridge.submissions.submission import DELETED, Submission, is_pending
from formbridge.wire.subscription_filter import SubscriptionFilter
from tests.support.convergence.world import FILTERS, FORMS, STATUSES
from tests.support.e2e.client import PATIENCE, Frame, Producer, aws
from tools.client import Subscription

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

    from local.stack import Stack

# What a client ends with is the same whatever the Lambdas' roles allow.
pytestmark = pytest.mark.parametrize("enforce_iam", [False], ids=["iam-off"], indirect=True)

Mint = Callable[..., str]
HISTORIES = 20
STEPS = 25
HEARTBEAT_SECONDS = 300
FIRST_MS = 1_790_000_000_000
"""When the first event happened, by its own account."""


class Writer:
    """The form product, with a few submissions of one tenant."""

    def __init__(self, stack: Stack, producer: Producer, tenant: str, chance: random.Random) -> None:
        self._dynamodb = aws(stack, "dynamodb")
        self._table = stack.output("table_name")
        self._producer = producer
        self._tenant = tenant
        self._chance = chance
        self._events = 0
        self._said: dict[str, tuple[str, str]] = {}
        """By submission: form and status of the last event."""

    def write(self) -> None:
        """An event of a submission, later than all before."""
        name = f"{self._tenant}-{self._chance.choice('abcd')}"
        kind = UPDATED if name in self._said else RECEIVED
        form, status = self._chance.choice(FORMS), self._chance.choice(STATUSES)
        if self._said.get(name, ("", ""))[1] != DELETED:
            self._said[name] = form, status
        self._events += 1
        detail = {**self._producer.detail(self._tenant, name, form), "status": status}
        if kind == UPDATED:
            detail["updated_at"] = to_iso(FIRST_MS + self._events)
        self._producer.put(kind, detail)

    def is_stored(self) -> bool:
        """Whether the table holds what was said last."""
        return all(self._holds(name, form, status) for name, (form, status) in self._said.items())

    def held(self) -> Iterator[Submission]:
        return (
            Submission.from_item(item) for name in self._said if (item := self._read(name)) and not is_pending(item)
        )

    def _holds(self, name: str, form: str, status: str) -> bool:
        item = self._read(name)
        # A deletion is final, and which form the submission had before depends on what arrived before it.
        return item.get("status") == {"S": status} and (status == DELETED or item.get("form_id") == {"S": form})

    def _read(self, name: str) -> Mapping[str, AttributeValueTypeDef]:
        key = {"PK": {"S": f"SUB#{self._tenant}#{name}"}, "SK": {"S": "META"}}
        return self._dynamodb.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item", {})


class Line:
    """A client of one tenant, on a line that drops, repeats and reorders."""

    def __init__(self, url: str, token: str, chance: random.Random) -> None:
        self.subscription = Subscription(filter=chance.choice(FILTERS))
        self._url = url
        self._token = token
        self._chance = chance
        self._open = ExitStack()
        self._socket: ClientConnection | None = None
        self._came: list[Frame] = []
        """What the client has not been handed yet."""
        self._unanswered: set[str] = set()
        """The ids of requests."""
        self._later = 0.0

    def connect(self) -> None:
        if self._socket is None:
            offered = [Subprotocol("formbridge.v1"), Subprotocol(f"bearer.{self._token}")]
            opening = connect(self._url, subprotocols=offered, open_timeout=PATIENCE, close_timeout=1)
            self._socket = self._open.enter_context(opening)
            self._send(self.subscription.handle_connect(self._now()))

    def close(self) -> None:
        self._open.close()
        self._socket = None
        self._came.clear()
        self._unanswered.clear()

    def refilter(self) -> None:
        if self._socket is not None:
            self._send(self.subscription.set_filter(self._chance.choice(FILTERS), self._now()))

    def receive(self, timeout: float = 0.02) -> bool:
        """Hand the client one of the frames that came, perhaps twice; whether there was one."""
        if self._socket is None:
            return False
        try:
            self._came.append(json.loads(self._socket.recv(timeout)))
        except TimeoutError:
            if not self._came:
                return False
        frame = self._came.pop(self._chance.randrange(len(self._came)))
        self._unanswered.discard(frame.get("id", ""))
        for _ in range(self._chance.choice((1, 1, 2))):
            self._send(self.subscription.handle_frame(frame, self._now()))
        return True

    def settle(self) -> None:
        """Receive until nothing is under way; then, for the client, a heartbeat goes by."""
        while self.receive() or self._unanswered:
            pass
        self._later += HEARTBEAT_SECONDS + 1
        self._send(self.subscription.handle_timeout(self._now()))

    def shown(self) -> dict[str, int]:
        """The version of each submission that the client shows."""
        return {name: data["version"] for name, data in self.subscription.view.get_submissions(self._now()).items()}

    def sees(self, submission: Submission) -> bool:
        """Whether its filter matches."""
        wanted = self.subscription.filter
        matches = wanted is None or SubscriptionFilter.parse(wanted, 4_096).matches(submission)
        return matches and not submission.is_deleted

    def _now(self) -> float:
        return time.time() + self._later

    def _send(self, frames: Sequence[Frame]) -> None:
        if self._socket is not None:
            for frame in frames:
                self._unanswered.add(frame["id"])
                self._socket.send(json.dumps(frame))


@pytest.mark.parametrize("number", range(HISTORIES))
def test_a_client_ends_with_what_the_table_holds(
    stack: Stack, producer: Producer, token: Mint, tenant: str, number: int
) -> None:
    chance = random.Random(number)
    writer = Writer(stack, producer, tenant, chance)
    with closing(Line(stack.output("websocket_url"), token(tenant), chance)) as line:
        line.connect()
        writer.write()
        often = [writer.write, line.receive, line.receive, line.connect]
        for _ in range(STEPS):
            chance.choice([*often, *often, line.close, line.refilter])()
        line.connect()
        deadline = time.monotonic() + PATIENCE
        while not writer.is_stored():
            line.receive()
            assert time.monotonic() < deadline
        held = {one.submission_id: one.version for one in writer.held() if line.sees(one)}
        line.settle()
        while line.shown() != held:
            line.settle()
            assert time.monotonic() < deadline, (line.shown(), held)
