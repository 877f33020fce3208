"""The deploy role may manage every resource of its stack, and nothing of another stack or of bootstrap."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterator
from itertools import product
from typing import Final

import pytest

from tests.support.components.packages import small_packages
from tests.support.components.provider import ACCOUNT
from tests.support.program.whole_program import ROOT
from tests.support.tools.iam_evaluator import Request, is_allowed
from tests.support.tools.stack_requests import Made, build_facts, is_collection, list_requests, record_stack
from tools.iam.deploy_role import build_policies, build_trust_policy
from tools.iam.facts import StackFacts
from tools.iam.provider_actions import WITHHELD
from tools.iam.provider_calls import CALLS

Record = Callable[[StackFacts], list[Made]]

PAIRS: Final = [
    (build_facts("dev"), build_facts("prod")),
    (build_facts("prod"), build_facts("dev")),
    (build_facts("dev"), build_facts("dev2")),
    (build_facts("dev2"), build_facts("dev")),
    (build_facts("d"), build_facts("dev")),
    (build_facts("dev", "us-east-1"), build_facts("prod", "us-west-2")),
]
"""Whose role, and whose resources. One name may be the beginning of the other, and the regions may differ."""
MAX_MANAGED_POLICY: Final = 6_144
"""Maximum length of a managed policy without white space.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""
MAX_ATTACHED: Final = 10
"""Maximum number of managed policies of a role, by the same page."""


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Record]:
    """Return the resources of a stack, which are recorded once."""
    with small_packages(tmp_path_factory.mktemp("packages")):
        yield functools.cache(record_stack)


def variants(request: Request, own: StackFacts) -> Iterator[Request]:
    """Yield a request about another stack's resource with each of the values that the role of `own` can choose."""
    yield request
    if is_collection(request):
        return  # with its own tags, the role creates a resource of its own
    tags = {"aws:RequestTag/Project": own.project, "aws:RequestTag/Stack": own.stack}
    boundary = {"iam:PermissionsBoundary": own.boundary_arn}
    rest = {key: value for key, value in request.context.items() if not key.startswith("aws:RequestTag/")}
    for chosen_tags, chosen_boundary in product([{}, tags], [{}, boundary]):
        yield Request(request.action, request.resource, {**rest, **chosen_tags, **chosen_boundary})


def find_crossing(own: StackFacts, other: StackFacts, resources: list[Made]) -> set[tuple[str, str]]:
    """Return each policy of the role of `own` with each action that it allows on the other stack's resources."""
    return {
        (name, request.action)
        for name, document in build_policies(own).items()
        for made in resources
        for asked in list_requests(made, other)
        for request in variants(asked, own)
        if is_allowed([document], request)
    }


def read_documented() -> set[tuple[str, str]]:
    """Return the policies and actions in the page's table of what AWS does not let limit to a stack."""
    page = (ROOT / "docs" / "deploying.md").read_text()
    (table,) = re.findall(r"\| Policy \| Actions \|.*?\n\|[-| ]+\n(.*?)\n\n", page, re.DOTALL)
    rows = [line.strip("| ").split(" | ") for line in table.splitlines()]
    return {(row[0].strip("`"), action) for row in rows for action in re.findall(r"`([\w-]+:\w+)`", row[1])}


@pytest.mark.parametrize(("stack", "region"), [("dev", "eu-west-1"), ("prod", "us-west-2"), ("d", "us-east-1")])
def test_the_role_may_manage_each_resource_of_its_stack(record: Record, stack: str, region: str) -> None:
    facts = build_facts(stack, region)
    documents = build_policies(facts).values()
    requests = [(made.name, request) for made in record(facts) for request in list_requests(made, facts)]

    assert len(requests) > 700
    assert [(name, one) for name, one in requests if not is_allowed(documents, one)] == []


def test_the_role_may_read_what_is_gone(record: Record) -> None:
    """A resource that is gone has no tags and no function, and the provider reads it until it is gone."""
    facts = build_facts("dev")
    documents = build_policies(facts).values()
    gone = [
        Request(one.action, one.resource, {"aws:RequestedRegion": one.context["aws:RequestedRegion"]})
        for made in record(facts)
        for one in list_requests(made, facts)
        # Only a mapping that exists has tags to read.
        if one.action in CALLS.actions(f"aws:{made.type}", "read") and one.action != "lambda:ListTags"
    ]

    assert len(gone) > 100
    assert [one for one in gone if not is_allowed(documents, one)] == []


