"""The tenants' rows in the connections table: reservations of connections, and token buckets.

A connection is reserved in its tenant's row before its own row is written, and released after its own row was deleted.
Each reservation and each release is one conditional write to one item, so the number of connections never exceeds the
limit, however many clients connect at the same time.

A crash between two writes can leave a reservation without a row. The janitor corrects the number. To find such errors,
reservations are also counted by the period in which they were made. Once a period has ended, no row is added to it, and
the janitor can compare its number with its rows (docs/adr/0023).

The rows of a tenant's connections are spread over the tenant's shards. Each shard is one partition of the table. The
tenant's row contains the number of shards to read. This number is increased before a row is written to a new shard.

A tenant's row also has three token buckets: for the accepted messages of all its connections, for the early ones, and
for its new connections. Each is stored as the time at which it is full again. A conditional write takes tokens. The
first write assumes that the bucket is full. If it is not full but holds enough, a second write takes the tokens.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from ..runtime import keys
from .rate_limit import MICROSECONDS_PER_MILLISECOND
from .tenant_row import PERIOD_MS, PERIOD_PREFIX, Shortage, read_integer, read_shard_count

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

    from .rate_limit import Rate

Refusal = Literal["too_many_connections", "too_many_connections_of_user", "revoked", "connect_rate"]
"""Why a connection is refused: the tenant or the user has reached its limit of connections, the connection is revoked,
or the tenant connects too fast."""
_MESSAGES: Final = "messages_full_at"
"""Attribute of the bucket for messages: when it is full again, in epoch microseconds."""
_EARLY: Final = "early_full_at"
"""Attribute of the bucket for early messages: when it is full again, in epoch microseconds."""
_CONNECTS: Final = "connects_full_at"
"""Attribute of the bucket for new connections: when it is full again, in epoch microseconds."""
_REDUCED: Final = "reduced_until"
"""Attribute with the time until which a tenant may have fewer connections, in epoch milliseconds."""
REDUCTION_MS: Final = 10 * 60 * 1_000
"""Time in milliseconds for which a tenant may have fewer connections after a flood: ten minutes."""
REDUCTION: Final = 10
"""Divisor of the limit of connections of a tenant after a flood."""


class _Take(NamedTuple):
    """A conditional write that takes tokens from a bucket."""

    update: str
    condition: str
    values: Mapping[str, AttributeValueTypeDef]


_NOTHING: Final = _Take("", "", {})
"""A write that takes no tokens."""


@dataclass(frozen=True, slots=True)
class Tenants:
    """Reads and writes of the tenants' rows."""

    client: DynamoDBClient
    table_name: str
    """Name of the connections table."""

    def reserve(
        self, tenant_id: str, connected_at: int, limit: int, shard: int = 0, rate: Rate | None = None
    ) -> Refusal | None:
        """Reserve a connection, unless the tenant has reached a limit.

        After a successful reservation, every reader of the tenant's connections also reads `shard`.

        Args:
            tenant_id: The tenant.
            connected_at: When the client connected, in epoch milliseconds.
            limit: Maximum number of connections of the tenant.
            shard: The shard that the connection's row will be written to.
            rate: Limit on the new connections of the tenant. None: they are not limited.

        Returns:
            The reason for a refusal, or None if the connection was reserved.
        """
        now_us, is_full = connected_at * MICROSECONDS_PER_MILLISECOND, True
        while True:
            take = _build_take(_CONNECTS, rate, 1, now_us, is_full=is_full) if rate else _NOTHING
            row = self._reserve_if(tenant_id, connected_at, limit, shard, take)
            if row is None:
                return None
            if read_integer(row, "connections") >= _reduce(limit, row, connected_at):
                return "too_many_connections"
            full_at = read_integer(row, _CONNECTS)
            if rate and rate.wait_us(full_at, now_us):
                return "connect_rate"
            # Only the number of shards or the state of the bucket was not as expected: try again.
            is_full = full_at <= now_us
            if read_shard_count(row) <= shard:
                self._add_shard(tenant_id, shard)

    def _reserve_if(
        self, tenant_id: str, connected_at: int, limit: int, shard: int, take: _Take
    ) -> Mapping[str, AttributeValueTypeDef] | None:
        """Reserve a connection and take a token, if all conditions hold. Else return the tenant's row."""
        shard_condition = " AND shards > :shard" if shard else ""
        take_condition = f" AND {take.condition}" if take.condition else ""
        values: dict[str, AttributeValueTypeDef] = {
            ":one": {"N": "1"},
            ":limit": {"N": str(limit)},
            ":reduced": {"N": str(max(1, limit // REDUCTION))},
            ":connected": {"N": str(connected_at)},
            **take.values,
        }
        try:
            self.client.update_item(
                TableName=self.table_name,
                Key=_build_key(tenant_id),
                UpdateExpression=f"ADD connections :one, #period :one {take.update}",
                ConditionExpression=(
                    "(attribute_not_exists(connections) OR connections < :reduced OR (connections < :limit AND "
                    f"(attribute_not_exists({_REDUCED}) OR {_REDUCED} <= :connected))){shard_condition}{take_condition}"
                ),
                ExpressionAttributeNames={"#period": _name_period(connected_at // PERIOD_MS)},
                ExpressionAttributeValues={**values, ":shard": {"N": str(shard)}} if shard else values,
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except self.client.exceptions.ConditionalCheckFailedException as error:
            return error.response.get("Item", {})
        return None

    def take_messages(self, tenant_id: str, rate: Rate, tokens: int, now_ms: int) -> Shortage | None:
        """Take tokens for messages of a tenant.

        Args:
            tenant_id: The tenant.
            rate: Limit on the messages of the tenant.
            tokens: Number of tokens; at most the burst of the rate.
            now_ms: Current time in epoch milliseconds.

        Returns:
            None if the tokens were taken, else how long to wait for them.
        """
        return self._take(_MESSAGES, tenant_id, rate, tokens, now_ms)

    def take_early(self, tenant_id: str, rate: Rate, tokens: int, now_ms: int) -> Shortage | None:
        """Take tokens for early messages of a tenant. The parameters and the result are those of `take_messages`.

        If there are not enough, the tenant floods the gateway. It may then have only a tenth of its connections for ten
        minutes, so that it cannot open all of them again and repeat the flood.
        """
        shortage = self._take(_EARLY, tenant_id, rate, tokens, now_ms)
        if shortage is not None:
            self._write_if(
                tenant_id,
                f"SET {_REDUCED} = :until",
                "attribute_exists(PK)",
                {":until": {"N": str(now_ms + REDUCTION_MS)}},
            )
        return shortage

    def take_connect(self, tenant_id: str, rate: Rate, now_ms: int) -> Shortage | None:
        """Take a token for a new connection that is not reserved. The parameters are those of `take_messages`."""
        return self._take(_CONNECTS, tenant_id, rate, 1, now_ms)

    def _take(self, bucket: str, tenant_id: str, rate: Rate, tokens: int, now_ms: int) -> Shortage | None:
        now_us = now_ms * MICROSECONDS_PER_MILLISECOND
        row = self._write_if(tenant_id, *_build_take(bucket, rate, tokens, now_us, is_full=True))
        if row is not None and not rate.wait_us(read_integer(row, bucket), now_us, tokens):
            row = self._write_if(tenant_id, *_build_take(bucket, rate, tokens, now_us, is_full=False))
        if row is None:
            return None
        return Shortage(rate.wait_us(read_integer(row, bucket), now_us, tokens), read_integer(row, "connections"))

    def _add_shard(self, tenant_id: str, shard: int) -> None:
        """Increase the tenant's number of shards so that it includes `shard`. The number never decreases."""
        self._write_if(
            tenant_id,
            "SET shards = :shards",
            "attribute_not_exists(shards) OR shards < :shards",
            {":shards": {"N": str(shard + 1)}},
        )

    def release(self, tenant_id: str, connected_at: Iterable[int]) -> None:
        """Release the reservations of connections whose rows were deleted.

        A period whose attribute was removed is skipped, because none of its connections is counted any more.

        Args:
            tenant_id: The tenant.
            connected_at: When each of the connections was opened, in epoch milliseconds.
        """
        for period, count in Counter(moment // PERIOD_MS for moment in connected_at).items():
            self._write_if(
                tenant_id,
                "ADD connections :less, #period :less",
                "attribute_exists(#period)",
                {":less": {"N": str(-count)}},
                {"#period": _name_period(period)},
            )

    def correct(self, tenant_id: str, period: int, reserved: int, change: int) -> None:
        """Correct the number of reserved connections of a period, and the tenant's number with it.

        If the result is zero, remove the attribute of the period. Do nothing if the number of the period has changed
        since the row was read.

        Args:
            tenant_id: The tenant.
            period: Number of the period, counted from the epoch.
            reserved: Number of reserved connections of the period when the row was read; 0 if it had no attribute.
            change: What to add to the number.
        """
        is_zero = reserved + change == 0
        self._write_if(
            tenant_id,
            "ADD connections :change REMOVE #period" if is_zero else "ADD connections :change, #period :change",
            "#period = :reserved" if reserved else "#period = :reserved OR attribute_not_exists(#period)",
            {":change": {"N": str(change)}, ":reserved": {"N": str(reserved)}},
            {"#period": _name_period(period)},
        )

    def set_total(self, tenant_id: str, connections: int, total: int) -> None:
        """Set the tenant's number of reserved connections to the sum of its periods.

        Do nothing if the number has changed since the row was read.

        Args:
            tenant_id: The tenant.
            connections: The number when the row was read.
            total: The sum of all periods when the row was read.
        """
        self._write_if(
            tenant_id,
            "SET connections = :total",
            "connections = :connections"
            if connections
            else "connections = :connections OR attribute_not_exists(connections)",
            {":total": {"N": str(total)}, ":connections": {"N": str(connections)}},
        )

    def read_epoch(self, tenant_id: str, history: str, now_ms: int) -> int:
        """Return the epoch of a tenant's history: the time of its last replacement, in epoch milliseconds.

        If the tenant's row names another history, the table was replaced, for example by one that was restored from a
        backup. The epoch is then raised.

        Args:
            tenant_id: The tenant.
            history: Identifies the history of the submissions table. Empty: unknown.
            now_ms: Current time in epoch milliseconds.
        """
        found = self.client.get_item(TableName=self.table_name, Key=_build_key(tenant_id), ConsistentRead=True)
        row = found.get("Item", {})
        if not history or row.get("history") == {"S": history}:
            return read_integer(row, "epoch")
        # The first history of a tenant replaces none. Clients have no cursors yet.
        if "history" in row:
            # Raise the epoch first. If the second write fails, the next request raises the epoch again.
            self.raise_epoch(tenant_id, now_ms)
        # Do not write the epoch here. A broadcast may have raised it since the row was read.
        updated = self.client.update_item(
            TableName=self.table_name,
            Key=_build_key(tenant_id),
            UpdateExpression="SET history = :history",
            ExpressionAttributeValues={":history": {"S": history}},
            ReturnValues="ALL_NEW",
        )
        return read_integer(updated["Attributes"], "epoch")

    def raise_epoch(self, tenant_id: str, now_ms: int) -> None:
        """Record that the tenant's history is replaced now: the views of all its clients then start anew.

        The epoch never decreases, even if the clocks of two Lambdas differ.
        """
        try:
            self.client.update_item(
                TableName=self.table_name,
                Key=_build_key(tenant_id),
                UpdateExpression="SET epoch = :now",
                ConditionExpression="attribute_not_exists(epoch) OR epoch < :now",
                ExpressionAttributeValues={":now": {"N": str(now_ms)}},
            )
        except self.client.exceptions.ConditionalCheckFailedException:
            return

    def _write_if(
        self,
        tenant_id: str,
        update: str,
        condition: str,
        values: Mapping[str, AttributeValueTypeDef],
        names: Mapping[str, str] | None = None,
    ) -> Mapping[str, AttributeValueTypeDef] | None:
        """Update a tenant's row and return None. If the condition does not hold, do nothing and return the row."""
        name_options: dict[str, Any] = {"ExpressionAttributeNames": names} if names else {}
        try:
            self.client.update_item(
                TableName=self.table_name,
                Key=_build_key(tenant_id),
                UpdateExpression=update,
                ConditionExpression=condition,
                ExpressionAttributeValues=values,
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **name_options,
            )
        except self.client.exceptions.ConditionalCheckFailedException as error:
            return error.response.get("Item", {})
        return None


def _build_take(bucket: str, rate: Rate, tokens: int, now_us: int, *, is_full: bool) -> _Take:
    """Return the write that takes tokens from a bucket that is full, or from one that is not."""
    cost_us = tokens * rate.interval_us
    if is_full:
        return _Take(
            f"SET {bucket} = :next",
            f"(attribute_not_exists({bucket}) OR {bucket} <= :now)",
            {":next": {"N": str(now_us + cost_us)}, ":now": {"N": str(now_us)}},
        )
    latest = now_us + rate.burst * rate.interval_us - cost_us
    return _Take(
        f"SET {bucket} = {bucket} + :cost",
        f"{bucket} <= :latest",
        {":cost": {"N": str(cost_us)}, ":latest": {"N": str(latest)}},
    )


def _reduce(limit: int, row: Mapping[str, AttributeValueTypeDef], now_ms: int) -> int:
    """Return how many connections a tenant may have: fewer for a while after a flood."""
    return max(1, limit // REDUCTION) if read_integer(row, _REDUCED) > now_ms else limit


def _build_key(tenant_id: str) -> dict[str, AttributeValueTypeDef]:
    return {"PK": {"S": keys.tenant_partition(tenant_id)}, "SK": {"S": keys.TENANT_SORT_KEY}}


def _name_period(number: int) -> str:
    """Return the name of the attribute that counts the connections of a period."""
    return f"{PERIOD_PREFIX}{number}"
