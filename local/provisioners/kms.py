"""Keys of KMS, with their policies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..resource import CreatedResource, Resource
from ._arguments import pick_arguments, to_json
from ._resource_type import ResourceType, properties

if TYPE_CHECKING:
    from ._aws import Aws


def _create_key(aws: Aws, resource: Resource) -> CreatedResource:
    inputs = resource.inputs
    kms = aws.client("kms")
    tags = [{"TagKey": key, "TagValue": value} for key, value in inputs.get("tags", {}).items()]
    key = kms.create_key(Tags=tags, **pick_arguments(inputs, ["description"]))["KeyMetadata"]
    if inputs.get("enableKeyRotation"):
        kms.enable_key_rotation(KeyId=key["KeyId"])
    return CreatedResource(key["KeyId"], {"keyId": key["KeyId"], "arn": key["Arn"]})


def _create_key_policy(aws: Aws, resource: Resource) -> CreatedResource:
    key_id: str = resource.inputs["keyId"]
    policy = to_json(resource.inputs["policy"])
    aws.client("kms").put_key_policy(KeyId=key_id, PolicyName="default", Policy=policy)
    return CreatedResource(key_id, {"policy": policy})


TYPES = {
    "aws:kms/key:Key": ResourceType(_create_key, properties("description", "enableKeyRotation", "tags")),
    "aws:kms/keyPolicy:KeyPolicy": ResourceType(_create_key_policy, properties("keyId", "policy")),
}
