"""Least privilege, over every policy document of the program."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tests.components.harness import Recording
from tests.components.policies import HOLDERS, declared_documents

MAY_END_IN_A_WILDCARD = {
    r"arn:aws:logs:[^*]+:log-group:[^*]+:\*": "the streams of one log group, which Lambda names itself",
    r"arn:aws:s3:::[^*]+/\*": "the objects of one bucket, which come and go with the page's files",
    r"arn:aws:execute-api:[^*]+/(POST|DELETE)/@connections/\*": "connections of one stage; API Gateway makes their ids",
}
"""The resources that a policy cannot name beforehand, and why."""


def statements(recording: Recording) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, document in declared_documents(recording):
        for statement in document["Statement"]:
            yield name, statement


def words(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def test_every_document_of_the_program_is_looked_at(recording: Recording) -> None:
    holding = {one.name for one in recording.custom() if "2012-10-17" in str(one.message)}

    assert len(holding) == 16
    assert {name for name, _ in declared_documents(recording)} == holding


def test_every_document_only_allows(recording: Recording) -> None:
    assert {statement["Effect"] for _, statement in statements(recording)} == {"Allow"}


def test_no_action_has_a_wildcard(recording: Recording) -> None:
    assert [(name, one) for name, one in statements(recording) if "*" in "".join(words(one["Action"]))] == []


def test_a_resource_has_a_wildcard_only_where_its_name_is_not_known_before(recording: Recording) -> None:
    wild = {
        (name, resource)
        for name, statement in statements(recording)
        for resource in words(statement.get("Resource", []))
        if "*" in resource
    }

    assert wild
    assert [one for one in wild if not any(re.fullmatch(form, one[1]) for form in MAY_END_IN_A_WILDCARD)] == []


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

    assert held == {*HOLDERS.items(), ("iam/rolePolicyAttachment:RolePolicyAttachment", "policyArn")}
