"""What is stored, and for how long."""

from collections.abc import Iterator, Sequence

from .resources import (
    BUCKETS,
    FUNCTION,
    QUEUE,
    STAGE,
    TABLE,
    TOPIC,
    Inputs,
    Resource,
    about,
    at,
    given,
    listed,
    positive,
)


def unencrypted(resource_type: str, inputs: Inputs) -> Iterator[str]:
    if resource_type == TABLE and at(inputs, "serverSideEncryption", "enabled") is not True:
        yield "the table is not under a KMS key: set serverSideEncryption.enabled"
    elif resource_type == QUEUE:
        if inputs.get("sqsManagedSseEnabled") is not True and not given(inputs, "kmsMasterKeyId"):
            yield "the queue is not encrypted: set sqsManagedSseEnabled, or kmsMasterKeyId"
    elif resource_type == TOPIC and not given(inputs, "kmsMasterKeyId"):
        yield "the topic is not encrypted: set kmsMasterKeyId"


def unencrypted_bucket(stack: Sequence[Resource]) -> Iterator[tuple[Resource, str]]:
    kind = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    for bucket in stack:
        if bucket.type in BUCKETS and not about(stack, bucket, kind):
            yield bucket, "no BucketServerSideEncryptionConfiguration says how its objects are encrypted"


def unrecoverable(resource_type: str, inputs: Inputs) -> Iterator[str]:
    if resource_type == TABLE and at(inputs, "pointInTimeRecovery", "enabled") is not True:
        yield "what is deleted by mistake is lost: set pointInTimeRecovery.enabled"


def kept_logs(resource_type: str, inputs: Inputs) -> Iterator[str]:
    if resource_type == "aws:cloudwatch/logGroup:LogGroup" and not positive(inputs.get("retentionInDays")):
        yield "the log is kept, and paid for, for ever: set retentionInDays"
    elif resource_type == FUNCTION and not given(inputs, "loggingConfig", "logGroup"):
        yield "Lambda makes the function a log group that it keeps for ever: set loggingConfig.logGroup"


def data_trace(resource_type: str, inputs: Inputs) -> Iterator[str]:
    if resource_type == STAGE:
        routes = [at(inputs, "defaultRouteSettings"), *listed(inputs.get("routeSettings"))]
        if any(at(route, "dataTraceEnabled") is True for route in routes):
            yield "dataTraceEnabled logs what clients send, tokens included"
