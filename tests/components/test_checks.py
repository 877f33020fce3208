"""What every component makes of inputs that it does not have, or has not been given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pulumi
import pytest

from components import (
    AlarmTopic,
    AlarmTopicArgs,
    ApiGatewayLogRole,
    ApiGatewayLogRoleArgs,
    DashboardPage,
    DashboardPageArgs,
    DashboardSite,
    DashboardSiteArgs,
    DeadLetterResync,
    DeadLetterResyncArgs,
    GatewayLimitsArgs,
    GatewayPostingArgs,
    RealtimePipe,
    RealtimePipeArgs,
    StreamTable,
    StreamTableArgs,
    SubmissionIngest,
    SubmissionIngestArgs,
    TenantIdentity,
    TenantIdentityArgs,
    WebSocketGateway,
    WebSocketGatewayArgs,
)
from tests.support.components.examples import (
    AUDIENCE,
    DEAD_LETTERS_ARN,
    FANOUT_QUEUE_ARN,
    FANOUT_QUEUE_URL,
    FUNCTION_ARN,
    ISSUER,
    STREAM_ARN,
    TABLE_ARN,
    WEBSOCKET_URL,
)
from tests.support.components.gateway import gateway_args
from tests.support.components.harness import refusal

Make = Callable[[str, Any], pulumi.ComponentResource]

COMPONENTS: list[tuple[Make, Any, dict[str, Any]]] = [
    (AlarmTopic, AlarmTopicArgs, {}),
    (ApiGatewayLogRole, ApiGatewayLogRoleArgs, {}),
    (
        DashboardPage,
        DashboardPageArgs,
        {
            "bucket_name": "b",
            "websocket_url": WEBSOCKET_URL,
            "sign_in": {"issuer": ISSUER, "client_id": AUDIENCE},
        },
    ),
    (DashboardSite, DashboardSiteArgs, {}),
    (
        DeadLetterResync,
        DeadLetterResyncArgs,
        {
            "dead_letter_queue_arn": DEAD_LETTERS_ARN,
            "stream_arn": STREAM_ARN,
            "fanout_queue_url": FANOUT_QUEUE_URL,
            "fanout_queue_arn": FANOUT_QUEUE_ARN,
        },
    ),
    (RealtimePipe, RealtimePipeArgs, {"stream_arn": STREAM_ARN, "function_arn": FUNCTION_ARN}),
    (StreamTable, StreamTableArgs, {}),
    (SubmissionIngest, SubmissionIngestArgs, {"table_arn": TABLE_ARN}),
    (TenantIdentity, TenantIdentityArgs, {}),
    (WebSocketGateway, WebSocketGatewayArgs, {"access": {"issuer": ISSUER, "audience": AUDIENCE}}),
]
"""Each component, what it takes, and what it requires."""

each_component = pytest.mark.parametrize(("make", "kind", "required"), COMPONENTS)


@each_component
def test_an_unknown_input_is_refused_by_name(make: Make, kind: Any, required: dict[str, Any]) -> None:
    """A `TypedDict` is for the type checker; a program that runs without one would lose the value in silence."""
    message = refusal(lambda: make("a", {**required, "batchsize": 5}))

    assert message == f"batchsize: unknown input, must be one of {', '.join(kind.__annotations__)}, got 5"


@each_component
def test_a_missing_input_is_refused_by_name(make: Make, kind: Any, required: dict[str, Any]) -> None:
    assert set(required) == kind.__required_keys__
    for field in required:
        rest = {name: value for name, value in required.items() if name != field}

        assert refusal(lambda rest=rest: make("a", rest)) == f"{field}: is required, got None"


@pytest.mark.parametrize(
    ("make", "args", "message"),
    [
        (
            RealtimePipe,
            {"filters": {"eventName": ["INSERT"]}},
            "filters: must be a list, got {'eventName': ['INSERT']}",
        ),
        (
            WebSocketGateway,
            gateway_args({"allowed_origins": "https://a"}),
            "access.allowed_origins: must be a list, got 'https://a'",
        ),
        (DashboardSite, {"connect_sources": "https://a"}, "connect_sources: must be a list, got 'https://a'"),
        (TenantIdentity, {"callback_urls": "https://a/"}, "callback_urls: must be a list, got 'https://a/'"),
        (WebSocketGateway, gateway_args({"audience": ""}), "access.audience: must be a string without spaces, got ''"),
        (
            WebSocketGateway,
            gateway_args({"tenant_claim": " "}),
            "access.tenant_claim: must be the name of a claim, or a JSON Pointer such as /app_metadata/tenant_id, "
            "without spaces, got ' '",
        ),
        (
            DashboardPage,
            {"sign_in": {"issuer": ISSUER, "client_id": ""}},
            "sign_in.client_id: must be a string without spaces, got ''",
        ),
        (DashboardPage, {"sign_in": {"issuer": ISSUER}}, "sign_in.client_id: is required, got None"),
        (WebSocketGateway, {"access": {"issuer": ISSUER}}, "access.audience: is required, got None"),
        (
            WebSocketGateway,
            {"limits": {"burst": 5}},
            f"limits.burst: unknown input, must be one of {', '.join(GatewayLimitsArgs.__annotations__)}, got 5",
        ),
        (
            WebSocketGateway,
            {"posting": {"fanout": 5}},
            f"posting.fanout: unknown input, must be one of {', '.join(GatewayPostingArgs.__annotations__)}, got 5",
        ),
        (TenantIdentity, {"issuer": ISSUER, "audience": ""}, "audience: must be a string without spaces, got ''"),
    ],
)
def test_what_is_no_value_of_its_kind_is_refused(make: Make, args: dict[str, Any], message: str) -> None:
    (required,) = [required for one, _, required in COMPONENTS if one is make]

    assert refusal(lambda: make("a", {**required, **args})) == message
