"""Submissions table and its stream. A client that missed changes recovers them from this table.

Example:
    from components import StreamTable

    table = StreamTable("submissions", {})
"""

from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from . import _checks
from ._encryption import encrypt_table
from ._input_error import InputError
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
"""Event pattern for the `filters` of a `RealtimePipe`. Changes of submissions pass, changes of other items do not.

Removals by TTL pass too, and the broadcast Lambda ignores them. A pattern could exclude them only with `exists: false`
for a field inside `userIdentity`, which only removals by TTL have. AWS does not document whether `exists: false`
matches a record without `userIdentity`. If it does not, the pipe would drop every other change.
"""

HASH_KEY, RANGE_KEY = "PK", "SK"
"""Default names of the partition key and the sort key of the table."""
INDEX_KEYS = (keys.SUBMISSIONS_INDEX_PARTITION_KEY, keys.SUBMISSIONS_INDEX_SORT_KEY)
"""Names of the partition key and the sort key of the index `GSI1`."""
INDEXED = (
    "tenant_id",
    "submission_id",
    "form_id",
    "status",
    "version",
    "incarnation",
    "submitted_at",
    "updated_at",
    "ttl",
)
"""Attributes that the index `GSI1` contains besides its keys. A snapshot or a resume needs no other attributes."""
NUMBERS = ("version", "incarnation", "ttl")
"""Attributes whose values are numbers. A key of the table is a string, so it cannot have one of these names."""
MAX_KEY_NAME = 255
"""Maximum length of a key's name in characters.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html"""


class StreamTableArgs(TypedDict):
    """The inputs of a `StreamTable`."""

    hash_key: NotRequired[str]
    """The name of the partition key, 1 to 255 characters. The values of the key are strings. For a `SubmissionIngest`,
    keep the default. Default: `PK`."""
    range_key: NotRequired[str | None]
    """The name of the sort key, 1 to 255 characters. The values of the key are strings. Default: `SK` if `hash_key` is
    `PK`. With another `hash_key`, the table has no sort key by default."""
    kms_key_arn: NotRequired[pulumi.Input[str] | None]
    """The ARN of a KMS key of your account that encrypts the table and its stream. Default: none. The AWS
    managed key of DynamoDB then encrypts them."""
    deletion_protection: NotRequired[bool]
    """Whether Pulumi and DynamoDB refuse to delete the table. Pulumi then refuses a replacement in the preview.
    Default: false."""
    tags: NotRequired[Tags]
    """Tags of the table. Default: none."""


class StreamTable(pulumi.ComponentResource):
    """A DynamoDB table with a stream of new and old images.

    The table has on-demand capacity, encryption with a KMS key, point-in-time recovery for the
    last 35 days, and TTL on the attribute `ttl`. Its index `GSI1` holds the submissions of each tenant in the order of
    their last change. The index does not contain the payload of a submission, because no reader of the index needs it.

    The dashboards of a `WebSocketGateway` show an item if it has the strings `tenant_id`, `submission_id`, `form_id`,
    `status`, `submitted_at` and `updated_at` and the number `version`. Snapshots and resumes also need the strings
    `GSI1PK` (`TENANT#{tenant_id}`) and `GSI1SK` (`{updated_at}#{submission_id}`).
    """

    table_name: pulumi.Output[str]
    """The name of the table."""
    table_arn: pulumi.Output[str]
    """The ARN of the table, for a `SubmissionIngest` and a `WebSocketGateway`."""
    stream_arn: pulumi.Output[str]
    """The ARN of the table's stream, for a `RealtimePipe` and a `DeadLetterResync`."""

    def __init__(self, name: str, args: StreamTableArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_name(name, "-table", MAX_TABLE_NAME)
        _checks.check_fields(args, StreamTableArgs)
        table_keys = _check_keys(args)
        kms_key_arn = _checks.check_optional(_checks.key_arn, "kms_key_arn", args.get("kms_key_arn"))
        is_protected = _checks.plain_boolean("deletion_protection", args.get("deletion_protection", False))
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
                    "key_schemas": [
                        {"attribute_name": INDEX_KEYS[0], "key_type": "HASH"},
                        {"attribute_name": INDEX_KEYS[1], "key_type": "RANGE"},
                    ],
                    "projection_type": "INCLUDE",
                    # An index always contains the keys of its table, so they must not be listed here.
                    "non_key_attributes": [name for name in INDEXED if name not in table_keys],
                }
            ],
            stream_enabled=True,
            stream_view_type="NEW_AND_OLD_IMAGES",
            point_in_time_recovery={"enabled": True},
            server_side_encryption=encrypt_table(kms_key_arn),
            ttl={"attribute_name": "ttl", "enabled": True},
            deletion_protection_enabled=is_protected,
            tags=args.get("tags"),
            # Not False, which would undo the `protect` of the component.
            opts=pulumi.ResourceOptions(parent=self, protect=is_protected or None),
        )
        self.table_name = table.name
        self.table_arn = table.arn
        self.stream_arn = table.stream_arn
        self.register_outputs(
            {"table_name": self.table_name, "table_arn": self.table_arn, "stream_arn": self.stream_arn}
        )


def _check_keys(args: StreamTableArgs) -> list[str]:
    """Check the names of the keys. Return the partition key and, if there is one, the sort key.

    Raises:
        InputError: A name is empty or too long, is reserved, or is used for both keys.
    """
    given = {"hash_key": args.get("hash_key", HASH_KEY)}
    range_key = args.get("range_key", RANGE_KEY if given["hash_key"] == HASH_KEY else None)
    if range_key is not None:
        given["range_key"] = range_key
    for field, key in given.items():
        if not 1 <= len(key) <= MAX_KEY_NAME:
            raise InputError(field, f"must have 1 to {MAX_KEY_NAME} characters, got {key!r}")
        if key in (*INDEX_KEYS, *NUMBERS):
            reserved = ", ".join((*INDEX_KEYS, *NUMBERS))
            raise InputError(field, f"must not be one of the reserved names {reserved}, got {key!r}")
    if range_key == given["hash_key"]:
        raise InputError("range_key", f"must differ from hash_key, got {range_key!r}")
    return [*given.values()]
