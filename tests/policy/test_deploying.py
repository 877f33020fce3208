"""The documents of docs/iam suffice for what the program declares, and go no further than docs/deploying.md says."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from policy.rules import RESOURCE_RULES
from tests.support.components.provider import ACCOUNT, REGION, physical_name

if TYPE_CHECKING:
    from tests.support.components.harness import Declared, Recording

DOCS = Path(__file__).resolve().parents[2] / "docs"
IAM = DOCS / "iam"
NAMES = sorted(path.stem for path in IAM.iterdir())
VALUES = {
    "ACCOUNT": ACCOUNT,
    "REGION": REGION,
    "BUCKET": "state",
    "KEY": "1234abcd-12ab-34cd-56ef-1234567890ab",
    "SUBJECT": "repo:example@1/forms@2",
    "STACK": "dev",
}
"""What a person who sets up an account gives."""
PAGE = (DOCS / "deploying.md").read_text()
MAX_INLINE_POLICIES = 10_240
"""Of one role, without white space: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html."""
MAX_MANAGED_POLICY = 6_144
"""Of one managed policy, without white space, by the same page."""
HTTP_METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}
"""API Gateway's actions."""
GIVE_RIGHTS = {"iam:CreateRole", "iam:PutRolePolicy", "iam:AttachRolePolicy"}
SET_BOUNDARY = "iam:PutRolePermissionsBoundary"

