"""The submissions table and its stream: the log that every recovery reads."""

from typing import Any, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from ._tags import Tags

SUBMISSION_RECORDS: dict[str, Any] = {
    "eventName": ["INSERT", "MODIFY", "REMOVE"],
    "dynamodb": {"Keys": {"PK": {"S": [{"prefix": "SUB#"}]}}},
}
"""The pipe filter that lets through changes of submissions, and nothing else that the table may hold."""


class StreamTableArgs(TypedDict):
    """What a `StreamTable` takes."""

    deletion_protection: NotRequired[pulumi.Input[bool]]
    """Whether DynamoDB refuses to delete the table. Default: false."""
    tags: NotRequired[Tags]
    """Tags of the table. Default: none."""


class StreamTable(pulumi.ComponentResource):
    """A DynamoDB table with a stream of new and old images.

    Keys `PK` and `SK`, the index `GSI1` in time order within a tenant (without the payload, which no reader of it
    needs), on-demand, encrypted under the account's key for DynamoDB, recoverable to any second of the last 35 days,
    and with TTL on `ttl`.
    """

    table_name: pulumi.Output[str]
    table_arn: pulumi.Output[str]
    stream_arn: pulumi.Output[str]

    def __init__(self, name: str, args: StreamTableArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("formbridge:index:StreamTable", name, {}, opts)
        table = aws.dynamodb.Table(
            f"{name}-table",
            billing_mode="PAY_PER_REQUEST",
            hash_key="PK",
            range_key="SK",
            attributes=[{"name": key, "type": "S"} for key in ("PK", "SK", "GSI1PK", "GSI1SK")],
            global_secondary_indexes=[
                {
                    "name": "GSI1",
                    "hash_key": "GSI1PK",
                    "range_key": "GSI1SK",
                    "projection_type": "INCLUDE",
                    "non_key_attributes": [
                        "tenant_id",
                        "submission_id",
                        "form_id",
                        "status",
                        "version",
                        "submitted_at",
                        "updated_at",
                        "ttl",
                    ],
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
