"""The policy documents of the program, and that there are no others; `tests/policy` says what must not be in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.support.components.policies import HOLDERS, declared_documents

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.components.harness import Recording


def statements(recording: Recording) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, document in declared_documents(recording):
        for statement in document["Statement"]:
            yield name, statement


def test_every_document_of_the_program_is_looked_at(recording: Recording) -> None:
    holding = {one.name for one in recording.custom() if "2012-10-17" in str(one.message)}

    assert len(holding) == 24
    assert {name for name, _ in declared_documents(recording)} == holding


def test_every_document_only_allows(recording: Recording) -> None:
    assert {statement["Effect"] for _, statement in statements(recording)} == {"Allow"}


def test_only_services_of_aws_are_trusted(recording: Recording) -> None:
    principals = [one["Principal"] for _, one in statements(recording) if "Principal" in one]

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
    }
    assert held == {*HOLDERS.items(), *no_documents}
