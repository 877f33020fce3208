from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

import broadcast
import connect
from formbridge.broadcast.changes import Change
from formbridge.broadcast.fanout_task import FanoutTask
from formbridge.posting import poster
from formbridge.wire.subscription_filter import SubscriptionFilter
from tests.support.handlers.builders import (
    NOW,
    LambdaContext,
    connect_event,
    image,
    inserted,
    modified,
    record,
    removed,
    submission,
)

if TYPE_CHECKING:
    from tests.support.handlers.clock import Clock
    from tests.support.handlers.gateway import Gateway
    from tests.support.handlers.region import Region


def send(*records: dict[str, Any]) -> dict[str, Any]:
    return broadcast.handler(records, LambdaContext())


NO_FAILURES: dict[str, Any] = {"batchItemFailures": []}


def test_an_update_reaches_the_dashboards_of_its_tenant_alone(gateway: Gateway) -> None:
    for connection_id, tenant_id in [("a", "t_acme"), ("b", "t_acme"), ("c", "t_globex")]:
        gateway.subscribe(connection_id, tenant_id)
    assert send(inserted(submission("s1"))) == NO_FAILURES
    for connection_id in ("a", "b"):
        (frame,) = gateway.posted(connection_id)
        assert (frame["type"], frame["event"]) == ("submission_update", "insert")
        assert frame["data"] == submission("s1").build_current()["data"]
    assert gateway.posted("c") == []


def test_a_burst_is_one_frame(gateway: Gateway) -> None:
    gateway.subscribe("a")
    send(
        inserted(submission("s1")),
        modified(submission("s1", version=2)),
        inserted(submission("s2")),
        removed(submission("s2")),
    )
    (frame,) = gateway.posted("a")
    assert [(update["event"], update["data"]["version"]) for update in frame["updates"]] == [
        ("modify", 2),
        ("remove", 1),
    ]


def test_a_dashboard_with_a_filter_sees_what_matches_and_what_no_longer_does(gateway: Gateway) -> None:
    gateway.subscribe("a", wanted={"status": ["new"]})
    gateway.subscribe("b", wanted={"status": ["spam"]})
    was, became = submission("s1", status="new"), submission("s1", status="spam", version=2)
    send(inserted(was))
    send(modified(became, before=was))
    first, second = gateway.posted("a")
    assert (first["event"], first["data"]) == ("insert", was.build_current()["data"])
    assert (second["event"], second["data"]) == ("leave", became.build_leave()["data"])
    (only,) = gateway.posted("b")
    assert (only["event"], only["data"]) == ("modify", became.build_current()["data"])
    assert only["filter_id"] == SubscriptionFilter('{"status":["spam"]}').id


def test_a_connection_that_has_not_subscribed_gets_nothing(gateway: Gateway) -> None:
    connect.handler(connect_event("t_acme", "a"), LambdaContext())
    send(inserted(submission("s1")))
    assert gateway.server.requests == []


def test_a_tenant_without_dashboards_costs_no_post(gateway: Gateway) -> None:
    assert send(inserted(submission("s1"))) == NO_FAILURES
    assert gateway.server.requests == []


def test_410_removes_the_row(gateway: Gateway, region: Region) -> None:
    gateway.subscribe("a")
    gateway.statuses["a"] = 410
    assert send(inserted(submission("s1"))) == NO_FAILURES
    assert region.connection("t_acme", "a") is None


def test_410_of_a_connection_that_is_seconds_old_keeps_the_row(gateway: Gateway, region: Region, clock: Clock) -> None:
    gateway.subscribe("a")
    clock.advance(-59_000)
    gateway.statuses["a"] = 410
    assert send(inserted(submission("s1"))) == NO_FAILURES
    assert "behind" in (region.connection("t_acme", "a") or {})


@pytest.mark.parametrize("status", [429, 500])
def test_a_dashboard_that_missed_a_post_is_told_to_resync_by_the_next(
    gateway: Gateway, region: Region, status: int
) -> None:
    gateway.subscribe("a")
    gateway.statuses["a"] = status
    assert send(inserted(submission("s1"))) == NO_FAILURES
    assert "behind" in (region.connection("t_acme", "a") or {})
    del gateway.statuses["a"]
    assert send(inserted(submission("s2"))) == NO_FAILURES
    *missed, resync, update = gateway.posted("a")
    assert [frame["data"]["submission_id"] for frame in missed] == ["s1"] * poster.MAX_TRIES
    assert resync == {"type": "resync", "reason": "behind"}
    assert update["data"]["submission_id"] == "s2"
    assert "behind" not in (region.connection("t_acme", "a") or {})


def test_403_fails_the_batch(gateway: Gateway, region: Region) -> None:
    gateway.subscribe("a")
    gateway.statuses["a"] = 403
    with pytest.raises(ExceptionGroup) as raised:
        send(inserted(submission("s1")))
    assert str(raised.value.exceptions[0]) == "POST of connection a was answered with status 403"
    assert region.connection("t_acme", "a") is not None


