"""Lambda that posts a notice to every subscribed connection of a tenant."""

import json
import os

import boto3


def handler(event: dict[str, str], _context: object) -> dict[str, int]:
    """Post the notice `{"tenant_id": …, "text": …}` and return the number of connections that it reached."""
    dynamodb = boto3.client("dynamodb")
    connections = boto3.client("apigatewaymanagementapi", endpoint_url=os.environ["MANAGEMENT_ENDPOINT"])
    frame = json.dumps({"type": "notice", "text": event["text"]}).encode()
    # All rows are in one partition, because this gateway has one connection shard per tenant.
    pages = dynamodb.get_paginator("query").paginate(
        TableName=os.environ["CONNECTIONS_TABLE_NAME"],
        KeyConditionExpression="PK = :tenant",
        FilterExpression="subscribed = :true",
        ExpressionAttributeValues={":tenant": {"S": f"TENANT#{event['tenant_id']}"}, ":true": {"BOOL": True}},
    )
    reached = 0
    for page in pages:
        for row in page["Items"]:
            try:
                connections.post_to_connection(ConnectionId=row["SK"]["S"].removeprefix("CONN#"), Data=frame)
                reached += 1
            except connections.exceptions.GoneException:
                pass  # the connection has ended; the gateway deletes its row later
    return {"reached": reached}
