from __future__ import annotations

import http.client
import json
import re
import socket
import time
import uuid
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import jwt
import pytest

from components.dashboard_site import PERMISSIONS_POLICY, build_content_security_policy
from formbridge.runtime.tenant_id_pattern import DEFAULT_TENANT_ID_PATTERN
from local.emulator_client import client
from local.server import MAX_BODY_BYTES, TOKEN_LIFETIME_SECONDS, Server, application
from tests.support.local.stacks import make_stack

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

    from local.emulator import Emulator
    from local.stack import Stack

ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Site:
    """The dev server of a stack with a bus and a user pool, and a queue that gets what the bus gets."""

    stack: Stack
    port: int
    sqs: Any
    queue_url: str

    def request(self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> Answer:
        """Send a request with the key of the run."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
            key = {"Authorization": f"Bearer {self.stack.dashboard_key}"}
            connection.request(method, path, content, {**key, **(headers or {})})
            response = connection.getresponse()
            lower = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, lower, response.read())
        finally:
            connection.close()

    def post(self, path: str, body: object) -> Answer:
        return self.request("POST", path, body, JSON)

    def next_event(self) -> Any:
        response = self.sqs.receive_message(QueueUrl=self.queue_url, WaitTimeSeconds=20, MaxNumberOfMessages=1)
        (message,) = response["Messages"]
        self.sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])
        return json.loads(message["Body"])


def url_of(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


def stack_with_bus_and_pool(emulator: Emulator, url: str) -> tuple[Stack, Any, str]:
    region = emulator.region
    name = f"server-{uuid.uuid4().hex[:8]}"
    events, sqs, cognito = (client(service, emulator) for service in ("events", "sqs", "cognito-idp"))
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    events.create_event_bus(Name=name)
    events.put_rule(Name=name, EventBusName=name, EventPattern=json.dumps({"source": ["form-bridge"]}))
    target = {"Id": "queue", "Arn": f"arn:aws:sqs:{region}:000000000000:{name}"}
    events.put_targets(Rule=name, EventBusName=name, Targets=[target])
    pool = cognito.create_user_pool(PoolName=name)["UserPool"]["Id"]
    outputs = {
        "websocket_url": "ws://127.0.0.1:1/live",
        "event_bus_name": name,
        "issuer": f"https://cognito-idp.{region}.amazonaws.com/{pool}",
        "client_id": "client",
        "tenant_id_pattern": DEFAULT_TENANT_ID_PATTERN,
    }
    return make_stack(emulator, dashboard_url=url, outputs=outputs), sqs, queue


@pytest.fixture(scope="module")
def site(emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Generator[Site]:
    dashboard = tmp_path_factory.mktemp("dashboard")
    (dashboard / "index.html").write_text("<title>the page</title>")
    (dashboard / "app.js").write_text("export {}")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stack, sqs, queue = stack_with_bus_and_pool(emulator, url_of(listener))
        server = Server(application(stack, emulator.directory.parent, dashboard), listener)
        ended = server.start()
        try:
            yield Site(stack, listener.getsockname()[1], sqs, queue)
        finally:
            server.stop()
        assert ended.result(timeout=0) is None


# --- The page -----------------------------------------------------------------------------------------------


def test_the_page_and_its_files(site: Site) -> None:
    page = site.request("GET", "/")
    assert page.status == 200
    assert b"the page" in page.body
    script = site.request("GET", "/app.js")
    assert script.status == 200
    assert script.headers["content-type"].startswith("text/javascript")
    assert script.headers["cache-control"] == "no-cache"


def test_the_page_may_reach_only_its_own_gateway(site: Site) -> None:
    headers = site.request("GET", "/").headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    gateway = [site.stack.endpoint_url.replace("http:", "ws:"), site.stack.endpoint_url]
    assert policy["connect-src"].split(" ") == ["'self'", *gateway]
    assert headers["content-security-policy"] == build_content_security_policy(gateway), "as the site on AWS sends it"
    assert policy["frame-ancestors"] == "'none'"
    assert headers["permissions-policy"] == PERMISSIONS_POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert "server" not in headers


@pytest.mark.parametrize("path", ["/missing", "/../pyproject.toml", "/%2e%2e/pyproject.toml", "/api/nothing"])
def test_there_is_nothing_else(site: Site, path: str) -> None:
    answer = site.request("GET", path)
    assert answer.status == 404
    assert "error" in answer.json()


def test_another_sites_name_gets_nothing(site: Site) -> None:
    for host in ("evil.example", f"evil.example:{site.port}", "127.0.0.1.evil.example"):
        for path in ("/", "/config.json", "/api/token"):
            answer = site.request("GET", path, headers={"Host": host})
            assert answer.status == 403
            assert b"the page" not in answer.body
    assert site.request("GET", "/", headers={"Host": f"localhost:{site.port}"}).status == 200


def test_the_configuration(site: Site) -> None:
    answer = site.request("GET", "/config.json")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json() == {
        "websocket_url": "ws://127.0.0.1:1/live",
        "tenants": ["t_acme", "t_globex", "t_initech"],
        "forms": ["contact", "survey", "signup"],
        "token_url": "/api/token",
        "submissions_url": "/api/submissions",
    }


# --- Tokens -------------------------------------------------------------------------------------------------


def test_a_token_verifies_by_the_servers_keys(site: Site) -> None:
    answer = site.post("/api/token", {"tenant_id": "t_acme"})
    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-store"
    token = answer.json()["token"]
    keys = jwt.PyJWKSet.from_dict(site.request("GET", "/.well-known/jwks.json").json())
    key = keys[jwt.get_unverified_header(token)["kid"]]
    claims = jwt.decode(token, key, algorithms=["RS256"], audience="client", issuer=site.stack.output("issuer"))
    assert claims["custom:tenant_id"] == "t_acme"
    assert claims["exp"] == answer.json()["expires_at"]


def test_the_expiry_is_the_tokens_own(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Signing may take a while on a busy machine."""
    signed_at = int(time.time()) + 10
    monkeypatch.setattr("local.tokens.time", SimpleNamespace(time=lambda: signed_at + 0.5))
    answer = site.post("/api/token", {"tenant_id": "t_acme"}).json()
    assert answer["expires_at"] == signed_at + TOKEN_LIFETIME_SECONDS
    assert jwt.decode(answer["token"], options={"verify_signature": False})["exp"] == answer["expires_at"]


# --- Submissions ----------------------------------------------------------------------------------------------


def test_a_submission_and_its_update_reach_the_bus(site: Site) -> None:
    answer = site.post("/api/submissions", {"tenant_id": "t_acme", "form_id": "contact", "payload": {"name": "Ada"}})
    assert answer.status == 202
    made = answer.json()
    assert ISO.fullmatch(made["submitted_at"])
    event = site.next_event()
    assert event["source"] == "form-bridge"
    assert event["detail-type"] == "submission.received"
    expected = {"tenant_id": "t_acme", "form_id": "contact", "status": "processing", "payload": {"name": "Ada"}, **made}
    assert event["detail"] == expected

    change = {"tenant_id": "t_acme", "form_id": "contact", "status": "done", "submitted_at": made["submitted_at"]}
    answer = site.post(f"/api/submissions/{made['submission_id']}", change)
    assert answer.status == 202
    event = site.next_event()
    assert event["detail-type"] == "submission.updated"
    updated_at = event["detail"].pop("updated_at")
    assert ISO.fullmatch(updated_at)
    assert updated_at >= made["submitted_at"]
    assert event["detail"] == {**change, "submission_id": made["submission_id"]}


NEW = {"tenant_id": "t_acme", "form_id": "contact"}
CHANGE = {**NEW, "status": "done", "submitted_at": "2026-11-22T20:00:00.000Z"}
REFUSED: list[tuple[str, object, str]] = [
    ("/api/token", {"tenant_id": "acme"}, "tenant_id: must match t_[A-Za-z0-9_-]{1,64}, got 'acme'"),
    ("/api/token", {}, "tenant_id: must be a string, got None"),
    ("/api/token", {"tenant_id": 5}, "tenant_id: must be a string, got 5"),
    ("/api/token", {"tenant_id": "t_acme", "x": 1}, "'x': unknown field (value 1)"),
    ("/api/token", [], "body: must be an object, got []"),
    ("/api/token", b"{", "body: must be valid JSON"),
    ("/api/token", b"\xff", "body: must be valid JSON"),
    ("/api/submissions", {"tenant_id": "t_acme"}, "form_id: must be a string, got None"),
    ("/api/submissions", {**NEW, "form_id": "a b"}, "form_id: must match"),
    ("/api/submissions", {**NEW, "status": "so so"}, "status: must match"),
    ("/api/submissions", {**NEW, "status": 5}, "status: must match"),
    ("/api/submissions", {**NEW, "payload": "x"}, "payload: must be an object, got 'x'"),
    ("/api/submissions", {**NEW, "submission_id": "mine"}, "'submission_id': unknown field"),
    ("/api/submissions/a%20b", CHANGE, "submission_id: must match"),
    ("/api/submissions/s1", {**CHANGE, "submitted_at": "yesterday"}, "submitted_at: must be an ISO 8601 time"),
    ("/api/submissions/s1", NEW, "status: must be a string, got None"),
]


@pytest.mark.parametrize(("path", "body", "error"), REFUSED, ids=[r[2] for r in REFUSED])
def test_bad_requests_name_field_and_value(site: Site, path: str, body: object, error: str) -> None:
    answer = site.post(path, body)
    assert answer.status == 400
    assert error in answer.json()["error"]


def test_a_form_of_another_page_is_refused(site: Site) -> None:
    for content_type in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = site.request("POST", "/api/submissions", NEW, {"Content-Type": content_type})
        assert answer.status == 415
        assert repr(content_type) in answer.json()["error"]


def test_a_body_has_a_limit(site: Site) -> None:
    answer = site.post("/api/submissions", {**NEW, "payload": {"text": "x" * MAX_BODY_BYTES}})
    assert answer.status == 413
    assert str(MAX_BODY_BYTES) in answer.json()["error"]


def test_a_stack_that_lacks_an_export_says_so(emulator: Emulator, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stack = make_stack(emulator, dashboard_url=url_of(listener))
        server = Server(application(stack, tmp_path, tmp_path), listener)
        server.start()
        try:
            site = Site(stack, listener.getsockname()[1], None, "")
            for answer in (site.request("GET", "/config.json"), site.post("/api/submissions", NEW)):
                assert answer.status == 502
                assert "the program must export it" in answer.json()["error"]
        finally:
            server.stop()
