from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError

from formbridge.runtime import aws
from tests.support.handlers.builders import image, submission
from tests.support.handlers.region import CONNECTIONS, SUBMISSIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from botocore.client import BaseClient

    from tests.support.handlers.region import Region


def without_metadata(answer: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


def test_rows_are_read_as_boto3_reads_them(region: Region) -> None:
    region.put(*(submission(f"s{n}", expires_at=1_800_000_000) for n in range(3)))
    region.dynamodb.put_item(
        TableName=SUBMISSIONS,
        Item={
            **image(submission("s9")),
            "every kind": {"L": [{"M": {"a": {"NULL": True}}}, {"SS": ["é"]}, {"NS": ["1.50"]}, {"BOOL": False}]},
        },
    )
    ours, theirs = aws.client("dynamodb"), boto3.client("dynamodb")
    query: dict[str, Any] = {
        "TableName": SUBMISSIONS,
        "IndexName": "GSI1",
        "KeyConditionExpression": "GSI1PK = :tenant",
        "ExpressionAttributeValues": {":tenant": {"S": "TENANT#t_acme"}},
        "Limit": 2,
    }
    assert len(ours.query(**query)["Items"]) == 2
    assert without_metadata(ours.query(**query)) == without_metadata(theirs.query(**query))
    assert without_metadata(ours.scan(TableName=SUBMISSIONS)) == without_metadata(theirs.scan(TableName=SUBMISSIONS))
    assert ours.scan(TableName=CONNECTIONS)["Items"] == []
    assert ours.scan(TableName=CONNECTIONS)["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_an_error_is_read_as_an_error(region: Region) -> None:
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        aws.client("dynamodb").scan(TableName="another")


@pytest.mark.parametrize(("status", "content_type"), [(200, "application/cbor"), (500, "application/x-amz-json-1.0")])
def test_what_is_no_page_of_json_is_left_to_botocore(status: int, content_type: str) -> None:
    read: dict[str, Any] = {}
    answer = {"status_code": status, "headers": {"content-type": content_type}, "body": b'{"Items":[]}'}
    aws.parse_json_body(answer, read)
    assert (answer["body"], read) == (b'{"Items":[]}', {})


def test_there_is_a_client_of_each_service(region: Region) -> None:
    made: list[BaseClient] = [
        aws.client("dynamodb"),
        aws.client("dynamodbstreams"),
        aws.client("sns"),
        aws.client("sqs"),
    ]
    assert [each.meta.service_model.service_name for each in made] == ["dynamodb", "dynamodbstreams", "sns", "sqs"]
