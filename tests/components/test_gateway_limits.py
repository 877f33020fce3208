"""The inputs `limits` of a `WebSocketGateway`."""

from __future__ import annotations

import pytest

from components import WebSocketGateway
from components._gateway_limits import (
    DEFAULT_BURST_LIMIT,
    DEFAULT_CONNECT_RATE_LIMIT,
    DEFAULT_MAX_CONNECTIONS_PER_TENANT,
    DEFAULT_RATE_LIMIT,
    DEFAULT_TENANT_CONNECT_BURST,
    DEFAULT_TENANT_CONNECTS_PER_SECOND,
    DEFAULT_TENANT_MESSAGE_BURST,
    DEFAULT_TENANT_MESSAGES_PER_SECOND,
    MAX_CONNECTION_SECONDS,
)
from formbridge.wire.protocol import HEARTBEAT_SECONDS
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
from tools.client.websocket_client import MAX_RECONNECT_SECONDS


@pytest.fixture(scope="module")
def recording() -> Recording:
    return declare(REQUIRED)


class TestLambdas:
    @pytest.mark.parametrize("function", ["message", "authenticate", "connect"])
    def test_for_frames_limit_them_as_they_are_told(self, function: str) -> None:
        told = declare(
            gateway_args(
                {
                    "table_arn": TABLE_ARN,
                    "messages_per_second": 1,
                    "message_burst": 2,
                    "tenant_messages_per_second": 4,
                    "tenant_message_burst": 5,
                    "max_filter_length": 3,
                    "max_filters_per_tenant": 4,
                    "max_frame_bytes": 16_384,
                    "max_connections_per_user": 5,
                }
            )
        )

        assert {name: environment(told, function)[name] for name in LIMITS} == {
            "MESSAGES_PER_SECOND": "1",
            "MESSAGE_BURST": "2",
            "TENANT_MESSAGES_PER_SECOND": "4",
            "TENANT_MESSAGE_BURST": "5",
            "MAX_FILTER_LENGTH": "3",
            "MAX_FILTERS_PER_TENANT": "4",
            "MAX_FRAME_BYTES": "16384",
            "MAX_CONNECTIONS_PER_USER": "5",
        }


def test_a_tenant_has_as_many_connections_as_it_is_given() -> None:
    recording = declare(gateway_args({"table_arn": TABLE_ARN, "max_connections_per_tenant": 1}))

    assert environment(recording, "connect")["MAX_CONNECTIONS_PER_TENANT"] == "1"


def test_a_tenant_connects_as_fast_as_it_is_told() -> None:
    recording = declare(
        gateway_args({"table_arn": TABLE_ARN, "tenant_connects_per_second": 3, "tenant_connect_burst": 7})
    )

    assert environment(recording, "connect")["TENANT_CONNECTS_PER_SECOND"] == "3"
    assert environment(recording, "connect")["TENANT_CONNECT_BURST"] == "7"


def test_by_default_a_full_tenants_usual_messages_are_a_tenth_of_its_budget_and_that_is_a_fifteenth_of_the_stage() -> (
    None
):
    connections, connects = DEFAULT_MAX_CONNECTIONS_PER_TENANT, DEFAULT_TENANT_CONNECTS_PER_SECOND
    usual = connections / HEARTBEAT_SECONDS + connections / MAX_CONNECTION_SECONDS
    storm = connects * (1 + 1 + 2)  # `subscribe`, the `sync` after it, and two `reconcile`

    assert usual <= DEFAULT_TENANT_MESSAGES_PER_SECOND / 10
    assert storm <= DEFAULT_TENANT_MESSAGES_PER_SECOND == DEFAULT_RATE_LIMIT / 15
    assert 2 * DEFAULT_TENANT_CONNECT_BURST <= DEFAULT_TENANT_MESSAGE_BURST <= DEFAULT_BURST_LIMIT / 3


def test_by_default_clients_that_are_turned_away_leave_room_for_the_connects_of_other_tenants() -> None:
    mean_backoff = MAX_RECONNECT_SECONDS / 2

    assert DEFAULT_MAX_CONNECTIONS_PER_TENANT / mean_backoff < 0.7 * DEFAULT_CONNECT_RATE_LIMIT
    assert DEFAULT_TENANT_CONNECTS_PER_SECOND <= DEFAULT_CONNECT_RATE_LIMIT / 10


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
        ("tenant_messages_per_second", 0, ": must be an integer from 1 to 10,000, got 0"),
        ("tenant_messages_per_second", 10_001, ": must be an integer from 1 to 10,000, got 10001"),
        ("tenant_message_burst", 0, ": must be an integer from 1 to 100,000, got 0"),
        ("tenant_connects_per_second", 0, ": must be an integer from 1 to 10,000, got 0"),
        ("tenant_connect_burst", 100_001, ": must be an integer from 1 to 100,000, got 100001"),
        ("connect_rate_limit", 0, ": must be an integer of at least 1, got 0"),
        ("disconnect_burst_limit", 0, ": must be an integer of at least 1, got 0"),
        ("authenticate_rate_limit", 0.5, ": must be an integer of at least 1, got 0.5"),
        ("max_filter_length", 0, ": must be an integer from 1 to 4,096, got 0"),
        ("max_filter_length", 4_097, ": must be an integer from 1 to 4,096, got 4097"),
        ("max_filters_per_tenant", 0, ": must be an integer from 1 to 1,000, got 0"),
        ("max_filters_per_tenant", 1_001, ": must be an integer from 1 to 1,000, got 1001"),
        ("max_frame_bytes", 1_023, ": must be an integer from 1,024 to 32,768, got 1023"),
        ("max_frame_bytes", 32_769, ": must be an integer from 1,024 to 32,768, got 32769"),
        ("rate_limit", 0, ": must be an integer of at least 1, got 0"),
        ("burst_limit", 0, ": must be an integer of at least 1, got 0"),
    ],
)
def test_a_bad_value_is_refused_by_name_before_anything_is_made(field: str, value: object, message: str) -> None:
    args = gateway_args({"table_arn": TABLE_ARN, field: value})

    assert refusal(lambda: WebSocketGateway("gateway", args)).startswith(f"{full_name(field)}{message}")
