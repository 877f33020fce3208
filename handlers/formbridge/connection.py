"""A dashboard's connection, as the connections table holds it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Connection:
    """A row of the connections table."""

    tenant_id: str
    connection_id: str
    connected_at: int
    """Epoch milliseconds."""
    expires_at: int
    """When its token expires, in epoch seconds."""
    behind: int | None = None
    """Since when it has missed a post, in epoch milliseconds; None: it has missed none."""
