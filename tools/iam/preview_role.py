"""IAM policies of the role that previews a stack."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .document import Document, allow, build_document, build_github_trust

if TYPE_CHECKING:
    from .facts import StackFacts

ENVIRONMENT = "preview"
"""Environment of the GitHub repository in which previews run."""


def build_trust_policy(facts: StackFacts) -> Document:
    """Return the trust policy: only jobs of the environment `preview` can assume the role."""
    return build_github_trust(facts, ENVIRONMENT)


def build_policies(facts: StackFacts) -> dict[str, Document]:
    """Return the policies of the role by name. They allow reading the stack's state, and nothing else."""
    bucket = f"arn:{facts.partition}:s3:::{facts.state_bucket}"
    return {
        "state": build_document(
            allow("State", ["s3:GetObject"], [f"{bucket}/{facts.stack}/*"]),
            allow("StateList", ["s3:ListBucket"], [bucket], {"StringLike": {"s3:prefix": f"{facts.stack}/*"}}),
            allow("StateKey", ["kms:Decrypt"], [facts.state_key_arn]),
        )
    }
