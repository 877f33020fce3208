"""Buckets and objects of S3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from ..archives import read_asset
from ..resource import CreatedResource, Resource
from ._arguments import pick_arguments, pick_renamed, to_json, to_pascal_case, to_tag_list
from ._names import generate_name
from ._policies import to_http_policy
from ._resource_type import ResourceType, properties

if TYPE_CHECKING:
    from ._aws import Aws

_PUBLIC_ACCESS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
_OBJECT = ("bucket", "key", "cacheControl", "contentType", "contentDisposition", "contentEncoding", "contentLanguage")


def _create_bucket(aws: Aws, resource: Resource) -> CreatedResource:
    # Bucket names must be in lower case. Pulumi converts generated names in the same way.
    name: str = resource.inputs.get("bucket") or generate_name(resource).lower()
    s3 = aws.client("s3")
    # CreateBucket must name the region of the bucket, but it must not name us-east-1.
    location = {"CreateBucketConfiguration": {"LocationConstraint": aws.region}} if aws.region != "us-east-1" else {}
    s3.create_bucket(Bucket=name, **location)
    if tags := to_tag_list(resource.inputs):
        s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tags})
    return CreatedResource(
        name,
        {
            "bucket": name,
            "arn": f"arn:aws:s3:::{name}",
            "bucketRegion": aws.region,
            "bucketDomainName": f"{name}.s3.amazonaws.com",
            "bucketRegionalDomainName": f"{name}.s3.{aws.region}.amazonaws.com",
        },
    )


def _create_public_access_block(aws: Aws, resource: Resource) -> CreatedResource:
    bucket: str = resource.inputs["bucket"]
    aws.client("s3").put_public_access_block(
        Bucket=bucket, PublicAccessBlockConfiguration=pick_arguments(resource.inputs, _PUBLIC_ACCESS)
    )
    return CreatedResource(bucket, {})


def _create_ownership_controls(aws: Aws, resource: Resource) -> CreatedResource:
    bucket: str = resource.inputs["bucket"]
    aws.client("s3").put_bucket_ownership_controls(
        Bucket=bucket, OwnershipControls={"Rules": [to_pascal_case(resource.inputs["rule"])]}
    )
    return CreatedResource(bucket, {})


def _create_encryption(aws: Aws, resource: Resource) -> CreatedResource:
    bucket: str = resource.inputs["bucket"]
    aws.client("s3").put_bucket_encryption(
        Bucket=bucket,
        ServerSideEncryptionConfiguration={
            "Rules": [_build_encryption_rule(rule) for rule in resource.inputs["rules"]]
        },
    )
    return CreatedResource(bucket, {})


def _build_encryption_rule(rule: dict[str, Any]) -> dict[str, Any]:
    by_default = pick_renamed(
        rule["applyServerSideEncryptionByDefault"],
        {"sseAlgorithm": "SSEAlgorithm", "kmsMasterKeyId": "KMSMasterKeyID"},
    )
    request: dict[str, Any] = {"ApplyServerSideEncryptionByDefault": by_default}
    if blocked := rule.get("blockedEncryptionTypes"):
        request["BlockedEncryptionTypes"] = {"EncryptionType": blocked}
    return request | pick_arguments(rule, ["bucketKeyEnabled"])


def _create_bucket_policy(aws: Aws, resource: Resource) -> CreatedResource:
    bucket: str = resource.inputs["bucket"]
    if policy := to_http_policy(resource.inputs["policy"]):
        aws.client("s3").put_bucket_policy(Bucket=bucket, Policy=policy)
    return CreatedResource(bucket, {"policy": to_json(resource.inputs["policy"])})


def _create_object(aws: Aws, resource: Resource) -> CreatedResource:
    inputs = resource.inputs
    bucket, key = inputs["bucket"], inputs["key"]
    body = read_asset(inputs["source"], aws.root) if "source" in inputs else inputs.get("content", "").encode()
    response = aws.client("s3").put_object(
        Body=body, Tagging=urlencode(inputs.get("tags", {})), **pick_arguments(inputs, _OBJECT)
    )
    return CreatedResource(
        f"{bucket}/{key}", {"arn": f"arn:aws:s3:::{bucket}/{key}", "etag": response["ETag"].strip('"')}
    )


TYPES = {
    "aws:s3/bucket:Bucket": ResourceType(
        _create_bucket,
        properties("bucket", "tags"),
        # `forceDestroy` concerns deletion, and the local run deletes nothing.
        ignored=properties("forceDestroy"),
    ),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": ResourceType(
        _create_public_access_block, properties("bucket", *_PUBLIC_ACCESS)
    ),
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": ResourceType(
        _create_ownership_controls, properties("bucket", "rule.objectOwnership")
    ),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": ResourceType(
        _create_encryption,
        properties(
            *("bucket", "rules.applyServerSideEncryptionByDefault", "rules.blockedEncryptionTypes"),
            "rules.bucketKeyEnabled",
        ),
    ),
    "aws:s3/bucketPolicy:BucketPolicy": ResourceType(_create_bucket_policy, properties("bucket", "policy")),
    "aws:s3/bucketObjectv2:BucketObjectv2": ResourceType(
        _create_object, properties("tags", "source", "content", *_OBJECT)
    ),
}
