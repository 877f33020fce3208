"""Tables of DynamoDB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..resource import CreatedResource, Resource
from ._arguments import pick_arguments, to_pascal_case, to_tag_list
from ._names import choose_name
from ._resource_type import ResourceType, properties

if TYPE_CHECKING:
    from ._aws import Aws


def _create_table(aws: Aws, resource: Resource) -> CreatedResource:
    inputs, name = resource.inputs, choose_name(resource)
    request: dict[str, Any] = {
        "TableName": name,
        "BillingMode": inputs["billingMode"],
        "AttributeDefinitions": [
            {"AttributeName": attribute["name"], "AttributeType": attribute["type"]}
            for attribute in inputs.get("attributes", [])
        ],
        "KeySchema": _build_key_schema(inputs),
        "Tags": to_tag_list(inputs),
        **pick_arguments(inputs, ["deletionProtectionEnabled", "tableClass"]),
    }
    if indexes := inputs.get("globalSecondaryIndexes"):
        request["GlobalSecondaryIndexes"] = [_build_index(index) for index in indexes]
    if inputs.get("streamEnabled"):
        request["StreamSpecification"] = {"StreamEnabled": True, "StreamViewType": inputs["streamViewType"]}
    if encryption := inputs.get("serverSideEncryption"):
        request["SSESpecification"] = {"Enabled": encryption["enabled"]}
        if "kmsKeyArn" in encryption:
            request["SSESpecification"] |= {"SSEType": "KMS", "KMSMasterKeyId": encryption["kmsKeyArn"]}
    dynamodb = aws.client("dynamodb")
    table = dynamodb.create_table(**request)["TableDescription"]
    if (ttl := inputs.get("ttl", {})).get("enabled"):
        dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification=to_pascal_case(ttl))
    if recovery := inputs.get("pointInTimeRecovery"):
        specification = {"PointInTimeRecoveryEnabled": recovery["enabled"]}
        specification |= pick_arguments(recovery, ["recoveryPeriodInDays"])
        dynamodb.update_continuous_backups(TableName=name, PointInTimeRecoverySpecification=specification)
    outputs: dict[str, Any] = {"name": name, "arn": table["TableArn"]}
    if "LatestStreamArn" in table:
        outputs |= {"streamArn": table["LatestStreamArn"], "streamLabel": table["LatestStreamLabel"]}
    return CreatedResource(name, outputs)


def _build_key_schema(keys: dict[str, Any]) -> list[dict[str, str]]:
    schema = [{"AttributeName": keys["hashKey"], "KeyType": "HASH"}]
    if "rangeKey" in keys:
        schema.append({"AttributeName": keys["rangeKey"], "KeyType": "RANGE"})
    return schema


def _build_index(index: dict[str, Any]) -> dict[str, Any]:
    return {
        "IndexName": index["name"],
        "KeySchema": to_pascal_case(index["keySchemas"]),
        "Projection": pick_arguments(index, ["projectionType", "nonKeyAttributes"]),
    }


TYPES = {
    "aws:dynamodb/table:Table": ResourceType(
        _create_table,
        properties(
            *("name", "tags", "attributes", "hashKey", "rangeKey", "tableClass", "deletionProtectionEnabled"),
            *("billingMode", "streamEnabled", "streamViewType", "serverSideEncryption", "pointInTimeRecovery", "ttl"),
            *(
                f"globalSecondaryIndexes.{name}"
                for name in (
                    "name",
                    "keySchemas.attributeName",
                    "keySchemas.keyType",
                    "projectionType",
                    "nonKeyAttributes",
                )
            ),
        ),
        # The property must be present: without it, AWS uses PROVISIONED. The local run does not support PROVISIONED.
        allowed_values={"billingMode": ["PAY_PER_REQUEST"]},
    )
}
