"""What a client may rely on: whatever is lost, the end is the table's."""

from __future__ import annotations

import random
import socket
import time
from typing import TYPE_CHECKING

import pytest

from formbridge.connections.connection import Connection, ConnectionKey, Subscribed
from formbridge.runtime.clock import now_ms
from tests.support.conformance.backstage import Backstage, eventually, made
from tests.support.conformance.client import Client
from tests.support.conformance.document import states
from tests.support.conformance.wire import Gateway, Wire, ids_of, update_of, updates_of
from tests.support.handlers.builders import inserted, modified
from tools.client import Subscription, View
from tools.client.subscription import MAX_SECONDS_BETWEEN_REPLIES

if TYPE_CHECKING:
    from tests.support.conformance.tokens import Issuer

HEARTBEAT_SECONDS = 300
SETTLE_SECONDS = 31
RESYNC = {"type": "resync", "reason": "behind"}


def ghost(backstage: Backstage, tenant: str, *, seconds_old: int) -> Connection:
    """The row of a connection that is subscribed, and gone."""
    connected_at = now_ms() - seconds_old * 1_000
    key, ends_at = ConnectionKey(tenant, "ghost"), now_ms() // 1_000 + 600
    row = Connection(key, connected_at, expires_at=ends_at, ttl=ends_at)
    assert backstage.connections_table.add(row, 100, 100) is None
    assert backstage.connections_table.subscribe(key, None, "1") is Subscribed.DONE
    return row


def is_behind(backstage: Backstage, tenant: str) -> bool:
    return any(row.behind_since is not None for row in backstage.rows(tenant))


@states("**Updates are delivered at least once, and every client converges.**")
@pytest.mark.parametrize("seed", range(3))
def test_whatever_is_lost_a_client_ends_with_what_the_table_holds(
    gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str, seed: int
) -> None:
    chance = random.Random(seed)
    token = issuer.token(tenant)
    written: list[str] = []
    deleted: set[str] = set()
    with gateway.connect(token) as wire:
        client = Client(wire)
        for _ in range(6):
            written.append(backstage.received(tenant))
            wire.until_told(written[-1])
            changed = chance.choice([name for name in written if name not in deleted])
            status = chance.choice(["approved", "spam", "deleted"])
            backstage.updated(tenant, changed, status)
            wire.until_told(changed)
            if status == "deleted":
                deleted.add(changed)
        came = wire.pushes * 2
        chance.shuffle(came)
        client.take(*came[: chance.randrange(len(came))])
    missed = backstage.received(tenant)
    eventually(lambda: backstage.stored(tenant, missed) is not None)
    with gateway.connect(token) as wire:
        client.reconnect(wire)

    rows = [backstage.stored(tenant, name) for name in [*written, missed]]
    assert client.versions == {row.submission_id: row.version for row in rows if row and not row.is_deleted}


ONE_OF_THREE = (
    (
        "Every update to a live connection ends in exactly one of three states: posted, gone (the row of the "
        "connection is deleted), or behind (the row is marked)."
    ),
    (
        "A connection that is behind gets a `resync` with the next post that succeeds, or from the janitor within "
        "a minute."
    ),
)


@states(ONE_OF_THREE[0])
def test_an_update_is_posted_or_the_row_of_what_is_gone_is_deleted(
    gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str
) -> None:
    ghost(backstage, tenant, seconds_old=60)
    with gateway.join(issuer.token(tenant)) as wire:
        submission_id = backstage.received(tenant)
        wire.until_told(submission_id)
        eventually(lambda: "ghost" not in [row.connection_id for row in backstage.rows(tenant)])

        assert len(backstage.rows(tenant)) == 1
        assert not is_behind(backstage, tenant)


@states(*ONE_OF_THREE, "`resync` means that posts to this connection failed for some time: send `sync` now.")
def test_a_post_that_failed_is_made_up_for_by_the_next(
    gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str
) -> None:
    with gateway.connect(issuer.token(tenant)) as wire, socket.socket() as nobody:
        client = Client(wire)
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        unreachable = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        with backstage.setting("gateway-broadcast", MANAGEMENT_ENDPOINT=unreachable):
            lost = backstage.received(tenant)
            eventually(lambda: is_behind(backstage, tenant))
        later = made(tenant, "later")
        backstage.broadcast(inserted(later))
        told = wire.next()
        wire.until_told("later")
        assert not is_behind(backstage, tenant)
        client.take(told)
        client.settle()

    assert told == RESYNC
    assert client.versions[lost] == 1


@states(*ONE_OF_THREE)
def test_a_post_that_failed_is_made_up_for_by_the_janitor(
    gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str
) -> None:
    with gateway.join(issuer.token(tenant)) as wire:
        backstage.connections_table.mark_behind(backstage.row(tenant).key, now_ms())
        backstage.sweep()
        assert wire.next() == RESYNC
        eventually(lambda: not is_behind(backstage, tenant))

    assert backstage.janitor_runs == "rate(1 minute)"


@states("A failure of the accounting itself fails the batch, and the pipe retries it.")
def test_a_batch_that_is_not_accounted_for_is_retried(
    gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str
) -> None:
    with gateway.join(issuer.token(tenant)) as wire, backstage.without("gateway-broadcast", "dynamodb:UpdateItem"):
        ghost(backstage, tenant, seconds_old=0)  # which may not be there yet: it is to be marked
        submission_id = backstage.received(tenant)
        wire.until_told(submission_id)
        wire.until_told(submission_id)  # again, since the ghost could not be marked

    eventually(lambda: is_behind(backstage, tenant) or backstage.rows(tenant) == [])


