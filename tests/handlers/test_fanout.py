"""The Lambda on the fan-out queue."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import fanout
from formbridge.broadcast.changes import Change
from formbridge.broadcast.fanout_task import FanoutTask
from formbridge.connections.connection import Span
from tests.support.handlers.builders import NOW, LambdaContext, submission

if TYPE_CHECKING:
    from tests.support.handlers.gateway import Gateway
    from tests.support.handlers.region import Region

RESYNC = {"type": "resync", "reason": "behind"}
CHANGE = Change(submission("s1"), "insert", NOW)


def take(*work: FanoutTask) -> None:
    """The queue hands over messages."""
    bodies = [body for one in work for body in one.encode()]
    records = [{"messageId": f"message-{number}", "body": body} for number, body in enumerate(bodies)]
    fanout.handler({"Records": records}, LambdaContext())


@pytest.fixture
def dashboards(gateway: Gateway) -> Gateway:
    for connection_id, tenant_id in [("a", "t_acme"), ("b", "t_acme"), ("c", "t_acme"), ("d", "t_globex")]:
        gateway.subscribe(connection_id, tenant_id)
    return gateway


def got(gateway: Gateway) -> dict[str, list[dict[str, Any]]]:
    return {name: frames for name in "abcd" if (frames := gateway.posted(name))}


def test_a_shard_is_told_what_changed(dashboards: Gateway) -> None:
    take(FanoutTask("t_acme", [CHANGE], NOW - 9, 0))
    told = got(dashboards)
    assert told.keys() == {"a", "b", "c"}
    for (frame,) in told.values():
        assert frame["data"] == submission("s1").build_current()["data"]
        assert frame["epoch"] == NOW - 9


def test_a_span_of_a_shard_is_told_and_no_more(dashboards: Gateway) -> None:
    take(FanoutTask("t_acme", [CHANGE], NOW - 9, 0, Span("a", "b")))
    assert got(dashboards).keys() == {"b"}


def test_a_shard_that_is_too_large_is_divided(
    dashboards: Gateway, region: Region, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FANOUT_THRESHOLD", "2")
    take(FanoutTask("t_acme", [CHANGE], NOW - 9, 0))
    assert got(dashboards) == {}
    parts = sorted(map(FanoutTask.decode, region.handed_over()), key=lambda part: str(part.span))
    assert parts == [FanoutTask("t_acme", [CHANGE], NOW - 9, 0, span) for span in (Span("b", None), Span(None, "b"))]
    take(*parts)
    assert {name: len(frames) for name, frames in got(dashboards).items()} == {"a": 1, "b": 1, "c": 1}
    assert region.handed_over() == []


def test_a_whole_tenant_is_told_to_resync(dashboards: Gateway) -> None:
    take(FanoutTask("t_acme", None))
    assert got(dashboards) == {"a": [RESYNC], "b": [RESYNC], "c": [RESYNC]}


def test_a_resync_of_a_whole_tenant_raises_its_epoch_and_that_of_a_shard_does_not(
    dashboards: Gateway, region: Region
) -> None:
    take(FanoutTask("t_acme", None, NOW - 9, 0))
    assert "epoch" not in (region.tenant("t_acme") or {})
    take(FanoutTask("t_acme", None))
    assert (region.tenant("t_acme") or {})["epoch"] == {"N": str(NOW)}
    assert "epoch" not in (region.tenant("t_globex") or {})


def test_what_cannot_be_accounted_for_comes_again(dashboards: Gateway) -> None:
    dashboards.statuses["a"] = 403
    with pytest.raises(ExceptionGroup):
        take(FanoutTask("t_acme", None))
    assert got(dashboards).keys() == {"a", "b", "c"}


def test_what_became_of_it_is_measured(dashboards: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    take(FanoutTask("t_acme", [CHANGE], NOW - 9, 0))
    (line,) = capsys.readouterr().out.splitlines()
    told = json.loads(line)
    assert (told["Frames"], told["BroadcastSuccessRate"], told["RealTimeUpdateLatency"]) == (3, 100, 0)
