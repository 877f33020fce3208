from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from local import type_metadata
from local.errors import ProgramError
from local.provisioners import TYPES, Provisioner, cloudfront, find_problems, s3, sns, ssm
from local.resource import Resource
from local.wire import UNKNOWN
from tests.local.conftest import REGION
from tests.support.local.programs import run_program, write_program
from tests.support.local.provisioning import outputs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from local.emulator import Emulator
    from local.monitor import Monitor


def test_the_program_makes_every_type(made: Monitor) -> None:
    # `SITE_PROGRAM` has these.
    rest = {
        kind for kind in TYPES if kind.split("/")[0] in ("aws:s3", "aws:cloudfront", "aws:sns", "aws:kms", "aws:ssm")
    }
    rest |= {kind for kind in TYPES if kind.startswith(("aws:cloudwatch/logDelivery", "aws:cloudwatch/logResource"))}
    rest.add("aws:cognito/userPoolDomain:UserPoolDomain")

    assert {resource.type for resource in made.resources.values()} - {"pulumi:pulumi:Stack"} == set(TYPES) - rest


def test_the_program_makes_every_type_of_these_services(site: Monitor) -> None:
    types = {resource.type for resource in site.resources.values()}

    assert types >= {*s3.TYPES, *cloudfront.TYPES, *sns.TYPES, *ssm.TYPES, "aws:cognito/userPoolDomain:UserPoolDomain"}


def test_exports_are_those_of_the_emulator(made: Monitor) -> None:
    assert made.exports == {f"queue_{name}": outputs(made, "queue")[name] for name in ("url", "arn", "name")}


def test_tags_and_region_come_back(made: Monitor) -> None:
    assert (outputs(made, "queue")["tagsAll"], outputs(made, "queue")["region"]) == ({"team": "forms"}, REGION)


# What is refused


def test_what_the_emulator_refuses_names_the_resource(emulator: Emulator, tmp_path: Path) -> None:
    source = "aws.iam.RolePolicy('policy', role='nobody', policy='{}')"
    provisioner = Provisioner(emulator, tmp_path)
    with pytest.raises(ProgramError, match=r'^aws:iam/rolePolicy:RolePolicy "policy": .*PutRolePolicy') as caught:
        run_program(write_program(tmp_path, source), provisioner)
    provisioner.close()
    assert isinstance(caught.value.__cause__, Exception)
    assert isinstance(caught.value.__cause__.__cause__, ClientError)


def resource(token: str, inputs: dict[str, Any]) -> Resource:
    return Resource("urn:pulumi:dev::example::t::n", token, "n", "", custom=True, inputs=inputs)


ON_DEMAND = {"billingMode": "PAY_PER_REQUEST"}


