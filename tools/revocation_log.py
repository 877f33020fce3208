"""Writes to the revocations table. Each change of a revocation has an audit item, in the same transaction."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple

from formbridge.revocations.revocation import FOREVER, RETENTION_SECONDS, Revocation, Target
from formbridge.revocations.table import build_revocation_key, parse_revocation
from formbridge.runtime import keys
from formbridge.runtime.timestamps import to_iso

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef, PutTypeDef

MAX_ATTEMPTS: Final = 10
"""Maximum number of attempts to write a change. An attempt fails if another change is written at the same time."""


class Action(Enum):
    """What a change does."""

    REVOKE = "revoke"
    """Refuse the sign-ins until now."""
    BLOCK = "block"
    """Refuse the sign-ins until now, and every later one for a time or for ever."""
    LIFT = "lift"
    """Accept new sign-ins again. The sign-ins before the block stay refused."""
    LIFT_ALL = "lift all"
    """Accept every sign-in again."""


class Change(NamedTuple):
    """Who changes a revocation, how, when and why."""

    action: Action
    recorded_by: str
    """ARN of the caller's identity."""
    reason: str
    now: int
    """The time of the change, in epoch seconds."""
    clock_tolerance: int
    """Seconds by which the stack lets the clock of the issuer be ahead. The sign-ins of so many seconds after the
    change are refused too, because a token that was issued before may have such a time."""
    until: int | None = None
    """Until when a revocation is kept, or a block lasts, in epoch seconds. None: the default of the action."""

    def apply(self, before: Revocation) -> Revocation:
        """Return the revocation after the change."""
        match self.action:
            case Action.REVOKE:
                return before.merge(self._build_revocation(self.until or self.now + RETENTION_SECONDS))
            case Action.BLOCK:
                until = self.until or FOREVER
                revoked = self._build_revocation(max(until, self.now + RETENTION_SECONDS))
                return before.merge(revoked).merge(Revocation(blocked_until=until))
            case Action.LIFT:
                return Revocation(before.signed_in_before, before.revoked_until)
            case Action.LIFT_ALL:
                return Revocation()

    def _build_revocation(self, until: int) -> Revocation:
        # A token's times have a resolution of one second, so the sign-ins of the current second are revoked too.
        return Revocation(signed_in_before=self.now + 1 + self.clock_tolerance, revoked_until=until)


class Conflict(Exception):
    """Other changes of the same revocation were written at the same time, again and again."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An item of the revocations table: the state of a target, or an audit item."""

    target: Target
    revocation: Revocation
    """The revocation after the change."""
    action: str
    recorded_at: str
    """When the change was made, in ISO 8601."""
    recorded_by: str
    reason: str
    is_audit: bool
    """Whether the item is an audit item."""


@dataclass(frozen=True, slots=True)
class RevocationLog:
    """The revocations table of a stack."""

    client: DynamoDBClient
    table_name: str

    def record(self, target: Target, change: Change) -> tuple[Revocation, Revocation]:
        """Change the revocation of a target, and add an audit item. Return the revocation before and after the change.

        The revocation is read, changed, and written only if it is still as it was read. So no change is lost.

        Raises:
            BotoCoreError, ClientError: The table cannot be read or written.
            Conflict: Other changes were written at the same time.
        """
        key = build_revocation_key(target)
        for _ in range(MAX_ATTEMPTS):
            found = self.client.get_item(TableName=self.table_name, Key=key, ConsistentRead=True).get("Item", {})
            before = parse_revocation(found)
            after = change.apply(before)
            try:
                self._write(target, after, change, int(found.get("revision", {}).get("N", "0")))
            except self.client.exceptions.TransactionCanceledException as error:
                reasons = {reason.get("Code") for reason in error.response.get("CancellationReasons", [])}
                if not reasons & {"ConditionalCheckFailed", "TransactionConflict"}:
                    raise
            else:
                return before, after
        raise Conflict(f"{target.key}: other changes were written at the same time; run the command again")

    def read_entries(self) -> Iterator[Entry]:
        """Yield all items of the table.

        Raises:
            BotoCoreError, ClientError: The table cannot be read.
        """
        for page in self.client.get_paginator("scan").paginate(TableName=self.table_name, ConsistentRead=True):
            yield from map(_parse_entry, page["Items"])

    def _write(self, target: Target, after: Revocation, change: Change, revision: int) -> None:
        recorded_at = to_iso(change.now * 1000)
        recorded: dict[str, AttributeValueTypeDef] = {
            "signed_in_before": {"N": str(after.signed_in_before)},
            "revoked_until": {"N": str(after.revoked_until)},
            "blocked_until": {"N": str(after.blocked_until)},
            "action": {"S": change.action.value},
            "recorded_at": {"S": recorded_at},
            "recorded_by": {"S": change.recorded_by},
            "reason": {"S": change.reason},
        }
        state: dict[str, AttributeValueTypeDef] = {
            **build_revocation_key(target),
            **recorded,
            keys.REVOCATIONS_INDEX_KEY: {"S": target.key},
            "revision": {"N": str(revision + 1)},
            "ttl": {"N": str(max(after.expires_at, change.now))},
        }
        audit: dict[str, AttributeValueTypeDef] = {
            "PK": {"S": target.key},
            "SK": {"S": keys.audit_sort_key(recorded_at, secrets.token_hex(4))},
            **recorded,
        }
        put_state: PutTypeDef = {
            "TableName": self.table_name,
            "Item": state,
            "ConditionExpression": "attribute_not_exists(PK)",
        }
        if revision:
            put_state["ConditionExpression"] = "revision = :revision"
            put_state["ExpressionAttributeValues"] = {":revision": {"N": str(revision)}}
        put_audit: PutTypeDef = {
            "TableName": self.table_name,
            "Item": audit,
            "ConditionExpression": "attribute_not_exists(PK)",
        }
        self.client.transact_write_items(TransactItems=[{"Put": put_state}, {"Put": put_audit}])


def now_seconds() -> int:
    """Return the current time in epoch seconds."""
    return int(time.time())


def _parse_entry(item: Mapping[str, AttributeValueTypeDef]) -> Entry:
    action, recorded_at, recorded_by, reason = (
        item.get(name, {}).get("S", "") for name in ("action", "recorded_at", "recorded_by", "reason")
    )
    return Entry(
        Target.from_key(item["PK"].get("S", "")),
        parse_revocation(item),
        action,
        recorded_at,
        recorded_by,
        reason,
        is_audit=item["SK"].get("S", "").startswith(keys.AUDIT_PREFIX),
    )
