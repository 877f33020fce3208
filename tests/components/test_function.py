"""`HandlerFunction`: a Lambda with one role, that may log to one group and do what it was given, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi
import pytest

from components._function import HandlerFunction
from components._iam import Statement
from tests.support.components.examples import TABLE_ARN
from tests.support.components.harness import Recording, run
from tests.support.components.packages import PACKAGED, POSTING
from tests.support.components.policies import allow, allow_logs, document, trust
from tests.support.components.provider import ACCOUNT, arn, physical_name

if TYPE_CHECKING:
    from collections.abc import Sequence


def declare(statements: Sequence[Statement] = (), *, requirements: Sequence[str] = ()) -> Recording:
    return run(
        lambda: HandlerFunction(
            "worker",
            "connect",
            environment={"TABLE_NAME": pulumi.Output.from_input("submissions")},
            statements=statements,
            requirements=requirements,
        )
    )


@pytest.fixture(scope="module")
def recording() -> Recording:
    return declare([Statement(["dynamodb:GetItem"], [TABLE_ARN])])


def test_declares_a_function_a_role_its_policy_and_a_log_group(recording: Recording) -> None:
    assert recording.children("worker") == {
        ("lambda/function:Function", "worker-function"),
        ("iam/role:Role", "worker-role"),
        ("iam/rolePolicy:RolePolicy", "worker-policy"),
        ("cloudwatch/logGroup:LogGroup", "worker-logs"),
    }


def test_only_lambda_may_take_the_role_and_only_for_this_account(recording: Recording) -> None:
    assert recording.json("worker-role", "assumeRolePolicy") == trust(
        "lambda.amazonaws.com", {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
    )


def test_the_role_may_log_and_do_what_it_was_given(recording: Recording) -> None:
    assert recording.inputs("worker-policy")["role"] == physical_name("worker-role")
    assert recording.json("worker-policy", "policy") == document(
        allow_logs("worker"), allow(["dynamodb:GetItem"], TABLE_ARN)
    )


def test_the_role_may_only_log_where_it_was_given_nothing() -> None:
    assert declare().json("worker-policy", "policy") == document(allow_logs("worker"))


def test_the_function_runs_our_entry_point_as_its_role(recording: Recording) -> None:
    function = recording.inputs("worker-function")

    assert (function["runtime"], function["architectures"]) == ("python3.13", ["arm64"])
    assert function["handler"] == "connect.handler"
    assert function["role"] == f"arn:aws:iam::{ACCOUNT}:role/{physical_name('worker-role')}"
    assert function["environment"] == {"variables": {"TABLE_NAME": "submissions"}}
    assert (function["timeout"], function["memorySize"]) == (10, 256)


def test_the_function_reserves_no_concurrency_unless_it_is_told(recording: Recording) -> None:
    reserving = run(lambda: HandlerFunction("worker", "connect", environment={}, statements=[], reserved_concurrency=7))

    assert "reservedConcurrentExecutions" not in recording.inputs("worker-function")
    assert reserving.inputs("worker-function")["reservedConcurrentExecutions"] == 7


def test_the_function_logs_json_to_its_own_group_which_forgets_after_two_weeks(recording: Recording) -> None:
    assert recording.inputs("worker-function")["loggingConfig"] == {
        "logFormat": "JSON",
        "logGroup": physical_name("worker-logs"),
        "applicationLogLevel": "INFO",
        "systemLogLevel": "INFO",
    }
    assert recording.inputs("worker-logs")["retentionInDays"] == 14


def test_the_function_is_made_when_its_role_may_do_what_it_needs(recording: Recording) -> None:
    assert "worker-policy" in recording.dependencies("worker-function")


@pytest.mark.parametrize(
    ("requirements", "carried"),
    [([], set[str]()), (["tokens"], PACKAGED), (["posting"], POSTING), (["tokens", "posting"], PACKAGED | POSTING)],
)
def test_the_function_carries_the_dependencies_that_it_needs(requirements: Sequence[str], carried: set[str]) -> None:
    without = set(declare().inputs("worker-function")["code"].assets)
    with_them = set(declare(requirements=requirements).inputs("worker-function")["code"].assets)

    assert with_them - without == carried
    assert without <= with_them


def test_registers_what_others_call_it_by(recording: Recording) -> None:
    name = physical_name("worker-function")
    function_arn = arn("lambda", f"function:{name}")

    registered = recording.registered("worker")

    assert (registered["name"], registered["arn"]) == (name, function_arn)
    assert registered["invoke_arn"].endswith(f":lambda:path/2015-03-31/functions/{function_arn}/invocations")
