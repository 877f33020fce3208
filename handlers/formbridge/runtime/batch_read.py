"""Reads of several items of a DynamoDB table by their keys."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

MAX_READS: Final = 5
"""Maximum number of requests of one read. DynamoDB may return a part of the items: at most 16 MB, or fewer while it
throttles."""
PAUSE_SECONDS: Final = 0.05
"""Longest pause before the second request. It doubles with each further one, so that all take at most 0.75 seconds."""


class ItemsUnread(Exception):
    """Error: DynamoDB did not return all items."""


def read_items(
    client: DynamoDBClient, table_name: str, item_keys: Sequence[Mapping[str, AttributeValueTypeDef]], **options: Any
) -> list[dict[str, AttributeValueTypeDef]]:
    """Return the items with these keys that exist, with strongly consistent reads.

    Args:
        client: The DynamoDB client.
        table_name: Name of the table.
        item_keys: At most 100 keys, each once.
        options: Further parameters for the table, such as `ProjectionExpression`.

    Raises:
        ItemsUnread: DynamoDB did not return all items, although they were asked for several times.
    """
    unread: Any = item_keys
    items: list[dict[str, AttributeValueTypeDef]] = []
    for number in range(MAX_READS):
        if not unread:
            return items
        if number:
            time.sleep(random.uniform(0, PAUSE_SECONDS * 2 ** (number - 1)))  # noqa: S311 - jitter needs no secure randomness
        request: Any = {"Keys": unread, "ConsistentRead": True, **options}
        answer = client.batch_get_item(RequestItems={table_name: request})
        items += answer["Responses"].get(table_name, [])
        unread = answer["UnprocessedKeys"].get(table_name, {"Keys": []})["Keys"]
    if unread:
        raise ItemsUnread(f"{len(unread)} items of {table_name} were not returned")
    return items
