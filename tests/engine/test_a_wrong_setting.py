"""A wrong setting stops the program with one line, before the engine creates anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi
import pytest

from components import RealtimePipe, StreamTable

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.engine.stacks import Outcome, World

FUNCTION_ARN = "arn:aws:lambda:us-east-1:123456789012:function:broadcast"


def declare_bad_input() -> None:
    StreamTable("submissions", {"hash_key": ""})


def declare_unknown_input() -> None:
    StreamTable("submissions", {"kms_key": "k"})  # pyright: ignore[reportArgumentType]  # what is tested


def declare_bad_output() -> None:
    """Give a component an Output that turns out to be no ARN of a stream."""
    table = StreamTable("submissions", {})
    RealtimePipe("realtime", {"stream_arn": table.table_name, "function_arn": FUNCTION_ARN})


def declare_bad_secret() -> None:
    RealtimePipe("realtime", {"stream_arn": pulumi.Output.secret("hunter2"), "function_arn": FUNCTION_ARN})


def require_missing() -> None:
    pulumi.Config().require("secretKey")


def require_another_type() -> None:
    pulumi.Config().require_object("tenantClaim")


def error_line(outcome: Outcome) -> str:
    """Return the one line of the one error that an operation reported."""
    assert outcome.failed
    assert "Traceback" not in outcome.output
    assert 'File "' not in outcome.output
    (message,) = outcome.errors
    assert "\n" not in message.replace("\n\t", " ")  # the SDK's own message has its advice on a second line
    return message


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"retentionDays": -1}, "retentionDays: must be an integer of at least 0, got -1"),
        (
            {"issuer": "https://login.example.com"},
            "audience: is required with issuer 'https://login.example.com', got None",
        ),
        (
            {"connectionShard": 4},
            "connectionShard: must be one of the settings in Pulumi.yaml, of which connectionShards is the nearest, "
            "got '4'",
        ),
        ({"tenantIdPattern": "("}, "tenantIdPattern: must "),
        ({"postsPerSecond": 8}, "postsPerSecond: must be at least 1 for each Lambda that posts"),
    ],
)
def test_the_error_is_one_line_that_names_the_setting(empty: World, config: dict[str, object], message: str) -> None:
    outcome = empty.stack(config=config).up()

    assert error_line(outcome).startswith(message)
    assert empty.cloud.calls == []


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (
            "jwksUrll",
            "jwksUrll: must be one of the settings in Pulumi.yaml, of which jwksUrl is the nearest, got a secret",
        ),
        (
            "jwksUrl",
            "jwksUrl: must be an https URL, or an http URL of localhost or 127.0.0.1, without a fragment or a "
            "placeholder, got a secret",
        ),
    ],
)
def test_the_error_does_not_show_a_secret(empty: World, key: str, message: str) -> None:
    stack = empty.stack()
    stack.set_secret(key, "no")  # short, because the CLI hides only longer secrets by itself

    assert error_line(stack.up()) == message


def test_a_key_of_another_namespace_is_no_setting(empty: World) -> None:
    assert not empty.stack(config={"other:connectionShard": 4}).preview().failed


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (declare_bad_input, "hash_key: must have 1 to 255 characters, got ''"),
        (declare_unknown_input, "kms_key: unknown input, must be one of "),
    ],
)
def test_a_wrong_input_of_a_component_is_one_line(empty: World, program: Callable[[], None], message: str) -> None:
    assert error_line(empty.stack(program=program).up()).startswith(message)
    assert empty.cloud.calls == []


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (
            declare_bad_output,
            "stream_arn: must be the ARN of a DynamoDB stream, got 'formbridge-realtime-dev-submissions-table-",
        ),
        (declare_bad_secret, "stream_arn: must be the ARN of a DynamoDB stream, got a secret"),
    ],
)
def test_an_output_that_turns_out_wrong_is_one_line(empty: World, program: Callable[[], None], message: str) -> None:
    assert error_line(empty.stack(program=program).up()).startswith(message)


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (require_missing, "Missing required configuration variable 'formbridge-realtime:secretKey'"),
        (
            require_another_type,
            "Configuration 'formbridge-realtime:tenantClaim' value 'custom:tenant_id' is not a valid",
        ),
    ],
)
def test_a_setting_that_cannot_be_read_is_one_line(empty: World, program: Callable[[], None], message: str) -> None:
    assert error_line(empty.stack(program=program).up()).startswith(message)


def test_the_engine_names_a_setting_of_the_wrong_type(empty: World) -> None:
    outcome = empty.stack(config={"retentionDays": "soon"}).up()

    assert outcome.failed
    assert "retentionDays" in outcome.output
    assert "Traceback" not in outcome.output
