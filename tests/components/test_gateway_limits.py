"""The inputs `limits` of a `WebSocketGateway`."""

from __future__ import annotations

import pytest

from components import WebSocketGateway
from tests.support.components.examples import TABLE_ARN
from tests.support.components.gateway import (
    LIMITS,
    REQUIRED,
    declare,
    environment,
    full_name,
    gateway_args,
)
from tests.support.components.harness import Recording, refusal


@pytest.fixture(scope="module")
def recording() -> Recording:
    return declare(REQUIRED)


class TestLambdas:
    @pytest.mark.parametrize("function", ["message", "authenticate"])
    def test_for_frames_limit_them_as_they_are_told(self, function: str) -> None:
        told = declare(
            gateway_args(
                {
                    "table_arn": TABLE_ARN,
                    "messages_per_second": 1,
                    "message_burst": 2,
                    "max_filter_length": 3,
                    "max_frame_bytes": 131_072,
                    "max_connections_per_user": 5,
                }
            )
        )

        assert {name: environment(told, function)[name] for name in LIMITS} == {
            "MESSAGES_PER_SECOND": "1",
            "MESSAGE_BURST": "2",
            "MAX_FILTER_LENGTH": "3",
            "MAX_FRAME_BYTES": "131072",
            "MAX_CONNECTIONS_PER_USER": "5",
        }


def test_a_tenant_has_as_many_connections_as_it_is_given() -> None:
    recording = declare(gateway_args({"table_arn": TABLE_ARN, "max_connections_per_tenant": 1}))

    assert environment(recording, "connect")["MAX_CONNECTIONS_PER_TENANT"] == "1"


def test_a_user_has_as_many_connections_as_are_given() -> None:
    recording = declare(gateway_args({"table_arn": TABLE_ARN, "max_connections_per_user": 1}))

    for function in ("connect", "message", "authenticate"):
        assert environment(recording, function)["MAX_CONNECTIONS_PER_USER"] == "1"


def test_rows_of_connections_outlive_them(recording: Recording) -> None:
    longer = declare(gateway_args({"table_arn": TABLE_ARN, "connection_ttl_seconds": 10_000}))

    assert environment(recording, "connect")["CONNECTION_TTL_SECONDS"] == "7800"
    assert environment(longer, "connect")["CONNECTION_TTL_SECONDS"] == "10000"


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("connection_ttl_seconds", 7199, ": must be an integer of at least 7,200, got 7199"),
        ("max_connections_per_tenant", 0, ": must be an integer of at least 1, got 0"),
        ("max_connections_per_user", 0, ": must be an integer from 1 to 1,000, got 0"),
        ("max_connections_per_user", 1_001, ": must be an integer from 1 to 1,000, got 1001"),
        ("messages_per_second", 0, ": must be an integer from 1 to 1,000, got 0"),
        ("messages_per_second", 1_001, ": must be an integer from 1 to 1,000, got 1001"),
        ("messages_per_second", 0.5, ": must be an integer from 1 to 1,000, got 0.5"),
        ("message_burst", 0, ": must be an integer from 1 to 10,000, got 0"),
        ("message_burst", 10_001, ": must be an integer from 1 to 10,000, got 10001"),
        ("max_filter_length", 0, ": must be an integer from 1 to 4,096, got 0"),
        ("max_filter_length", 4_097, ": must be an integer from 1 to 4,096, got 4097"),
        ("max_frame_bytes", 1_023, ": must be an integer from 1,024 to 131,072, got 1023"),
        ("max_frame_bytes", 131_073, ": must be an integer from 1,024 to 131,072, got 131073"),
        ("rate_limit", 0, ": must be an integer of at least 1, got 0"),
        ("burst_limit", 0, ": must be an integer of at least 1, got 0"),
    ],
)
def test_a_bad_value_is_refused_by_name_before_anything_is_made(field: str, value: object, message: str) -> None:
    args = gateway_args({"table_arn": TABLE_ARN, field: value})

    assert refusal(lambda: WebSocketGateway("gateway", args)).startswith(f"{full_name(field)}{message}")
