"""Form submissions as events on the stack's own bus: for the dashboard's buttons and for `python -m local submit`."""

from __future__ import annotations

import json
import random
import time
import uuid
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from handlers.formbridge import identifiers, timestamps
from handlers.formbridge.submission import DEFAULT_STATUS

from .emulator import client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from .stack import Stack

SOURCE: Final = "form-bridge"
BATCH_SIZE: Final = 10
"""How many events one PutEvents call takes."""

DetailType = Literal["submission.received", "submission.updated"]

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
class Submission:
    """One form submission. Raises BadSubmission if a field is not well-formed."""

    tenant_id: str
    form_id: str
    submission_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: str = DEFAULT_STATUS
    submitted_at: str = field(default_factory=lambda: now_iso())
    """ISO 8601, UTC, with milliseconds."""
    payload: Mapping[str, Any] | None = None
    """What the person entered; None in an update that leaves it as it is."""

    def __post_init__(self) -> None:
        for name, shape in _SHAPES.items():
            value = getattr(self, name)
            if not isinstance(value, str) or not shape.fullmatch(value):
                raise BadSubmission(f"{name}: must match ^{shape.pattern}$, got {identifiers.quoted(value)}")
        if not isinstance(self.payload, dict | None):
            raise BadSubmission(f"payload: must be an object, got {identifiers.quoted(self.payload)}")
        try:
            timestamps.normalise(self.submitted_at)
        except (TypeError, ValueError):
            got = identifiers.quoted(self.submitted_at)
            raise BadSubmission(f"submitted_at: must be an ISO 8601 time, got {got}") from None

    def detail(self) -> dict[str, Any]:
        """The event's detail."""
        return {name: value for name, value in asdict(self).items() if value is not None}


class Bus:
    """The stack's event bus."""

    def __init__(self, stack: Stack) -> None:
        self._name = stack.output("event_bus_name")
        self._events = client("events", stack.endpoint_url, stack.region)

    def put(self, detail_type: DetailType, details: Sequence[Mapping[str, Any]]) -> None:
        """Put up to ten events. Raises BusError if the bus refuses one."""
        entries = [
            {
                "EventBusName": self._name,
                "Source": SOURCE,
                "DetailType": detail_type,
                "Detail": json.dumps(detail),
            }
            for detail in details
        ]
        response = self._events.put_events(Entries=entries)
        if response["FailedEntryCount"]:
            failed = next(entry for entry in response["Entries"] if "ErrorCode" in entry)
            raise BusError(
                f"the bus {self._name} refused {response['FailedEntryCount']} of {len(entries)} events: "
                f"{failed['ErrorCode']}: {failed.get('ErrorMessage', '')}"
            )


def submit(
    bus: Bus,
    submissions: Sequence[Submission],
    *,
    rate: float,
    on_progress: Callable[[int], None] = lambda _count: None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Put `submission.received` events in batches, `rate` of them a second.

    `on_progress` hears how many each batch had.
    """
    # A batch is what a tenth of a second holds, so that events come evenly and not ten at once.
    size = max(1, min(BATCH_SIZE, int(rate / 10)))
    started = clock()
    for first in range(0, len(submissions), size):
        sleep(max(0.0, started + first / rate - clock()))
        batch = submissions[first : first + size]
        bus.put("submission.received", [submission.detail() for submission in batch])
        on_progress(len(batch))


def now_iso() -> str:
    """The time as submissions carry it."""
    return timestamps.to_iso(timestamps.now_ms())


# --- Made-up submissions ------------------------------------------------------------------------------------

_PEOPLE: Final = (
    "Ada Palmer",
    "Bao Nguyen",
    "Chiara Rossi",
    "Deniz Çelik",
    "Efua Mensah",
    "Jürgen Weiß",
    "Mei Tanaka",
)
_SUBJECTS: Final = ("Pricing", "A broken link", "Delivery to Norway", "Invoice 2026-118", "Feature request", "Thanks!")
_COMMENTS: Final = (
    "Quick and friendly.",
    "The form was too long.",
    "Exactly what I needed.",
    'Says "error 7" on save.',
)
_PLANS: Final = ("free", "team", "business")


def plausible_payload(form_id: str, chance: random.Random) -> dict[str, Any]:
    """What a person might have entered into this form."""
    name = chance.choice(_PEOPLE)
    email = f"{name.split()[0].lower()}@example.com"
    match form_id:
        case "survey":
            return {
                "rating": chance.randint(1, 5),
                "recommend": chance.random() < 0.7,
                "comment": chance.choice(_COMMENTS),
            }
        case "signup":
            return {"name": name, "email": email, "plan": chance.choice(_PLANS), "newsletter": chance.random() < 0.4}
        case _:
            return {
                "name": name,
                "email": email,
                "subject": chance.choice(_SUBJECTS),
                "message": chance.choice(_COMMENTS),
            }


def plausible(tenant_id: str, form_id: str, count: int, chance: random.Random | None = None) -> Iterator[Submission]:
    """`count` different made-up submissions."""
    chance = chance or random.Random()  # noqa: S311  # test data
    for _ in range(count):
        yield Submission(tenant_id=tenant_id, form_id=form_id, payload=plausible_payload(form_id, chance))
