"""The connections table: one row per connection, in a partition of its tenant, one row per tenant and one per user."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from ..access.principal import Principal
from ..runtime import clock, keys
from ..wire.subscription_filter import SubscriptionFilter
from .connection import Connection, ConnectionKey, RateLimited, Reservation, Span, Subscribed
from .filters_row import FiltersRow, read_costs
from .rate_limit import MICROSECONDS_PER_MILLISECOND, Rate
from .tenant_filters import TenantFilters
from .tenant_row import TenantRow, read_integer, read_shard_count
from .tenants import Refusal, Tenants
from .user_row import UserRow
from .users import Users

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

Row = Mapping[str, "AttributeValueTypeDef"]
"""A row as DynamoDB returns it."""
WHOLE_SHARD: Final = Span()
"""A span that contains every connection of a shard."""
_TENANT_SORT_KEY: Final = {"S": keys.TENANT_SORT_KEY}
_FILTERS_SORT_KEY: Final = {"S": keys.FILTERS_SORT_KEY}
_BROADCAST_ATTRIBUTES: Final = (
    "SK, connected_at, expires_at, subscribed, subscribed_at, #filter, behind, connections, shards, epoch, filters"
)
"""Attributes of connections and tenants that a broadcast reads."""


@dataclass(frozen=True, slots=True)
class TenantConnections:
    """A tenant's connections, as a broadcast reads them."""

    reserved: int
    """Number of reserved connections of the tenant, subscribed or not."""
    shards: int
    """Number of partitions that may hold rows of the tenant's connections."""
    epoch: int
    """Epoch of the tenant's history."""
    filter_costs: Sequence[int]
    """Costs of the distinct subscription filters of the connections."""
    subscribed: Iterator[Connection]
    """The subscribed connections. The iterator reads the table page by page."""


