"""KMS key for the data of a stack: its tables, queues, alarm topic and logs.

Example:
    from components import DataKey, StreamTable

    key = DataKey("data", {})
    StreamTable("submissions", {"kms_key_arn": key.key_arn})
"""

from typing import NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from . import _checks
from ._iam import build_key_policy
from ._naming import MAX_BUCKET_NAME, check_name
from ._tags import Tags


class DataKeyArgs(TypedDict):
    """The inputs of a `DataKey`."""

    tags: NotRequired[Tags]
    """Tags of the key. Default: none."""


class DataKey(pulumi.ComponentResource):
    """A KMS key of your account for the inputs `kms_key_arn` of the other components.

    AWS replaces the key material every year. The policies of the account's roles decide who may use the key. Of the AWS
    services, only three may use it, and only for this account: CloudWatch Logs for log groups, CloudWatch alarms, and
    EventBridge for queues.

    Pulumi keeps the key when it is removed from the program, because backups and logs that were encrypted with the key
    would be lost with it.
    """

    key_arn: pulumi.Output[str]
    """The ARN of the key. This output is known after the key has its policy."""

    def __init__(self, name: str, args: DataKeyArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        # No AWS limit applies to this name, because KMS identifies a key by an id. Allow the same names as for a
        # `DashboardSite`.
        check_name(name, "", MAX_BUCKET_NAME)
        _checks.check_fields(args, DataKeyArgs)
        super().__init__("formbridge:index:DataKey", name, {}, opts)
        key = aws.kms.Key(
            f"{name}-key",
            description=f"Tables, queues, alarm topic and logs of {name}",
            enable_key_rotation=True,
            tags=args.get("tags"),
            opts=pulumi.ResourceOptions(parent=self, retain_on_delete=True),
        )
        # The policy contains the account and the region. Both are in the ARN of the key.
        policy = aws.kms.KeyPolicy(
            f"{name}-key-policy",
            key_id=key.key_id,
            policy=build_key_policy(key.arn),
            opts=pulumi.ResourceOptions(parent=self, retain_on_delete=True),
        )
        self.key_arn = pulumi.Output.all(key.arn, policy.id).apply(lambda known: known[0])
        self.register_outputs({"key_arn": self.key_arn})
