"""Rules about stored data: encryption, recovery and retention."""

from collections.abc import Iterator, Sequence

from .resources import (
    BUCKETS,
    FUNCTION,
    LOG_GROUP,
    QUEUE,
    STAGE,
    TABLE,
    TOPIC,
    USER_POOL,
    Inputs,
    Resource,
    find_dependents,
    get_value,
    has_value,
    is_positive,
    to_list,
)


def check_encryption(resource_type: str, inputs: Inputs) -> Iterator[str]:
    """Report a table, queue or topic without encryption."""
    if resource_type == TABLE and get_value(inputs, "serverSideEncryption", "enabled") is not True:
        yield "the table has no KMS key: set serverSideEncryption.enabled"
    elif resource_type == QUEUE:
        if inputs.get("sqsManagedSseEnabled") is not True and not has_value(inputs, "kmsMasterKeyId"):
            yield "the queue is not encrypted: set sqsManagedSseEnabled or kmsMasterKeyId"
    elif resource_type == TOPIC and not has_value(inputs, "kmsMasterKeyId"):
        yield "the topic is not encrypted: set kmsMasterKeyId"


def check_bucket_encryption(stack: Sequence[Resource]) -> Iterator[tuple[Resource, str]]:
    """Report a bucket without an encryption configuration."""
    kind = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    for bucket in stack:
        if bucket.type in BUCKETS and not find_dependents(stack, bucket, kind):
            yield bucket, "no BucketServerSideEncryptionConfiguration says how its objects are encrypted"


def check_recovery(resource_type: str, inputs: Inputs) -> Iterator[str]:
    """Report a table without point-in-time recovery."""
    if resource_type == TABLE and get_value(inputs, "pointInTimeRecovery", "enabled") is not True:
        yield "data that is deleted by mistake is lost: set pointInTimeRecovery.enabled"


def check_deletion_protection(resource_type: str, inputs: Inputs) -> Iterator[str]:
    """Report a table or a user pool that can be deleted."""
    if resource_type == TABLE and inputs.get("deletionProtectionEnabled") is not True:
        yield "a mistake deletes the table: set deletionProtectionEnabled"
    elif resource_type == USER_POOL and inputs.get("deletionProtection") != "ACTIVE":
        yield "a mistake deletes the user pool: set deletionProtection to ACTIVE"


CUSTOMER_KEYS = {
    TABLE: ("serverSideEncryption", "kmsKeyArn"),
    QUEUE: ("kmsMasterKeyId",),
    TOPIC: ("kmsMasterKeyId",),
    LOG_GROUP: ("kmsKeyId",),
}
"""The input with the KMS key, by the type of the resource."""


def check_customer_keys(resource_type: str, inputs: Inputs) -> Iterator[str]:
    """Report a table, queue, topic or log group that no KMS key of the account's owner encrypts."""
    path = CUSTOMER_KEYS.get(resource_type)
    if path is not None and not has_value(inputs, *path):
        yield f"AWS's own key encrypts it: set {'.'.join(path)}"


def check_log_retention(resource_type: str, inputs: Inputs) -> Iterator[str]:
    """Report logs that are kept forever."""
    if resource_type == LOG_GROUP and not is_positive(inputs.get("retentionInDays")):
        yield "the log is stored and billed forever: set retentionInDays"
    elif resource_type == FUNCTION and not has_value(inputs, "loggingConfig", "logGroup"):
        yield "Lambda creates a log group that it keeps forever: set loggingConfig.logGroup"


def check_data_trace(resource_type: str, inputs: Inputs) -> Iterator[str]:
    """Report a stage that logs the messages of clients."""
    if resource_type == STAGE:
        routes = [get_value(inputs, "defaultRouteSettings"), *to_list(inputs.get("routeSettings"))]
        if any(get_value(route, "dataTraceEnabled") is True for route in routes):
            yield "dataTraceEnabled logs the messages of clients and their tokens"
