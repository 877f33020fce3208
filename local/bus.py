"""The stack's event bus, and the form submissions that it takes."""

from __future__ import annotations

import json
import uuid
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError

from formbridge.runtime import clock, identifiers, timestamps
from formbridge.submissions.event import DEFAULT_STATUS

from .emulator import client

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .stack import Stack

SOURCE: Final = "form-bridge"
BATCH_SIZE: Final = 10
"""How many events one PutEvents call takes."""

_SHAPES: Final = {
    "tenant_id": identifiers.TENANT_ID,
    "submission_id": identifiers.SUBMISSION_ID,
    "form_id": identifiers.FORM_ID,
    "status": identifiers.STATUS,
}


class BadSubmission(ValueError):
    """A submission that is not well-formed; the message names field and value."""


class BusError(Exception):
    """The bus did not take an event."""


@dataclass(frozen=True, kw_only=True)
class FormSubmission:
    """One form submission, as the form product tells of it.

    Raises:
        BadSubmission: a field is not well-formed.
    """

    tenant_id: str
    form_id: str
    submission_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: str = DEFAULT_STATUS
    submitted_at: str = field(default_factory=lambda: timestamps.to_iso(clock.now_ms()))
    """ISO 8601, UTC, with milliseconds."""
    payload: Mapping[str, Any] | None = None
    """What the person entered; None in an update that leaves it as it is."""

    def __post_init__(self) -> None:
        for name, shape in _SHAPES.items():
            value = getattr(self, name)
            if not isinstance(value, str) or not shape.fullmatch(value):
                raise BadSubmission(f"{name}: must match ^{shape.pattern}$, got {identifiers.quote(value)}")
        if not isinstance(self.payload, dict | None):
            raise BadSubmission(f"payload: must be an object, got {identifiers.quote(self.payload)}")
        try:
            timestamps.normalise(self.submitted_at)
        except (TypeError, ValueError):
            got = identifiers.quote(self.submitted_at)
            raise BadSubmission(f"submitted_at: must be an ISO 8601 time, got {got}") from None

    def detail(self) -> dict[str, Any]:
        """The event's detail."""
        return {name: value for name, value in asdict(self).items() if value is not None}


class Bus:
    """The stack's event bus.

    Raises:
        StackError: the program exports no bus.
    """

    def __init__(self, stack: Stack) -> None:
        self._name = stack.output("event_bus_name")
        self._events = client("events", stack.endpoint_url, stack.region)

    def put(self, detail_type: str, details: Sequence[Mapping[str, Any]]) -> None:
        """Put up to ten events; `detail_type` is `formbridge.submission.RECEIVED` or `UPDATED`.

        Raises:
            BusError: the bus refuses one of them.
        """
        entries = [
            {
                "EventBusName": self._name,
                "Source": SOURCE,
                "DetailType": detail_type,
                "Detail": json.dumps(detail),
            }
            for detail in details
        ]
        try:
            response = self._events.put_events(Entries=entries)
        except BotoCoreError as error:
            raise BusError(f"the bus {self._name} does not answer: {error}") from error
        if response["FailedEntryCount"]:
            failed = next(entry for entry in response["Entries"] if "ErrorCode" in entry)
            raise BusError(
                f"the bus {self._name} refused {response['FailedEntryCount']} of {len(entries)} events: "
                f"{failed['ErrorCode']}: {failed.get('ErrorMessage', '')}"
            )
