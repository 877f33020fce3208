"""The policy documents of the program, and that there are no others; `tests/policy` says what must not be in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.components.policies import HOLDERS, declared_documents, deny_without_tls
from tests.support.components.provider import ACCOUNT, arn, bucket_name, physical_name
from tests.support.program.whole_program import declare

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.components.harness import Recording


LOG_POLICY = "cloudwatch/logResourcePolicy:LogResourcePolicy"
ONLY_HARDENED = {"data-key-policy", "dashboard-access-logs-policy"}
"""The documents of a hardened stack alone. tests/components say what is in them."""


@pytest.fixture(scope="module", params=["false", "true"], ids=["plain", "hardened"])
def recording(request: pytest.FixtureRequest, packages: None) -> Recording:
    """The program, plain and hardened."""
    return declare(hardened=request.param)


def statements(recording: Recording) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, document in declared_documents(recording):
        for statement in document["Statement"]:
            if name not in ONLY_HARDENED:
                yield name, statement


def test_every_document_of_the_program_is_looked_at(recording: Recording) -> None:
    holding = {one.name for one in recording.custom() if "2012-10-17" in str(one.message)}

    assert len(holding - ONLY_HARDENED) == 29
    assert holding & ONLY_HARDENED in (set(), ONLY_HARDENED)
    assert {name for name, _ in declared_documents(recording)} == holding


def test_every_document_denies_nothing_but_requests_without_tls(recording: Recording) -> None:
    denied = [one for _, one in statements(recording) if one["Effect"] != "Allow"]

    assert denied
    assert [one for one in denied if one != deny_without_tls(one["Action"], *one["Resource"])] == []


def test_every_queue_topic_and_bucket_answers_over_tls_alone(recording: Recording) -> None:
    """A resource has one policy: the statement stands beside what the policy says else."""
    wanted = {
        **{
            (f"{one.name}-policy"): deny_without_tls("sqs:*", arn("sqs", physical_name(one.name)))
            for one in recording.of_type("sqs/queue:Queue")
        },
        **{
            one.name.replace("-topic", "-policy"): deny_without_tls("sns:Publish", arn("sns", physical_name(one.name)))
            for one in recording.of_type("sns/topic:Topic")
        },
        **{
            f"{one.name}-policy": deny_without_tls(
                "s3:*", *(f"arn:aws:s3:::{bucket_name(one.name)}{end}" for end in ("", "/*"))
            )
            for one in recording.of_type("s3/bucket:Bucket")
        },
    }
    documents = dict(declared_documents(recording))

    assert len(wanted) >= 7
    assert [name for name, statement in wanted.items() if statement not in documents[name]["Statement"]] == []


def test_the_policies_that_let_a_service_in_still_do(recording: Recording) -> None:
    let_in = {
        name: one["Principal"]["Service"]
        for name, one in statements(recording)
        if one["Effect"] == "Allow" and "Principal" in one and one["Action"] != "sts:AssumeRole"
    }

    assert let_in == {
        "ingest-dead-letters-policy": "events.amazonaws.com",
        "dashboard-bucket-policy": "cloudfront.amazonaws.com",
        "alarms-policy": "cloudwatch.amazonaws.com",
    }


def test_a_role_is_taken_on_behalf_of_this_account_alone(recording: Recording) -> None:
    trusted = {
        name: one.get("Condition", {}).get("StringEquals")
        for name, one in statements(recording)
        if one["Action"] == "sts:AssumeRole"
    }
    # AWS does not document that API Gateway sends the key (docs/adr/0034).
    assert trusted.pop("api-gateway-role") is None
    assert trusted
    assert {name: one for name, one in trusted.items() if one != {"aws:SourceAccount": ACCOUNT}} == {}


def test_only_services_of_aws_are_trusted(recording: Recording) -> None:
    principals = [
        one["Principal"] for _, one in statements(recording) if "Principal" in one and one["Effect"] == "Allow"
    ]

    assert principals
    assert [one for one in principals if list(one) != ["Service"]] == []
    assert {one["Service"] for one in principals} == {
        "lambda.amazonaws.com",
        "pipes.amazonaws.com",
        "apigateway.amazonaws.com",
        "events.amazonaws.com",
        "cloudfront.amazonaws.com",
        "cloudwatch.amazonaws.com",
    }


def test_each_role_has_one_policy_and_no_managed_one_but_api_gateways_own(recording: Recording) -> None:
    roles = {one.name.removesuffix("-role") for one in recording.of_type("iam/role:Role")}
    inline = {one.name.removesuffix("-policy") for one in recording.of_type("iam/rolePolicy:RolePolicy")}
    inline.remove("realtime-invoke")  # the second one of the pipe's role, which waits for the Lambda
    attached = {
        one.name.removesuffix("-policy"): one.inputs["policyArn"]
        for one in recording.of_type("iam/rolePolicyAttachment:RolePolicyAttachment")
    }

    assert inline | set(attached) == roles
    assert attached == {"api-gateway": "arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"}


def test_no_type_of_the_program_holds_a_policy_elsewhere(recording: Recording) -> None:
    held = {
        (one.type.removeprefix("aws:"), key)
        for one in recording.custom()
        for key in one.inputs
        if "policy" in key.lower() and isinstance(one.inputs[key], str)
    }

    no_documents = {
        ("iam/rolePolicyAttachment:RolePolicyAttachment", "policyArn"),
        ("sqs/queue:Queue", "redrivePolicy"),
        (LOG_POLICY, "policyName"),
    }
    of_hardened = {("kms/keyPolicy:KeyPolicy", "policy"), (LOG_POLICY, "policyDocument"), (LOG_POLICY, "policyName")}
    assert held | of_hardened == {*HOLDERS.items(), *no_documents}
