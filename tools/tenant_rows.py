"""Reads of all rows of one tenant in the submissions table, including tombstones and pending rows."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from formbridge.runtime import keys
from formbridge.submissions.submission import DELETED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import QueryInputPaginateTypeDef

    from formbridge.submissions.table import Item

PAGE_SIZE: Final = 100
"""Maximum number of rows of one page. BatchGetItem reads at most 100 items."""
BACKOFF_SECONDS: Final = 0.1
"""Maximum pause before the second request for the rows that DynamoDB did not return. It doubles with each request."""
MAX_BACKOFF_SECONDS: Final = 10.0
"""Maximum pause before any request."""


@dataclass(frozen=True, slots=True)
class TenantRows:
    """The rows of one tenant."""

    client: DynamoDBClient
    """DynamoDB client for all reads."""
    table_name: str
    """Name of the submissions table."""
    tenant_id: str
    """Tenant that owns the rows."""

    def list_pages(self, after: str | None = None, *, newest_first: bool = False) -> Iterator[Sequence[Item]]:
        """Yield the rows as `GSI1` has them, without payload, in pages of at most `PAGE_SIZE`.

        A row that changes during the read moves to the newest end of the index. With `newest_first` it is not yielded
        again. Otherwise it is yielded again, and a row that exists from the start to the end is never missed.

        Args:
            after: Sort key in `GSI1` after which to start; None to start at the first row.
            newest_first: Whether to read from the newest row to the oldest.
        """
        condition = f"{keys.SUBMISSIONS_INDEX_PARTITION_KEY} = :partition"
        values: Item = {":partition": {"S": keys.tenant_partition(self.tenant_id)}}
        if after is not None:
            condition += f" AND {keys.SUBMISSIONS_INDEX_SORT_KEY} > :after"
            values[":after"] = {"S": after}
        request: QueryInputPaginateTypeDef = {
            "TableName": self.table_name,
            "IndexName": keys.SUBMISSIONS_INDEX,
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": values,
            "ScanIndexForward": not newest_first,
            "PaginationConfig": {"PageSize": PAGE_SIZE},
        }
        for page in self.client.get_paginator("query").paginate(**request):
            if page["Items"]:
                yield page["Items"]

    def read(self, indexed: Sequence[Item]) -> list[Item]:
        """Return rows with all attributes, in the order of their index rows.

        Rows that no longer exist are left out.

        Args:
            indexed: At most `PAGE_SIZE` rows as `GSI1` has them, or their keys.
        """
        requested = [{name: row[name] for name in ("PK", "SK")} for row in indexed]
        order = {row["PK"].get("S"): number for number, row in enumerate(requested)}
        found: list[Item] = []
        backoff = BACKOFF_SECONDS
        while requested:
            answer = self.client.batch_get_item(
                RequestItems={self.table_name: {"Keys": requested, "ConsistentRead": True}}
            )
            found += answer["Responses"].get(self.table_name, [])
            # An answer has at most 16 MB. Botocore repeats throttled requests, but not the rest of an answer.
            requested = answer["UnprocessedKeys"].get(self.table_name, {"Keys": []})["Keys"]
            if requested and not answer["Responses"].get(self.table_name):
                time.sleep(random.uniform(0, backoff))  # noqa: S311 - no secret
                backoff = min(2 * backoff, MAX_BACKOFF_SECONDS)
        return sorted(found, key=lambda row: order[row["PK"].get("S")])


def has_content(row: Item) -> bool:
    """Return whether a row, read with all attributes, is anything but a tombstone without payload."""
    return row.get("status") != {"S": DELETED} or "payload" in row