MAKES = {
    "dynamodb/table:Table": "dynamodb:CreateTable arn:aws:dynamodb:REGION:ACCOUNT:table/{name}",
    "cloudwatch/eventBus:EventBus": "events:CreateEventBus arn:aws:events:REGION:ACCOUNT:event-bus/{name}",
    "cloudwatch/eventRule:EventRule": "events:PutRule arn:aws:events:REGION:ACCOUNT:rule/{bus}{name}",
    "cloudwatch/eventTarget:EventTarget": "events:PutTargets arn:aws:events:REGION:ACCOUNT:rule/{bus}{rule}",
    "cloudwatch/logGroup:LogGroup": "logs:CreateLogGroup arn:aws:logs:REGION:ACCOUNT:log-group:{name}",
    "cloudwatch/metricAlarm:MetricAlarm": "cloudwatch:PutMetricAlarm arn:aws:cloudwatch:REGION:ACCOUNT:alarm:{name}",
    "sqs/queue:Queue": "sqs:CreateQueue arn:aws:sqs:REGION:ACCOUNT:{name}",
    "sqs/queuePolicy:QueuePolicy": "sqs:SetQueueAttributes arn:aws:sqs:REGION:ACCOUNT:{queueName}",
    "cloudwatch/logResourcePolicy:LogResourcePolicy": "logs:PutResourcePolicy arn:aws:logs:REGION:ACCOUNT:*",
    "cloudwatch/logDeliverySource:LogDeliverySource": (
        "logs:PutDeliverySource arn:aws:logs:REGION:ACCOUNT:delivery-source:{name}"
    ),
    "cloudwatch/logDeliveryDestination:LogDeliveryDestination": (
        "logs:PutDeliveryDestination arn:aws:logs:REGION:ACCOUNT:delivery-destination:{name}"
    ),
    "cloudwatch/logDelivery:LogDelivery": (
        "logs:CreateDelivery arn:aws:logs:REGION:ACCOUNT:delivery-source:{deliverySourceName}"
    ),
    "kms/key:Key": "kms:CreateKey *",
    "kms/keyPolicy:KeyPolicy": "kms:PutKeyPolicy arn:aws:kms:REGION:ACCOUNT:key/{keyId}",
    "ssm/parameter:Parameter": "ssm:PutParameter arn:aws:ssm:REGION:ACCOUNT:parameter/{name}",
    "sns/topic:Topic": "sns:CreateTopic arn:aws:sns:REGION:ACCOUNT:{name}",
    "sns/topicPolicy:TopicPolicy": "sns:SetTopicAttributes {arn}",
    "sns/topicSubscription:TopicSubscription": "sns:Subscribe {topic}",
    "iam/role:Role": "iam:CreateRole arn:aws:iam::ACCOUNT:role/{name}",
    "iam/rolePolicy:RolePolicy": "iam:PutRolePolicy arn:aws:iam::ACCOUNT:role/{role}",
    "iam/rolePolicyAttachment:RolePolicyAttachment": "iam:AttachRolePolicy arn:aws:iam::ACCOUNT:role/{role}",
    "lambda/function:Function": "lambda:CreateFunction arn:aws:lambda:REGION:ACCOUNT:function:{name}",
    "lambda/functionEventInvokeConfig:FunctionEventInvokeConfig": (
        "lambda:PutFunctionEventInvokeConfig arn:aws:lambda:REGION:ACCOUNT:function:{functionName}"
    ),
    # The function's ARN is the statement's condition: AWS takes no resource here.
    "lambda/eventSourceMapping:EventSourceMapping": "lambda:CreateEventSourceMapping *",
    "lambda/permission:Permission": "lambda:AddPermission arn:aws:lambda:REGION:ACCOUNT:function:{function}",
    "pipes/pipe:Pipe": "pipes:CreatePipe arn:aws:pipes:REGION:ACCOUNT:pipe/{name}",
    "apigateway/account:Account": "apigateway:PATCH arn:aws:apigateway:REGION::/account",
    "apigatewayv2/api:Api": "apigateway:POST arn:aws:apigateway:REGION::/apis",
    "apigatewayv2/authorizer:Authorizer": "apigateway:POST arn:aws:apigateway:REGION::/apis/{apiId}/authorizers",
    "apigatewayv2/integration:Integration": "apigateway:POST arn:aws:apigateway:REGION::/apis/{apiId}/integrations",
    "apigatewayv2/route:Route": "apigateway:POST arn:aws:apigateway:REGION::/apis/{apiId}/routes",
    "apigatewayv2/routeResponse:RouteResponse": (
        "apigateway:POST arn:aws:apigateway:REGION::/apis/{apiId}/routes/{routeId}/routeresponses"
    ),
    "apigatewayv2/stage:Stage": "apigateway:POST arn:aws:apigateway:REGION::/apis/{apiId}/stages",
    "cognito/userPool:UserPool": "cognito-idp:CreateUserPool *",
    "cognito/userPoolClient:UserPoolClient": (
        "cognito-idp:CreateUserPoolClient arn:aws:cognito-idp:REGION:ACCOUNT:userpool/{userPoolId}"
    ),
    "cognito/userPoolDomain:UserPoolDomain": (
        "cognito-idp:CreateUserPoolDomain arn:aws:cognito-idp:REGION:ACCOUNT:userpool/{userPoolId}"
    ),
    "s3/bucket:Bucket": "s3:CreateBucket arn:aws:s3:::{name}",
    "s3/bucketPolicy:BucketPolicy": "s3:PutBucketPolicy arn:aws:s3:::{bucket}",
    "s3/bucketPublicAccessBlock:BucketPublicAccessBlock": "s3:PutBucketPublicAccessBlock arn:aws:s3:::{bucket}",
    "s3/bucketOwnershipControls:BucketOwnershipControls": "s3:PutBucketOwnershipControls arn:aws:s3:::{bucket}",
    "s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": (
        "s3:PutEncryptionConfiguration arn:aws:s3:::{bucket}"
    ),
    "s3/bucketObjectv2:BucketObjectv2": "s3:PutObject arn:aws:s3:::{bucket}/{key}",
    "cloudfront/distribution:Distribution": "cloudfront:CreateDistribution arn:aws:cloudfront::ACCOUNT:distribution/E1",
    "cloudfront/originAccessControl:OriginAccessControl": (
        "cloudfront:CreateOriginAccessControl arn:aws:cloudfront::ACCOUNT:origin-access-control/E1"
    ),
    "cloudfront/responseHeadersPolicy:ResponseHeadersPolicy": (
        "cloudfront:CreateResponseHeadersPolicy arn:aws:cloudfront::ACCOUNT:response-headers-policy/1"
    ),
}
"""What it takes to make a resource of each type: an action, and what it is done to."""


Documents = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Documents:
    """What the page's own command makes of the documents, by their names."""
    (command,) = [block for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) if "sed " in block]
    folder = tmp_path_factory.mktemp("project")
    shutil.copytree(IAM, folder / "docs" / "iam")

    subprocess.run(["sh", "-euc", command], cwd=folder, env=os.environ | VALUES, check=True)

    made = (folder / ".build" / "iam").iterdir()
    return {path.stem: json.loads(path.read_text()) for path in made}


def allows(policy: dict[str, Any], action: str, resource: str) -> bool:
    return any(
        statement["Effect"] == "Allow"
        and action in statement["Action"]
        and any(fnmatchcase(resource, glob) for glob in statement["Resource"])
        for statement in policy["Statement"]
    )


