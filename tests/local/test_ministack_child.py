from __future__ import annotations

import asyncio
import json
import re
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import websockets

from local import ministack_child
from local.emulator import ACCOUNT_ID, Emulator
from local.emulator_client import client
from tests.local.conftest import REGION
from tests.support.local.functions import make_function

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

# --- Fixes of the WebSocket handshake -----------------------------------------------------------------------


async def _coroutine() -> None:
    pass


NEEDED = [
    (module, name)
    for needed in (ministack_child.COROUTINES, ministack_child.FUNCTIONS)
    for module, names in needed.items()
    for name in names
]


@pytest.fixture
def modules() -> dict[str, SimpleNamespace]:
    """What the emulator's process needs of MiniStack."""
    found = {module: SimpleNamespace() for module, _name in NEEDED}
    for module, name in NEEDED:
        setattr(found[module], name, _coroutine)
    return {**found, "services.dynamodb": SimpleNamespace(esm_wake=threading.Event())}


@pytest.mark.parametrize(("module", "name"), [*NEEDED, ("services.dynamodb", "esm_wake")])
def test_another_ministack_is_refused(modules: dict[str, SimpleNamespace], module: str, name: str) -> None:
    ministack_child.check_compatibility(modules)
    delattr(modules[module], name)
    with pytest.raises(SystemExit, match=rf"MiniStack .* has no ministack\.{re.escape(f'{module}.{name}')}:"):
        ministack_child.check_compatibility(modules)


def test_a_function_that_is_no_coroutine_is_refused(modules: dict[str, SimpleNamespace]) -> None:
    modules["app"].app = print
    with pytest.raises(SystemExit, match=r"has no ministack\.app\.app:"):
        ministack_child.check_compatibility(modules)


AUTHORIZER = """
def handler(event, context):
    token = event["headers"].get("authorization")
    if token == "boom":
        raise ValueError("boom")
    if token != "good":
        raise Exception("Unauthorized")
    statement = {"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": event["methodArn"]}
    return {"principalId": "p", "policyDocument": {"Version": "2012-10-17", "Statement": [statement]}}
"""
CONNECT = """
def handler(event, context):
    offered = event["headers"].get("sec-websocket-protocol")
    if event["headers"].get("x-refuse-with"):
        return {"statusCode": int(event["headers"]["x-refuse-with"])}
    return {"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": "second"} if offered else {}}
"""


@pytest.fixture(scope="module")
def gateway_url(emulator: Emulator) -> str:
    """A WebSocket API whose $connect selects the subprotocol `second`."""
    api = client("apigatewayv2", emulator)
    invoke = f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{{}}/invocations"
    api_id = api.create_api(
        Name="handshake", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action"
    )["ApiId"]
    authorizer = api.create_authorizer(
        ApiId=api_id,
        Name="a",
        AuthorizerType="REQUEST",
        AuthorizerUri=invoke.format(make_function(emulator, "handshake-authorizer", AUTHORIZER)),
        IdentitySource=[],
    )
    integration = api.create_integration(
        ApiId=api_id,
        IntegrationType="AWS_PROXY",
        IntegrationUri=invoke.format(make_function(emulator, "handshake-connect", CONNECT)),
    )
    api.create_route(
        ApiId=api_id,
        RouteKey="$connect",
        AuthorizationType="CUSTOM",
        AuthorizerId=authorizer["AuthorizerId"],
        Target=f"integrations/{integration['IntegrationId']}",
    )
    api.create_stage(ApiId=api_id, StageName="live", AutoDeploy=True)
    return emulator.endpoint_url.replace("http:", "ws:") + f"/_aws/execute-api/{api_id}/live"


def handshake(url: str, token: str, *subprotocols: str, **headers: str) -> str | None:
    async def connect() -> str | None:
        async with websockets.connect(
            url,
            additional_headers={"Authorization": token, **headers},
            subprotocols=[websockets.Subprotocol(name) for name in subprotocols] or None,
            proxy=None,
        ) as connection:
            return connection.subprotocol

    return asyncio.run(connect())


def test_the_integrations_subprotocol_is_selected(gateway_url: str) -> None:
    assert handshake(gateway_url, "good", "first", "second") == "second"


def test_no_subprotocol_is_selected_where_none_is_returned(gateway_url: str) -> None:
    assert handshake(gateway_url, "good") is None


@pytest.mark.parametrize(("token", "status"), [("bad", 401), ("boom", 500)])
def test_an_authorizers_errors(gateway_url: str, token: str, status: int) -> None:
    with pytest.raises(websockets.InvalidStatus) as caught:
        handshake(gateway_url, token, "first", "second")
    assert caught.value.response.status_code == status