def test_one_dashboards_failure_is_no_other_dashboards(gateway: Gateway) -> None:
    for connection_id in ("a", "b", "c"):
        gateway.subscribe(connection_id)
    gateway.statuses |= {"a": 410, "b": 429}
    assert send(inserted(submission("s1"))) == NO_FAILURES
    assert len(gateway.posted("c")) == 1


def test_a_dashboard_whose_token_has_expired_is_told_and_closed(gateway: Gateway, region: Region) -> None:
    gateway.subscribe("a", expires_in=30)
    send(inserted(submission("s1")))
    assert gateway.posted("a") == [{"type": "disconnect", "code": "token_expired", "reconnect": True}]
    assert gateway.closed == ["a"]
    assert region.connection("t_acme", "a") is None


def test_a_malformed_record_is_given_back_and_the_others_are_posted(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="formbridge")
    gateway.subscribe("a")
    broken = image(submission("s2"))
    del broken["version"]
    answer = send(inserted(submission("s1"), "r1"), record("INSERT", new=broken, event_id="r2"))
    assert answer == {"batchItemFailures": [{"itemIdentifier": "r2"}]}
    assert [frame["data"]["submission_id"] for frame in gateway.posted("a")] == ["s1"]
    assert {"r2": "version: must be of DynamoDB type N"} in [vars(line).get("reasons") for line in caplog.records]


@pytest.mark.parametrize(("identifier", "named"), [("eventID", "r2"), ("SequenceNumber", "111")])
def test_a_malformed_record_is_named_as_the_configuration_says(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, identifier: str, named: str
) -> None:
    monkeypatch.setenv("FAILURE_IDENTIFIER", identifier)
    answer = send(record("INSERT", new={"PK": {"S": "SUB#s2"}}, event_id="r2"))
    assert answer == {"batchItemFailures": [{"itemIdentifier": named}]}


def test_a_large_tenant_is_handed_over(gateway: Gateway, region: Region, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FANOUT_THRESHOLD", "1")
    for connection_id, tenant_id in [("a", "t_acme"), ("b", "t_acme"), ("c", "t_globex")]:
        gateway.subscribe(connection_id, tenant_id)
    send(inserted(submission("s1")), inserted(submission("s2", tenant_id="t_globex")))
    assert gateway.posted("a") == gateway.posted("b") == []
    assert len(gateway.posted("c")) == 1
    assert [FanoutTask.decode(message) for message in region.handed_over()] == [
        FanoutTask("t_acme", [Change(submission("s1"), "insert", NOW)], 0, 0)
    ]


def metrics(capsys: pytest.CaptureFixture[str]) -> dict[str, float]:
    (line,) = capsys.readouterr().out.splitlines()
    told = json.loads(line)
    return {metric["Name"]: told[metric["Name"]] for metric in told["_aws"]["CloudWatchMetrics"][0]["Metrics"]}


def test_what_became_of_a_batch_is_measured(gateway: Gateway, clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    for connection_id in ("a", "b", "c", "d"):
        gateway.subscribe(connection_id)
    gateway.statuses |= {"a": 410, "b": 429}
    capsys.readouterr()
    clock.advance(1_500)
    send(inserted(submission("s1")), modified(submission("s1", version=2)), record("INSERT", new={}, event_id="r2"))
    size = len(gateway.server.requests[-1][2])
    assert metrics(capsys) == {
        "RealTimeUpdateLatency": 1_500,
        "BroadcastSuccessRate": pytest.approx(200 / 3),
        "StaleConnectionCleanups": 1,
        "PipeProcessingErrors": 1,
        "StreamLag": 1_500,
        "Behind": 1,
        "Failures": 0,
        "Retries": poster.MAX_TRIES - 1,
        "Coalesced": 1,
        "Frames": 2,
        "Bytes": 2 * size,
    }


def test_a_batch_that_fails_is_counted_before_it_is_raised(
    gateway: Gateway, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway.subscribe("a")
    gateway.statuses["a"] = 403
    capsys.readouterr()
    with pytest.raises(ExceptionGroup):
        send(inserted(submission("s1")))
    told = metrics(capsys)
    assert (told["PipeProcessingErrors"], told["Failures"], told["BroadcastSuccessRate"]) == (1, 1, 0)
    assert "RealTimeUpdateLatency" not in told


def test_no_frame_carries_a_payload(gateway: Gateway) -> None:
    gateway.subscribe("a")
    send(inserted(submission("s1")))
    assert not any("ada@example.com" in body for _, _, body in gateway.server.requests)


def test_the_outcomes_of_a_batch_are_logged(gateway: Gateway, caplog: pytest.LogCaptureFixture) -> None:
    for connection_id in ("a", "b", "c"):
        gateway.subscribe(connection_id)
    gateway.statuses |= {"a": 410, "b": 429}
    caplog.clear()
    send(inserted(submission("s1")))
    (line,) = (vars(line) for line in caplog.records if line.msg == "broadcast")
    assert (line["msg"], line["records"], line["request_id"]) == ("broadcast", 1, "request-1")
    assert (line["posted"], line["gone"], line["behind"]) == (1, 1, 1)