def in_this_account(text: str) -> str:
    return text.replace("REGION", REGION).replace("ACCOUNT", ACCOUNT)


def making(resource: Declared) -> tuple[str, str]:
    """The action that makes a resource, and what it is done to."""
    inputs = resource.inputs
    names = {
        "name": physical_name(resource.name),
        "queueName": inputs.get("queueUrl", "").split("/")[-1],
        "bus": f"{inputs['eventBusName']}/" if "eventBusName" in inputs else "",
        **inputs,
    }
    action, about = MAKES[resource.type.removeprefix("aws:")].split(" ")
    return action, in_this_account(about.replace("REGION", inputs.get("region", REGION))).format_map(names)


def role_arns(recording: Recording) -> list[str]:
    return [f"arn:aws:iam::{ACCOUNT}:role/{physical_name(one.name)}" for one in recording.of_type("iam/role:Role")]


def test_the_page_names_each_document(documents: Documents) -> None:
    assert set(re.findall(r"file://\.build/iam/([\w-]+)\.json", PAGE)) == set(documents) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_document_leaves_nothing_to_fill_in(documents: Documents, name: str) -> None:
    words = set(re.findall(r"\b[A-Z]{3,}\b", (IAM / f"{name}.json").read_text()))

    assert words & set(VALUES)
    assert words - set(VALUES) <= HTTP_METHODS
    assert not [word for word in VALUES if word in json.dumps(documents[name])]


@pytest.mark.parametrize("about", ["the program", "the program, in production"])
def test_the_deploy_role_may_make_each_resource(
    recordings: dict[str, Recording], documents: Documents, about: str
) -> None:
    wanted = {one.name: making(one) for one in recordings[about].custom()}

    assert len(wanted) > 50
    assert {name: pair for name, pair in wanted.items() if not allows(documents["deploy-policy"], *pair)} == {}


def test_a_hardened_stack_needs_one_policy_more(recordings: dict[str, Recording], documents: Documents) -> None:
    """And that policy grants nothing that the program, hardened, does not need."""
    wanted = {one.name: making(one) for one in recordings["the program, hardened"].custom()}
    refused = {name: pair for name, pair in wanted.items() if not allows(documents["deploy-policy"], *pair)}

    assert {name for name in refused if not allows(documents["deploy-hardened"], *refused[name])} == set()
    assert set(refused) == {
        *("data-key", "data-key-policy", "dashboard-access-logs", "dashboard-access-logs-policy"),
        *("dashboard-log", "dashboard-dst", "dashboard-log-delivery"),
    }
    for statement in documents["deploy-hardened"]["Statement"]:
        used = {action for action, resource in refused.values() if allows({"Statement": [statement]}, action, resource)}
        assert used or statement["Sid"] in ("PageLogSource", "LogKeys"), statement["Sid"]


def test_a_stack_may_be_hardened_after_it_was_deployed(recordings: dict[str, Recording], documents: Documents) -> None:
    """Its log groups exist then, and get the key by another action than new ones."""
    encrypted = [
        in_this_account(f"arn:aws:logs:REGION:ACCOUNT:log-group:{physical_name(one.name)}")
        for one in recordings["the program, hardened"].of_type("cloudwatch/logGroup:LogGroup")
        if one.inputs.get("kmsKeyId")
    ]

    assert len(encrypted) > 5
    for action in ("logs:AssociateKmsKey", "logs:DisassociateKmsKey"):
        assert [arn for arn in encrypted if not allows(documents["deploy-hardened"], action, arn)] == []


def test_the_deploy_role_may_pass_each_role_that_it_makes(
    recordings: dict[str, Recording], documents: Documents
) -> None:
    arns = role_arns(recordings["the program"])

    assert arns
    assert [arn for arn in arns if not allows(documents["deploy-policy"], "iam:PassRole", arn)] == []


