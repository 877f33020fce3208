"""GitHub's identity provider, and the policies and roles with which GitHub's jobs deploy and preview a stack."""

from __future__ import annotations

import json
import re
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from .aws_errors import find
from .bootstrap_change import Change
from .console import UsageError
from .iam import deploy_role

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mypy_boto3_iam import IAMClient

    from .iam.document import Document
    from .iam.facts import StackFacts

GITHUB_URL: Final = "https://token.actions.githubusercontent.com"
AUDIENCE: Final = "sts.amazonaws.com"
MAX_POLICY_VERSIONS: Final = 5
"""Number of versions that IAM keeps of a policy.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""
LOG_ROLE_POLICY: Final = "account"
"""The policy of the deploy role with the rights on API Gateway's log role."""
MISSING: Final = "NoSuchEntity"
"""IAM's error code for something that does not exist."""


def check_boundary(iam: IAMClient, facts: StackFacts) -> None:
    """Check that the account's boundary for a stack of this name belongs to this project and region.

    Names in IAM have no region and no project. Without this check, the command would give the roles of a stack that
    exists to another stack of the same name.

    Raises:
        UsageError: The boundary belongs to a stack in another region, or of another project.
    """
    document = json.dumps(_find_document(iam, facts.boundary_arn))
    functions = re.search(rf":lambda:([a-z0-9-]+):\d+:function:([\w.-]+)-{facts.stack}-\*", document)
    if functions and functions.groups() != (facts.region, facts.project):
        region, project = functions.groups()
        raise UsageError(
            f"--stack: {facts.stack!r} must be a name that no other stack of the account has, but the policy "
            f"{facts.boundary_name} belongs to the project {project} in {region}, got {facts.project} in "
            f"{facts.region}; choose another name, or delete this policy if that stack does not exist"
        )


def ensure_github_provider(iam: IAMClient, facts: StackFacts) -> Iterator[Change]:
    """Yield the change of the account's identity provider for GitHub. All stacks share it."""
    what = f"identity provider {facts.github_provider_arn.partition('/')[2]}"
    found = find(lambda: iam.get_open_id_connect_provider(OpenIDConnectProviderArn=facts.github_provider_arn), MISSING)
    if found is None:
        yield Change(
            "create", what, lambda: iam.create_open_id_connect_provider(Url=GITHUB_URL, ClientIDList=[AUDIENCE])
        )
    elif AUDIENCE not in found["ClientIDList"]:
        yield Change(
            "update",
            f"{what}: audience {AUDIENCE}",
            lambda: iam.add_client_id_to_open_id_connect_provider(
                OpenIDConnectProviderArn=facts.github_provider_arn, ClientID=AUDIENCE
            ),
        )
    else:
        yield Change.keep(what)


def ensure_policy(iam: IAMClient, facts: StackFacts, name: str, document: Document) -> Iterator[Change]:
    """Yield the change of a customer-managed policy."""
    arn = build_policy_arn(facts, name)
    found = _find_document(iam, arn)
    if found is None:
        yield Change("create", f"policy {name}", lambda: _create_policy(iam, name, arn, document))
    elif found == document:
        yield Change.keep(f"policy {name}")
    else:
        yield Change("update", f"policy {name}", lambda: _update_policy(iam, arn, document))


