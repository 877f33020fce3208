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
Condition = dict[str, dict[str, str | list[str]]]
"""The conditions of a statement: the expected values by operator and condition key."""


def build_document(*statements: Statement) -> Document:
    """Return the policy document with these statements."""
    return {"Version": "2012-10-17", "Statement": [*statements]}


def allow(
    sid: str, actions: Iterable[str], resources: Iterable[str], condition: Mapping[str, Any] | None = None
) -> Statement:
    """Return a statement that allows the actions on the resources. The actions are sorted."""
    statement = {"Sid": sid, "Effect": "Allow", "Action": sorted(actions), "Resource": [*resources]}
    return {**statement, "Condition": condition} if condition else statement


def match_tags_of_existing(facts: StackFacts) -> Condition:
    """Return the condition that a resource has the stack's tags."""
    return {"StringEquals": _name_tags(facts, "aws:ResourceTag")}


def match_tags_of_existing_if_any(facts: StackFacts) -> Condition:
    """Return the condition that a resource has the stack's tags, or none of them."""
    return {"StringEqualsIfExists": _name_tags(facts, "aws:ResourceTag")}


def match_tags_if_any(facts: StackFacts) -> Condition:
    """Return the condition that a resource has the stack's tags, and gets no others. It may have none of them."""
    return {
        "StringEqualsIfExists": {**_name_tags(facts, "aws:ResourceTag"), **_name_tags(facts, "aws:RequestTag")},
    }


def match_tags_of_new(facts: StackFacts) -> Condition:
    """Return the condition that a resource gets the stack's tags, and does not have those of another stack."""
    return {
        "StringEquals": _name_tags(facts, "aws:RequestTag"),
        "StringEqualsIfExists": _name_tags(facts, "aws:ResourceTag"),
    }


def limit_to_regions(*regions: str) -> Condition:
    """Return the condition that a request is for one of the regions, for a statement with the resource `*`."""
    return {"StringEquals": {"aws:RequestedRegion": [*regions]}}


def _name_tags(facts: StackFacts, key: str) -> dict[str, str | list[str]]:
    return {f"{key}/Project": facts.project, f"{key}/Stack": facts.stack}


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


def build_state_statements(facts: StackFacts, object_actions: list[str], key_actions: list[str]) -> list[Statement]:
    """Return the statements for the stack's folder in the state bucket and for the key of its secrets.

    To read an object that does not exist, such as the file of a stack's tags, Pulumi needs S3's answer 404. S3 gives it
    only to those who may list the bucket. Such a request has no prefix, so the condition accepts requests without one.
    """
    bucket = f"arn:{facts.partition}:s3:::{facts.state_bucket}"
    return [
        allow("State", object_actions, [f"{bucket}/{facts.stack}/*"]),
        allow("StateList", ["s3:ListBucket"], [bucket], {"StringLikeIfExists": {"s3:prefix": f"{facts.stack}/*"}}),
        allow("StateKey", key_actions, [facts.state_key_arn]),
    ]
