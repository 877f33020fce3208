"""The table of what the AWS provider calls: it covers the program, and AWS knows each of its actions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import botocore.session
import pytest

from tests.support.components.packages import small_packages
from tests.support.engine.aws_provider import REPLACING
from tests.support.program.whole_program import declare
from tests.support.requirements import read_lock
from tools.iam.provider_calls import CALLS, OPERATIONS, PATH

if TYPE_CHECKING:
    from tests.support.components.harness import Declared

REFRESH: Final = "read the provider's source again and update tools/iam/provider_calls.json, see docs/adr/0046"

CHANGES: Final[tuple[dict[str, str], ...]] = (
    {},
    {
        "hardened": "true",
        "protectData": "true",
        "mfa": "optional",
        "mailSender": "arn:aws:ses:us-east-1:123456789012:identity/no-reply@example.com",
        "webAclArn": "arn:aws:wafv2:us-east-1:123456789012:global/webacl/page/473e64fd-f30b-4765-81a0-62ad96dd167a",
        "authorizeReservedConcurrency": "10",
        "permissionsBoundaryArn": "arn:aws:iam::123456789012:policy/formbridge-boundary-dev",
    },
    {"issuer": "https://login.example.com/", "audience": "page"},
    {"dashboardSite": "false", "apiGatewayLogRole": "false"},
)
"""Settings that change which types and properties the program declares."""

OPERATION_OF: Final = {
    "cloudformation:GetResource": ("cloudcontrol", "GetResource"),
    "kms:ReEncryptFrom": ("kms", "ReEncrypt"),
    "kms:ReEncryptTo": ("kms", "ReEncrypt"),
    "s3:GetAccelerateConfiguration": ("s3", "GetBucketAccelerateConfiguration"),
    "s3:GetBucketCORS": ("s3", "GetBucketCors"),
    "s3:GetBucketObjectLockConfiguration": ("s3", "GetObjectLockConfiguration"),
    "s3:GetBucketPublicAccessBlock": ("s3", "GetPublicAccessBlock"),
    "s3:GetEncryptionConfiguration": ("s3", "GetBucketEncryption"),
    "s3:GetLifecycleConfiguration": ("s3", "GetBucketLifecycleConfiguration"),
    "s3:GetReplicationConfiguration": ("s3", "GetBucketReplication"),
    "s3:ListBucket": ("s3", "HeadBucket"),
    "s3:ListTagsForResource": ("s3control", "ListTagsForResource"),
    "s3:PutBucketPublicAccessBlock": ("s3", "PutPublicAccessBlock"),
    "s3:PutEncryptionConfiguration": ("s3", "PutBucketEncryption"),
    "s3:TagResource": ("s3control", "TagResource"),
    "s3:UntagResource": ("s3control", "UntagResource"),
}
"""Service and operation of the actions that do not have the name of their operation."""

NO_OPERATION: Final = {
    "apigateway:DELETE": "API Gateway's actions are HTTP methods",
    "apigateway:GET": "API Gateway's actions are HTTP methods",
    "apigateway:PATCH": "API Gateway's actions are HTTP methods",
    "apigateway:POST": "API Gateway's actions are HTTP methods",
    "cloudfront:AllowVendedLogDeliveryForResource": "logs:PutDeliverySource checks it for a distribution",
    "iam:PassRole": "the service that gets the role checks it",
}
"""Actions without an operation, with the reason."""


@pytest.fixture(scope="module")
def declared(tmp_path_factory: pytest.TempPathFactory) -> list[Declared]:
    """Every resource that the program declares with any of `CHANGES`."""
    with small_packages(tmp_path_factory.mktemp("packages")):
        return [resource for change in CHANGES for resource in declare(preview=False, **change).custom()]


def all_actions() -> set[str]:
    tokens = [*CALLS.types, *CALLS.functions]
    return {*CALLS.provider, *(action for token in tokens for action in CALLS.actions(token))}


def test_the_table_is_for_the_pinned_provider() -> None:
    assert read_lock("requirements.in").versions("pulumi-aws") == {f"=={CALLS.pulumi_aws}"}, REFRESH


def test_the_table_has_the_types_that_the_program_can_declare_and_no_other(declared: list[Declared]) -> None:
    assert set(CALLS.types) == {resource.type for resource in declared}, REFRESH


def test_the_table_takes_each_declared_property_into_account(declared: list[Declared]) -> None:
    unread = {
        f"{resource.type} {name}"
        for resource in declared
        for name in set(resource.inputs) - CALLS.types[resource.type].properties
    }

    assert unread == set(), REFRESH


def test_the_engine_tests_know_what_replaces_a_resource_of_each_type() -> None:
    assert set(REPLACING) == set(CALLS.types), REFRESH


def test_each_action_is_an_operation_of_aws_or_named_here() -> None:
    session = botocore.session.get_session()
    unknown: set[str] = set()
    for action in all_actions() - set(NO_OPERATION):
        service, operation = OPERATION_OF.get(action, tuple(action.split(":")))
        if operation not in session.get_service_model(service).operation_names:
            unknown.add(action)

    assert unknown == set()


def test_the_names_here_are_used() -> None:
    assert {*OPERATION_OF, *NO_OPERATION} <= all_actions()
    assert CALLS.any_resource <= all_actions()


def test_a_type_with_tags_has_the_actions_for_them() -> None:
    tagged = {token: calls.by_operation for token, calls in CALLS.types.items() if "tags" in calls.properties}
    tag_actions = {
        token: {name: sum("tag" in action.lower() for action in actions) for name, actions in by_operation.items()}
        for token, by_operation in tagged.items()
    }

    assert len(tagged) > 15
    assert [token for token, counts in tag_actions.items() if counts["create"] < 1 or counts["update"] < 2] == []


def test_lists_are_sorted_and_name_an_action_once() -> None:
    table: dict[str, Any] = json.loads(PATH.read_text())
    entries = [*table["types"].values(), *table["functions"].values()]
    lists = [entry[name] for entry in entries for name in ("properties", *OPERATIONS) if name in entry]

    assert all(values == sorted(set(values)) for values in [table["provider"], table["any_resource"], *lists])
    assert [*table["types"]] == sorted(table["types"])


def test_actions_of_some_operations() -> None:
    assert CALLS.actions("aws:lambda/permission:Permission") == {
        "lambda:AddPermission",
        "lambda:GetPolicy",
        "lambda:RemovePermission",
    }
    assert CALLS.actions("aws:lambda/permission:Permission", "create", "read") == {
        "lambda:AddPermission",
        "lambda:GetPolicy",
    }
    assert "cloudformation:GetResource" in CALLS.actions("aws:cloudcontrol/getResource:getResource")


def test_an_unknown_type_is_an_error() -> None:
    with pytest.raises(KeyError, match="aws:sqs/nothing:Nothing"):
        CALLS.actions("aws:sqs/nothing:Nothing")
