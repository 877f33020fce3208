"""The physical names of the program's resources fit into AWS's limits, and tell the stacks apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from stack_name import MAX_STACK_NAME
from tests.support.program.naming import choose_name, name_property
from tests.support.program.whole_program import declare

if TYPE_CHECKING:
    from tests.support.components.harness import Declared

LIMITS: Final = {
    # https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis.html
    "apigatewayv2/api:Api": 128,
    "cloudfront/originAccessControl:OriginAccessControl": 64,
    "cloudfront/responseHeadersPolicy:ResponseHeadersPolicy": 128,
    "cloudwatch/eventBus:EventBus": 256,
    "cloudwatch/eventRule:EventRule": 64,
    # https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_Target.html
    "cloudwatch/eventTarget:EventTarget": 64,
    # https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutDeliveryDestination.html
    "cloudwatch/logDeliveryDestination:LogDeliveryDestination": 60,
    "cloudwatch/logDeliverySource:LogDeliverySource": 60,
    "cloudwatch/logGroup:LogGroup": 512,
    "cloudwatch/metricAlarm:MetricAlarm": 255,
    "cognito/userPool:UserPool": 128,
    "cognito/userPoolClient:UserPoolClient": 128,
    "dynamodb/table:Table": 255,
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    "iam/role:Role": 64,
    "iam/rolePolicy:RolePolicy": 128,
    "lambda/function:Function": 64,
    "lambda/permission:Permission": 100,
    "pipes/pipe:Pipe": 64,
    "s3/bucket:Bucket": 63,
    # The provider allows fewer characters than SNS (256).
    "sns/topic:Topic": 80,
    "sqs/queue:Queue": 80,
    "ssm/parameter:Parameter": 255,
}
"""The maximum length of a name that Pulumi chooses, by type, in AWS or in the provider."""


def named() -> list[Declared]:
    """Every resource of the program whose name Pulumi chooses."""
    everything = declare(hardened="true").custom()
    return [one for one in everything if (key := name_property(one.type)) and key not in one.inputs]


@pytest.fixture(scope="module")
def resources(packages: None) -> list[Declared]:
    return named()


def test_each_type_with_a_name_has_its_limit(resources: list[Declared]) -> None:
    assert {one.type.removeprefix("aws:") for one in resources} == set(LIMITS)


def test_the_longest_name_of_a_stack_fits_into_every_physical_name(resources: list[Declared]) -> None:
    room = {
        one.name: LIMITS[one.type.removeprefix("aws:")] - len(choose_name(one.type, one.name, "x" * MAX_STACK_NAME))
        for one in resources
    }

    assert min(room.values()) == 0, "a longer name of a stack would fit"


def test_a_name_of_one_stack_is_no_beginning_of_anothers(resources: list[Declared]) -> None:
    for one in resources:
        assert choose_name(one.type, one.name, "dev").startswith("formbridge-realtime-dev-")
        assert not choose_name(one.type, one.name, "dev2").startswith("formbridge-realtime-dev-")