def test_the_deploy_role_may_map_queues_to_functions_of_the_program_alone(
    recordings: dict[str, Recording], documents: Documents
) -> None:
    (statement,) = [one for one in documents["deploy-policy"]["Statement"] if one["Sid"] == "Mappings"]
    ((operator, keys),) = statement["Condition"].items()
    mapped = [
        f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{one.inputs['functionName']}"
        for one in recordings["the program"].of_type("lambda/eventSourceMapping:EventSourceMapping")
    ]

    def may(function: str) -> bool:
        return any(fnmatchcase(function, glob) for glob in keys["lambda:FunctionArn"])

    assert operator == "ArnLikeIfExists", "a mapping that is gone has none, and Pulumi asks until it is gone"
    assert mapped
    assert all(map(may, mapped))
    assert not may(f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:orders")


def test_the_deploy_role_may_delete_what_it_may_create(documents: Documents) -> None:
    actions = {action for statement in documents["deploy-policy"]["Statement"] for action in statement["Action"]}
    missing = {action.replace(":Create", ":Delete") for action in actions if ":Create" in action} - actions

    assert missing == set()


def test_the_deploy_role_may_nothing_to_other_roles_and_tables(documents: Documents) -> None:
    policy = documents["deploy-policy"]

    assert not allows(policy, "iam:PutRolePolicy", f"arn:aws:iam::{ACCOUNT}:role/admin")
    assert not allows(policy, "iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/admin")
    assert not allows(policy, "dynamodb:DeleteTable", f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/orders")


def test_the_preview_role_reads_the_state_and_nothing_else(documents: Documents) -> None:
    assert {action for one in documents["preview-policy"]["Statement"] for action in one["Action"]} == {
        "s3:ListBucket",
        "s3:GetObject",
        "kms:Decrypt",
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_document_names_its_actions_and_who_may_take_it(documents: Documents, name: str) -> None:
    inputs = {"policy": documents[name]}
    (actions,) = [rule for rule in RESOURCE_RULES if rule.name == "no-wildcard-actions"]
    (public,) = [rule for rule in RESOURCE_RULES if rule.name == "no-public-policies"]

    assert list(actions.check("aws:iam/role:Role", inputs)) == []
    assert list(public.check("aws:iam/role:Role", inputs)) == []


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        ("preview-trust", "repo:example@1/forms@2:environment:preview"),
        ("deploy-trust", "repo:example@1/forms@2:environment:dev"),
    ],
)
def test_a_role_trusts_one_kind_of_run_of_this_repository(documents: Documents, name: str, subject: str) -> None:
    (statement,) = documents[name]["Statement"]

    assert statement["Condition"] == {
        "StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": subject,
        }
    }


def test_the_deploy_policies_are_short_enough_for_iam(documents: Documents) -> None:
    lengths = {name: len(json.dumps(one, separators=(",", ":"))) for name, one in documents.items()}

    assert lengths["deploy-policy"] + lengths["deploy-boundary"] < MAX_INLINE_POLICIES
    assert max(lengths["deploy-hardened"], lengths["boundary"]) < MAX_MANAGED_POLICY


class TestBoundary:
    ARN = f"arn:aws:iam::{ACCOUNT}:policy/formbridge-runtime"

    def test_holds_all_that_the_program_grants_its_roles(
        self, recordings: dict[str, Recording], documents: Documents
    ) -> None:
        granted = [
            (action, resource)
            for one in recordings["the program, hardened"].of_type("iam/rolePolicy:RolePolicy")
            for statement in json.loads(one.inputs["policy"])["Statement"]
            for action in statement["Action"]
            for resource in statement["Resource"]
        ]

        assert granted
        assert [pair for pair in granted if not allows(documents["boundary"], *pair)] == []

    def test_lets_no_role_make_others(self, documents: Documents) -> None:
        services = {
            action.split(":")[0] for statement in documents["boundary"]["Statement"] for action in statement["Action"]
        }

        assert not services & {"iam", "sts", "organizations"}

    def test_is_set_on_each_role_that_the_program_makes(
        self, recordings: dict[str, Recording], documents: Documents
    ) -> None:
        (setting, _) = documents["deploy-boundary"]["Statement"]
        arns = role_arns(recordings["the program"])

        assert [arn for arn in arns if not allows(documents["deploy-boundary"], SET_BOUNDARY, arn)] == []
        assert setting["Condition"] == {"StringEquals": {"iam:PermissionsBoundary": self.ARN}}

    def test_without_it_a_role_is_given_no_rights(self, documents: Documents) -> None:
        (_, denial) = documents["deploy-boundary"]["Statement"]
        allowed = {action for statement in documents["deploy-policy"]["Statement"] for action in statement["Action"]}

        assert (denial["Effect"], denial["Resource"]) == ("Deny", ["*"])
        assert denial["Condition"] == {"StringNotEquals": {"iam:PermissionsBoundary": self.ARN}}
        assert set(denial["Action"]) == allowed & GIVE_RIGHTS
        assert not allowed & {SET_BOUNDARY, "iam:DeleteRolePermissionsBoundary", "iam:CreatePolicyVersion"}
