from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.support.local.programs import by_name
from tests.support.local.provisioning import is_generated, outputs

if TYPE_CHECKING:
    from local.monitor import Monitor


def test_table(made: Monitor, call: Any) -> None:
    own = outputs(made, "table")
    table = call("dynamodb", "describe_table", TableName=own["name"])["Table"]
    assert is_generated(own["name"], "table")
    assert (own["arn"], own["streamArn"]) == (table["TableArn"], table["LatestStreamArn"])
    assert by_name(made, "table").id == own["name"]
    assert table["KeySchema"] == [
        {"AttributeName": "PK", "KeyType": "HASH"},
        {"AttributeName": "SK", "KeyType": "RANGE"},
    ]
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert table["StreamSpecification"] == {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    assert table["SSEDescription"]["Status"] == "ENABLED"
    assert table["DeletionProtectionEnabled"] is True
    (index,) = table["GlobalSecondaryIndexes"]
    assert index["KeySchema"] == [{"AttributeName": "GSI1PK", "KeyType": "HASH"}]
    assert index["Projection"] == {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["status"]}
    ttl = call("dynamodb", "describe_time_to_live", TableName=own["name"])["TimeToLiveDescription"]
    assert ttl == {"TimeToLiveStatus": "ENABLED", "AttributeName": "ttl"}
    backups = call("dynamodb", "describe_continuous_backups", TableName=own["name"])["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
    assert call("dynamodb", "list_tags_of_resource", ResourceArn=own["arn"])["Tags"] == [
        {"Key": "team", "Value": "forms"}
    ]
