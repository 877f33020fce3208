"""A stack in moto, as far as `revoke`, `lift` and `revocations` use it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from formbridge.access.principal import Principal
from formbridge.connections.connection import Connection, ConnectionKey
from formbridge.connections.table import ConnectionsTable
from formbridge.revocations.table import RevocationsTable
from tests.support.handlers.principals import HASHES, ISSUER, USER_HASH_KEY
from tests.support.handlers.region import (
    CONNECTIONS,
    REVOCATIONS,
    SUBMISSIONS,
    make_connections_table,
    make_revocations_table,
    make_submissions_table,
)
from tests.support.tools.pool import POOL_ID, Pool

if TYPE_CHECKING:
    from pathlib import Path

    from mypy_boto3_dynamodb import DynamoDBClient

    from tests.support.handlers.server import LocalServer

NOW: Final = 1_800_000_000
"""The test's moment, in epoch seconds."""
PARAMETER: Final = "user-hash-key"


@dataclass(frozen=True)
class AccessStack:
    """The tables, the user pool, and the connections' gateway."""

    dynamodb: DynamoDBClient
    pool: Pool
    server: LocalServer
    statuses: dict[str, int]
    """What a connection is answered with, where that is not 200."""
    outputs: Path
    """The file with the outputs of the stack."""
    values: dict[str, Any] = field(default_factory=dict[str, Any])

    def build(self, ssm: Any) -> None:
        """Make everything."""
        make_connections_table(self.dynamodb)
        make_revocations_table(self.dynamodb)
        make_submissions_table(self.dynamodb)
        ssm.put_parameter(Name=PARAMETER, Type="SecureString", Value=USER_HASH_KEY)
        self.values.update(
            management_endpoint=f"{self.server.url}/live",
            connections_table_name=CONNECTIONS,
            revocations_table_name=REVOCATIONS,
            table_name=SUBMISSIONS,
            user_hash_key_parameter=PARAMETER,
            issuer=ISSUER,
            user_pool_id=POOL_ID,
            clock_tolerance_seconds=30,
        )
        self.write_outputs()

    def write_outputs(self, **changes: str | int | None) -> None:
        values = {name: value for name, value in {**self.values, **changes}.items() if value is not None}
        self.outputs.write_text(json.dumps(values))

    @property
    def connections_table(self) -> ConnectionsTable:
        return ConnectionsTable(self.dynamodb, CONNECTIONS)

    def connect(
        self, connection_id: str, subject: str = "ada", tenant_id: str = "t_acme", *, status: int = 200, **fields: Any
    ) -> None:
        """A connection of a user; `fields` are those of its principal."""
        self.statuses[connection_id] = status
        principal = replace(Principal(HASHES.hash_user(subject), signed_in_at=NOW - 60), **fields)
        key = ConnectionKey(tenant_id, connection_id)
        connection = Connection(key, NOW * 1000, NOW + 3_600, principal, ttl=2**32)
        assert self.connections_table.add(connection, 100, 100) is None

    def open(self) -> set[str]:
        """The connections that have a row."""
        return {row.connection_id for row in self.connections_table.scan() if isinstance(row, Connection)}

    def refuses(
        self,
        subject: str = "ada",
        tenant_id: str = "t_acme",
        *,
        signed_in_at: int = NOW - 60,
        at: int = NOW,
        **ids: str,
    ) -> bool:
        """Whether the connect Lambda would refuse a connection."""
        principal = Principal(HASHES.hash_user(subject), **ids, signed_in_at=signed_in_at)
        table = RevocationsTable(self.dynamodb, REVOCATIONS)
        return table.find(tenant_id, principal).refuse(tenant_id, principal, at)

    def items(self) -> list[dict[str, Any]]:
        """The items of the revocations table."""
        return [dict(item) for item in self.dynamodb.scan(TableName=REVOCATIONS)["Items"]]
