"""DynamoDB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..resource import Created, Resource
from ._arguments import arguments, pascal, tag_list
from ._names import name_of
from ._resource_type import ResourceType, properties

if TYPE_CHECKING:
    from ._aws import Aws


def _table(aws: Aws, resource: Resource) -> Created:
    inputs, name = resource.inputs, name_of(resource)
    request: dict[str, Any] = {
        "TableName": name,
        "BillingMode": inputs["billingMode"],
        "AttributeDefinitions": [
            {"AttributeName": attribute["name"], "AttributeType": attribute["type"]}
            for attribute in inputs.get("attributes", [])
        ],
        "KeySchema": _key_schema(inputs),
        "Tags": tag_list(inputs),
        **arguments(inputs, ["deletionProtectionEnabled", "tableClass"]),
    }
    if indexes := inputs.get("globalSecondaryIndexes"):
        request["GlobalSecondaryIndexes"] = [_index(index) for index in indexes]
    if inputs.get("streamEnabled"):
        request["StreamSpecification"] = {"StreamEnabled": True, "StreamViewType": inputs["streamViewType"]}
    if encryption := inputs.get("serverSideEncryption"):
        request["SSESpecification"] = {"Enabled": encryption["enabled"]}
        if "kmsKeyArn" in encryption:
            request["SSESpecification"] |= {"SSEType": "KMS", "KMSMasterKeyId": encryption["kmsKeyArn"]}
    dynamodb = aws.client("dynamodb")
    table = dynamodb.create_table(**request)["TableDescription"]
    if (ttl := inputs.get("ttl", {})).get("enabled"):
        dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification=pascal(ttl))
    if recovery := inputs.get("pointInTimeRecovery"):
        specification = {"PointInTimeRecoveryEnabled": recovery["enabled"]}
        specification |= arguments(recovery, ["recoveryPeriodInDays"])
        dynamodb.update_continuous_backups(TableName=name, PointInTimeRecoverySpecification=specification)
    outputs: dict[str, Any] = {"name": name, "arn": table["TableArn"]}
    if "LatestStreamArn" in table:
        outputs |= {"streamArn": table["LatestStreamArn"], "streamLabel": table["LatestStreamLabel"]}
    return Created(name, outputs)


def _key_schema(keys: dict[str, Any]) -> list[dict[str, str]]:
    schema = [{"AttributeName": keys["hashKey"], "KeyType": "HASH"}]
    if "rangeKey" in keys:
        schema.append({"AttributeName": keys["rangeKey"], "KeyType": "RANGE"})
    return schema


def _index(index: dict[str, Any]) -> dict[str, Any]:
    return {
        "IndexName": index["name"],
        "KeySchema": _key_schema(index),
        "Projection": arguments(index, ["projectionType", "nonKeyAttributes"]),
    }


TYPES = {
    "aws:dynamodb/table:Table": ResourceType(
        _table,
        properties(
            *("name", "tags", "attributes", "hashKey", "rangeKey", "tableClass", "deletionProtectionEnabled"),
            *("billingMode", "streamEnabled", "streamViewType", "serverSideEncryption", "pointInTimeRecovery", "ttl"),
            *(
                f"globalSecondaryIndexes.{name}"
                for name in ("name", "hashKey", "rangeKey", "projectionType", "nonKeyAttributes")
            ),
        ),
        # Left out, it is PROVISIONED.
        values={"billingMode": ["PAY_PER_REQUEST"]},
    )
}
