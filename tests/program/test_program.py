"""What the program declares, exports, and does with each setting."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any

import pytest

from components import WebSocketGateway, WebSocketGatewayArgs, _packaging
from tests.support.components.harness import Recording, run
from tests.support.components.provider import (
    ACCOUNT,
    REGION,
    api_id,
    arn,
    distribution_domain,
    physical_name,
    user_pool_id,
)
from tests.support.program.whole_program import ROOT, STACK, declare

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HANDLERS = ROOT / "handlers"
OWN_ISSUER = "https://login.example.com"
OWN_AUDIENCE = "dashboards"
SITE_URL = f"https://{distribution_domain('dashboard-distribution')}"


def environment(recording: Recording, function: str) -> dict[str, Any]:
    return recording.inputs(f"{function}-function")["environment"]["variables"]


def test_exports_are_what_operators_and_dashboards_need(recording: Recording) -> None:
    endpoint = f"{api_id('gateway-api')}.execute-api.{REGION}.amazonaws.com/live"
    issuer = f"https://cognito-idp.{REGION}.amazonaws.com/{user_pool_id('identity-users')}"
    dead_letters = physical_name("ingest-dead-letters")

    assert recording.exports == {
        "websocket_url": f"wss://{endpoint}",
        "management_endpoint": f"https://{endpoint}",
        "dashboard_url": SITE_URL,
        "event_bus_name": physical_name("ingest-bus"),
        "ingest_dead_letter_queue_url": f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{dead_letters}",
        "table_name": physical_name("submissions-table"),
        "connections_table_name": physical_name("gateway-connections"),
        "revocations_table_name": physical_name("gateway-revocations"),
        "user_hash_key_parameter": physical_name("gateway-user-hash-key"),
        "pipe_name": physical_name("realtime-pipe"),
        "issuer": issuer,
        "client_id": api_id("identity-dashboard"),
        "user_pool_id": user_pool_id("identity-users"),
        "audiences": [api_id("identity-dashboard")],
        "jwks_url": "",
        "tenant_claim": "custom:tenant_id",
        "tenant_id_pattern": "t_[A-Za-z0-9_-]{1,64}",
        "clock_tolerance_seconds": 30,
    }


def test_is_made_of_components_alone(recording: Recording) -> None:
    assert recording.children(f"formbridge-realtime-{STACK}") == {
        ("formbridge:index:AlarmTopic", "alarms"),
        ("formbridge:index:DashboardSite", "dashboard"),
        ("formbridge:index:DashboardPage", "page"),
        ("formbridge:index:StreamTable", "submissions"),
        ("formbridge:index:SubmissionIngest", "ingest"),
        ("formbridge:index:TenantIdentity", "identity"),
        ("formbridge:index:ApiGatewayLogRole", "api-gateway"),
        ("formbridge:index:WebSocketGateway", "gateway"),
        ("formbridge:index:RealtimePipe", "realtime"),
        ("formbridge:index:DeadLetterResync", "recovery"),
    }


def test_a_second_run_declares_the_same(recording: Recording) -> None:
    again = declare()

    assert again.exports == recording.exports
    assert again.resources == recording.resources


def test_a_preview_declares_the_same_and_knows_no_export(recording: Recording) -> None:
    preview = declare(preview=True)

    assert set(preview.resources) == set(recording.resources)
    assert set(preview.exports) == set(recording.exports)
    assert "unknown" in repr(preview.exports["websocket_url"])


def test_tags_say_which_project_and_stack_a_resource_belongs_to(recording: Recording) -> None:
    tags = {one.name: one.inputs["tags"] for one in recording.custom() if "tags" in one.inputs}

    assert {"submissions-table", "identity-users", "gateway-stage", "realtime-pipe", "api-gateway-role"} <= set(tags)
    assert all(one == {"Project": "formbridge-realtime", "Stack": STACK} for one in tags.values())


class TestWiring:
    def test_the_pipe_leads_from_the_tables_stream_to_the_broadcast_lambda(self, recording: Recording) -> None:
        pipe = recording.inputs("realtime-pipe")

        assert pipe["source"] == recording.registered("submissions")["stream_arn"]
        assert pipe["target"] == recording.registered("gateway")["broadcast_function_arn"]
        assert "SUB#" in pipe["sourceParameters"]["filterCriteria"]["filters"][0]["pattern"]

    def test_what_is_persisted_is_what_snapshots_read(self, recording: Recording) -> None:
        table = recording.exports["table_name"]

        assert environment(recording, "ingest-persist")["TABLE_NAME"] == table
        assert environment(recording, "gateway-message")["TABLE_NAME"] == table

    def test_the_authorizer_believes_the_stacks_own_issuer(self, recording: Recording) -> None:
        authorizer = environment(recording, "gateway-authorize")

        assert (authorizer["ISSUER"], authorizer["AUDIENCES"]) == (
            recording.exports["issuer"],
            recording.exports["client_id"],
        )
        assert "JWKS_URL" not in authorizer

    def test_the_gateway_tells_a_restored_table_by_its_stream(self, recording: Recording) -> None:
        stream = recording.registered("submissions")["stream_arn"]
        assert environment(recording, "gateway-message")["STREAM_ARN"] == stream

    def test_from_a_browser_the_stacks_own_page_may_connect_and_no_other(self, recording: Recording) -> None:
        assert environment(recording, "gateway-authorize")["ALLOWED_ORIGINS"] == SITE_URL

    def test_a_gateway_by_the_defaults_of_the_settings_is_one_by_its_own(self, recording: Recording) -> None:
        required: WebSocketGatewayArgs = {
            "access": {
                "issuer": recording.exports["issuer"],
                "audience": recording.exports["client_id"],
                "allowed_origins": [SITE_URL],
            },
            "table_arn": recording.registered("submissions")["table_arn"],
            "stream_arn": recording.registered("submissions")["stream_arn"],
        }
        own = run(lambda: WebSocketGateway("gateway", required))

        for function in ("authorize", "connect", "message", "authenticate", "broadcast", "fanout", "janitor"):
            assert environment(own, f"gateway-{function}") == environment(recording, f"gateway-{function}")

    def test_what_the_pipe_gives_up_is_read_again_and_told_by_the_gateway(self, recording: Recording) -> None:
        mapping = recording.inputs("recovery-resync-mapping")
        resync = environment(recording, "recovery-resync")

        assert mapping["eventSourceArn"] == recording.registered("realtime")["dead_letter_queue_arn"]
        assert resync["FANOUT_QUEUE_URL"] == recording.registered("gateway")["fanout_queue_url"]
        assert resync["ALARM_TOPIC_ARN"] == recording.registered("alarms")["topic_arn"]

    def test_every_queue_that_a_lambda_works_off_hides_a_message_while_it_runs(self, recording: Recording) -> None:
        """Lambda refuses any other queue, and AWS advises six times as long."""
        hidden = {
            arn("sqs", physical_name(one.name)): one.inputs["visibilityTimeoutSeconds"]
            for one in recording.of_type("sqs/queue:Queue")
        }
        timeouts = {
            physical_name(one.name): one.inputs["timeout"] for one in recording.of_type("lambda/function:Function")
        }
        mappings = [one.inputs for one in recording.of_type("lambda/eventSourceMapping:EventSourceMapping")]

        assert len(mappings) == 2
        for mapping in mappings:
            assert hidden[mapping["eventSourceArn"]] >= 6 * timeouts[mapping["functionName"]]

    def test_every_alarm_goes_to_the_topic(self, recording: Recording) -> None:
        alarms = recording.of_type("cloudwatch/metricAlarm:MetricAlarm")

        assert alarms
        assert all(one.inputs["alarmActions"] == [recording.registered("alarms")["topic_arn"]] for one in alarms)

    def test_the_page_connects_to_the_gateway_and_signs_in_at_the_pool_that_returns_to_it(
        self, recording: Recording
    ) -> None:
        assert recording.json("page-config-json", "content") == {
            "websocket_url": recording.exports["websocket_url"],
            "issuer": recording.exports["issuer"],
            "client_id": recording.exports["client_id"],
            "tenant_claim": "custom:tenant_id",
            "tenant_id_pattern": "t_[A-Za-z0-9_-]{1,64}",
        }
        assert recording.inputs("identity-dashboard")["callbackUrls"] == [f"{SITE_URL}/"]
        assert recording.inputs("page-config-json")["bucket"] == recording.registered("dashboard")["bucket_name"]

    def test_the_gateway_is_made_when_api_gateway_may_log(self, recording: Recording) -> None:
        order = [resource.name for resource in recording.resources.values()]

        assert "api-gateway-account" in recording.dependencies("gateway")
        assert order.index("api-gateway-account") < order.index("gateway") < order.index("gateway-stage")

    def test_each_lambda_is_given_the_variables_that_it_reads(self) -> None:
        functions = declare(jwksUrl="https://keys.example.com").of_type("lambda/function:Function")

        given = {one.inputs["handler"]: set(one.inputs["environment"]["variables"]) for one in functions}

        assert given == {handler: variables_read_by(handler) for handler in given}


def variables_read_by(handler: str) -> set[str]:
    """Return the environment variables that an entry point and the modules that it imports read."""
    waiting = [HANDLERS / handler.replace(".handler", ".py")]
    sources: dict[Path, str] = {}
    while waiting:
        path = waiting.pop()
        if path not in sources:
            sources[path] = path.read_text()
            waiting += imported_modules(path, sources[path])
    return {name for source in sources.values() for name in re.findall(r'environment\.\w+\(\s*"([A-Z_]+)"', source)}


def imported_modules(path: Path, source: str) -> Iterator[Path]:
    """Yield the files below `handlers/` that the module at `path` imports."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            folder = path.parents[node.level - 1] if node.level else HANDLERS
            module = folder.joinpath(*(node.module or "").split("."))
            for candidate in (module, *(module / alias.name for alias in node.names)):
                if candidate.with_suffix(".py").is_file():
                    yield candidate.with_suffix(".py")


