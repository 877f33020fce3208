"""Each control finds what it is about: a program that does everything wrong fails all of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest
from google.protobuf.struct_pb2 import Struct

from tests.support.components.harness import Declared, Recording
from tests.support.components.packages import small_packages
from tests.support.components.provider import arn, physical_name
from tests.support.security.controls import CDK_NAG, SECURITY_HUB, queues_that_lose_messages
from tests.support.security.programs import record

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.security.controls import Control

CONTROLS: Final = {**SECURITY_HUB, **CDK_NAG}
EVERYONE: Final = {"Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "*", "Resource": "*"}]}
ANYTHING: Final = {"Statement": [{"Effect": "Allow", "Action": ["*", "kms:Decrypt"], "Resource": "*"}]}

WRONG: Final[dict[str, dict[str, Any]]] = {
    "apigatewayv2/route:Route": {"routeKey": "$connect"},
    "apigatewayv2/stage:Stage": {},
    "cloudfront/distribution:Distribution": {
        "defaultCacheBehavior": {"viewerProtocolPolicy": "allow-all"},
        "origins": [{"customOriginConfig": {"originProtocolPolicy": "match-viewer", "originSslProtocols": ["SSLv3"]}}],
        "restrictions": {"geoRestriction": {"restrictionType": "none"}},
        "viewerCertificate": {"sslSupportMethod": "vip", "minimumProtocolVersion": "TLSv1"},
    },
    "cloudwatch/eventBus:EventBus": {},
    "cloudwatch/eventBusPolicy:EventBusPolicy": {"policy": json.dumps(EVERYONE)},
    "cognito/userPool:UserPool": {"passwordPolicy": {"minimumLength": 6}},
    "dynamodb/table:Table": {"billingMode": "PROVISIONED"},
    "iam/rolePolicy:RolePolicy": {"role": "admin", "policy": json.dumps(ANYTHING)},
    "iam/rolePolicyAttachment:RolePolicyAttachment": {"policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"},
    "kms/key:Key": {"policy": json.dumps(EVERYONE)},
    "lambda/function:Function": {"runtime": "python2.7"},
    "lambda/permission:Permission": {"principal": "*"},
    "s3/bucket:Bucket": {},
    "s3/bucketPolicy:BucketPolicy": {"policy": json.dumps(EVERYONE)},
    "sns/topic:Topic": {},
    "sns/topicPolicy:TopicPolicy": {"policy": json.dumps(EVERYONE)},
    "sqs/queue:Queue": {},
    "sqs/queuePolicy:QueuePolicy": {"policy": json.dumps(EVERYONE)},
    "wafv2/webAcl:WebAcl": {"rules": []},
}
"""Inputs by type: one resource of each."""


def declared(
    kind: str, inputs: dict[str, Any], name: str = "wrong", dependencies: frozenset[str] = frozenset()
) -> Declared:
    """A resource of a program that was never run."""
    message = Struct()
    message.update(inputs)
    return Declared(
        urn=f"urn::{kind}::{name}",
        type=f"aws:{kind}",
        name=name,
        parent="",
        dependencies=dependencies,
        custom=True,
        retained=False,
        protected=False,
        provider="",
        aliases=frozenset(),
        hooks=frozenset(),
        message=message,
    )


def recording(*resources: Declared) -> Recording:
    return Recording(resources={one.urn: one for one in resources})


def wrong(control: Control) -> Recording:
    """A program with what the control is about, wrong, and nothing else."""
    return recording(*(declared(kind, WRONG.get(kind, {}), f"wrong-{kind}") for kind in control.kinds))


@pytest.mark.parametrize("rule", [rule for rule, control in CONTROLS.items() if control.kinds])
def test_what_is_wrong_fails(rule: str) -> None:
    control = CONTROLS[rule]

    found = wrong(control) if rule != "WAF.12" else recording(declared("wafv2/webAcl:WebAcl", {"rules": [{}]}))

    assert control.failing(found) == control.subjects(found) != set()


def test_a_control_without_types_is_about_no_program() -> None:
    everything = recording(*(declared(kind, inputs, kind) for kind, inputs in WRONG.items()))
    outside = [control for control in CONTROLS.values() if not control.kinds]

    assert outside
    assert [control for control in outside if control.subjects(everything) or control.failing(everything)] == []


def test_only_what_fails_is_among_what_a_control_is_about(tmp_path: Path) -> None:
    with small_packages(tmp_path):
        recordings = record().values()

    assert [
        rule
        for one in recordings
        for rule, control in CONTROLS.items()
        if not control.failing(one) <= control.subjects(one)
    ] == []


@pytest.mark.parametrize(
    ("kind", "by", "inputs", "rule"),
    [
        (
            "s3/bucket:Bucket",
            "s3/bucketVersioning:BucketVersioning",
            {"status": "Enabled", "mfaDelete": "Enabled"},
            "S3.14",
        ),
        (
            "s3/bucket:Bucket",
            "s3/bucketVersioning:BucketVersioning",
            {"status": "Enabled", "mfaDelete": "Enabled"},
            "S3.20",
        ),
    ],
)
def test_what_accompanies_a_resource_counts_for_that_one_alone(
    kind: str, by: str, inputs: dict[str, Any], rule: str
) -> None:
    one, other = declared(kind, {}, "one"), declared(kind, {}, "other")
    companion = declared(by, {"versioningConfiguration": inputs}, "companion", frozenset({one.urn}))

    assert CONTROLS[rule].failing(recording(one, other, companion)) == {"other"}


@pytest.mark.parametrize(
    "inputs",
    [
        {"deadLetterConfig": {"arn": "ARN"}},
        {"destinationConfig": {"onFailure": {"destination": "ARN"}}},
        {"redrivePolicy": '{"deadLetterTargetArn": "ARN", "maxReceiveCount": 3}'},
    ],
    ids=str,
)
def test_a_dead_letter_queue_needs_none_itself(inputs: dict[str, Any]) -> None:
    queue = declared("sqs/queue:Queue", {}, "letters")
    text = json.dumps(inputs).replace("ARN", arn("sqs", physical_name("letters")))
    holder = declared("sqs/queue:Queue", {"redrivePolicy": "{}", **json.loads(text)}, "holder")

    assert queues_that_lose_messages(recording(queue, holder)) == set()
    assert queues_that_lose_messages(recording(queue)) == {"letters"}