@pytest.mark.parametrize(
    ("own", "other"), PAIRS, ids=[f"{own.stack} {other.stack} {own.region}" for own, other in PAIRS]
)
def test_the_role_gets_at_nothing_of_another_stack_but_what_the_page_lists(
    record: Record, own: StackFacts, other: StackFacts
) -> None:
    crossing = find_crossing(own, other, record(other))

    if own.region == other.region:
        assert crossing == read_documented()
    else:
        # Only services without regions are left.
        assert {action.partition(":")[0] for _, action in crossing} == {"cloudfront", "iam", "logs", "wafv2"}
        assert crossing < read_documented()


def test_the_parts_of_an_api_are_apart_if_they_inherit_its_tags(record: Record) -> None:
    """AWS lists the condition key for them, but does not document that they inherit the tags of a WebSocket API."""
    own, other = build_facts("dev"), build_facts("prod")
    tags = {"aws:ResourceTag/Project": other.project, "aws:ResourceTag/Stack": other.stack}
    parts = [
        Request(one.action, one.resource, {**one.context, **tags})
        for made in record(other)
        for one in list_requests(made, other)
        if "/apis/" in one.resource
    ]
    documents = build_policies(own).values()

    assert parts
    assert [one for asked in parts for one in variants(asked, own) if is_allowed(documents, one)] == []


@pytest.mark.parametrize(("own", "other"), [*PAIRS, (build_facts("dev"), build_facts("dev"))])
def test_the_role_changes_nothing_that_bootstrap_made(own: StackFacts, other: StackFacts) -> None:
    documents = build_policies(own).values()
    actions = {action for document in documents for one in document["Statement"] for action in one["Action"]}
    iam = f"arn:aws:iam::{ACCOUNT}"
    state = f"arn:aws:s3:::{other.state_bucket}"
    resources = [
        *(f"{iam}:role/{name}" for name in (other.deploy_role_name, other.preview_role_name)),
        *(f"{iam}:policy/{name}" for name in (f"{other.deploy_role_name}-data", other.boundary_name)),
        other.github_provider_arn,
        state,
        other.state_key_arn,
        f"arn:aws:kms:{other.region}:{ACCOUNT}:alias/formbridge-state-{other.stack}",
    ]
    context = {
        "aws:RequestedRegion": other.region,
        "kms:ResourceAliases": f"alias/formbridge-state-{other.stack}",
        "iam:PermissionsBoundary": own.boundary_arn,
        "iam:PassedToService": "lambda.amazonaws.com",
        "s3:prefix": f"{other.stack}/.pulumi/",
        **{f"aws:{kind}Tag/Project": own.project for kind in ("Request", "Resource")},
        **{f"aws:{kind}Tag/Stack": own.stack for kind in ("Request", "Resource")},
    }
    allowed = {
        (action, resource)
        for action in actions
        for resource in resources
        if action.partition(":")[0] == resource.split(":")[2] and action not in CALLS.any_resource
        if is_allowed(documents, Request(action, resource, context))
    }
    reads = {"kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListResourceTags"}

    # The context is the worst case, a key with the tags of the own stack: even then, it is only read and used.
    assert {action for action, resource in allowed if resource == other.state_key_arn} <= {
        *reads,
        *("kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext"),
        *("kms:ReEncryptFrom", "kms:ReEncryptTo"),
    }
    assert {one for one in allowed if one[1] != other.state_key_arn} == (
        {("s3:ListBucket", state)} if own == other else set()
    )


def test_a_key_of_another_program_cannot_be_taken_over_by_its_tags() -> None:
    """A key without tags could get those of the stack. Its alias says that it is not the program's."""
    facts = build_facts("dev")
    documents = build_policies(facts).values()
    key = facts.build_arn("kms", "key/1234abcd")
    tags = {"aws:RequestTag/Project": facts.project, "aws:RequestTag/Stack": facts.stack}

    assert is_allowed(documents, Request("kms:TagResource", key, tags))
    assert not is_allowed(documents, Request("kms:TagResource", key, {**tags, "kms:ResourceAliases": "alias/payroll"}))


