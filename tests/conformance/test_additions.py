"""What this server adds: limits, and what follows from filters, tokens and revocation."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from formbridge.revocations.revocation import Kind, Revocation, Target
from formbridge.runtime.clock import now_ms
from formbridge.runtime.timestamps import to_iso
from tests.support.conformance.backstage import Backstage, made
from tests.support.conformance.client import Client
from tests.support.conformance.document import states
from tests.support.conformance.wire import Gateway, ids_of
from tests.support.handlers.builders import inserted, modified
from tools.client import Subscription

if TYPE_CHECKING:
    from tests.support.conformance.crowd import Crowd
    from tests.support.conformance.flood import Flood
    from tests.support.conformance.tokens import Issuer

# --- Limits ---------------------------------------------------------------------------------------------------

LIMITS = (
    "Each of these limits is a setting of the stack:",
    "| connections per tenant | 5,000 |",
    "| connections per user of a tenant | 20 |",
    "| messages per connection | 10 per second, 20 at once |",
    "| messages per tenant | 200 per second, 1,000 at once |",
    "| new connections per tenant | 50 per second, 500 at once |",
    "| frame of a client | 32 KB |",
    "| filter | 4,096 characters as JSON |",
    "| distinct filters per tenant | 100 |",
)


@states(*LIMITS)
def test_the_limits_are_these_unless_the_stack_says_otherwise(backstage: Backstage) -> None:
    limits = {
        "MESSAGES_PER_SECOND": "10",
        "MESSAGE_BURST": "20",
        "TENANT_MESSAGES_PER_SECOND": "200",
        "TENANT_MESSAGE_BURST": "1000",
        "MAX_FRAME_BYTES": str(32 * 1024),
        "MAX_FILTER_LENGTH": "4096",
        "MAX_FILTERS_PER_TENANT": "100",
    }
    for function in ("gateway-message", "gateway-authenticate"):
        assert limits.items() <= backstage.variables(function).items()
        assert backstage.variables(function)["MAX_CONNECTIONS_PER_USER"] == "20"
    connects = {
        "MAX_CONNECTIONS_PER_TENANT": "5000",
        "MAX_CONNECTIONS_PER_USER": "20",
        "TENANT_CONNECTS_PER_SECOND": "50",
        "TENANT_CONNECT_BURST": "500",
    }
    assert connects.items() <= backstage.variables("gateway-connect").items()


@states(*LIMITS)
def test_other_limits_hold_where_the_stack_says_so(
    gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str
) -> None:
    with (
        backstage.setting("gateway-connect", MAX_CONNECTIONS_PER_TENANT="1"),
        backstage.setting("gateway-message", MAX_FRAME_BYTES="1024", MAX_FILTER_LENGTH="30"),
        gateway.connect(issuer.token(tenant)) as wire,
    ):
        assert gateway.status(issuer.token(tenant)) == 403
        assert wire.ask("ping", padding="x" * 900)["type"] == "pong"
        wire.send({"action": "ping", "padding": "x" * 1_024})
        assert wire.next()["code"] == "too_large"
        assert wire.ask("subscribe", filter={"form_id": ["x" * 14]})["type"] == "subscribed"
        assert wire.ask("subscribe", filter={"form_id": ["x" * 15]})["code"] == "bad_filter"
    one = issuer.token(tenant, sub="one")
    with backstage.setting("gateway-connect", MAX_CONNECTIONS_PER_USER="1"), gateway.connect(one):
        assert gateway.status(one) == 403
        assert gateway.status(issuer.token(tenant, sub="another")) == 101


@states(LIMITS[3])
def test_so_many_messages_at_once_are_answered(flood: Flood) -> None:
    assert flood.at_once >= 20


WHOSE_LIMIT = (
    "In this error, `limit` is `connection` if the connection has exceeded its rate, or `tenant` if all connections of "
    "the tenant together have exceeded theirs."
)


@states("A message over the rate gets `rate_limited` with `retry_after_ms`.", WHOSE_LIMIT)
def test_over_the_rate_a_message_is_refused_for_a_while(flood: Flood) -> None:
    for refused in flood.refused:
        assert (refused["code"], refused["retryable"], refused["id"]) == ("rate_limited", True, "more")
        assert refused["limit"] == "connection"
        assert 0 < refused["retry_after_ms"] <= 1_000


@states(
    WHOSE_LIMIT,
    "After the limit `tenant`, the server refuses each message of that connection until `retry_after_ms` has passed, "
    "and the sixth message that a connection sends too early gets `disconnect` `protocol_error`.",
)
def test_over_the_tenants_rate_a_connection_waits_or_is_closed(
    gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str
) -> None:
    token = issuer.token(tenant)
    with gateway.connect(token) as hasty, gateway.connect(issuer.token(f"{tenant}-other")) as other:
        backstage.use_up_rates(tenant)
        refused = [hasty.ask("ping") for _ in range(6)]
        hasty.send({"action": "ping"})
        assert hasty.until_closed() == [{"type": "disconnect", "code": "protocol_error", "reconnect": False}]
        assert other.ask("ping")["type"] == "pong"
    assert {(frame["code"], frame["limit"], frame["retryable"]) for frame in refused} == {
        ("rate_limited", "tenant", True)
    }
    waits = [frame["retry_after_ms"] for frame in refused]
    assert 0 < waits[-1] <= waits[0] < 1_500
    assert waits == sorted(waits, reverse=True)


@states(
    "If the connections of a tenant together send more early messages than its limit per second, then for ten seconds "
    "each of its connections that sends a message gets `disconnect` `too_many_connections`, and for ten minutes the "
    "tenant may have a tenth of its connections."
)
def test_a_flood_ends_the_connections_that_send_and_leaves_the_tenant_a_tenth(
    gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str
) -> None:
    token, others = issuer.token(tenant), issuer.token(f"{tenant}-other")
    with gateway.connect(token) as hasty, gateway.connect(others) as other:
        backstage.use_up_early_messages(tenant)
        assert hasty.ask("ping")["limit"] == "tenant"
        hasty.send({"action": "ping"})
        assert hasty.until_closed() == [{"type": "disconnect", "code": "too_many_connections", "reconnect": True}]
        assert other.ask("ping")["type"] == "pong"
    with (
        backstage.setting("gateway-connect", MAX_CONNECTIONS_PER_TENANT="20"),
        gateway.connect(token),
        gateway.connect(token),
        gateway.connect(others),
        gateway.connect(others),
    ):
        assert gateway.status(token) == 403
        assert gateway.status(others) == 101


@states("A frame with the action `$connect` or `$disconnect` counts like any other frame and gets `unknown_action`.")
@pytest.mark.parametrize("action", ["$connect", "$disconnect"])
def test_a_frame_named_like_a_route_counts(
    gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str, action: str
) -> None:
    with gateway.connect(issuer.token(tenant)) as wire:
        wire.send({"action": action, "id": "1"})
        answer = wire.next()
        assert (answer["id"], answer["code"]) == ("1", "unknown_action")
        backstage.use_up_rates(tenant)
        while answer["code"] == "unknown_action":  # the Lambda has leased ten messages at once
            wire.send({"action": action, "id": "2"})
            answer = wire.next()
        assert (answer["id"], answer["code"], answer["limit"]) == ("2", "rate_limited", "tenant")


@states(
    "A client that sends a hundred messages over the rate without a pause gets `disconnect` `protocol_error` "
    'with `"reconnect": false`.'
)
def test_a_hundred_messages_too_many_end_the_connection(flood: Flood) -> None:
    assert len(flood.refused) == 100
    assert flood.last == {"type": "disconnect", "code": "protocol_error", "reconnect": False}


@states("A frame over the size limit gets `too_large`.")
def test_a_frame_of_32_kb_is_answered_and_a_larger_one_is_not(gateway: Gateway, issuer: Issuer, tenant: str) -> None:
    def ping(size: int) -> str:
        beside = len(json.dumps({"action": "ping", "padding": ""}))
        return json.dumps({"action": "ping", "padding": "x" * (size - beside)})

    with gateway.connect(issuer.token(tenant)) as wire:
        wire.send(ping(32 * 1024))
        assert wire.next()["type"] == "pong"
        wire.send(ping(32 * 1024 + 1))
        assert wire.next()["code"] == "too_large"


# --- Filters --------------------------------------------------------------------------------------------------


@states(
    "**`filter_id`** (string) is present in each `subscribed` and `synced` reply and each update frame that was "
    "made with a filter."
)
def test_what_was_made_through_a_filter_says_through_which(
    gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str
) -> None:
    ids: list[str | None] = []
    with gateway.join(issuer.token(tenant)) as wire:
        for wanted in ({"form_id": ["contact"]}, {"form_id": [{"prefix": "c"}]}, None):
            subscribed = wire.ask("subscribe", filter=wanted)
            backstage.broadcast(inserted(made(tenant, "one")))
            backstage.broadcast(modified(made(tenant, "one")), modified(made(tenant, "two")))
            wire.until_told("two")
            synced = wire.ask("sync", cursor=subscribed["cursor"])
            made_through = {frame.get("filter_id") for frame in (subscribed, *wire.pushes[-2:], synced)}
            assert len(made_through) == 1
            ids += made_through

    assert all(isinstance(one, str) for one in ids[:2])
    assert ids[0] != ids[1]
    assert ids[2] is None
    assert "filter_id" not in wire.frames[-1]


@states(
    "**Check the filter.**",
    (
        "A client drops update frames whose `filter_id` differs from that of its last `subscribed` reply: they were "
        "made with a previous filter."
    ),
)
def test_a_client_drops_what_its_former_filter_made(
    gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str
) -> None:
    held = made(tenant, f"held-{tenant}", status="approved")
    backstage.store(held)
    with gateway.connect(issuer.token(tenant)) as wire:
        client = Client(wire, Subscription({"status": ["processing"]}))
        before = made(tenant, held.submission_id)
        backstage.broadcast(modified(made(tenant, held.submission_id, version=2, status="approved"), before=before))
        wire.until_told(held.submission_id, "leave")
        under_way = wire.pushes[-1]
        client.refilter({"status": ["approved"]})
        client.settle()
        assert client.versions == {held.submission_id: 1}
        client.take(under_way)

    assert client.versions == {held.submission_id: 1}


@states("A filter of `null` or `{}` means that the subscription has no filter.")
@pytest.mark.parametrize("wanted", [None, {}])
def test_an_empty_filter_is_none(
    gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str, wanted: object
) -> None:
    with gateway.join(issuer.token(tenant), filter={"form_id": ["none"]}) as wire:
        reply = wire.ask("subscribe", filter=wanted)
        backstage.broadcast(inserted(made(tenant, "any")))
        wire.until_told("any")

    assert reply["type"] == "subscribed"
    assert "filter_id" not in reply


@states(
    "The cost of a filter is the number of the values in all its lists plus the number of the fields in all its "
    "combinations.",
    "Each value of an `anything-but` list counts.",
    "An operand that ignores case and is not in ASCII counts two per character.",
    "A filter without `$or` has one combination, and each combination chooses one member of each `$or`.",
)
def test_values_and_the_fields_of_combinations_cost(gateway: Gateway, issuer: Issuer, tenant: str) -> None:
    def wanted(statuses: int) -> dict[str, object]:
        folded = {"equals-ignore-case": "ß" * 5}
        # 20 + 10 values beside `$or`, then one value and two fields for each of its members.
        return {
            "form_id": [{"anything-but": [f"form-{number}" for number in range(20)]}, folded],
            "$or": [{"status": [f"status-{number}"]} for number in range(statuses)],
        }

    with gateway.connect(issuer.token(tenant)) as wire:
        assert wire.ask("subscribe", filter=wanted(56))["type"] == "subscribed"
        assert wire.ask("subscribe", filter=wanted(57))["code"] == "bad_filter"


@states(
    "Error codes: `too_many_filters`",
    "A `subscribe` with a further filter than the limit of distinct filters allows gets `too_many_filters`, and the "
    "subscription stays as it was.",
    "The limit counts equal filters of all connections of the tenant once.",
)
def test_a_tenant_has_a_number_of_filters(gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str) -> None:
    new, done, spam = ({"status": [status]} for status in ("new", "done", "spam"))
    with (
        backstage.setting("gateway-message", MAX_FILTERS_PER_TENANT="2"),
        gateway.connect(issuer.token(tenant)) as wire,
        gateway.connect(issuer.token(tenant)) as other,
    ):
        first = wire.ask("subscribe", filter=new)
        assert [other.ask("subscribe", filter=each)["type"] for each in (new, done)] == ["subscribed"] * 2
        refused = wire.ask("subscribe", filter=spam)
        assert (refused["type"], refused["code"], refused["retryable"]) == ("error", "too_many_filters", False)
        synced = wire.ask("sync", cursor=first["cursor"], filter_id=first["filter_id"])
        assert (synced["type"], synced["filter_id"]) == ("synced", first["filter_id"])
        assert wire.ask("subscribe")["type"] == "subscribed"


@states(
    "A fresh snapshot is always complete in one reply.",
    "With a filter, it contains matches among the newest 2,000 submissions of the tenant.",
)
def test_a_snapshot_of_few_of_many_looks_at_the_newest(gateway: Gateway, issuer: Issuer, crowd: Crowd) -> None:
    oldest = crowd.submissions[-2_000].submission_id
    wanted = {"$or": [{"status": ["rare"]}, {"submission_id": [{"equals-ignore-case": oldest}]}]}
    with gateway.join(issuer.token(crowd.tenant_id), filter=wanted) as wire:
        (reply,) = wire.frames

    assert reply["complete"] is True
    assert ids_of(reply) == [oldest]


@states(
    "Without a filter, the server looks through at least the newest 1,500 submissions, including deleted ones, until "
    "the snapshot is full."
)
def test_a_snapshot_has_what_is_older_than_many_deletions(
    gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str
) -> None:
    hour_ago = now_ms() - 3_600_000
    backstage.store(
        made(tenant, "kept", updated_at=to_iso(hour_ago)),
        *(
            made(tenant, f"deleted-{number}", status="deleted", updated_at=to_iso(hour_ago + number))
            for number in range(1, 1_500)
        ),
    )
    with gateway.join(issuer.token(tenant)) as wire:
        (reply,) = wire.frames

    assert (ids_of(reply), reply["complete"]) == (["kept"], True)


@states(
    'If the filter names the ids of the submissions (`{"submission_id": ["order-1"]}`), it contains these submissions, '
    "however old they are."
)
def test_a_filter_finds_the_submissions_that_it_names(gateway: Gateway, issuer: Issuer, crowd: Crowd) -> None:
    named = crowd.ids()[:2]
    with gateway.join(issuer.token(crowd.tenant_id), filter={"submission_id": [*named, "none"]}) as wire:
        (reply,) = wire.frames
        synced = wire.ask("sync", cursor=reply["cursor"])

    assert ids_of(reply) == named[::-1]
    assert (reply["complete"], synced["complete"]) == (True, True)


@states("A field that stands beside an `$or` cannot also stand inside it.")
def test_a_field_beside_or_is_not_inside(gateway: Gateway, issuer: Issuer, tenant: str) -> None:
    either = [{"status": ["a"]}, {"form_id": ["b"]}]
    with gateway.connect(issuer.token(tenant)) as wire:
        assert wire.ask("subscribe", filter={"$or": either})["type"] == "subscribed"
        assert wire.ask("subscribe", filter={"status": ["c"], "$or": either})["code"] == "bad_filter"


# --- The order of requests ------------------------------------------------------------------------------------


@states(
    (
        "Of two `subscribe` or `unsubscribe` requests of a connection, the one that the gateway has received later "
        "wins, whatever the order in which they are processed."
    ),
    "The other one gets `superseded`.",
    "A `sync` whose `filter_id` is not that of the present subscription gets `superseded` too.",
    "Error codes: `superseded`",
)
def test_the_newest_subscribe_wins(gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str) -> None:
    with gateway.join(issuer.token(tenant), filter={"form_id": ["a"]}) as wire:
        first = wire.frames[0]
        second = wire.ask("subscribe", filter={"form_id": ["b"]})
        for late in ({"action": "subscribe", "filter": {"form_id": ["a"]}}, {"action": "unsubscribe"}):
            refused = backstage.reply_late(tenant, {**late, "id": "late"})
            assert (refused["type"], refused["id"], refused["code"]) == ("error", "late", "superseded")
        assert wire.ask("sync", cursor=second["cursor"], filter_id=second["filter_id"])["type"] == "synced"
        refused = wire.ask("sync", cursor=first["cursor"], filter_id=first["filter_id"])
        assert (refused["code"], refused["retryable"]) == ("superseded", False)


@states("A frame with two fields of the same name gets `bad_request`.")
def test_a_field_stands_once_in_a_frame(gateway: Gateway, issuer: Issuer, tenant: str) -> None:
    with gateway.connect(issuer.token(tenant)) as wire:
        for frame in (
            '{"action":"ping","action":"subscribe"}',
            '{"action":"subscribe","filter":{"status":["a"],"status":["b"]}}',
        ):
            wire.send(frame)
            assert wire.next()["code"] == "bad_request"


# --- Tokens ---------------------------------------------------------------------------------------------------


@states("If two `authenticate` requests are processed at the same time, the later expiry stays.")
def test_of_two_tokens_at_once_the_later_expiry_stays(
    gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str
) -> None:
    now = int(time.time())
    with gateway.join(issuer.token(tenant, exp=now + 3_600)):
        key = backstage.row(tenant).key
        # Both were verified against the first expiry before one of them was written.
        principal = backstage.row(tenant).principal
        assert backstage.connections_table.extend(key, now + 7_200, principal) == now + 7_200
        assert backstage.connections_table.extend(key, now + 5_400, principal) == now + 7_200
        assert backstage.row(tenant).expires_at == now + 7_200


@states(
    (
        "`authenticate` gets `unauthorized` if the token does not verify, belongs to another user, does not grant this "
        "connection's tenant, or expires no later than the previous token."
    ),
    "The connection then continues unchanged.",
)
def test_a_token_that_does_not_extend_a_connection_leaves_it_as_it_was(
    gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str
) -> None:
    ends = int(time.time()) + 3_600
    with gateway.join(issuer.token(tenant, exp=ends)) as wire:
        for useless in (
            issuer.token(tenant, exp=ends + 100, aud="another"),
            issuer.token(f"{tenant}-other", exp=ends + 100),
            issuer.token(tenant, exp=ends + 100, sub="another"),
            issuer.token(tenant, exp=ends),
        ):
            refusal = wire.ask("authenticate", token=useless)
            assert (refusal["type"], refusal["code"]) == ("error", "unauthorized")
        backstage.broadcast(inserted(made(tenant, "after")))
        wire.until_told("after")
        assert wire.ask("subscribe")["expires_at"] == ends


@states("After its token has expired, a connection can no longer be extended.")
def test_an_expired_connection_is_not_extended(
    gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str
) -> None:
    with gateway.join(issuer.token(tenant)) as wire:
        backstage.expire(tenant)
        refusal = wire.ask("authenticate", token=issuer.token(tenant, exp=int(time.time()) + 7_200))

    assert (refusal["type"], refusal["code"]) == ("error", "unauthorized")


@states(
    '`revoked` comes with `"reconnect": true`: after the user has signed in again, a token may connect again.',
    "A token of an earlier sign-in gets 403, also if it was refreshed.",
)
def test_after_a_revocation_a_new_sign_in_connects_and_an_earlier_one_does_not(
    gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str
) -> None:
    now = int(time.time())
    old = issuer.token(tenant)
    with gateway.join(old) as wire:
        backstage.revoke(Target(Kind.TENANT, tenant), Revocation(now + 2, revoked_until=now + 3_600))
        backstage.sweep()
        (last,) = wire.until_closed()

    assert last == {"type": "disconnect", "code": "revoked", "reconnect": True}
    assert gateway.status(old) == 403
    assert gateway.status(issuer.token(tenant, auth_time=now, iat=now + 2)) == 403
    assert gateway.status(issuer.token(tenant, auth_time=now + 2, iat=now + 2)) == 101


@states("An `authenticate` with a revoked token gets `disconnect` `revoked`.")
def test_a_revoked_token_ends_the_connection_that_it_should_extend(
    gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str
) -> None:
    now = int(time.time())
    with gateway.join(issuer.token(tenant, exp=now + 3_600)) as wire:
        backstage.revoke(Target(Kind.TENANT, tenant), Revocation(now + 2, revoked_until=now + 3_600))
        wire.send({"action": "authenticate", "token": issuer.token(tenant, exp=now + 7_200, auth_time=now)})
        assert wire.until_closed() == [{"type": "disconnect", "code": "revoked", "reconnect": True}]
    assert backstage.rows(tenant) == []


@states("While a tenant or a user is blocked, every token gets 403.")
def test_while_a_user_is_blocked_no_token_connects(
    gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str
) -> None:
    now = int(time.time())
    with gateway.join(issuer.token(tenant)):
        user = Target(Kind.USER, backstage.row(tenant).principal.user)
        backstage.revoke(user, Revocation(blocked_until=now + 3_600))
    assert gateway.status(issuer.token(tenant, auth_time=now + 2, iat=now + 2)) == 403
    assert gateway.status(issuer.token(tenant, sub="another")) == 101
    backstage.revoke(user, Revocation())
    assert gateway.status(issuer.token(tenant)) == 101


@states('The error `internal` has `"retryable": true`.')
def test_what_failed_may_be_tried_again(gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str) -> None:
    with gateway.join(issuer.token(tenant)) as wire:
        cursor = wire.frames[0]["cursor"]
        with backstage.without("gateway-message", "dynamodb:Query"):
            refusal = wire.ask("sync", cursor=cursor)
        assert (refusal["code"], refusal["retryable"]) == ("internal", True)
        assert refusal["retry_after_ms"] > 0
        assert wire.ask("sync", cursor=cursor)["type"] == "synced"
