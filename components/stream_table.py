"""The submissions table and its stream: the log that every recovery reads."""

from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from . import _checks
from ._naming import MAX_TABLE_NAME, check_name
from ._tags import Tags

if TYPE_CHECKING:
    from formbridge.runtime import keys
else:
    from ._formbridge.runtime import keys

SUBMISSION_RECORDS: dict[str, Any] = {
    "eventName": ["INSERT", "MODIFY", "REMOVE"],
    "dynamodb": {"Keys": {"PK": {"S": [{"prefix": keys.SUBMISSION_PREFIX}]}}},
}
"""The pipe filter that lets through changes of submissions, and nothing else that the table may hold.

Removals by TTL pass too, and a gateway drops them. Only they have a `userIdentity`; that a pipe matches `exists: false`
below a field that is missing altogether is documented nowhere, and if it did not, no change would pass."""


HASH_KEY, RANGE_KEY = "PK", "SK"
INDEX_KEYS = (keys.SUBMISSIONS_INDEX_PARTITION_KEY, keys.SUBMISSIONS_INDEX_SORT_KEY)
INDEXED = ("tenant_id", "submission_id", "form_id", "status", "version", "submitted_at", "updated_at", "ttl")
"""What a dashboard is shown of an item; `version` and `ttl` are numbers."""
NUMBERS = ("version", "ttl")
MAX_KEY_NAME = 255
"""https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html"""


class StreamTableArgs(TypedDict):
    """What a `StreamTable` takes."""

    hash_key: NotRequired[str]
    """The name of the partition key, a string of at most 255 characters. Default: `PK`, which `SubmissionIngest`
    needs."""
    range_key: NotRequired[str | None]
    """The name of the sort key. Default: `SK`, or none beside a `hash_key` of another name."""
    deletion_protection: NotRequired[pulumi.Input[bool]]
    """Whether DynamoDB refuses to delete the table. Default: false."""
    tags: NotRequired[Tags]
    """Tags of the table. Default: none."""


class StreamTable(pulumi.ComponentResource):
    """A DynamoDB table with a stream of new and old images.

    It has the index `GSI1` in time order within a tenant (without the payload, which no reader of it needs), is
    on-demand, encrypted under the account's key for DynamoDB, recoverable to any second of the last 35 days, and has
    TTL on `ttl`.

    A gateway's dashboards show an item that has the texts `tenant_id`, `submission_id`, `form_id`, `status`,
    `submitted_at` and `updated_at`, the number `version`, and for snapshots and resumes `GSI1PK`
    (`TENANT#{tenant_id}`) and `GSI1SK` (`{updated_at}#{submission_id}`).
    """

    table_name: pulumi.Output[str]
    """The table's name."""
    table_arn: pulumi.Output[str]
    """The table's ARN."""
    stream_arn: pulumi.Output[str]
    """The ARN of its stream, for a `RealtimePipe`."""

    def __init__(self, name: str, args: StreamTableArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_name(name, "-table", MAX_TABLE_NAME)
        _checks.fields(args, StreamTableArgs)
        table_keys = _table_keys(args)
        super().__init__("formbridge:index:StreamTable", name, {}, opts)
        table = aws.dynamodb.Table(
            f"{name}-table",
            billing_mode="PAY_PER_REQUEST",
            hash_key=table_keys[0],
            range_key=table_keys[1] if len(table_keys) > 1 else None,
            attributes=[{"name": key, "type": "S"} for key in (*table_keys, *INDEX_KEYS)],
            global_secondary_indexes=[
                {
                    "name": keys.SUBMISSIONS_INDEX,
                    "hash_key": INDEX_KEYS[0],
                    "range_key": INDEX_KEYS[1],
                    "projection_type": "INCLUDE",
                    # An index has the table's keys anyway.
                    "non_key_attributes": [name for name in INDEXED if name not in table_keys],
                }
            ],
            stream_enabled=True,
            stream_view_type="NEW_AND_OLD_IMAGES",
            point_in_time_recovery={"enabled": True},
            server_side_encryption={"enabled": True},
            ttl={"attribute_name": "ttl", "enabled": True},
            deletion_protection_enabled=args.get("deletion_protection", False),
            tags=args.get("tags"),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.table_name = table.name
        self.table_arn = table.arn
        self.stream_arn = table.stream_arn
        self.register_outputs(
            {"table_name": self.table_name, "table_arn": self.table_arn, "stream_arn": self.stream_arn}
        )


def _table_keys(args: StreamTableArgs) -> list[str]:
    """The partition key and, where there is one, the sort key.

    Raises:
        ValueError: a name is too long, empty, or taken by the index or by the other.
    """
    given = {"hash_key": args.get("hash_key", HASH_KEY)}
    range_key = args.get("range_key", RANGE_KEY if given["hash_key"] == HASH_KEY else None)
    if range_key is not None:
        given["range_key"] = range_key
    for field, key in given.items():
        if not 1 <= len(key) <= MAX_KEY_NAME:
            raise ValueError(f"{field}: must be of 1 to {MAX_KEY_NAME} characters, got {key!r}")
        if key in (*INDEX_KEYS, *NUMBERS):
            taken = ", ".join((*INDEX_KEYS, *NUMBERS))
            raise ValueError(f"{field}: must be none of {taken}, which have a use of their own; got {key!r}")
    if range_key == given["hash_key"]:
        raise ValueError(f"range_key: must not be the hash_key too, got {range_key!r}")
    return [*given.values()]
