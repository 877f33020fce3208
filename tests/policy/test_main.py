"""The pack over CrossGuard's protocol: started as the CLI starts it, and asked what the CLI asks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc

from policy.rules import RESOURCE_RULES, STACK_RULES
from policy.rules.resources import BUCKETS, PERMISSION, TABLE, TOPIC

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.support.components.harness import Recording

PACK = Path(__file__).resolve().parents[2] / "policy"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""How the engine says that a preview does not know a text yet."""
BUCKET = "aws:s3/bucket:Bucket"
BLOCK = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"

Diagnostic = tuple[str, int, str, str]
"""Rule, level, message and URN."""


@pytest.fixture(scope="module")
def pack() -> Iterator[Any]:
    """A client of the running pack, which tells its port on its first line, and runs until it is ended."""
    command = [sys.executable, "-u", "-m", "pulumi.policy", "127.0.0.1:1", str(PACK)]
    with subprocess.Popen(command, cwd=PACK, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                yield analyzer_pb2_grpc.AnalyzerStub(channel)
        finally:
            process.kill()


def struct(inputs: dict[str, Any]) -> Struct:
    message = Struct()
    message.update(inputs)
    return message


def urn(resource_type: str, name: str = "one") -> str:
    return f"urn:pulumi:dev::project::{resource_type}::{name}"


def analyze(pack: Any, resource_type: str, properties: Struct, resource_urn: str = "") -> list[Diagnostic]:
    request = analyzer_pb2.AnalyzeRequest(
        urn=resource_urn or urn(resource_type), type=resource_type, name="one", properties=properties
    )
    return diagnostics(pack.Analyze(request))


def diagnostics(response: analyzer_pb2.AnalyzeResponse) -> list[Diagnostic]:
    found = cast("Iterable[analyzer_pb2.AnalyzeDiagnostic]", response.diagnostics)
    return [(one.policyName, one.enforcementLevel, one.message, one.urn) for one in found]


def test_says_which_rules_it_has_and_what_breaking_them_means(pack: Any) -> None:
    info = pack.GetAnalyzerInfo(Empty())

    policies = {one.name: one.enforcementLevel for one in info.policies}
    assert info.name == "formbridge-realtime"
    assert policies == {
        **{one.name: analyzer_pb2.DISABLED if one.is_optional else analyzer_pb2.MANDATORY for one in RESOURCE_RULES},
        **{one.name: analyzer_pb2.MANDATORY for one in STACK_RULES},
    }


def test_says_nothing_of_what_the_program_declares(pack: Any, recordings: dict[str, Recording]) -> None:
    resources = [one for one in recordings["the program"].resources.values() if one.custom]

    assert len(resources) > 50
    assert {one.name: found for one in resources if (found := analyze(pack, one.type, one.message, one.urn))} == {}


def test_stops_what_breaks_a_mandatory_rule(pack: Any) -> None:
    recovery = {"pointInTimeRecovery": {"enabled": True}}

    ((rule, level, message, _),) = analyze(pack, TABLE, struct(recovery))

    assert (rule, level) == ("encryption", analyzer_pb2.MANDATORY)
    assert "serverSideEncryption.enabled" in message
    assert analyze(pack, TABLE, struct({**recovery, "serverSideEncryption": {"enabled": True}})) == []


def test_a_rule_that_is_disabled_runs_with_the_configuration_of_production(pack: Any) -> None:
    levels = json.loads((PACK / "production.json").read_text())
    enforced = [rule for rule, level in levels.items() if level == "mandatory"]
    unprotected = struct({"pointInTimeRecovery": {"enabled": True}, "serverSideEncryption": {"enabled": True}})
    before = analyze(pack, TABLE, unprotected)

    pack.Configure(
        analyzer_pb2.ConfigureAnalyzerRequest(
            policyConfig=dict.fromkeys(enforced, analyzer_pb2.PolicyConfig(enforcementLevel=analyzer_pb2.MANDATORY))
        )
    )
    after = analyze(pack, TABLE, unprotected)
    pack.Configure(analyzer_pb2.ConfigureAnalyzerRequest())

    assert before == []
    assert [(rule, level) for rule, level, *_ in after] == [("deletion-protection", analyzer_pb2.MANDATORY)]
    assert analyze(pack, TABLE, unprotected) == []


def test_reads_lists_and_objects_as_the_engine_sends_them(pack: Any) -> None:
    statement = {"Effect": "Allow", "Action": ["s3:*"], "Resource": ["*"]}

    found = analyze(pack, "aws:iam/rolePolicy:RolePolicy", struct({"policy": {"Statement": [statement]}}))

    assert [rule for rule, *_ in found] == ["no-wildcard-actions", "no-wildcard-resources"]


def test_leaves_what_is_exempt_alone(pack: Any) -> None:
    alarms = urn(f"formbridge:index:AlarmTopic${TOPIC}", "alarms-topic")

    assert analyze(pack, TOPIC, struct({}), alarms) == []
    assert [rule for rule, *_ in analyze(pack, TOPIC, struct({}))] == ["encryption"]


def test_says_which_rule_a_preview_cannot_run(pack: Any) -> None:
    found = analyze(pack, "aws:iam/rolePolicy:RolePolicy", struct({"role": UNKNOWN, "policy": UNKNOWN}))

    assert {(rule, level) for rule, level, *_ in found} == {
        (rule, analyzer_pb2.ADVISORY) for rule in ("no-wildcard-actions", "no-wildcard-resources", "no-public-policies")
    }
    assert all("can't run policy" in message for *_, message, _ in found)


def test_needs_no_value_where_it_is_enough_that_there_is_one(pack: Any) -> None:
    known_later = struct({"principal": "events.amazonaws.com", "function": UNKNOWN, "sourceArn": UNKNOWN})

    assert analyze(pack, PERMISSION, known_later) == []


def test_names_the_resource_that_stands_wrong_in_its_stack(pack: Any) -> None:
    bucket = analyzer_pb2.AnalyzerResource(urn=urn(BUCKET), type=BUCKET, name="one", properties=struct({}))
    block = analyzer_pb2.AnalyzerResource(
        urn=urn(BLOCK),
        type=BLOCK,
        name="one",
        properties=struct(
            {
                "bucket": UNKNOWN,
                "blockPublicAcls": True,
                "blockPublicPolicy": True,
                "ignorePublicAcls": True,
                "restrictPublicBuckets": True,
            }
        ),
        dependencies=[urn(BUCKET)],
    )

    def broken(*resources: analyzer_pb2.AnalyzerResource) -> list[tuple[str, str]]:
        found = diagnostics(pack.AnalyzeStack(analyzer_pb2.AnalyzeStackRequest(resources=resources)))
        return [(rule, about) for rule, _, _, about in found]

    assert BUCKET in BUCKETS
    assert broken(bucket) == [
        ("private-buckets", urn(BUCKET)),
        ("encrypted-buckets", urn(BUCKET)),
        ("tls-only", urn(BUCKET)),
    ]
    assert broken(bucket, block) == [("encrypted-buckets", urn(BUCKET)), ("tls-only", urn(BUCKET))]


def test_a_preview_cannot_read_a_policy_that_needs_the_arn_of_a_new_bucket(pack: Any) -> None:
    kind = "aws:s3/bucketPolicy:BucketPolicy"
    bucket = analyzer_pb2.AnalyzerResource(urn=urn(BUCKET), type=BUCKET, name="one", properties=struct({}))
    policy = analyzer_pb2.AnalyzerResource(
        urn=urn(kind), type=kind, name="one", properties=struct({"policy": UNKNOWN}), dependencies=[urn(BUCKET)]
    )

    found = diagnostics(pack.AnalyzeStack(analyzer_pb2.AnalyzeStackRequest(resources=[bucket, policy])))

    assert [(level, "can't run policy" in message) for rule, level, message, _ in found if rule == "tls-only"] == [
        (analyzer_pb2.ADVISORY, True)
    ]