@dataclass(frozen=True, slots=True)
class ConnectionsTable:
    """The connections table that `WebSocketGateway` creates."""

    client: DynamoDBClient
    """The DynamoDB client."""
    table_name: str
    """Name of the table."""

    @property
    def tenants(self) -> Tenants:
        """The tenants' rows in the same table."""
        return Tenants(self.client, self.table_name)

    @property
    def users(self) -> Users:
        """The users' rows in the same table."""
        return Users(self.client, self.table_name)

    @property
    def filters(self) -> TenantFilters:
        """The tenants' rows of subscription filters in the same table."""
        return TenantFilters(self.client, self.table_name)

    def add(
        self,
        connection: Connection,
        max_connections: int,
        max_user_connections: int,
        connect_rate: Rate | None = None,
    ) -> Refusal | None:
        """Add the row of a new connection. The connection receives no updates until it subscribes.

        The connection is reserved for its user first. A user who exceeds the limit then causes no write to the tenant's
        row, which all connections of the tenant share.

        Args:
            connection: The new connection.
            max_connections: Maximum number of connections of the tenant.
            max_user_connections: Maximum number of connections of one user of the tenant. A connection without a user
                is not limited by it.
            connect_rate: Limit on the new connections of the tenant. None: they are not limited.

        Returns:
            The reason for a refusal, or None if the row was added.
        """
        key, connected_at = connection.key, connection.connected_at
        if not self.users.reserve(key.tenant_id, connection.reservation, connection.ttl, max_user_connections):
            return "too_many_connections_of_user"
        try:
            refusal = self.tenants.reserve(key.tenant_id, connected_at, max_connections, key.shard, connect_rate)
        except (BotoCoreError, ClientError):
            # A client tries again at once. Its failed attempts must not use up the user's limit until the janitor runs.
            self.users.release(key.tenant_id, [connection.reservation])
            raise
        if refusal is not None:
            self.users.release(key.tenant_id, [connection.reservation])
            return refusal
        try:
            self.client.put_item(
                TableName=self.table_name,
                Item={
                    **_build_key(key),
                    "subscribed": {"BOOL": False},
                    "connected_at": {"N": str(connected_at)},
                    **_build_principal(connection.principal),
                    "expires_at": {"N": str(connection.expires_at)},
                    "ttl": {"N": str(connection.ttl)},
                },
            )
        except (BotoCoreError, ClientError):
            # DynamoDB may have written the row although the call failed, so delete the row in any case.
            self.delete(key)
            self.release(key.tenant_id, [connection.reservation])
            raise
        return None

    def is_user_full(self, tenant_id: str, user: str, limit: int) -> bool:
        """Return whether a user of the tenant has reached the limit of connections. See `Users.is_full`."""
        return self.users.is_full(tenant_id, user, limit)

    def remove(self, key: ConnectionKey) -> None:
        """Delete a connection's row and release its reservation. Do nothing if there is no row."""
        reservation = self.delete(key)
        if reservation is not None:
            self.release(key.tenant_id, [reservation])

    def delete(self, key: ConnectionKey) -> Reservation | None:
        """Delete a connection's row, without releasing its reservation.

        Returns:
            The reservation, so that the caller can release it, or None if there was no row.
        """
        deleted = self.client.delete_item(TableName=self.table_name, Key=_build_key(key), ReturnValues="ALL_OLD")
        row = deleted.get("Attributes")
        if not row:
            return None
        return Reservation(key.connection_id, read_integer(row, "connected_at"), _parse_principal(row).user)

    def release(self, tenant_id: str, reservations: Sequence[Reservation]) -> None:
        """Release the reservations of connections of a tenant whose rows were deleted."""
        self.tenants.release(tenant_id, (reservation.connected_at for reservation in reservations))
        self.users.release(tenant_id, reservations)

    def admit(self, key: ConnectionKey, rate: Rate, now_ms: int) -> Connection | RateLimited | None:
        """Count a message of a connection against the connection's rate limit.

        For most messages the token bucket is full. Then a single write takes the token and returns the row.

        Returns:
            The connection if the message is accepted, `RateLimited` if it exceeds the rate or the connection is held
            back, or None if the connection has no row.
        """
        now_us = now_ms * MICROSECONDS_PER_MILLISECOND
        accepted, row = self._update_if(
            key,
            "SET full_at = :next REMOVE refusals",
            "attribute_exists(PK) AND (attribute_not_exists(full_at) OR full_at <= :now)",
            {":next": {"N": str(now_us + rate.interval_us)}, ":now": {"N": str(now_us)}},
        )
        is_early = not accepted and read_integer(row, "held_until") > now_ms
        if not accepted and row and not is_early:
            accepted, row = self._update_if(
                key,
                "SET full_at = full_at + :interval",
                "full_at <= :latest",
                {":interval": {"N": str(rate.interval_us)}, ":latest": {"N": str(now_us + rate.tolerance_us)}},
            )
        if accepted or not row:
            return _parse_connection(row, key) if row else None
        wait_ms = rate.wait_ms(read_integer(row, "full_at"), now_us)
        count = "early" if is_early else "refusals"
        _, row = self._update_if(key, f"ADD {count} :one", "attribute_exists(PK)", {":one": {"N": "1"}})
        return RateLimited(_parse_connection(row, key), wait_ms, read_integer(row, count), is_early) if row else None

    def hold_back(self, key: ConnectionKey, rate: Rate, until_ms: int) -> None:
        """Refuse the messages of a connection until a time. Do nothing if the connection has no row.

        `admit` then refuses them as it refuses messages over the connection's rate, and counts them as early.

        Args:
            key: The connection.
            rate: The connection's rate limit.
            until_ms: The time, in epoch milliseconds. The connection's token bucket holds one token then.
        """
        full_at = until_ms * MICROSECONDS_PER_MILLISECOND + rate.tolerance_us
        self._update_existing(
            key,
            "SET full_at = :full_at, held_until = :until",
            {":full_at": {"N": str(full_at)}, ":until": {"N": str(until_ms)}},
        )

    def record_filter(self, tenant_id: str, subscription_filter: SubscriptionFilter, limit: int) -> bool:
        """Record a filter before a connection subscribes with it. See `TenantFilters.record`."""
        return self.filters.record(tenant_id, subscription_filter, limit, clock.now_ms())

    def subscribe(self, key: ConnectionKey, subscription_filter: SubscriptionFilter | None, order: str) -> Subscribed:
        """Subscribe a connection to the updates of its tenant that pass the filter.

        Args:
            key: The connection.
            subscription_filter: The filter; None if all updates of the tenant pass.
            order: Orders the requests of the connection. If a later request has changed the subscription before,
                nothing is written.
        """
        values: Row = {":true": {"BOOL": True}, ":now": {"N": str(clock.now_ms())}}
        update = "SET subscribed = :true, subscribed_at = :now"
        if subscription_filter is None:
            return self._change_subscription(key, f"{update}, requested = :order REMOVE #filter", values, order)
        values = {**values, ":filter": {"S": subscription_filter.text}}
        return self._change_subscription(key, f"{update}, requested = :order, #filter = :filter", values, order)

    def unsubscribe(self, key: ConnectionKey, order: str) -> Subscribed:
        """Stop sending updates to a connection, unless a later request has changed the subscription before."""
        update = "SET subscribed = :false, requested = :order REMOVE #filter"
        return self._change_subscription(key, update, {":false": {"BOOL": False}}, order)

    def restart_view(self, key: ConnectionKey) -> bool:
        """Record that the client's view starts anew now, from a fresh snapshot.

        Return False if the connection has no row.
        """
        return self._update_existing(key, "SET subscribed_at = :now", {":now": {"N": str(clock.now_ms())}})

    def extend(self, key: ConnectionKey, expires_at: int, principal: Principal) -> int | None:
        """Record the new token of a connection, unless the token of the row expires later.

        Of two tokens that come at the same time, the one that expires later stays.

        Args:
            key: The connection.
            expires_at: When the new token expires, in epoch seconds.
            principal: The user, the session and the token behind the new token.

        Returns:
            When the connection's token expires now, in epoch seconds, or None if the connection has no row.
        """
        # Session and token of the previous token must not stay if the new token names none.
        absent = [name for name in ("session", "token_id") if name not in principal.hashes]
        set_values: Row = {"expires_at": {"N": str(expires_at)}, **_build_principal(principal)}
        _, row = self._update_if(
            key,
            f"SET {', '.join(f'#{name} = :{name}' for name in set_values)}"
            + (f" REMOVE {', '.join(f'#{name}' for name in absent)}" if absent else ""),
            "expires_at < :expires_at",
            {f":{name}": value for name, value in set_values.items()},
        )
        return read_integer(row, "expires_at") if row else None

    def mark_behind(self, key: ConnectionKey, since_ms: int) -> None:
        """Mark a connection as behind, because a post to it failed. Do nothing if the connection has no row.

        Args:
            key: The connection.
            since_ms: When the post failed, in epoch milliseconds.
        """
        self._update_existing(key, "SET behind = :since", {":since": {"N": str(since_ms)}})

    def clear_behind(self, key: ConnectionKey, seen_ms: int) -> None:
        """Remove the mark that a connection is behind, after a `resync` was posted to the connection.

        Args:
            key: The connection.
            seen_ms: Value of the mark when it was read before the post. If another broadcast has replaced the mark
                since then, the new mark stays.
        """
        self._update_if(key, "REMOVE behind", "behind = :seen", {":seen": {"N": str(seen_ms)}})

    def read_epoch(self, tenant_id: str, history: str) -> int:
        """Return the epoch of a tenant's history. See `Tenants.read_epoch`."""
        return self.tenants.read_epoch(tenant_id, history, clock.now_ms())

    def raise_epoch(self, tenant_id: str) -> None:
        """Record that the tenant's history is replaced now. See `Tenants.raise_epoch`."""
        self.tenants.raise_epoch(tenant_id, clock.now_ms())

    def record_probe(self, key: ConnectionKey, probed_ms: int) -> None:
        """Record when a probe found a connection open, in epoch milliseconds. Do nothing if it has no row."""
        self._update_existing(key, "SET probed_at = :probed", {":probed": {"N": str(probed_ms)}})

    def read_tenant_connections(self, tenant_id: str) -> TenantConnections:
        """Return a tenant's subscribed connections.

        This call reads the first page of rows. The iterator reads the later pages. The first page begins with the
        tenant's row, which contains the number of shards to read, and the row of its filters.

        Every connection whose subscription was acknowledged before the call is included. A connection that subscribes
        later may be missing, if it is in a shard that the tenant's row did not count yet. Such a connection misses no
        change: the reply to its `subscribe` contains the changes up to its subscription.
        """
        tenant, filters, connections = self._read_tenant(tenant_id, subscribed=True)
        return TenantConnections(
            read_integer(tenant, "connections"),
            read_shard_count(tenant),
            read_integer(tenant, "epoch"),
            read_costs(filters),
            connections,
        )

    def read_shard(self, tenant_id: str, shard: int, span: Span = WHOLE_SHARD) -> Iterator[Connection]:
        """Return the subscribed connections of one shard of a tenant, or of a span of that shard."""
        return _parse_connections(self._query_partition(tenant_id, shard, span, subscribed=True), tenant_id, shard)

    def split_shard(self, tenant_id: str, shard: int, size: int) -> Sequence[Span]:
        """Divide a shard into spans of `size` connections each. The last span may have fewer connections.

        Connections without a subscription are counted too. DynamoDB only counts the rows and does not return them.

        The reads are eventually consistent, because they cost half as much as strongly consistent reads. A count that
        is out of date does no harm: every connection still belongs to exactly one span.
        """
        cuts: list[str] = []
        counted = 0
        start: dict[str, Any] = {}
        while True:
            page = self.client.query(
                TableName=self.table_name,
                KeyConditionExpression="PK = :partition AND begins_with(SK, :connection)",
                ExpressionAttributeValues={
                    ":partition": {"S": keys.tenant_partition(tenant_id, shard)},
                    ":connection": {"S": keys.CONNECTION_PREFIX},
                },
                Select="COUNT",
                Limit=size - counted,
                **start,
            )
            counted += page["Count"]
            if "LastEvaluatedKey" not in page:
                break
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
            if counted == size:
                cuts.append(_parse_connection_id(page["LastEvaluatedKey"]))
                counted = 0
        # Each cut is the last connection of a full span. `counted` is 0 if no row followed the last cut: DynamoDB may
        # return a `LastEvaluatedKey` after the last row. The span after that cut would be empty, so drop the cut.
        ends = cuts if counted else cuts[:-1]
        return [Span(after, until) for after, until in pairwise([None, *ends, None])]

    def list_connections(self, tenant_id: str) -> Iterator[Connection]:
        """Return all connections of a tenant, subscribed or not, with all their attributes."""
        return self._read_tenant(tenant_id, subscribed=False)[2]

    def scan(self) -> Iterator[Connection | TenantRow | UserRow | FiltersRow]:
        """Yield every row of the table, of all tenants.

        The reads are strongly consistent, so that a connection with a renewed token is not closed as expired.
        """
        for row in _read_pages(partial(self.client.scan, TableName=self.table_name, ConsistentRead=True)):
            if row["SK"] == _TENANT_SORT_KEY:
                yield TenantRow.from_row(row)
            elif row["SK"].get("S", "").startswith(keys.USER_PREFIX):
                yield UserRow.from_row(row)
            elif row["SK"] == _FILTERS_SORT_KEY:
                yield FiltersRow.from_row(row)
            else:
                tenant_id, shard = keys.parse_tenant_partition(row["PK"].get("S", ""))
                yield from _parse_connections([row], tenant_id, shard)

    def _read_tenant(self, tenant_id: str, *, subscribed: bool) -> tuple[Row, Row, Iterator[Connection]]:
        """Return the tenant's row, the row of its filters, and an iterator over its connections in all shards.

        A returned row is empty if the tenant has no such row.
        """
        rows = self._query_partition(tenant_id, 0, WHOLE_SHARD, subscribed=subscribed)
        own: dict[str, Row] = {keys.TENANT_SORT_KEY: {}, keys.FILTERS_SORT_KEY: {}}
        first = next(rows, None)
        while first is not None and (sort_key := first["SK"].get("S", "")) in own:
            own[sort_key] = first
            first = next(rows, None)
        tenant = own[keys.TENANT_SORT_KEY]
        first_shard = _parse_connections(chain([first] if first else [], rows), tenant_id, 0)
        other_shards = (
            _parse_connections(
                self._query_partition(tenant_id, shard, WHOLE_SHARD, subscribed=subscribed), tenant_id, shard
            )
            for shard in range(1, read_shard_count(tenant))
        )
        connections = chain(first_shard, chain.from_iterable(other_shards))
        return tenant, own[keys.FILTERS_SORT_KEY], connections

    def _query_partition(self, tenant_id: str, shard: int, span: Span, *, subscribed: bool) -> Iterator[Row]:
        """Return the rows of a partition in descending order, so that the tenant's own rows come first.

        Rows whose `ttl` has passed are left out.

        Args:
            tenant_id: The tenant.
            shard: The shard.
            span: Range of the connection ids to return.
            subscribed: Whether to leave out connections without a subscription, and attributes that a broadcast does
                not read.
        """
        # `BETWEEN` includes its bounds, but the span does not include `span.after`. Start at the next string in sort
        # order: `span.after` followed by the lowest character.
        first = f"{keys.connection_sort_key(span.after)}\0" if span.after is not None else keys.CONNECTION_PREFIX
        last = keys.connection_sort_key(span.until) if span.until is not None else keys.TENANT_SORT_KEY
        condition = "#ttl > :now"
        names = {"#ttl": "ttl"}
        values: dict[str, AttributeValueTypeDef] = {
            ":partition": {"S": keys.tenant_partition(tenant_id, shard)},
            ":first": {"S": first},
            ":last": {"S": last},
            ":now": {"N": str(clock.now_ms() // 1000)},
        }
        projection: dict[str, Any] = {}
        if subscribed:
            condition += " AND (subscribed = :true OR attribute_exists(filters))"
            names["#filter"] = "filter"
            values[":true"] = {"BOOL": True}
            projection = {"ProjectionExpression": _BROADCAST_ATTRIBUTES}
        return _read_pages(
            partial(
                self.client.query,
                TableName=self.table_name,
                KeyConditionExpression="PK = :partition AND SK BETWEEN :first AND :last",
                # The first condition keeps the tenant's row, which has no `ttl`.
                FilterExpression=f"attribute_not_exists(#ttl) OR ({condition})",
                ExpressionAttributeNames=names,
                ExpressionAttributeValues=values,
                ConsistentRead=True,
                ScanIndexForward=False,
                **projection,
            )
        )

    def _change_subscription(self, key: ConnectionKey, update: str, values: Row, order: str) -> Subscribed:
        condition = "attribute_exists(PK) AND (attribute_not_exists(requested) OR requested <= :order)"
        is_changed, row = self._update_if(key, update, condition, {**values, ":order": {"S": order}})
        if is_changed:
            return Subscribed.DONE
        return Subscribed.SUPERSEDED if row else Subscribed.NO_ROW

    def _update_existing(self, key: ConnectionKey, update: str, values: Row) -> bool:
        """Update a connection's row. Return False, and write nothing, if the connection has no row."""
        return self._update_if(key, update, "attribute_exists(PK)", values)[0]

    def _update_if(self, key: ConnectionKey, update: str, condition: str, values: Row) -> tuple[bool, Row]:
        """Update a connection's row if a condition holds.

        Returns:
            Whether the row was updated, and the current row, which is empty if the connection has no row.
        """
        used = {name: name.removeprefix("#") for name in re.findall(r"#\w+", update)}
        names: dict[str, Any] = {"ExpressionAttributeNames": used} if used else {}
        try:
            updated = self.client.update_item(
                TableName=self.table_name,
                Key=_build_key(key),
                UpdateExpression=update,
                ConditionExpression=condition,
                ExpressionAttributeValues=values,
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **names,
            )
        except self.client.exceptions.ConditionalCheckFailedException as error:
            return False, error.response.get("Item", {})
        return True, updated["Attributes"]


def _read_pages(read: Callable[..., Any]) -> Iterator[Row]:
    """Yield the rows of all pages. A page is read when the caller has taken all rows of the previous page."""
    start: dict[str, Any] = {}
    while True:
        page = read(**start)
        yield from page["Items"]
        if "LastEvaluatedKey" not in page:
            return
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def _build_key(key: ConnectionKey) -> dict[str, AttributeValueTypeDef]:
    return {
        "PK": {"S": keys.tenant_partition(key.tenant_id, key.shard)},
        "SK": {"S": keys.connection_sort_key(key.connection_id)},
    }


def _build_principal(principal: Principal) -> dict[str, AttributeValueTypeDef]:
    return {
        **{name: {"S": value} for name, value in principal.hashes.items()},
        "signed_in_at": {"N": str(principal.signed_in_at)},
    }


def _parse_principal(row: Row) -> Principal:
    user, session, token_id = (row.get(name, {}).get("S", "") for name in ("user", "session", "token_id"))
    return Principal(user, session, token_id, read_integer(row, "signed_in_at"))


def _parse_connections(rows: Iterable[Row], tenant_id: str, shard: int) -> Iterator[Connection]:
    """Yield the connections in the rows of a partition. Skip the tenant's own rows."""
    for row in rows:
        if row["SK"] not in (_TENANT_SORT_KEY, _FILTERS_SORT_KEY):
            yield _parse_connection(row, ConnectionKey(tenant_id, _parse_connection_id(row), shard))


def _parse_connection_id(row: Row) -> str:
    return keys.parse_connection_sort_key(row["SK"].get("S", ""))


def _parse_connection(row: Row, key: ConnectionKey) -> Connection:
    filter_text = row.get("filter", {}).get("S")
    return Connection(
        key,
        connected_at=read_integer(row, "connected_at"),
        expires_at=read_integer(row, "expires_at"),
        principal=_parse_principal(row),
        subscribed=row.get("subscribed") == {"BOOL": True},
        filter=SubscriptionFilter(filter_text) if filter_text is not None else None,
        subscribed_at=read_integer(row, "subscribed_at"),
        behind_since=read_integer(row, "behind") if "behind" in row else None,
        ttl=read_integer(row, "ttl"),
        full_at=read_integer(row, "full_at"),
        held_until=read_integer(row, "held_until"),
        probed_at=read_integer(row, "probed_at"),
    )