@states(
    "Duplicates and reordering happen: for each `submission_id`, a client keeps the highest `version` of the highest "
    "`incarnation` and drops the others."
)
def test_of_what_comes_twice_and_in_any_order_the_highest_version_is_kept(
    gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str
) -> None:
    first, second = inserted(made(tenant, "one")), modified(made(tenant, "one", version=2, status="approved"))
    with gateway.connect(issuer.token(tenant)) as wire:
        client = Client(wire)
        for record in (second, second, first, first):
            backstage.broadcast(record)
            client.take(wire.next())

    assert [update_of(push, "one")["data"]["version"] for push in wire.pushes] == [2, 2, 1, 1]
    assert client.versions == {"one": 2}


@states(
    "A `synced` reply contains a `leave` for each submission that changed and no longer matches, so a "
    "filtered view converges too."
)
def test_sync_tells_what_left_a_filtered_view(
    gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str
) -> None:
    with gateway.connect(issuer.token(tenant)) as wire:
        client = Client(wire, Subscription({"status": ["processing"]}))
        kept, left = backstage.received(tenant), backstage.received(tenant)
        for submission_id in (kept, left):
            if submission_id not in [name for push in wire.pushes for name in ids_of(push)]:
                wire.until_told(submission_id)
        client.take(*wire.pushes)
        assert client.versions == {kept: 1, left: 1}
        backstage.updated(tenant, left, "approved")
        wire.until_told(left, "leave")  # and the client is not handed it
        client.later(HEARTBEAT_SECONDS)
        client.settle()

    assert update_of(wire.frames[-1], left)["event"] == "leave"
    assert client.versions == {kept: 1}


@states(
    "A deletion is a write like any other (`status` becomes `deleted`, and later the table's TTL removes the "
    "item), so no client misses it."
)
def test_a_deletion_is_pushed_and_synced_like_any_write(
    gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str
) -> None:
    with gateway.join(issuer.token(tenant)) as wire:
        cursor = wire.frames[0]["cursor"]
        submission_id = backstage.received(tenant)
        wire.until_told(submission_id)
        backstage.updated(tenant, submission_id, "deleted")
        pushed = wire.until_told(submission_id, "modify")
        synced = update_of(wire.ask("sync", cursor=cursor), submission_id)
        fresh = wire.ask("subscribe")
    tombstone = backstage.stored(tenant, submission_id)

    assert (pushed["data"]["status"], pushed["data"]["version"]) == ("deleted", 2)
    assert synced["data"] == pushed["data"]
    assert submission_id not in ids_of(fresh)
    assert tombstone is not None
    assert tombstone.expires_at is not None
    assert tombstone.expires_at > time.time() + 24 * 3_600  # longer than any cursor resumes from
    view = View()
    view.apply(pushed, time.time())
    assert view.get_submissions(time.time()) == {}


AFTER_ANY_FAULT = (
    "After any fault, the submissions of a subscribed client equal the table again within one heartbeat "
    "interval without frames, and within 30 minutes in any case."
)


def lose(wire: Wire, backstage: Backstage, tenant: str) -> str:
    """A submission whose push does not reach the client."""
    submission_id = backstage.received(tenant)
    wire.until_told(submission_id)
    return submission_id


@states(AFTER_ANY_FAULT)
def test_after_a_heartbeats_silence_a_client_equals_the_table(
    gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str
) -> None:
    with gateway.connect(issuer.token(tenant)) as wire:
        client = Client(wire)
        assert wire.frames[0]["heartbeat_seconds"] == HEARTBEAT_SECONDS
        lost = lose(wire, backstage, tenant)
        assert client.versions == {}
        client.later(HEARTBEAT_SECONDS)
        client.settle()

    assert client.versions == {lost: 1}


@states(AFTER_ANY_FAULT)
def test_without_any_silence_a_client_equals_the_table_within_half_an_hour(
    gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str
) -> None:
    with gateway.connect(issuer.token(tenant)) as wire:
        client = Client(wire)
        client.later(SETTLE_SECONDS)
        client.settle()
        lost = lose(wire, backstage, tenant)
        pong = wire.ask("ping")
        for _ in range(MAX_SECONDS_BETWEEN_REPLIES // 60):
            assert client.versions == {}
            client.later(60)
            client.settle()
            client.take(pong)

    assert client.versions == {lost: 1}


@states("Filters narrow down what a client sees of its own tenant.", "They are never access control.")
def test_no_filter_shows_another_tenants_and_any_may_be_taken_away(
    gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str
) -> None:
    other = f"{tenant}-other"
    mine, theirs = made(tenant, f"mine-{tenant}"), made(other, f"theirs-{tenant}")
    backstage.store(mine, theirs)
    wanted = {"submission_id": [theirs.submission_id]}
    with gateway.join(issuer.token(tenant), filter=wanted) as wire:
        everything = wire.ask("subscribe", filter={"submission_id": [{"exists": True}]})
        backstage.broadcast(inserted(mine), inserted(theirs))
        unfiltered = wire.ask("subscribe")

    assert ids_of(wire.frames[0]) == []
    assert ids_of(everything) == ids_of(unfiltered) == [mine.submission_id]
    assert {one["data"]["tenant_id"] for frame in wire.frames for one in updates_of(frame)} == {tenant}
