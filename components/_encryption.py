"""Encryption with a KMS key of the account: of tables and queues, and the permissions of roles to use the key."""

from collections.abc import Sequence
from typing import TypedDict

import pulumi
import pulumi_aws as aws

from ._iam import Statement

READ = ("kms:Decrypt",)
"""Actions of a role that uses an encrypted table or stream, or receives from an encrypted queue. DynamoDB calls KMS on
behalf of the role. It decrypts the key of the table for reads and for writes.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.howitworks.html"""
SEND = ("kms:Decrypt", "kms:GenerateDataKey")
"""Actions of a role that sends to an encrypted queue or topic.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html"""


class QueueEncryption(TypedDict, total=False):
    """The arguments of a queue that concern its encryption."""

    kms_master_key_id: pulumi.Input[str]
    sqs_managed_sse_enabled: pulumi.Input[bool]


def allow_key_use(kms_key_arn: pulumi.Input[str] | None, actions: Sequence[str]) -> list[Statement]:
    """Return the permission to use a KMS key. If there is no key, or no action, the list is empty."""
    return [Statement(actions, [kms_key_arn])] if kms_key_arn is not None and actions else []


def encrypt_table(kms_key_arn: pulumi.Input[str] | None) -> aws.dynamodb.TableServerSideEncryptionArgsDict:
    """Return the encryption of a table with a KMS key. None: with the AWS managed key of DynamoDB."""
    return {"enabled": True} if kms_key_arn is None else {"enabled": True, "kms_key_arn": kms_key_arn}


def encrypt_queue(kms_key_arn: pulumi.Input[str] | None) -> QueueEncryption:
    """Return the arguments with which a queue is encrypted with a KMS key. None: with a key of SQS."""
    return {"sqs_managed_sse_enabled": True} if kms_key_arn is None else {"kms_master_key_id": kms_key_arn}
