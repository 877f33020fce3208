"""IAM policies of the role that deploys a stack."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .document import Document, allow, build_document, build_github_trust

if TYPE_CHECKING:
    from .facts import StackFacts


def build_trust_policy(facts: StackFacts) -> Document:
    """Return the trust policy: only jobs of the environment with the stack's name can assume the role."""
    return build_github_trust(facts, facts.stack)


def build_policies(facts: StackFacts) -> dict[str, Document]:
    """Return the policies of the role by name. Each fits into a customer-managed policy."""
    bucket = f"arn:{facts.partition}:s3:::{facts.state_bucket}"
    return {
        "state": build_document(
            allow("State", ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], [f"{bucket}/{facts.stack}/*"]),
            allow("StateList", ["s3:ListBucket"], [bucket], {"StringLike": {"s3:prefix": f"{facts.stack}/*"}}),
            allow("StateKey", ["kms:Decrypt", "kms:Encrypt"], [facts.state_key_arn]),
        )
    }
