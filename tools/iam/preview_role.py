"""IAM policies of the role that previews a stack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .document import (
    Document,
    allow,
    build_document,
    build_github_trust,
    build_state_statements,
    limit_to_regions,
)
from .provider_calls import CALLS

if TYPE_CHECKING:
    from .facts import StackFacts

ENVIRONMENT: Final = "preview"
"""Environment of the GitHub repository in which previews run."""
GET_RESOURCE: Final = "aws:cloudcontrol/getResource:getResource"
"""The function with which a preview reads the state of the pipe."""
ACCOUNT: Final = "aws:apigateway/account:Account"
"""The account's setting that names API Gateway's log role. A preview compares it with the stack's role."""


def build_trust_policy(facts: StackFacts) -> Document:
    """Return the trust policy: only jobs of the environment `preview` can assume the role."""
    return build_github_trust(facts, ENVIRONMENT)


def build_policies(facts: StackFacts) -> dict[str, Document]:
    """Return the policies of the role by name. They allow reading the stack's state, its pipe's state and `ACCOUNT`."""
    actions = CALLS.actions(GET_RESOURCE)
    return {
        "state": build_document(
            *build_state_statements(facts, ["s3:GetObject"], ["kms:Decrypt"]),
            # Cloud Control calls EventBridge Pipes with the rights of this role.
            allow("CloudControl", actions & CALLS.any_resource, ["*"], limit_to_regions(facts.region)),
            allow("Pipe", actions - CALLS.any_resource, [facts.build_arn("pipes", f"pipe/{facts.prefix}*")]),
            allow(
                "AccountSetting",
                CALLS.actions(ACCOUNT, "read"),
                [f"arn:{facts.partition}:apigateway:{facts.region}::/account"],
            ),
        )
    }
