"""The stack's event bus, and the form submissions that are sent to it."""

from __future__ import annotations

import json
import uuid
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError

from formbridge.runtime import clock, identifiers, timestamps
from formbridge.submissions.event import DEFAULT_STATUS

from .emulator_client import client

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .stack import Stack

SOURCE: Final = "form-bridge"
"""The field `source` of the form product's events."""
BATCH_SIZE: Final = 10
"""Maximum number of events in one PutEvents call."""

_PATTERNS: Final = {
    "tenant_id": identifiers.TENANT_ID,
    "submission_id": identifiers.SUBMISSION_ID,
    "form_id": identifiers.FORM_ID,
    "status": identifiers.STATUS,
}


class BadSubmission(ValueError):
    """A field of a submission is invalid. The message names the field and the value."""


class BusError(Exception):
    """The event bus rejected an event or did not answer."""


@dataclass(frozen=True, kw_only=True)
class FormSubmission:
    """One form submission, with the fields of the form product's events.

    Raises:
        BadSubmission: A field is invalid.
    """

    tenant_id: str
    form_id: str
    submission_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: str = DEFAULT_STATUS
    submitted_at: str = field(default_factory=lambda: timestamps.to_iso(clock.now_ms()))
    """The time of the submission in ISO 8601; by default now, in UTC with milliseconds."""
    payload: Mapping[str, Any] | None = None
    """The data that was entered into the form; None in an update that does not change the payload."""

    def __post_init__(self) -> None:
        """Check the fields."""
        for name, pattern in _PATTERNS.items():
            value = getattr(self, name)
            if not isinstance(value, str) or not pattern.fullmatch(value):
                raise BadSubmission(f"{name}: must match ^{pattern.pattern}$, got {identifiers.quote(value)}")
        if not isinstance(self.payload, dict | None):
            raise BadSubmission(f"payload: must be an object, got {identifiers.quote(self.payload)}")
        try:
            timestamps.normalise(self.submitted_at)
        except (TypeError, ValueError):
            got = identifiers.quote(self.submitted_at)
            raise BadSubmission(f"submitted_at: must be an ISO 8601 time, got {got}") from None

    def detail(self) -> dict[str, Any]:
        """Return the field `detail` of the submission's event. Fields that are None are left out."""
        return {name: value for name, value in asdict(self).items() if value is not None}


class Bus:
    """Client of the stack's event bus.

    Args:
        stack: The running local stack.

    Raises:
        StackError: The program does not export `event_bus_name`.
    """

    def __init__(self, stack: Stack) -> None:
        self._name = stack.output("event_bus_name")
        self._tenant_ids = stack.tenant_ids
        self._events = client("events", stack)

    def put(self, detail_type: str, details: Sequence[Mapping[str, Any]]) -> None:
        """Put events on the bus.

        Args:
            detail_type: `RECEIVED` or `UPDATED` of `formbridge.submissions.event`.
            details: The details of up to 10 events.

        Raises:
            BadSubmission: A tenant id does not match the stack's pattern, so that persist would reject the event.
            BusError: The bus rejected at least one of the events or did not answer.
        """
        for detail in details:
            if mismatch := self._tenant_ids.describe_mismatch("tenant_id", detail["tenant_id"]):
                raise BadSubmission(mismatch)
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
            raise BusError(f"the event bus {self._name} did not answer: {error}") from error
        if response["FailedEntryCount"]:
            failed = next(entry for entry in response["Entries"] if "ErrorCode" in entry)
            raise BusError(
                f"the event bus {self._name} rejected {response['FailedEntryCount']} of {len(entries)} events: "
                f"{failed['ErrorCode']}: {failed.get('ErrorMessage', '')}"
            )