@pytest.mark.parametrize(
    ("token", "inputs", "found"),
    [
        ("aws:sqs/queue:Queue", {"delaySeconds": 1, "region": "us-east-1"}, []),
        ("aws:sqs/queue:Queue", {"delaySeconds": UNKNOWN, "region": UNKNOWN}, []),
        ("aws:sqs/queue:Queue", {"namePrefix": "q"}, ["namePrefix: the local run does not support this property"]),
        ("aws:sqs/queue:Queue", {"fifoQueue": True}, ["fifoQueue: the local run does not support this property"]),
        ("aws:dynamodb/table:Table", {**ON_DEMAND, "globalSecondaryIndexes": UNKNOWN}, []),
        (
            "aws:dynamodb/table:Table",
            {**ON_DEMAND, "globalSecondaryIndexes": [{"name": "a", "keySchemas": UNKNOWN}]},
            [],
        ),
        ("aws:dynamodb/table:Table", {"billingMode": UNKNOWN}, []),
        (
            "aws:dynamodb/table:Table",
            {"billingMode": "PROVISIONED", "readCapacity": 1},
            [
                "readCapacity: the local run does not support this property",
                "billingMode: must be 'PAY_PER_REQUEST' in the local run, got 'PROVISIONED'",
            ],
        ),
        (
            "aws:dynamodb/table:Table",
            {},
            ["billingMode: must be 'PAY_PER_REQUEST' in the local run, got None"],
        ),
        (
            "aws:dynamodb/table:Table",
            {**ON_DEMAND, "localSecondaryIndexes": [{"name": "a"}]},
            ["localSecondaryIndexes.name: the local run does not support this property"],
        ),
        (
            "aws:apigatewayv2/api:Api",
            {"protocolType": "HTTP"},
            ["protocolType: must be 'WEBSOCKET' in the local run, got 'HTTP'"],
        ),
        (
            "aws:apigatewayv2/authorizer:Authorizer",
            {"authorizerType": "JWT", "jwtConfiguration": {"issuer": "https://i"}},
            [
                "jwtConfiguration.issuer: the local run does not support this property",
                "authorizerType: must be 'REQUEST' in the local run, got 'JWT'",
            ],
        ),
        (
            "aws:apigatewayv2/route:Route",
            {"authorizationType": "JWT"},
            ["authorizationType: must be 'NONE' or 'AWS_IAM' or 'CUSTOM' in the local run, got 'JWT'"],
        ),
        ("aws:apigatewayv2/route:Route", {}, []),
        ("aws:apigatewayv2/deployment:Deployment", {}, ["the local run does not support this resource type"]),
        (
            "aws:cloudwatch/eventTarget:EventTarget",
            {"inputTransformer": {"inputTemplate": "<x>"}},
            ["inputTransformer.inputTemplate: the local run does not support this property"],
        ),
        (
            "aws:dynamodb/table:Table",
            {**ON_DEMAND, "globalSecondaryIndexes": [{"name": "a"}, {"warmThroughput": {"readUnitsPerSecond": 1}}]},
            ["globalSecondaryIndexes.warmThroughput.readUnitsPerSecond: the local run does not support this property"],
        ),
        (
            "aws:pipes/pipe:Pipe",
            {"sourceParameters": {"sqsQueueParameters": {"batchSize": 1}}},
            ["sourceParameters.sqsQueueParameters.batchSize: the local run does not support this property"],
        ),
        (
            "aws:lambda/eventSourceMapping:EventSourceMapping",
            {"eventSourceArn": UNKNOWN, "functionName": "f", "startingPosition": "LATEST"},
            ["startingPosition: the local run does not support this property"],
        ),
        ("aws:kinesis/stream:Stream", {}, ["the local run does not support this resource type"]),
        ("pulumi:providers:aws", {"region": "us-east-1", "accessKey": "k"}, []),
        (
            "pulumi:providers:aws",
            {"region": "eu-west-1"},
            ["region: must be us-east-1, the region of the stack, got 'eu-west-1'"],
        ),
        (
            "pulumi:providers:aws",
            {"defaultTags": {"tags": {}}},
            ["defaultTags.tags: the local run does not support this property"],
        ),
    ],
)
def test_unsupported_properties_are_named(token: str, inputs: dict[str, Any], found: list[str]) -> None:
    assert find_problems(resource(token, inputs), "us-east-1") == found


@pytest.mark.parametrize(
    ("token", "inputs", "property_name"),
    [
        ("aws:s3/bucket:Bucket", {"acl": "public-read"}, "acl"),
        ("aws:s3/bucketObjectv2:BucketObjectv2", {"websiteRedirect": "/elsewhere"}, "websiteRedirect"),
        ("aws:sns/topic:Topic", {"fifoTopic": True}, "fifoTopic"),
        ("aws:cloudfront/distribution:Distribution", {"aliases": ["a.example.com"]}, "aliases"),
        (
            "aws:cloudfront/distribution:Distribution",
            {"restrictions": {"geoRestriction": {"locations": ["DE"]}}},
            "restrictions.geoRestriction.locations",
        ),
        (
            "aws:cloudfront/responseHeadersPolicy:ResponseHeadersPolicy",
            {"securityHeadersConfig": {"xssProtection": {"override": True}}},
            "securityHeadersConfig.xssProtection.override",
        ),
        ("aws:cognito/userPoolDomain:UserPoolDomain", {"certificateArn": "arn"}, "certificateArn"),
    ],
)
def test_a_property_that_would_be_lost_is_named(token: str, inputs: dict[str, Any], property_name: str) -> None:
    resource = Resource("urn:pulumi:dev::example::t::n", token, "n", "", custom=True, inputs=inputs)

    assert find_problems(resource, REGION) == [f"{property_name}: the local run does not support this property"]


def shapes(parts: list[str]) -> list[Mapping[str, Any]]:
    """The objects that hold an unknown value at the path `parts`, with and without lists on the way."""
    head, *rest = parts
    if not rest:
        return [{head: UNKNOWN}]
    return [{head: inner} for shape in shapes(rest) for inner in (shape, [shape])]


def exists(token: str, path: str) -> bool:
    wrong = re.compile(r": (unknown property|must be)")
    candidates = (type_metadata.find_problems(token, dict(shape)) for shape in shapes(path.split(".")))
    return any(not any(wrong.search(problem) for problem in found) for found in candidates)


@pytest.mark.parametrize("token", [token for token in TYPES if not token.startswith("pulumi:")])
def test_the_listed_properties_exist(token: str) -> None:
    """A property that the provider does not have would be listed for nothing."""
    listed = TYPES[token].forwarded | TYPES[token].ignored
    assert [path for path in listed if not exists(token, path)] == []