@pytest.mark.parametrize("status", [403, 429, 503])
def test_a_handshake_gets_the_status_that_the_integration_refuses_it_with(gateway_url: str, status: int) -> None:
    with pytest.raises(websockets.InvalidStatus) as caught:
        handshake(gateway_url, "good", **{"x-refuse-with": str(status)})
    assert caught.value.response.status_code == status


# --- Long polling of a stream ---------------------------------------------------------------------------------


class Stream:
    """Fake of the parts of MiniStack that long polling needs: GetRecords, and the event that a new record sets."""

    def __init__(self) -> None:
        self.records: list[str] = []
        self.reads = 0
        self.event_source_mappings = threading.Event()
        self._dynamodb = SimpleNamespace(esm_wake=self.event_source_mappings)
        self._streams = SimpleNamespace(handle_request=self._handle)
        ministack_child.enable_long_polling(self._dynamodb, self._streams)

    async def _handle(self, *_request: object) -> tuple[int, dict[str, Any], bytes]:
        self.reads += 1
        return 200, {}, json.dumps({"Records": self.records}).encode()

    async def tell(self) -> None:
        """Report a new record from another thread."""
        await asyncio.to_thread(self._dynamodb.esm_wake.set)

    async def get(self, **headers: str) -> list[str]:
        _status, _headers, body = await self._streams.handle_request("POST", "/", headers, b"", {})
        return json.loads(body)["Records"]

    async def get_while(self, wait_seconds: float, happens: Callable[[], Coroutine[Any, Any, None]]) -> list[str]:
        """Return the records of a request that waits for `wait_seconds`; `happens` runs after its first read."""
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            got = tasks.create_task(self.get(**{ministack_child.WAIT_HEADER: str(wait_seconds)}))
            while not self.reads:
                await asyncio.sleep(0)
            await happens()
        return got.result()


def test_a_record_ends_the_wait() -> None:
    stream = Stream()

    async def a_record_comes() -> None:
        stream.records.append("record")
        await stream.tell()

    assert asyncio.run(stream.get_while(3600, a_record_comes)) == ["record"]
    assert stream.event_source_mappings.is_set()


def test_another_streams_record_does_not_end_the_wait() -> None:
    stream = Stream()

    async def two_records_come() -> None:
        await stream.tell()
        while stream.reads < 2:
            await asyncio.sleep(0)
        stream.records.append("record")
        await stream.tell()

    assert asyncio.run(stream.get_while(3600, two_records_come)) == ["record"]


def test_a_record_that_nobody_told_of_is_found_when_the_time_is_over() -> None:
    stream = Stream()

    async def a_record_comes() -> None:
        stream.records.append("record")

    assert asyncio.run(stream.get_while(0.05, a_record_comes)) == ["record"]
    assert stream.reads == 2


def test_nobody_waits_who_does_not_say_so() -> None:
    stream = Stream()
    assert asyncio.run(stream.get()) == []
    assert stream.reads == 1


# --- The credentials of Lambda workers ------------------------------------------------------------------------

CREDENTIALS = """
import boto3, os
def handler(event, context):
    names = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"
    return [boto3.client("sts").get_caller_identity()["Arn"], *map(os.environ.get, names)]
"""


def credentials_of(emulator: Emulator, name: str) -> list[str]:
    make_function(emulator, name, CREDENTIALS)
    return json.loads(client("lambda", emulator).invoke(FunctionName=name)["Payload"].read())


def test_a_worker_has_the_credential_of_the_run(emulator: Emulator) -> None:
    _arn, *credential = credentials_of(emulator, "run-credentials")
    assert credential == [emulator.access_key_id, emulator.secret_access_key, ""]


def test_a_worker_has_a_session_of_its_role_that_nobody_can_guess(tmp_path: Path) -> None:
    found: list[list[str]] = []
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    for _ in range(2):
        with Emulator(tmp_path, REGION, enforce_iam=True) as emulator:
            client("iam", emulator).create_role(RoleName="r", AssumeRolePolicyDocument=trust)
            arn, *session = credentials_of(emulator, "session")
            assert arn == f"arn:aws:sts::{ACCOUNT_ID}:assumed-role/r/session"
            assert emulator.secret_access_key not in session
            found.append(session)
    # The ARNs are the same, and MiniStack would derive the same session from them.
    assert not set(found[0]) & set(found[1])