def ensure_role(
    iam: IAMClient, facts: StackFacts, role: str, trust: Document, policies: Mapping[str, Document]
) -> Iterator[Change]:
    """Yield the changes after which a role has exactly these policies.

    Args:
        iam: The client.
        facts: The facts about the stack.
        role: Name of the role.
        trust: Its trust policy.
        policies: Its policies by the second part of their name. The first part is the name of the role.
    """
    names = {f"{role}-{name}": document for name, document in policies.items()}
    for name, document in names.items():
        yield from ensure_policy(iam, facts, name, document)

    found = find(lambda: iam.get_role(RoleName=role), MISSING)
    what = f"role {role}"
    if found is None:
        yield Change("create", what, lambda: _create_role(iam, role, trust))
    elif found["Role"].get("AssumeRolePolicyDocument") != trust:
        text = json.dumps(trust)
        yield Change("update", what, lambda: iam.update_assume_role_policy(RoleName=role, PolicyDocument=text))
    else:
        yield Change.keep(what)

    attached = _list_attached(iam, role) if found else {}
    for name in names:
        if name in attached:
            yield Change.keep(f"{what}: policy {name}")
        else:
            arn = build_policy_arn(facts, name)
            yield Change(
                "attach", f"{what}: policy {name}", partial(iam.attach_role_policy, RoleName=role, PolicyArn=arn)
            )
    for name, arn in attached.items():
        if name not in names:
            yield Change(
                "detach", f"{what}: policy {name}", partial(iam.detach_role_policy, RoleName=role, PolicyArn=arn)
            )
    for name in _list_inline(iam, role) if found else []:
        yield Change(
            "delete", f"{what}: inline policy {name}", partial(iam.delete_role_policy, RoleName=role, PolicyName=name)
        )


def build_deploy_policies(facts: StackFacts, *, creates_log_role: bool) -> dict[str, Document]:
    """Return the policies that the deploy role needs, by the second part of their name.

    Only a stack that creates API Gateway's log role may change this setting of the whole account.
    """
    policies = deploy_role.build_policies(facts)
    return {name: document for name, document in policies.items() if creates_log_role or name != LOG_ROLE_POLICY}


def build_policy_arn(facts: StackFacts, name: str) -> str:
    """Return the ARN of a customer-managed policy of the account."""
    return f"arn:{facts.partition}:iam::{facts.account}:policy/{name}"


def _find_document(iam: IAMClient, arn: str) -> Any:
    """Return the document of a customer-managed policy. None: the account does not have the policy."""
    found = find(lambda: iam.get_policy(PolicyArn=arn), MISSING)
    if found is None:
        return None
    version = iam.get_policy_version(PolicyArn=arn, VersionId=found["Policy"].get("DefaultVersionId", ""))
    return version["PolicyVersion"].get("Document")


def _create_policy(iam: IAMClient, name: str, arn: str, document: Document) -> None:
    iam.create_policy(PolicyName=name, PolicyDocument=json.dumps(document))
    # IAM may not find for a moment what it has created.
    iam.get_waiter("policy_exists").wait(PolicyArn=arn)


def _update_policy(iam: IAMClient, arn: str, document: Document) -> None:
    """Make the document the default version. The oldest version goes if there is no room for another."""
    versions = iam.list_policy_versions(PolicyArn=arn)["Versions"]
    if len(versions) >= MAX_POLICY_VERSIONS:
        others = [one for one in versions if not one.get("IsDefaultVersion")]
        oldest = min(others, key=lambda one: int(one.get("VersionId", "").removeprefix("v")))
        iam.delete_policy_version(PolicyArn=arn, VersionId=oldest.get("VersionId", ""))
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=json.dumps(document), SetAsDefault=True)


def _create_role(iam: IAMClient, role: str, trust: Document) -> None:
    iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(trust))
    iam.get_waiter("role_exists").wait(RoleName=role)


def _list_attached(iam: IAMClient, role: str) -> dict[str, str]:
    """Return the ARN of each policy that is attached to a role by its name."""
    pages = iam.get_paginator("list_attached_role_policies").paginate(RoleName=role)
    policies = [one for page in pages for one in page["AttachedPolicies"]]
    return {one.get("PolicyName", ""): one.get("PolicyArn", "") for one in policies}


def _list_inline(iam: IAMClient, role: str) -> list[str]:
    return [
        name for page in iam.get_paginator("list_role_policies").paginate(RoleName=role) for name in page["PolicyNames"]
    ]
