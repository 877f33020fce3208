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


def ensure_settings(facts: StackFacts, file: StackFile, foreign_log_role: str | None) -> Iterator[Change]:
    """Yield the changes of the stack's file: region, boundary, and whether the stack creates API Gateway's log role.

    Args:
        facts: The facts about the stack.
        file: The file.
        foreign_log_role: What `find_foreign_log_role` returned.
    """
    yield _ensure(file, "aws:region", facts.region)
    yield _ensure(file, f"{facts.project}:permissionsBoundaryArn", facts.boundary_arn)
    if foreign_log_role and file.get("apiGatewayLogRole"):
        why = f", because API Gateway has the log role {foreign_log_role}"
        yield _ensure(file, f"{facts.project}:apiGatewayLogRole", "false", why)


def find_foreign_log_role(apigateway: APIGatewayClient, facts: StackFacts) -> str | None:
    """Return the ARN of API Gateway's log role. None: there is none, or the stack created it."""
    role = find_log_role(apigateway)
    return None if role is None or is_of_stack(role, facts.project, facts.stack) else role


def _ensure(file: StackFile, key: str, value: str, why: str = "") -> Change:
    what = f"{file.path}: {key}: {value}"
    before = file.find(key)
    if before == value:
        return Change.keep(what)
    was = "" if before is None else f" (was {before})"
    return Change("update", f"{what}{was}{why}", partial(file.set, key, value))
