"""S3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from ..archives import asset_bytes
from ..resource import Created, Resource
from ._arguments import arguments, json_text, pascal, renamed, tag_list
from ._names import generated_name
from ._resource_type import ResourceType, properties

if TYPE_CHECKING:
    from ._aws import Aws

_PUBLIC_ACCESS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
_OBJECT = ("bucket", "key", "cacheControl", "contentType", "contentDisposition", "contentEncoding", "contentLanguage")


def _bucket(aws: Aws, resource: Resource) -> Created:
    # Bucket names have small letters alone, and so Pulumi's own.
    name: str = resource.inputs.get("bucket") or generated_name(resource).lower()
    s3 = aws.client("s3")
    # The one region that a request must not name is that of old.
    elsewhere = {"CreateBucketConfiguration": {"LocationConstraint": aws.region}} if aws.region != "us-east-1" else {}
    s3.create_bucket(Bucket=name, **elsewhere)
    if tags := tag_list(resource.inputs):
        s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tags})
    return Created(
        name,
        {
            "bucket": name,
            "arn": f"arn:aws:s3:::{name}",
            "bucketRegion": aws.region,
            "bucketDomainName": f"{name}.s3.amazonaws.com",
            "bucketRegionalDomainName": f"{name}.s3.{aws.region}.amazonaws.com",
        },
    )


def _public_access_block(aws: Aws, resource: Resource) -> Created:
    bucket: str = resource.inputs["bucket"]
    aws.client("s3").put_public_access_block(
        Bucket=bucket, PublicAccessBlockConfiguration=arguments(resource.inputs, _PUBLIC_ACCESS)
    )
    return Created(bucket, {})


def _ownership_controls(aws: Aws, resource: Resource) -> Created:
    bucket: str = resource.inputs["bucket"]
    aws.client("s3").put_bucket_ownership_controls(
        Bucket=bucket, OwnershipControls={"Rules": [pascal(resource.inputs["rule"])]}
    )
    return Created(bucket, {})


def _encryption(aws: Aws, resource: Resource) -> Created:
    bucket: str = resource.inputs["bucket"]
    aws.client("s3").put_bucket_encryption(
        Bucket=bucket,
        ServerSideEncryptionConfiguration={"Rules": [_encryption_rule(rule) for rule in resource.inputs["rules"]]},
    )
    return Created(bucket, {})


def _encryption_rule(rule: dict[str, Any]) -> dict[str, Any]:
    by_default = renamed(
        rule["applyServerSideEncryptionByDefault"],
        {"sseAlgorithm": "SSEAlgorithm", "kmsMasterKeyId": "KMSMasterKeyID"},
    )
    request: dict[str, Any] = {"ApplyServerSideEncryptionByDefault": by_default}
    if blocked := rule.get("blockedEncryptionTypes"):
        request["BlockedEncryptionTypes"] = {"EncryptionType": blocked}
    return request | arguments(rule, ["bucketKeyEnabled"])


def _bucket_policy(aws: Aws, resource: Resource) -> Created:
    bucket: str = resource.inputs["bucket"]
    policy = json_text(resource.inputs["policy"])
    aws.client("s3").put_bucket_policy(Bucket=bucket, Policy=policy)
    return Created(bucket, {"policy": policy})


def _object(aws: Aws, resource: Resource) -> Created:
    inputs = resource.inputs
    bucket, key = inputs["bucket"], inputs["key"]
    body = asset_bytes(inputs["source"], aws.root) if "source" in inputs else inputs.get("content", "").encode()
    made = aws.client("s3").put_object(
        Body=body, Tagging=urlencode(inputs.get("tags", {})), **arguments(inputs, _OBJECT)
    )
    return Created(f"{bucket}/{key}", {"arn": f"arn:aws:s3:::{bucket}/{key}", "etag": made["ETag"].strip('"')})


TYPES = {
    "aws:s3/bucket:Bucket": ResourceType(
        _bucket,
        properties("bucket", "tags"),
        # About deleting the bucket, and nothing is ever deleted here.
        ignored=properties("forceDestroy"),
    ),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": ResourceType(
        _public_access_block, properties("bucket", *_PUBLIC_ACCESS)
    ),
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": ResourceType(
        _ownership_controls, properties("bucket", "rule.objectOwnership")
    ),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": ResourceType(
        _encryption,
        properties(
            *("bucket", "rules.applyServerSideEncryptionByDefault", "rules.blockedEncryptionTypes"),
            "rules.bucketKeyEnabled",
        ),
    ),
    "aws:s3/bucketPolicy:BucketPolicy": ResourceType(_bucket_policy, properties("bucket", "policy")),
    "aws:s3/bucketObjectv2:BucketObjectv2": ResourceType(_object, properties("tags", "source", "content", *_OBJECT)),
}
