"""Parts of IAM policy documents that several policies share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .facts import StackFacts

Document = dict[str, Any]
"""An IAM policy document."""
Statement = dict[str, Any]
"""A statement of an IAM policy document."""


def build_document(*statements: Statement) -> Document:
    """Return the policy document with these statements."""
    return {"Version": "2012-10-17", "Statement": [*statements]}


def allow(
    sid: str,
    actions: Iterable[str],
    resources: Iterable[str],
    condition: Mapping[str, Mapping[str, str | list[str]]] | None = None,
) -> Statement:
    """Return a statement that allows the actions on the resources. The actions are sorted."""
    statement: Statement = {
        "Sid": sid,
        "Effect": "Allow",
        "Action": sorted(actions),
        "Resource": [*resources],
    }
    return {**statement, "Condition": condition} if condition else statement


def build_github_trust(facts: StackFacts, environment: str) -> Document:
    """Return the trust policy of a role for the jobs of one environment of the GitHub repository."""
    issuer = "token.actions.githubusercontent.com"
    return build_document(
        {
            "Effect": "Allow",
            "Principal": {"Federated": facts.github_provider_arn},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {
                "StringEquals": {
                    f"{issuer}:aud": "sts.amazonaws.com",
                    f"{issuer}:sub": f"{facts.github_subject}:environment:{environment}",
                }
            },
        }
    )
