"""The keys of the tables. Only this module builds partition keys, sort keys and index names."""

from __future__ import annotations

from typing import Final

SUBMISSION_PREFIX: Final = "SUB#"
"""Prefix of a submission's partition key."""
SUBMISSION_SORT_KEY: Final = "META"
"""Sort key of a submission."""
SUBMISSIONS_INDEX: Final = "GSI1"
"""Name of the index that lists a tenant's submissions in the order of their last change."""
SUBMISSIONS_INDEX_PARTITION_KEY: Final = "GSI1PK"
"""Attribute that is the partition key of `GSI1`. Its value is `tenant_partition` of the submission's tenant."""
SUBMISSIONS_INDEX_SORT_KEY: Final = "GSI1SK"
"""Attribute that is the sort key of `GSI1`. Its value is the `submission_position` of the submission."""
CONNECTION_PREFIX: Final = "CONN#"
"""Prefix of a connection's sort key."""
FILTERS_SORT_KEY: Final = "FILTERS"
"""Sort key of a tenant's row of subscription filters. It sorts between the connections and the tenant's own row."""
TENANT_SORT_KEY: Final = "TENANT"
"""Sort key of a tenant's own row. It sorts after the sort keys of all connections and of the row of filters."""
USER_PREFIX: Final = "USER#"
"""Prefix of the sort key of a user's row. Such rows sort after the tenant's own row, so that no read of connections
finds them."""

REVOCATION_SORT_KEY: Final = "REVOCATION"
"""Sort key of a revocation."""
AUDIT_PREFIX: Final = "AUDIT#"
"""Prefix of the sort key of an audit item in the revocations table."""
REVOCATIONS_INDEX: Final = "REVOCATIONS"
"""Name of the index that contains the revocations and no audit items."""
REVOCATIONS_INDEX_KEY: Final = "target"
"""Attribute that is the partition key of the index. Only revocations have it. Its value is their partition key."""

_TENANT_PREFIX: Final = "TENANT#"


def submission_partition(tenant_id: str, submission_id: str) -> str:
    """Return the partition key of a submission.

    Neither id contains a `#`, so two tenants never share a partition, even if their submissions have the same id.
    """
    return f"{SUBMISSION_PREFIX}{tenant_id}#{submission_id}"


def submission_position(updated_at: str, submission_id: str) -> str:
    """Return a submission's sort key in `GSI1`, which orders a tenant's submissions by their last change."""
    return f"{updated_at}#{submission_id}"


def tenant_partition(tenant_id: str, shard: int = 0) -> str:
    """Return the partition key of a shard of a tenant.

    In the connections table, a tenant has one partition per shard. In `GSI1`, a tenant has a single partition, with the
    key of shard 0.

    A tenant id contains no `#`, so two tenants never share a partition.
    """
    return f"{_TENANT_PREFIX}{tenant_id}#{shard}" if shard else f"{_TENANT_PREFIX}{tenant_id}"


def parse_tenant_partition(partition: str) -> tuple[str, int]:
    """Return the tenant id and the shard of a partition key that `tenant_partition` built."""
    tenant_id, _, shard = partition.removeprefix(_TENANT_PREFIX).partition("#")
    return tenant_id, int(shard or 0)


def connection_sort_key(connection_id: str) -> str:
    """Return the sort key of a connection's row."""
    return f"{CONNECTION_PREFIX}{connection_id}"


def parse_connection_sort_key(sort_key: str) -> str:
    """Return the connection id of a sort key that `connection_sort_key` built."""
    return sort_key.removeprefix(CONNECTION_PREFIX)


def user_sort_key(user: str) -> str:
    """Return the sort key of the row that counts the connections of a user. The user is a keyed hash."""
    return f"{USER_PREFIX}{user}"


def parse_user_sort_key(sort_key: str) -> str:
    """Return the keyed hash of the user in a sort key that `user_sort_key` built."""
    return sort_key.removeprefix(USER_PREFIX)


def revocation_partition(kind: str, *ids: str) -> str:
    """Return the partition key of a target's items in the revocations table. No id contains a `#`."""
    return "#".join((kind, *ids))


def parse_revocation_partition(partition: str) -> list[str]:
    """Return the kind and the ids of a partition key that `revocation_partition` built."""
    return partition.split("#")


def audit_sort_key(recorded_at: str, number: str) -> str:
    """Return the sort key of an audit item.

    Args:
        recorded_at: When the change was made, in ISO 8601 with a fixed length, so that the items are in the order of
            time.
        number: A random string that no other change of the same moment has.
    """
    return f"{AUDIT_PREFIX}{recorded_at}#{number}"
