"""A connection with the reference client's view, and a producer that puts events on the bus as any AWS client would."""

from __future__ import annotations

import json
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from formbridge.runtime.clock import now_ms
from formbridge.runtime.timestamps import to_iso
from local.emulator_client import client
from tools.client import Frame, View, extract_updates

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from mypy_boto3_events import EventBridgeClient

    from local.stack import Stack

PATIENCE = 30.0
"""Seconds after which what should have come is called missing."""


def aws(stack: Stack, service: str) -> Any:
    """A boto3 client of the running stack."""
    return client(service, stack)


def aws_environment(stack: Stack) -> dict[str, str]:
    """The variables with which any AWS SDK calls the running stack."""
    return {
        "AWS_ENDPOINT_URL": stack.endpoint_url,
        "AWS_DEFAULT_REGION": stack.region,
        "AWS_ACCESS_KEY_ID": stack.access_key_id,
        "AWS_SECRET_ACCESS_KEY": stack.secret_access_key,
    }


@dataclass
class Dashboard:
    """A connected client that asks what a test wants to know, and holds what a dashboard would."""

    socket: ClientConnection
    frames: list[Frame] = field(default_factory=list[Frame])
    view: View = field(default_factory=View)

    @property
    def held(self) -> Mapping[str, Mapping[str, Any]]:
        """What is in view, by submission."""
        return self.view.get_submissions(time.time())

    def ask(self, action: str, **fields: object) -> Frame:
        """Send a request and wait for its reply, keeping what is pushed meanwhile."""
        request_id = str(uuid.uuid4())
        self.socket.send(json.dumps({"action": action, "id": request_id, **fields}))
        return self.until(lambda frame: frame.get("id") == request_id)

    def until(self, wanted: Callable[[Frame], bool]) -> Frame:
        """The next frame that is `wanted`."""
        deadline = time.monotonic() + PATIENCE
        while True:
            frame = self.receive(deadline - time.monotonic())
            if wanted(frame):
                return frame

    def until_held(self, condition: Callable[[Mapping[str, Mapping[str, Any]]], bool]) -> None:
        """Take in frames until what is held meets `condition`."""
        deadline = time.monotonic() + PATIENCE
        while not condition(self.held):
            self.receive(deadline - time.monotonic())

    def receive(self, timeout: float) -> Frame:
        """Take in one frame.

        Raises:
            TimeoutError: none comes within `timeout` seconds.
        """
        if timeout <= 0:
            raise TimeoutError(f"held: {sorted(self.held)}; frames: {len(self.frames)}")
        frame: Frame = json.loads(self.socket.recv(timeout))
        self.frames.append(frame)
        for update in extract_updates(frame):
            self.view.apply(update, time.time())
        return frame


@contextmanager
def dashboard(stack: Stack, token: str, *, subscribe: bool = True, **fields: object) -> Generator[Dashboard]:
    """Connect as a browser does, and subscribe."""
    with connect(
        stack.output("websocket_url"),
        subprotocols=[Subprotocol("formbridge.v1"), Subprotocol(f"bearer.{token}")],
        open_timeout=PATIENCE,
        close_timeout=1,
    ) as socket:
        connected = Dashboard(socket)
        if subscribe:
            assert connected.ask("subscribe", **fields)["type"] == "subscribed"
        yield connected


@dataclass(frozen=True)
class Producer:
    """The form product: puts events on the stack's bus."""

    stack: Stack
    events: EventBridgeClient

    def received(self, tenant_id: str, form_id: str = "contact", **fields: object) -> str:
        """One `submission.received`; its submission's id."""
        submission_id = f"sub-{uuid.uuid4()}"
        self.put("submission.received", {**self.detail(tenant_id, submission_id, form_id), **fields})
        return submission_id

    def updated(self, tenant_id: str, submission_id: str, status: str, form_id: str = "contact") -> None:
        """One `submission.updated`."""
        detail = self.detail(tenant_id, submission_id, form_id)
        self.put("submission.updated", {**detail, "status": status, "updated_at": to_iso(now_ms())})

    def put(self, detail_type: str, detail: Mapping[str, object]) -> None:
        """Any event, as it is."""
        answer = self.events.put_events(
            Entries=[
                {
                    "EventBusName": self.stack.output("event_bus_name"),
                    "Source": "form-bridge",
                    "DetailType": detail_type,
                    "Detail": json.dumps(detail, ensure_ascii=False),
                }
            ]
        )
        assert answer["FailedEntryCount"] == 0

    @staticmethod
    def detail(tenant_id: str, submission_id: str, form_id: str) -> dict[str, object]:
        return {
            "tenant_id": tenant_id,
            "submission_id": submission_id,
            "form_id": form_id,
            "status": "processing",
            "submitted_at": to_iso(now_ms()),
            "payload": {"email": "ada@example.com"},
        }
