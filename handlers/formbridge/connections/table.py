"""The connections table: one row a connection, in a partition of its tenant, and one for the tenant itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from ..runtime import clock, keys
from ..wire.subscription_filter import SubscriptionFilter
from .connection import Connection, ConnectionKey, RateLimited, Span
from .tenant_row import TenantRow, read_integer, read_shard_count
from .tenants import Refusal, Tenants

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

    from .rate_limit import Rate

Row = Mapping[str, "AttributeValueTypeDef"]
WHOLE_SHARD: Final = Span()
_TENANT: Final = {"S": keys.TENANT_SORT_KEY}
_BROADCAST_ATTRIBUTES: Final = (
    "SK, connected_at, expires_at, subscribed, subscribed_at, #filter, behind, connections, shards"
)
"""By a broadcast, of the rows of connections and tenants."""


@dataclass(frozen=True, slots=True)
class TenantConnections:
    """A tenant's connections, as a broadcast reads them."""

    reserved: int
    """How many the tenant is counted to have, subscribed or not."""
    shards: int
    """In how many partitions their rows may stand."""
    subscribed: Iterator[Connection]
    """Those that get its updates; the table is read on as they are taken."""


@dataclass(frozen=True, slots=True)
class ConnectionsTable:
    """The table as `WebSocketGateway` makes it."""

    client: DynamoDBClient
    table_name: str

    @property
    def tenants(self) -> Tenants:
        """The tenants' rows, in the same table."""
        return Tenants(self.client, self.table_name)

    def add(self, connection: Connection, max_connections: int) -> Refusal | None:
        """Write the row of a new connection, which gets nothing until it subscribes.

        What is returned says why it may not be: its tenant has `max_connections` already, or its token was revoked.
        """
        key, connected_at = connection.key, connection.connected_at
        refusal = self.tenants.reserve(key.tenant_id, connected_at, connection.issued_at, max_connections, key.shard)
        if refusal is not None:
            return refusal
        try:
            self.client.put_item(
                TableName=self.table_name,
                Item={
                    **_key(key),
                    "subscribed": {"BOOL": False},
                    "connected_at": {"N": str(connected_at)},
                    "issued_at": {"N": str(connection.issued_at)},
                    "expires_at": {"N": str(connection.expires_at)},
                    "ttl": {"N": str(connection.ttl)},
                },
            )
        except (BotoCoreError, ClientError):
            # It may have been written all the same.
            self.delete(key)
            self.release(key.tenant_id, [connected_at])
            raise
        return None

    def remove(self, key: ConnectionKey) -> None:
        """Delete a connection's row and count the connection no longer; one that is gone already is fine."""
        connected_at = self.delete(key)
        if connected_at is not None:
            self.release(key.tenant_id, [connected_at])

    def delete(self, key: ConnectionKey) -> int | None:
        """Delete a connection's row; when it had connected, which whoever deletes it is to release, or None: no row."""
        deleted = self.client.delete_item(TableName=self.table_name, Key=_key(key), ReturnValues="ALL_OLD")
        row = deleted.get("Attributes")
        return read_integer(row, "connected_at") if row else None

    def release(self, tenant_id: str, connected_at: Iterable[int]) -> None:
        """Count connections no longer whose rows were deleted."""
        self.tenants.release(tenant_id, connected_at)

    def admit(self, key: ConnectionKey, rate: Rate, now_ms: int) -> Connection | RateLimited | None:
        """Let a message of the connection through, or refuse it for coming too soon; None where it has no row.

        Most messages find the bucket full, and take one write, which brings the row along.
        """
        now_us = now_ms * 1000
        done, row = self._update(
            key,
            "SET full_at = :next REMOVE refusals",
            "attribute_exists(PK) AND (attribute_not_exists(full_at) OR full_at <= :now)",
            {":next": {"N": str(now_us + rate.interval_us)}, ":now": {"N": str(now_us)}},
        )
        if not done and row:
            done, row = self._update(
                key,
                "SET full_at = full_at + :interval",
                "full_at <= :latest",
                {":interval": {"N": str(rate.interval_us)}, ":latest": {"N": str(now_us + rate.tolerance_us)}},
            )
        if done or not row:
            return _connection(row, key) if row else None
        wait_ms = rate.wait_ms(read_integer(row, "full_at"), now_us)
        _, row = self._update(key, "ADD refusals :one", "attribute_exists(PK)", {":one": {"N": "1"}})
        return RateLimited(_connection(row, key), wait_ms, read_integer(row, "refusals")) if row else None

    def subscribe(self, key: ConnectionKey, wanted: SubscriptionFilter | None) -> bool:
        """From now on the connection gets its tenant's updates, or those that it wants; False where it has no row."""
        values: Row = {":true": {"BOOL": True}, ":now": {"N": str(clock.now_ms())}}
        update = "SET subscribed = :true, subscribed_at = :now"
        if wanted is None:
            return self._change(key, f"{update} REMOVE #filter", values)
        values = {**values, ":filter": {"S": wanted.text}}
        return self._change(key, f"{update}, #filter = :filter", values)

    def unsubscribe(self, key: ConnectionKey) -> bool:
        """From now on the connection gets no updates; False where it has no row."""
        values: Row = {":false": {"BOOL": False}}
        return self._change(key, "SET subscribed = :false REMOVE #filter", values)

    def extend(self, key: ConnectionKey, expires_at: int, issued_at: int) -> bool:
        """The connection has a new token, by which it lasts longer; False where it has no row."""
        values: Row = {":expires_at": {"N": str(expires_at)}, ":issued_at": {"N": str(issued_at)}}
        return self._change(key, "SET expires_at = :expires_at, issued_at = :issued_at", values)

    def mark_behind(self, key: ConnectionKey, since_ms: int) -> None:
        """Note that the connection missed a post; where its row is gone, so is the connection."""
        self._change(key, "SET behind = :since", {":since": {"N": str(since_ms)}})

    def clear_behind(self, key: ConnectionKey, seen_ms: int) -> None:
        """The connection was told to resync. A mark that another broadcast set since it was read stays."""
        self._update(key, "REMOVE behind", "behind = :seen", {":seen": {"N": str(seen_ms)}})

    def read_tenant_connections(self, tenant_id: str) -> TenantConnections:
        """The tenant's subscribed connections, after one request. A subscription counts once it is acknowledged.

        The tenant's row comes first, and tells of every shard that a row stands in. What subscribes later, in a shard
        that is not told yet, reads itself what has happened until then.
        """
        tenant, connections = self._read(tenant_id, subscribed=True)
        return TenantConnections(read_integer(tenant, "connections"), read_shard_count(tenant), connections)

    def read_shard(self, tenant_id: str, shard: int, span: Span = WHOLE_SHARD) -> Iterator[Connection]:
        """The tenant's subscribed connections whose rows stand in one of its shards, or a part of it."""
        return _connections(self._partition(tenant_id, shard, span, subscribed=True), tenant_id, shard)

    def split_shard(self, tenant_id: str, shard: int, size: int) -> Sequence[Span]:
        """The parts of a shard, cut after every `size` rows, whatever they are: counted by DynamoDB, and not read.

        Not read consistently either, for half the price: wherever the cuts are, every row is in one of the parts.
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
                cuts.append(_connection_id(page["LastEvaluatedKey"]))
                counted = 0
        # DynamoDB does not say whether anything comes after the last row that it counted.
        ends = cuts if counted else cuts[:-1]
        return [Span(after, until) for after, until in pairwise([None, *ends, None])]

    def list_connections(self, tenant_id: str) -> Iterator[Connection]:
        """All connections of the tenant, subscribed or not, with all that the table holds of them."""
        return self._read(tenant_id, subscribed=False)[1]

    def scan(self) -> Iterator[Connection | TenantRow]:
        """Every row of every tenant. Read consistently: a token that was renewed counts."""
        for row in _pages(partial(self.client.scan, TableName=self.table_name, ConsistentRead=True)):
            if row["SK"] == _TENANT:
                yield TenantRow.from_row(row)
            else:
                tenant_id, shard = keys.parse_tenant_partition(row["PK"].get("S", ""))
                yield from _connections([row], tenant_id, shard)

    def _read(self, tenant_id: str, *, subscribed: bool) -> tuple[Row, Iterator[Connection]]:
        """The tenant's row, empty where it has none, and its connections in every shard, read as they are taken."""
        rows = self._partition(tenant_id, 0, WHOLE_SHARD, subscribed=subscribed)
        first = next(rows, None)
        tenant: Row = first if first and first["SK"] == _TENANT else {}
        here = _connections(chain([first] if first else [], rows), tenant_id, 0)
        further = (
            _connections(self._partition(tenant_id, shard, WHOLE_SHARD, subscribed=subscribed), tenant_id, shard)
            for shard in range(1, read_shard_count(tenant))
        )
        return tenant, chain(here, chain.from_iterable(further))

    def _partition(self, tenant_id: str, shard: int, span: Span, *, subscribed: bool) -> Iterator[Row]:
        """A partition's rows, in descending order, in which a tenant's comes before those of its connections.

        Those of connections that have not outlived it, and of the `subscribed` no more than a broadcast needs to know.
        """
        # The text that comes next after another is that with the least character behind it.
        first = f"{keys.connection_sort_key(span.after)}\0" if span.after is not None else keys.CONNECTION_PREFIX
        last = keys.connection_sort_key(span.until) if span.until is not None else keys.TENANT_SORT_KEY
        wanted = "#ttl > :now"
        names = {"#ttl": "ttl"}
        values: dict[str, AttributeValueTypeDef] = {
            ":partition": {"S": keys.tenant_partition(tenant_id, shard)},
            ":first": {"S": first},
            ":last": {"S": last},
            ":now": {"N": str(clock.now_ms() // 1000)},
        }
        projection: dict[str, Any] = {}
        if subscribed:
            wanted += " AND subscribed = :true"
            names["#filter"] = "filter"
            values[":true"] = {"BOOL": True}
            projection = {"ProjectionExpression": _BROADCAST_ATTRIBUTES}
        return _pages(
            partial(
                self.client.query,
                TableName=self.table_name,
                KeyConditionExpression="PK = :partition AND SK BETWEEN :first AND :last",
                # A tenant's row has no `ttl`.
                FilterExpression=f"attribute_not_exists(#ttl) OR ({wanted})",
                ExpressionAttributeNames=names,
                ExpressionAttributeValues=values,
                ConsistentRead=True,
                ScanIndexForward=False,
                **projection,
            )
        )

    def _change(self, key: ConnectionKey, update: str, values: Row) -> bool:
        """Change a connection's row; False where it has none."""
        return self._update(key, update, "attribute_exists(PK)", values)[0]

    def _update(self, key: ConnectionKey, update: str, condition: str, values: Row) -> tuple[bool, Row]:
        """Change a connection's row under a condition: whether that held, and the row; empty where there is none."""
        names: dict[str, Any] = {"ExpressionAttributeNames": {"#filter": "filter"}} if "#filter" in update else {}
        try:
            changed = self.client.update_item(
                TableName=self.table_name,
                Key=_key(key),
                UpdateExpression=update,
                ConditionExpression=condition,
                ExpressionAttributeValues=values,
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **names,
            )
        except self.client.exceptions.ConditionalCheckFailedException as refused:
            return False, refused.response.get("Item", {})
        return True, changed["Attributes"]


def _pages(read: Callable[..., Any]) -> Iterator[Row]:
    """The rows of every page; a page is read once those before it are taken."""
    start: dict[str, Any] = {}
    while True:
        page = read(**start)
        yield from page["Items"]
        if "LastEvaluatedKey" not in page:
            return
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def _key(key: ConnectionKey) -> dict[str, AttributeValueTypeDef]:
    return {
        "PK": {"S": keys.tenant_partition(key.tenant_id, key.shard)},
        "SK": {"S": keys.connection_sort_key(key.connection_id)},
    }


def _connections(rows: Iterable[Row], tenant_id: str, shard: int) -> Iterator[Connection]:
    """The connections among the rows of a partition."""
    for row in rows:
        if row["SK"] != _TENANT:
            yield _connection(row, ConnectionKey(tenant_id, _connection_id(row), shard))


def _connection_id(row: Row) -> str:
    return keys.parse_connection_sort_key(row["SK"].get("S", ""))


def _connection(row: Row, key: ConnectionKey) -> Connection:
    wanted = row.get("filter", {}).get("S")
    return Connection(
        key,
        connected_at=read_integer(row, "connected_at"),
        expires_at=read_integer(row, "expires_at"),
        issued_at=read_integer(row, "issued_at"),
        subscribed=row.get("subscribed") == {"BOOL": True},
        filter=SubscriptionFilter.from_text(wanted) if wanted is not None else None,
        subscribed_at=read_integer(row, "subscribed_at"),
        behind_since=read_integer(row, "behind") if "behind" in row else None,
        ttl=read_integer(row, "ttl"),
    )
