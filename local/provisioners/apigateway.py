"""Account settings of API Gateway. They apply to WebSocket APIs too, but only the v1 API can set them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..resource import CreatedResource, Resource
from ._resource_type import ResourceType, properties

if TYPE_CHECKING:
    from ._aws import Aws


def _create_account(aws: Aws, resource: Resource) -> CreatedResource:
    role = resource.inputs.get("cloudwatchRoleArn", "")
    account = aws.client("apigateway").update_account(
        patchOperations=[{"op": "replace", "path": "/cloudwatchRoleArn", "value": role}]
    )
    throttle = account["throttleSettings"]
    return CreatedResource(
        "api-gateway-account",
        {
            "apiKeyVersion": account["apiKeyVersion"],
            "features": account["features"],
            "throttleSettings": [{"burstLimit": throttle["burstLimit"], "rateLimit": throttle["rateLimit"]}],
        },
    )


TYPES = {
    "aws:apigateway/account:Account": ResourceType(
        _create_account, properties("cloudwatchRoleArn"), existing={"cloudwatchRoleArn": ""}
    )
}
