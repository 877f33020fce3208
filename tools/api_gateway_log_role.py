"""The role with which API Gateway writes logs. An account has one per region."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_apigateway import APIGatewayClient


def find_log_role(apigateway: APIGatewayClient) -> str | None:
    """Return the ARN of the log role of the client's region. None: there is none."""
    return apigateway.get_account().get("cloudwatchRoleArn") or None


def is_of_stack(role: str, project: str, stack: str) -> bool:
    """Return whether a stack created the role, by the name that Pulumi gives to its resources."""
    return role.rpartition("/")[2].startswith(f"{project}-{stack}-api-gateway-role-")