@pytest.mark.parametrize(("own", "other"), PAIRS)
def test_the_state_of_another_stack_is_closed(own: StackFacts, other: StackFacts) -> None:
    state = build_policies(own)["state"]
    bucket = f"arn:aws:s3:::{own.state_bucket}"
    mine, foreign = (f"{bucket}/{one.stack}/.pulumi/stacks/formbridge-realtime/x.json" for one in (own, other))
    actions = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject")

    assert [one for one in actions if not is_allowed([state], Request(one, mine))] == []
    assert [one for one in actions if is_allowed([state], Request(one, foreign))] == []
    assert is_allowed([state], Request("s3:ListBucket", bucket, {"s3:prefix": f"{own.stack}/.pulumi/"}))
    assert not is_allowed([state], Request("s3:ListBucket", bucket, {"s3:prefix": f"{other.stack}/.pulumi/"}))
    assert is_allowed([state], Request("kms:Decrypt", own.state_key_arn))
    assert not is_allowed([state], Request("kms:Decrypt", other.state_key_arn))


def test_a_missing_object_of_the_state_is_reported_as_missing() -> None:
    """S3 asks for `s3:ListBucket` without a prefix, or else answers 403, which Pulumi takes for an error."""
    facts = build_facts("dev")

    assert is_allowed([build_policies(facts)["state"]], Request("s3:ListBucket", f"arn:aws:s3:::{facts.state_bucket}"))


@pytest.mark.parametrize("boundary", [None, "arn:aws:iam::123456789012:policy/formbridge-boundary-prod"])
@pytest.mark.parametrize(
    "action", ["iam:CreateRole", "iam:PutRolePolicy", "iam:UpdateAssumeRolePolicy", "iam:PutRolePermissionsBoundary"]
)
def test_a_role_without_the_boundary_gets_no_rights(action: str, boundary: str | None) -> None:
    facts = build_facts("dev")
    role = f"arn:aws:iam::{ACCOUNT}:role/formbridge-realtime-dev-gateway-connect-role-1a2b3c4"
    context = {} if boundary is None else {"iam:PermissionsBoundary": boundary}

    assert is_allowed(
        build_policies(facts).values(), Request(action, role, {"iam:PermissionsBoundary": facts.boundary_arn})
    )
    assert not is_allowed(build_policies(facts).values(), Request(action, role, context))


@pytest.mark.parametrize(
    ("role", "policy"),
    [
        ("formbridge-realtime-dev-gateway-connect-role-1a2b3c4", "service-role/AmazonAPIGatewayPushToCloudWatchLogs"),
        ("formbridge-realtime-dev-api-gateway-role-1a2b3c4", "AdministratorAccess"),
    ],
)
def test_no_other_policy_of_aws_can_be_attached(role: str, policy: str) -> None:
    facts = build_facts("dev")
    context = {"iam:PermissionsBoundary": facts.boundary_arn, "iam:PolicyARN": f"arn:aws:iam::aws:policy/{policy}"}
    request = Request("iam:AttachRolePolicy", f"arn:aws:iam::{ACCOUNT}:role/{role}", context)

    assert not is_allowed(build_policies(facts).values(), request)


def test_the_role_gets_the_actions_of_the_table_and_its_state() -> None:
    policies = build_policies(build_facts("dev"))
    allowed = {
        name: {action for one in document["Statement"] if one["Effect"] == "Allow" for action in one["Action"]}
        for name, document in policies.items()
    }
    table = CALLS.provider.union(*(CALLS.actions(token) for token in [*CALLS.types, *CALLS.functions]))

    assert set(WITHHELD) <= table
    assert set[str]().union(*(actions for name, actions in allowed.items() if name != "state")) == table - set(WITHHELD)


def test_each_policy_fits_into_a_managed_policy() -> None:
    policies = build_policies(build_facts("x" * 9, "ap-southeast-1"))
    lengths = {name: len(json.dumps(document, separators=(",", ":"))) for name, document in policies.items()}

    assert max(lengths.values()) <= MAX_MANAGED_POLICY
    assert len(policies) <= MAX_ATTACHED


def test_the_role_trusts_the_environment_of_its_stack() -> None:
    (statement,) = build_trust_policy(build_facts("dev"))["Statement"]

    assert statement["Principal"] == {
        "Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"
    }
    assert statement["Condition"] == {
        "StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": "repo:example@1/forms@2:environment:dev",
        }
    }
