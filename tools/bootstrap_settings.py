"""The settings in `Pulumi.STACK.yaml` that follow from the account."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from .api_gateway_log_role import find_log_role, is_of_stack
from .bootstrap_change import Change

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_apigateway import APIGatewayClient

    from .iam.facts import StackFacts
    from .stack_file import StackFile


def ensure_settings(apigateway: APIGatewayClient, facts: StackFacts, file: StackFile) -> Iterator[Change]:
    """Yield the changes of the stack's file: region, boundary, and whether the stack creates API Gateway's log role."""
    yield _ensure(file, "aws:region", facts.region)
    yield _ensure(file, f"{facts.project}:permissionsBoundaryArn", facts.boundary_arn)
    role = find_log_role(apigateway)
    if role and not is_of_stack(role, facts.project, facts.stack) and file.get("apiGatewayLogRole"):
        why = f", because API Gateway has the log role {role}"
        yield _ensure(file, f"{facts.project}:apiGatewayLogRole", "false", why)


def _ensure(file: StackFile, key: str, value: str, why: str = "") -> Change:
    what = f"{file.path}: {key}: {value}"
    before = file.find(key)
    if before == value:
        return Change.keep(what)
    was = "" if before is None else f" (was {before})"
    return Change("update", f"{what}{was}{why}", partial(file.set, key, value))
