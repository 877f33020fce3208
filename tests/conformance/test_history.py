"""Histories that are replaced, lives of a row, and what a client holds compared with what exists."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from formbridge.runtime.clock import now_ms
from tests.support.conformance.backstage import Backstage, eventually
from tests.support.conformance.document import PAGE, states
from tests.support.conformance.wire import Gateway, ids_of, updates_of
from tests.support.convergence.world import World
from tests.support.handlers.world import Submissions
from tests.support.handlers.world import World as SessionWorld
from tests.support.tools.frames import DAY, NOW, subscribed, update
from tools.client import Subscription

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.conformance.tokens import Issuer
    from tests.support.conformance.wire import Frame


@states(
    (
        "`incarnation` tells the lives of a row apart: a submission that is removed and created again starts at "
        "version 1 with a higher `incarnation`."
    ),
    "`epoch` tells the histories of a tenant apart.",
    (
        "It rises when history is replaced: an item was removed or changed by hand, items were copied back from a "
        "backup, or the whole table was restored."
    ),
    "A cursor from before the history was replaced gets the same.",
)
def test_a_client_notices_that_history_was_replaced(
    gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str
) -> None:
    with gateway.join(issuer.token(tenant)) as wire:
        cursor, epochs = wire.frames[0]["cursor"], [wire.frames[0]["epoch"]]
        name = backstage.received(tenant)
        first = wire.until_told(name, "insert")["data"]
        backstage.updated(tenant, name, "approved")
        wire.until_told(name, "modify")
        backup = backstage.stored(tenant, name)
        assert backup is not None
        backstage.updated(tenant, name, "archived")
        wire.until_told(name, "modify")
        epochs.append(wire.frames[-1]["epoch"])

        backstage.store(backup)  # changed by hand
        wire.until_told(name, "modify")
        epochs.append(wire.frames[-1]["epoch"])
        fresh = wire.ask("sync", cursor=cursor)
        assert (fresh["recovered"], fresh["epoch"], ids_of(fresh)) == (False, epochs[-1], [name])

        backstage.delete(tenant, name)
        assert wire.until_told(name, "remove")["data"]["incarnation"] == first["incarnation"]
        epochs.append(wire.frames[-1]["epoch"])
        backstage.store(backup)  # copied back
        wire.until_told(name, "insert")
        epochs.append(wire.frames[-1]["epoch"])
        backstage.delete(tenant, name)
        wire.until_told(name, "remove")
        epochs.append(wire.frames[-1]["epoch"])

        backstage.create_again(tenant, name)
        again = wire.until_told(name, "insert")["data"]
        assert wire.frames[-1]["epoch"] == epochs[-1]
        assert (again["version"], again["incarnation"] > first["incarnation"]) == (1, True)

        stream = backstage.variables("gateway-message")["STREAM_ARN"]
        with backstage.setting("gateway-message", STREAM_ARN=f"{stream}-restored"):
            fresh = wire.ask("subscribe", cursor=wire.ask("subscribe")["cursor"])
        assert fresh["recovered"] is False
        epochs.append(fresh["epoch"])

    assert epochs[0] == epochs[1] == 0
    assert epochs[1:] == sorted(set(epochs))


@states(
    (
        "| `reconcile` | `held` (list of at most 100 `[submission_id, incarnation, version]`, "
        "each id with at most 1,024 characters), "
        "`snapshot` (optional, 0–100: number of newest submissions to compare too, default 0) | "  # noqa: RUF001
        "`reconciled` |"
    ),
    "`reconcile` compares what the client holds with what exists.",
    "It finds what no other request finds, such as a submission whose removal was lost.",
    (
        "In a `reconciled` reply, `updates` has an update for each submission in `held` that is in another state: "
        "`remove` if it does not exist, `leave` if it does not match the filter, or its current state."
    ),
    "Then it has the newest `snapshot` submissions that are not in `held`.",
    "In such a `remove`, `data` has the same fields as in a `leave`.",
)
def test_reconcile_tells_what_differs(gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str) -> None:
    one, two, three, other = (backstage.received(tenant) for _ in range(4))
    eventually(lambda: all(backstage.stored(tenant, name) for name in (one, two, three, other)))
    backstage.updated(tenant, two, "approved")
    backstage.updated(tenant, three, "spam")
    eventually(
        lambda: all(row and row.version == 2 for row in (backstage.stored(tenant, name) for name in (two, three)))
    )
    life = {name: row.incarnation for name in (one, two, three) if (row := backstage.stored(tenant, name))}
    held: list[Sequence[Any]] = [*([name, life[name], 1] for name in (one, two, three)), ["gone", 5, 7]]
    with gateway.join(issuer.token(tenant), filter={"status": [{"anything-but": "spam"}]}) as wire:
        reply = wire.ask("reconcile", held=held, snapshot=2)
        alone = wire.ask("reconcile", held=[])
        wrongs: list[object] = [[["a", 1]], [[5, 1, 1]], [["a", 1, 1]] * 101, [["a" * 1025, 1, 1]], None, {}]
        for wrong in wrongs:
            assert wire.ask("reconcile", held=wrong)["code"] == "bad_request"
        assert wire.ask("reconcile", held=[["a" * 1024, 1, 1]])["type"] == "reconciled"
        assert wire.ask("reconcile", held=[], snapshot=101)["code"] == "bad_request"

    told = {change["data"]["submission_id"]: change for change in reply["updates"]}
    assert {name: change["event"] for name, change in told.items()} == {
        two: "modify",
        three: "leave",
        "gone": "remove",
        other: "insert",
    }
    assert told["gone"]["data"] == {
        "tenant_id": tenant,
        "submission_id": "gone",
        "version": 7,
        "incarnation": 5,
        "event": "remove",
    }
    assert told["gone"]["data"].keys() == told[three]["data"].keys()
    assert alone["updates"] == []


@states(
    'If the server cannot look submissions up by their ids, the reply is a fresh snapshot with `"recovered": false` '
    "and all fields of a `synced` reply."
)
def test_reconcile_without_ids_is_a_fresh_snapshot() -> None:
    class OtherKeys(Submissions):
        def read_by_id(self, tenant_id: str, submission_ids: Sequence[str]) -> None:
            """Find nothing: the keys of the table are others."""

    world = SessionWorld()
    world.session = replace(world.session, submissions=OtherKeys())
    world.subscribed()
    reply = world.ask("reconcile", held=[])
    assert (reply["type"], reply["recovered"], reply["complete"]) == ("reconciled", False, True)
    assert "cursor" in reply


@states(
    "`server_time` and `timestamp` are the server's time.",
    "A client uses them for expiry and latency, because the clock of its device may be wrong.",
)
def test_a_client_goes_by_the_servers_time(gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str) -> None:
    before = now_ms()
    with gateway.join(issuer.token(tenant)) as wire:
        backstage.received(tenant)
        wire.next()
    assert before <= wire.frames[0]["server_time"] <= wire.frames[1]["timestamp"] <= now_ms()

    subscription = Subscription()
    slow = NOW - DAY
    (request,) = subscription.handle_connect(slow)
    subscription.handle_frame(subscribed(request, update("insert", 1, expires_at=NOW + 10)), slow)
    assert subscription.get_submissions(slow + 9).keys() == {"s1"}
    assert subscription.get_submissions(slow + 10) == {}


@states(
    "If an index or the stream lags for longer than `settle_seconds`, or if stream records were lost, the "
    "submissions equal the table again within 24 hours."
)
def test_lags_beyond_the_window_are_healed_within_a_day() -> None:
    worlds = [world for number in range(60) if (world := World(random.Random(number))).lags]
    for world in worlds:
        world.live(steps=100)
        assert world.shown() == world.expected()
    assert len(worlds) > 5


TRACE = [line for line in PAGE.partition("## Worked example")[2].splitlines() if line[:1] in "→←" and line]


@states(*TRACE)
def test_the_worked_example_is_what_happens(
    gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str
) -> None:
    """Each line is sent, or is what comes, but for names, cursors and times."""
    names: dict[str, object] = {}

    def fill(text: str) -> str:
        for placeholder, value in names.items():
            text = text.replace(json.dumps(placeholder), json.dumps(value))
        return text

    def shape(value: object) -> object:
        if isinstance(value, dict):
            return {name: shape(one) for name, one in sorted(cast("Frame", value).items())}
        return [shape(one) for one in cast("list[object]", value)] if isinstance(value, list) else "…"

    def fixed(frame: Frame) -> list[object]:
        told = [(one.get("event"), one["data"]["version"]) for one in updates_of(frame)]
        return [*(frame.get(name) for name in ("type", "id", "complete", "epoch", "settle_seconds")), told]

    assert len(TRACE) == 12
    with gateway.connect(issuer.token(tenant)) as wire:
        for line in TRACE:
            if line.startswith("→"):
                wire.send(fill(line[2:]))
                continue
            expected = json.loads(line[2:])
            if expected["type"] == "submission_update":
                status = expected["data"]["status"]
                if expected["event"] == "insert":
                    names["order-1"] = backstage.received(tenant, status=status)
                else:
                    backstage.updated(tenant, str(names["order-1"]), status)
            frame = wire.next()
            names.setdefault(str(expected.get("cursor")), frame.get("cursor"))
            if data := frame.get("data"):
                names["I"] = data["incarnation"]
            assert shape(frame) == shape(expected), (line, frame)
            assert fixed(frame) == fixed(expected)
