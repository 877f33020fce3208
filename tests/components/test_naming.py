"""The names of a component's children are a contract: Pulumi replaces what is called otherwise, data and all."""

from __future__ import annotations

import re

import pytest

from tests.support.components.contract import CONTRACT, nested_name
from tests.support.components.examples import EXAMPLES, example
from tests.support.components.harness import refusal, run

LIMITS = {
    "apigatewayv2/api:Api": 128,
    "cloudfront/originAccessControl:OriginAccessControl": 64,
    "cloudfront/responseHeadersPolicy:ResponseHeadersPolicy": 128,
    "cloudwatch/eventBus:EventBus": 256,
    "cloudwatch/eventRule:EventRule": 64,
    "cloudwatch/logGroup:LogGroup": 512,
    "cloudwatch/metricAlarm:MetricAlarm": 255,
    "cognito/userPool:UserPool": 128,
    "cognito/userPoolClient:UserPoolClient": 128,
    "dynamodb/table:Table": 255,
    "iam/role:Role": 64,
    "iam/rolePolicy:RolePolicy": 128,
    "lambda/function:Function": 64,
    "pipes/pipe:Pipe": 64,
    "s3/bucket:Bucket": 63,
    "sns/topic:Topic": 256,
    "sqs/queue:Queue": 80,
    "ssm/parameter:Parameter": 1_011,
}
"""How long AWS lets the names be that Pulumi makes up, as its API references have it."""

NAMELESS = {
    "apigateway/account:Account",
    "apigatewayv2/authorizer:Authorizer",
    "apigatewayv2/integration:Integration",
    "apigatewayv2/route:Route",
    "apigatewayv2/routeResponse:RouteResponse",
    "apigatewayv2/stage:Stage",
    "cloudfront/distribution:Distribution",
    "cloudwatch/eventTarget:EventTarget",
    "cognito/userPoolDomain:UserPoolDomain",
    "kms/key:Key",
    "kms/keyPolicy:KeyPolicy",
    "iam/rolePolicyAttachment:RolePolicyAttachment",
    "lambda/eventSourceMapping:EventSourceMapping",
    "lambda/functionEventInvokeConfig:FunctionEventInvokeConfig",
    "lambda/permission:Permission",
    "s3/bucketOwnershipControls:BucketOwnershipControls",
    "s3/bucketPolicy:BucketPolicy",
    "s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
    "s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
    "sns/topicPolicy:TopicPolicy",
    "sns/topicSubscription:TopicSubscription",
    "sqs/queuePolicy:QueuePolicy",
}
"""The types that have no name, or one that is given or made up by AWS."""

AUTONAMED = 8
"""What Pulumi appends to a logical name."""


def test_every_component_has_a_contract() -> None:
    # The children of a page are its files, which come and go with it, and hold nothing.
    assert set(CONTRACT) == set(EXAMPLES) - {"page"}


@pytest.mark.parametrize("name", CONTRACT)
def test_each_child_is_called_as_it_always_was_or_says_so(name: str) -> None:
    children = run(lambda: example(name, {})).below(name)[1:]
    called = {nested_name(one.urn) for one in children}
    known = called | {nested_name(alias) for one in children for alias in one.aliases}

    assert called <= set(CONTRACT[name]), "a new name stands in the contract"
    assert set(CONTRACT[name]) <= known


@pytest.mark.parametrize("name", sorted(set(EXAMPLES) - {"page", "data", "worker"}))
def test_a_component_may_be_called_as_long_as_aws_takes_its_childrens_names(name: str) -> None:
    refused = refusal(lambda: EXAMPLES[name]("a" * 300, {}))
    found = re.match(r"name: must be at most (\d+) characters", refused)
    assert found, refused
    longest = int(found[1])
    recording = run(lambda: EXAMPLES[name]("a" * longest, {}))
    room = [
        LIMITS[kind] - len(one.name) - AUTONAMED
        for one in recording.custom()
        if (kind := one.type.removeprefix("aws:")) in LIMITS
    ]

    assert min(room) == 0, "no child's name is too long, and none could be longer"
    assert refusal(lambda: EXAMPLES[name]("a" * (longest + 1), {})).startswith("name: must be at most ")


@pytest.mark.parametrize("called", ["", "my forms", "forms_1", "1forms", "forms/eu", "förms"])
@pytest.mark.parametrize("name", sorted(set(EXAMPLES) - {"worker"}))
def test_a_component_is_called_as_aws_calls_things(name: str, called: str) -> None:
    message = f"name: must be a letter followed by letters, digits and hyphens, got {called!r}"

    assert refusal(lambda: EXAMPLES[name](called, {})) == message


@pytest.mark.parametrize("name", sorted(set(EXAMPLES) - {"page"}))
def test_the_limit_of_every_name_that_pulumi_makes_up_is_known(name: str) -> None:
    """A type is left out of the limits only where Pulumi makes up no name."""
    unknown = {one.type.removeprefix("aws:") for one in run(lambda: example(name, {})).custom()} - set(LIMITS)

    assert unknown <= NAMELESS
