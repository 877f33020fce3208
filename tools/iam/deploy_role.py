"""IAM policies of the role that deploys a stack.

The actions come from the table of what the provider calls (`provider_calls.json`). Each is limited to the resources of
the stack: by their names where the ARN contains the name, and by their tags where AWS generates an id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .document import Document, build_document, build_github_trust, build_state_statements
from .named_resources import build_compute, build_data, build_log_role, build_roles
from .tagged_resources import build_apis, build_data_key, build_page_log, build_site, build_users

if TYPE_CHECKING:
    from .facts import StackFacts


def build_trust_policy(facts: StackFacts) -> Document:
    """Return the trust policy: only jobs of the environment with the stack's name can assume the role."""
    return build_github_trust(facts, facts.stack)


def build_policies(facts: StackFacts) -> dict[str, Document]:
    """Return the policies of the role by name. Each fits into a customer-managed policy.

    Only a stack with `apiGatewayLogRole` needs `account`, and only a stack with `hardened` needs `hardened`. Every
    stack needs the others.
    """
    state = build_state_statements(
        facts, ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], ["kms:Decrypt", "kms:Encrypt"]
    )
    return {
        "state": build_document(*state),
        "data": build_document(*build_data(facts)),
        "compute": build_document(*build_compute(facts), *build_roles(facts)),
        "access": build_document(*build_apis(facts), *build_users(facts)),
        "site": build_document(*build_site(facts)),
        "account": build_document(*build_log_role(facts)),
        "hardened": build_document(*build_data_key(facts), *build_page_log(facts)),
    }
