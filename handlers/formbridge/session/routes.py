"""What API Gateway tells the Lambdas behind the routes of the connection that a request came on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..connections.connection import ConnectionKey


def connection_key(request: Mapping[str, Any]) -> ConnectionKey:
    """The key of the connection, of a `requestContext`: its tenant and its shard are what the authorizer said.

    So a connection stays in its shard, however many there are by now; one whose authorizer said none is in the first.
    """
    granted = request["authorizer"]
    return ConnectionKey(granted["tenant_id"], request["connectionId"], int(granted.get("shard", 0)))
