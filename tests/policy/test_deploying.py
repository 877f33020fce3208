"""The roles of docs/deploying.md: they suffice for what the program declares, and go no further than the page says."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from policy.rules import RESOURCE_RULES
from tests.components.harness import Declared, Recording
from tests.components.provider import ACCOUNT, REGION, physical_name

PAGE = Path(__file__).resolve().parents[2] / "docs" / "deploying.md"
MAX_INLINE_POLICY = 10_240
"""https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html; white space does not count."""

MAKES = {
    "dynamodb/table:Table": "dynamodb:CreateTable arn:aws:dynamodb:REGION:ACCOUNT:table/{name}",
    "cloudwatch/eventBus:EventBus": "events:CreateEventBus arn:aws:events:REGION:ACCOUNT:event-bus/{name}",
    "cloudwatch/eventRule:EventRule": "events:PutRule arn:aws:events:REGION:ACCOUNT:rule/{eventBusName}/{name}",
    "cloudwatch/eventTarget:EventTarget": "events:PutTargets arn:aws:events:REGION:ACCOUNT:rule/{eventBusName}/{rule}",
    "cloudwatch/logGroup:LogGroup": "logs:CreateLogGroup arn:aws:logs:REGION:ACCOUNT:log-group:{name}",
    "cloudwatch/metricAlarm:MetricAlarm": "cloudwatch:PutMetricAlarm arn:aws:cloudwatch:REGION:ACCOUNT:alarm:{name}",
    "sqs/queue:Queue": "sqs:CreateQueue arn:aws:sqs:REGION:ACCOUNT:{name}",
    "sqs/queuePolicy:QueuePolicy": "sqs:SetQueueAttributes arn:aws:sqs:REGION:ACCOUNT:{queueName}",
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


def documents() -> dict[str, dict[str, Any]]:
    """The policy documents of the page, by the comment that stands before each."""
    found = re.findall(r"<!-- ((?:trust|policy): \w+) -->\n```json\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return {about: json.loads(text) for about, text in found}


def allows(policy: dict[str, Any], action: str, resource: str) -> bool:
    return any(
        action in statement["Action"]
        and any(fnmatchcase(resource, in_this_account(glob)) for glob in statement["Resource"])
        for statement in policy["Statement"]
    )


def in_this_account(text: str) -> str:
    return text.replace("REGION", REGION).replace("ACCOUNT", ACCOUNT)


def making(resource: Declared) -> tuple[str, str]:
    """The action that makes a resource, and what it is done to."""
    inputs = resource.inputs
    names = {"name": physical_name(resource.name), "queueName": inputs.get("queueUrl", "").split("/")[-1], **inputs}
    action, about = MAKES[resource.type.removeprefix("aws:")].split(" ")
    return action, in_this_account(about).format_map(names)


def test_the_page_has_these_documents() -> None:
    assert set(documents()) == {"trust: preview", "policy: preview", "trust: deploy", "policy: deploy"}


@pytest.mark.parametrize("about", ["the program", "the program, in production"])
def test_the_deploy_role_may_make_each_resource(recordings: dict[str, Recording], about: str) -> None:
    policy = documents()["policy: deploy"]

    wanted = {one.name: making(one) for one in recordings[about].custom()}

    assert len(wanted) > 50
    assert {name: pair for name, pair in wanted.items() if not allows(policy, *pair)} == {}


def test_the_deploy_role_may_pass_each_role_that_it_makes(recordings: dict[str, Recording]) -> None:
    policy = documents()["policy: deploy"]
    roles = recordings["the program"].of_type("iam/role:Role")

    arns = [f"arn:aws:iam::{ACCOUNT}:role/{physical_name(one.name)}" for one in roles]

    assert arns
    assert [arn for arn in arns if not allows(policy, "iam:PassRole", arn)] == []


def test_the_deploy_role_may_delete_what_it_may_create() -> None:
    actions = {action for statement in documents()["policy: deploy"]["Statement"] for action in statement["Action"]}
    missing = {action.replace(":Create", ":Delete") for action in actions if ":Create" in action} - actions

    assert missing == set()


def test_the_deploy_role_may_nothing_to_other_roles_and_tables() -> None:
    policy = documents()["policy: deploy"]

    assert not allows(policy, "iam:PutRolePolicy", f"arn:aws:iam::{ACCOUNT}:role/admin")
    assert not allows(policy, "iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/admin")
    assert not allows(policy, "dynamodb:DeleteTable", in_this_account("arn:aws:dynamodb:REGION:ACCOUNT:table/orders"))


def test_the_preview_role_reads_the_state_and_nothing_else() -> None:
    assert {action for one in documents()["policy: preview"]["Statement"] for action in one["Action"]} == {
        "s3:ListBucket",
        "s3:GetObject",
        "kms:Decrypt",
    }


@pytest.mark.parametrize("about", documents())
def test_a_role_names_its_actions_and_who_may_take_it(about: str) -> None:
    document = documents()[about]
    (actions,) = [rule for rule in RESOURCE_RULES if rule.name == "no-wildcard-actions"]
    (public,) = [rule for rule in RESOURCE_RULES if rule.name == "no-public-policies"]

    assert list(actions.check("aws:iam/role:Role", {"policy": document})) == []
    assert list(public.check("aws:iam/role:Role", {"policy": document})) == []


@pytest.mark.parametrize(
    ("about", "subject"), [("preview", "SUBJECT:pull_request"), ("deploy", "SUBJECT:environment:STACK")]
)
def test_a_role_trusts_one_kind_of_run_of_this_repository(about: str, subject: str) -> None:
    (statement,) = documents()[f"trust: {about}"]["Statement"]

    assert statement["Condition"] == {
        "StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": subject,
        }
    }


def test_the_deploy_policy_is_short_enough_for_iam() -> None:
    assert len(json.dumps(documents()["policy: deploy"], separators=(",", ":"))) < MAX_INLINE_POLICY