class TestSettings:
    """Each key of the configuration reaches what it is about."""

    def test_an_issuer_of_ones_own_needs_no_user_pool(self) -> None:
        recording = declare(issuer=OWN_ISSUER, audience=OWN_AUDIENCE)

        assert not [one.name for one in recording.resources.values() if one.type.startswith("aws:cognito/")]
        assert (recording.exports["issuer"], recording.exports["client_id"]) == (OWN_ISSUER, OWN_AUDIENCE)
        assert environment(recording, "gateway-authorize")["ISSUER"] == OWN_ISSUER
        assert environment(recording, "gateway-authorize")["AUDIENCES"] == OWN_AUDIENCE

    def test_the_page_may_connect_to_an_issuer_of_ones_own(self) -> None:
        token_endpoint = "https://token.example.com"
        recording = declare(
            issuer=f"{OWN_ISSUER}/realms/a", audience=OWN_AUDIENCE, connectSources=f'["{token_endpoint}"]'
        )
        headers = recording.inputs("dashboard-headers")["securityHeadersConfig"]

        assert headers["contentSecurityPolicy"]["contentSecurityPolicy"].endswith(f" {OWN_ISSUER} {token_endpoint}")

    def test_keys_are_read_where_jwks_url_says(self) -> None:
        elsewhere = "http://127.0.0.1:8080/.well-known/jwks.json"
        recording = declare(jwksUrl=elsewhere)

        assert recording.exports["jwks_url"] == elsewhere
        assert environment(recording, "gateway-authorize")["JWKS_URL"] == elsewhere
        assert environment(recording, "gateway-authenticate")["JWKS_URL"] == elsewhere

    def test_the_tenant_is_read_from_tenant_claim(self) -> None:
        recording = declare(tenantClaim="/realm_access/roles")

        assert environment(recording, "gateway-authorize")["TENANT_CLAIM"] == "/realm_access/roles"
        assert recording.json("page-config-json", "content")["tenant_claim"] == "/realm_access/roles"

    def test_tenant_ids_match_tenant_id_pattern_wherever_they_enter(self) -> None:
        recording = declare(tenantIdPattern="org_[a-z]+")

        for function in ("gateway-authorize", "gateway-authenticate", "ingest-persist"):
            assert environment(recording, function)["TENANT_ID_PATTERN"] == "org_[a-z]+"
        assert recording.json("page-config-json", "content")["tenant_id_pattern"] == "org_[a-z]+"
        assert recording.exports["tenant_id_pattern"] == "org_[a-z]+"

    def test_clients_of_additional_audiences_may_connect(self) -> None:
        recording = declare(issuer=OWN_ISSUER, audience=OWN_AUDIENCE, additionalAudiences='["crm","reports"]')

        assert environment(recording, "gateway-authorize")["AUDIENCES"] == f"{OWN_AUDIENCE} crm reports"
        assert recording.exports["audiences"] == [OWN_AUDIENCE, "crm", "reports"]

    def test_the_issuers_clock_may_be_ahead_by_clock_tolerance_seconds(self) -> None:
        recording = declare(clockToleranceSeconds="0")

        assert environment(recording, "gateway-authenticate")["CLOCK_TOLERANCE_SECONDS"] == "0"
        assert recording.exports["clock_tolerance_seconds"] == 0

    def test_the_page_asks_for_scopes_with_prompt(self) -> None:
        recording = declare(
            issuer=OWN_ISSUER, audience=OWN_AUDIENCE, scopes='["openid","tenants"]', prompt="select_account"
        )
        config = recording.json("page-config-json", "content")

        assert (config["scopes"], config["prompt"]) == (["openid", "tenants"], "select_account")

    def test_the_pages_of_allowed_origins_may_connect(self) -> None:
        recording = declare(allowedOrigins='["https://a.example.com","https://b.example.com"]')

        assert (
            environment(recording, "gateway-authorize")["ALLOWED_ORIGINS"]
            == f"https://a.example.com https://b.example.com {SITE_URL}"
        )

    def test_without_a_page_of_its_own_a_stack_names_no_origin_unless_told(self) -> None:
        named = declare(dashboardSite="false", allowedOrigins='["https://a.example.com"]')

        assert environment(declare(dashboardSite="false"), "gateway-authorize")["ALLOWED_ORIGINS"] == ""
        assert environment(named, "gateway-authorize")["ALLOWED_ORIGINS"] == "https://a.example.com"

    def test_a_token_in_the_query_is_taken_where_token_in_query_says(self) -> None:
        assert environment(declare(tokenInQuery="true"), "gateway-authorize")["TOKEN_IN_QUERY"] == "true"

    @pytest.mark.parametrize(
        ("key", "value", "function", "variable"),
        [
            ("maxConnectionsPerTenant", "7", "connect", "MAX_CONNECTIONS_PER_TENANT"),
            ("maxConnectionsPerUser", "7", "connect", "MAX_CONNECTIONS_PER_USER"),
            ("maxConnectionsPerUser", "7", "message", "MAX_CONNECTIONS_PER_USER"),
            ("maxConnectionsPerUser", "7", "authenticate", "MAX_CONNECTIONS_PER_USER"),
            ("messagesPerSecond", "7", "message", "MESSAGES_PER_SECOND"),
            ("messageBurst", "7", "message", "MESSAGE_BURST"),
            ("tenantMessagesPerSecond", "7", "message", "TENANT_MESSAGES_PER_SECOND"),
            ("tenantMessageBurst", "7", "authenticate", "TENANT_MESSAGE_BURST"),
            ("tenantConnectsPerSecond", "7", "connect", "TENANT_CONNECTS_PER_SECOND"),
            ("tenantConnectBurst", "7", "connect", "TENANT_CONNECT_BURST"),
            ("maxFilterLength", "7", "message", "MAX_FILTER_LENGTH"),
            ("maxFiltersPerTenant", "7", "message", "MAX_FILTERS_PER_TENANT"),
            ("maxFrameBytes", "7000", "message", "MAX_FRAME_BYTES"),
        ],
    )
    def test_clients_are_limited_as_is_set(self, key: str, value: str, function: str, variable: str) -> None:
        assert environment(declare(preview=False, **{key: value}), f"gateway-{function}")[variable] == value

    @pytest.mark.parametrize(
        ("key", "value", "function", "variable", "is_then"),
        [
            ("postsPerSecond", "90", "broadcast", "POSTS_PER_SECOND", "10"),
            ("broadcastConcurrency", "13", "broadcast", "POSTS_PER_SECOND", "500"),
            ("fanoutConcurrency", "13", "fanout", "POSTS_PER_SECOND", "500"),
            ("fanoutThreshold", "700", "broadcast", "FANOUT_THRESHOLD", "700"),
            ("connectionShards", "7", "authorize", "CONNECTION_SHARDS", "7"),
            ("failureIdentifier", "SequenceNumber", "broadcast", "FAILURE_IDENTIFIER", "SequenceNumber"),
        ],
    )
    def test_changes_are_posted_as_is_set(
        self, key: str, value: str, function: str, variable: str, is_then: str
    ) -> None:
        assert environment(declare(preview=False, **{key: value}), f"gateway-{function}")[variable] == is_then

    def test_as_many_fan_out_lambdas_run_as_fanout_concurrency_says(self) -> None:
        mapping = declare(fanoutConcurrency="13").inputs("gateway-fanout-mapping")

        assert mapping["scalingConfig"] == {"maximumConcurrency": 13}

    @pytest.mark.parametrize(
        ("key", "function"),
        [
            ("authorizeReservedConcurrency", "gateway-authorize"),
            ("connectReservedConcurrency", "gateway-connect"),
            ("messageReservedConcurrency", "gateway-message"),
            ("broadcastReservedConcurrency", "gateway-broadcast"),
            ("persistReservedConcurrency", "ingest-persist"),
        ],
    )
    def test_concurrency_is_reserved_as_is_set_and_else_not_at_all(self, key: str, function: str) -> None:
        recording = declare(preview=False, **{key: "50"})
        functions = recording.of_type("lambda/function:Function")

        assert {one.name: one.inputs.get("reservedConcurrentExecutions") for one in functions} == {
            one.name: 50 if one.name == f"{function}-function" else None for one in functions
        }

    def test_submissions_expire_after_retention_days(self) -> None:
        assert environment(declare(retentionDays="30"), "ingest-persist")["RETENTION_DAYS"] == "30"

    def test_every_log_is_kept_for_log_retention_days(self) -> None:
        groups = declare(logRetentionDays="7").of_type("cloudwatch/logGroup:LogGroup")

        assert {one.inputs["retentionInDays"] for one in groups} == {7}

    @pytest.mark.parametrize(("protect", "table", "pool"), [("true", True, "ACTIVE"), ("false", False, "INACTIVE")])
    def test_protect_data_keeps_the_tables_and_the_pool(self, protect: str, table: bool, pool: str) -> None:
        recording = declare(protectData=protect)
        kept = {"submissions-table", "gateway-revocations", "identity-users"}

        assert recording.inputs("submissions-table")["deletionProtectionEnabled"] is table
        assert recording.inputs("gateway-revocations")["deletionProtectionEnabled"] is table
        assert recording.inputs("identity-users")["deletionProtection"] == pool
        assert {one.name for one in recording.resources.values() if one.protected} == (kept if table else set())

    def test_without_api_gateway_log_role_the_accounts_setting_is_left_alone(self) -> None:
        recording = declare(apiGatewayLogRole="false")

        assert recording.of_type("apigateway/account:Account") == []
        assert not [one.name for one in recording.resources.values() if one.name.startswith("api-gateway")]
        assert recording.of_type("apigatewayv2/stage:Stage")

    def test_every_role_has_the_permissions_boundary(self, recording: Recording) -> None:
        boundary = "arn:aws:iam::123456789012:policy/formbridge-boundary-dev"
        bounded = declare(permissionsBoundaryArn=boundary)

        assert {one.inputs.get("permissionsBoundary") for one in bounded.of_type("iam/role:Role")} == {boundary}
        assert {one.inputs.get("permissionsBoundary") for one in recording.of_type("iam/role:Role")} == {None}
        assert [one.urn for one in bounded.custom() if "permissionsBoundary" in one.inputs] == [
            one.urn for one in bounded.of_type("iam/role:Role")
        ]

    def test_alarm_email_hears_of_alarms(self) -> None:
        subscription = declare(alarmEmail="ada@example.com").inputs("alarms-email")

        assert (subscription["protocol"], subscription["endpoint"]) == ("email", "ada@example.com")
        assert not declare(alarmEmail="").of_type("sns/topicSubscription:TopicSubscription")

    def test_without_dashboard_site_there_is_neither_page_nor_sign_in(self) -> None:
        recording = declare(dashboardSite="false")
        kinds = {one.type.split("/")[0] for one in recording.custom()}

        assert not kinds & {"aws:s3", "aws:cloudfront"}
        assert "dashboard_url" not in recording.exports
        assert "callbackUrls" not in recording.inputs("identity-dashboard")
        assert not recording.of_type("cognito/userPoolDomain:UserPoolDomain")

    @pytest.mark.parametrize("package_for", ["lambda", "host"])
    def test_dependencies_are_those_for_package_for(
        self, package_for: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[str] = []

        def install_dependencies(name: str, machine: str) -> Path:
            asked.append(machine)
            return tmp_path

        monkeypatch.setattr(_packaging, "install_dependencies", install_dependencies)
        declare(packageFor=package_for)

        assert set(asked) == {package_for}

    def test_package_for_another_machine_is_refused(self) -> None:
        with pytest.raises(ValueError, match=r"^packageFor: must be one of lambda, host, got 'windows'$"):
            declare(packageFor="windows")
