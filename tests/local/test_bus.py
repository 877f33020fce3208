from __future__ import annotations

import json
from typing import Any

import pytest

from formbridge.submissions.event import RECEIVED
from local.bus import BadSubmission, Bus, BusError, FormSubmission
from tests.support.local.stacks import make_stack


class FakeEvents:
    """A stand-in for boto3's events client."""

    def __init__(self, *, failing: int = 0) -> None:
        self.calls: list[list[dict[str, Any]]] = []
        self._failing = failing

    def put_events(self, *, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 - boto3's name
        self.calls.append(Entries)
        failed = [{"ErrorCode": "InternalFailure", "ErrorMessage": "no"}] * self._failing
        return {"FailedEntryCount": self._failing, "Entries": [*failed, {"EventId": "1"}]}


def test_a_bus_whose_emulator_has_ended_is_an_error() -> None:
    bus = Bus(make_stack(outputs={"event_bus_name": "bus"}))
    with pytest.raises(BusError, match=r"^the event bus bus did not answer: "):
        bus.put(RECEIVED, [{"tenant_id": "t_acme"}])


def bus_of(events: FakeEvents, monkeypatch: pytest.MonkeyPatch, **outputs: str) -> Bus:
    def client(*_arguments: object) -> FakeEvents:
        return events

    monkeypatch.setattr("local.bus.client", client)
    return Bus(make_stack(outputs={"event_bus_name": "bus", **outputs}))


@pytest.fixture
def events() -> FakeEvents:
    return FakeEvents()


@pytest.fixture
def bus(events: FakeEvents, monkeypatch: pytest.MonkeyPatch) -> Bus:
    return bus_of(events, monkeypatch)


def test_an_event_is_what_the_gateway_expects(bus: Bus, events: FakeEvents) -> None:
    submission = FormSubmission(tenant_id="t_acme", form_id="contact", payload={"name": "Ada"})
    bus.put(RECEIVED, [submission.detail()])
    ((entry,),) = events.calls
    assert entry["EventBusName"] == "bus"
    assert entry["Source"] == "form-bridge"
    assert entry["DetailType"] == "submission.received"
    assert json.loads(entry["Detail"]) == {
        "tenant_id": "t_acme",
        "form_id": "contact",
        "submission_id": submission.submission_id,
        "status": "processing",
        "submitted_at": submission.submitted_at,
        "payload": {"name": "Ada"},
    }


def test_a_refused_event_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    bus = bus_of(FakeEvents(failing=2), monkeypatch)
    with pytest.raises(BusError, match="the event bus bus rejected 2 of 3 events: InternalFailure: no"):
        bus.put(RECEIVED, [FormSubmission(tenant_id="t_acme", form_id="contact").detail()] * 3)


def test_a_tenant_that_persist_would_reject_is_named_before_anything_is_sent(
    events: FakeEvents, monkeypatch: pytest.MonkeyPatch
) -> None:
    bus = bus_of(events, monkeypatch, tenant_id_pattern="org_[a-z]+")
    bus.put(RECEIVED, [FormSubmission(tenant_id="org_acme", form_id="contact").detail()])
    with pytest.raises(BadSubmission, match=r"^tenant_id: must match org_\[a-z\]\+, got 't_acme'$"):
        bus.put(RECEIVED, [FormSubmission(tenant_id=one, form_id="contact").detail() for one in ("org_a", "t_acme")])
    assert len(events.calls) == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tenant_id", "a#b"),
        ("form_id", "a b"),
        ("form_id", "x" * 65),
        ("submission_id", ""),
        ("status", "so so"),
        ("submitted_at", "yesterday"),
        ("payload", ["x"]),
    ],
)
def test_a_bad_field_is_named(field: str, value: Any) -> None:
    fields: dict[str, Any] = {"tenant_id": "t_acme", "form_id": "contact", field: value}
    with pytest.raises(BadSubmission, match=f"^{field}: must ") as caught:
        FormSubmission(**fields)
    assert repr(value)[:20] in str(caught.value)


def test_an_update_may_leave_the_payload_as_it_is() -> None:
    assert "payload" not in FormSubmission(tenant_id="t_acme", form_id="contact").detail()
