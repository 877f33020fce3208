"""Nobody but the user who started the local run reaches anything on its ports."""

from __future__ import annotations

import base64
import datetime as dt
import http.client
import io
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from local import browser as user_browser
from local import tokens
from local.emulator import build_local_environment
from tests.e2e.conftest import ROOT
from tests.e2e.test_page import live
from tests.support.e2e.client import PATIENCE, Producer, aws, dashboard
from tests.support.processes import all_listeners, descendants

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from playwright.sync_api import Browser, BrowserContext

    from local.stack import Stack

Mint = Callable[[str], str]

EVIL = "https://evil.example"
SUPPORT = Path(__file__).parents[1] / "support" / "e2e"

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="reads /proc")


# --- What an attacker would send ------------------------------------------------------------------------------


def evil_function() -> dict[str, Any]:
    """CreateFunction: code of the attacker's, to run as the user."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("index.py", "def handler(event, context): return 'owned'")
    code = {"ZipFile": base64.b64encode(archive.getvalue()).decode()}
    role = "arn:aws:iam::000000000000:role/r"
    return {"FunctionName": "evil", "Runtime": "python3.13", "Handler": "index.handler", "Role": role, "Code": code}


def posts(stack: Stack) -> dict[str, Any]:
    """By path: a body that would do harm on one of the ports."""
    submission = {"tenant_id": "t_evil", "form_id": "contact"}
    detail = json.dumps(Producer.detail("t_evil", "evil", "contact"))
    bus = stack.output("event_bus_name")
    event = {"EventBusName": bus, "Source": "form-bridge", "DetailType": "submission.received", "Detail": detail}
    return {
        "/2015-03-31/functions": evil_function(),
        "/2015-03-31/functions/evil/invocations": {},
        "/?Action=CreateQueue&QueueName=evil": {},
        "/": {"Entries": [event]},
        "/_ministack/reset": {},
        "/api/token": {"tenant_id": "t_evil"},
        "/api/submissions": submission,
    }


PAGES = ("/", "/config.json", "/.well-known/jwks.json", "/_ministack/health", "/_ministack/config", "/app.js")


@pytest.fixture(scope="module")
def mint(stack: Stack, state_dir: Path) -> Mint:
    """A token of a tenant."""
    return partial(tokens.mint, stack, state_dir)


@pytest.fixture(scope="module")
def ports(stack: Stack, producer: Producer, mint: Mint) -> list[int]:
    """The ports that the processes of the run listen on, while Lambdas run, as the system sees them."""
    with dashboard(stack, mint("t_ports")) as client:
        submission_id = producer.received("t_ports")
        client.until_held(lambda held: submission_id in held)
        found = all_listeners([stack.pid, *descendants(stack.pid)])
    assert {address for address, _port in found} == {"0100007F"}, "only 127.0.0.1, and no Unix socket"
    return sorted(port for _address, port in found)


@pytest.fixture
def harmless(stack: Stack, producer: Producer, mint: Mint, tenant: str) -> Iterator[None]:
    """Check after the test that nothing of what the attacker sent has had an effect."""
    before = contents(stack)
    yield
    with dashboard(stack, mint("t_evil")) as evil, dashboard(stack, mint(tenant)) as client:
        # What was put on the bus before it has arrived when this has.
        submission_id = producer.received(tenant)
        client.until_held(lambda held: submission_id in held)
        assert evil.ask("ping")["type"] == "pong"
        assert evil.held == {}
    assert contents(stack) == before


def contents(stack: Stack) -> Any:
    """What the emulator has that an attacker would add to or remove from."""
    functions = [one["FunctionName"] for one in aws(stack, "lambda").list_functions()["Functions"]]
    queues = aws(stack, "sqs").list_queues()["QueueUrls"]
    rows = aws(stack, "dynamodb").query(
        TableName=stack.output("table_name"),
        IndexName="GSI1",
        KeyConditionExpression="GSI1PK = :partition",
        ExpressionAttributeValues={":partition": {"S": "TENANT#t_evil"}},
    )["Items"]
    return functions, queues, aws(stack, "dynamodb").list_tables()["TableNames"], rows


# --- Raw requests ---------------------------------------------------------------------------------------------


def signed(
    port: int, method: str, path: str, body: bytes, key_id: str, secret: str, when: dt.datetime | None = None
) -> dict[str, str]:
    """The headers of a request that is signed as boto3 does."""
    request = AWSRequest(method, f"http://127.0.0.1:{port}{path}", data=body)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.auth.get_current_datetime", lambda: when or dt.datetime.now(dt.UTC))
        SigV4Auth(Credentials(key_id, secret), "lambda", "us-east-1").add_auth(request)
    return dict(request.headers.items())


def right_credentials(stack: Stack, port: int, method: str, path: str, body: bytes) -> dict[str, str]:
    """The headers with which a request would be served."""
    key = {"Authorization": f"Bearer {stack.dashboard_key}"}
    if port == int(stack.dashboard_url.rpartition(":")[2]):
        return key
    return signed(port, method, path, body, stack.access_key_id, stack.secret_access_key)


def without_credential(_stack: Stack, _port: int, *_request: Any) -> dict[str, str]:
    return {}


def with_wrong_ones(stack: Stack, port: int, method: str, path: str, body: bytes, **changes: Any) -> dict[str, str]:
    values: dict[str, Any] = {"key_id": stack.access_key_id, "secret": stack.secret_access_key, **changes}
    return signed(port, method, path, body, **values)


AN_HOUR_AGO = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
ATTEMPTS: dict[str, tuple[Callable[..., dict[str, str]], dict[str, str]]] = {
    "as in the issue": (without_credential, {"Origin": EVIL, "Content-Type": "text/plain"}),
    "no credential": (without_credential, {"Content-Type": "application/json"}),
    "foreign host": (right_credentials, {"Host": "evil.example"}),
    "foreign host, own port": (right_credentials, {"Host": "evil.example:{port}"}),
    "foreign origin": (right_credentials, {"Origin": EVIL}),
    "no origin of its own": (right_credentials, {"Origin": "null"}),
    "another port's origin": (right_credentials, {"Origin": "http://127.0.0.1:1"}),
    "cross-site": (right_credentials, {"Sec-Fetch-Site": "cross-site"}),
    "same-site": (right_credentials, {"Sec-Fetch-Site": "same-site"}),
    "wrong key id": (partial(with_wrong_ones, key_id="test"), {}),
    "account as key id": (partial(with_wrong_ones, key_id="000000000000"), {}),
    "no key id": (partial(with_wrong_ones, key_id=""), {}),
    "wrong secret": (partial(with_wrong_ones, secret="test"), {}),
    "signed an hour ago": (partial(with_wrong_ones, when=AN_HOUR_AGO), {}),
    "wrong key": (without_credential, {"Authorization": "Bearer wrong"}),
    "wrong cookie": (without_credential, {"Cookie": "formbridge-{port}=wrong"}),
}


def send(port: int, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, Any, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    connection.request(method, path, body, headers=dict(headers))
    response = connection.getresponse()
    answer = response.status, response.headers, response.read()
    connection.close()
    return answer


@pytest.mark.usefixtures("harmless")
@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_a_raw_request_reaches_nothing(stack: Stack, ports: list[int], attempt: str) -> None:
    make_headers, changes = ATTEMPTS[attempt]
    requests = [("POST", path, json.dumps(body).encode()) for path, body in posts(stack).items()]
    requests += [(method, path, b"") for path in PAGES for method in ("GET", "OPTIONS", "DELETE")]
    for port in ports:
        for method, path, body in requests:
            own = {name: value.format(port=port) for name, value in changes.items()}
            headers = {**make_headers(stack, port, method, path, body), **own}
            status, answered, text = send(port, method, path, body, headers)
            assert status in (401, 403), (port, method, path, text)
            assert not [name for name in answered if name.lower().startswith("access-control-")]
            assert "set-cookie" not in {name.lower() for name in answered}


def test_every_port_serves_who_has_the_credential(stack: Stack, ports: list[int]) -> None:
    assert len(ports) == 2
    for port, path in zip(sorted_ports(stack), ("/_ministack/health", "/config.json"), strict=True):
        assert send(port, "GET", path, b"", right_credentials(stack, port, "GET", path, b""))[0] == 200
    assert sorted(sorted_ports(stack)) == ports


def sorted_ports(stack: Stack) -> list[int]:
    """The port of the emulator, then the port of the dashboard."""
    return [int(url.rpartition(":")[2]) for url in (stack.endpoint_url, stack.dashboard_url)]


def handshake(url: str, origin: str | None, token: str) -> int:
    """The status of a handshake."""
    try:
        with connect(
            url,
            origin=None if origin is None else Origin(origin),
            subprotocols=[Subprotocol("formbridge.v1"), Subprotocol(f"bearer.{token}")],
            open_timeout=PATIENCE,
            close_timeout=1,
        ):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


def test_only_the_dashboards_page_may_open_a_websocket(stack: Stack, ports: list[int], mint: Mint, tenant: str) -> None:
    url, granted = stack.output("websocket_url"), mint(tenant)
    own = stack.dashboard_url.replace("127.0.0.1", "localhost")
    for origin in (None, stack.dashboard_url, own):
        assert handshake(url, origin, granted) == 101
    for origin in (EVIL, "null", "http://127.0.0.1:1", stack.endpoint_url):
        assert handshake(url, origin, granted) == 403
    for port in ports:
        for path in ("/", "/mqtt", "/_aws/execute-api"):
            assert handshake(f"ws://127.0.0.1:{port}{path}", None, granted) in (401, 403)


# --- A page of another origin ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def other_port() -> Iterator[int]:
    """A web server of somebody else on this machine, with the attacker's page."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(SUPPORT))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture
def context(browser: Browser, stack: Stack) -> Iterator[BrowserContext]:
    """The user's browser, in which the dashboard is open."""
    context = browser.new_context()
    context.set_default_timeout(PATIENCE * 1000)
    page = context.new_page()
    page.goto(stack.page_url)
    live(page)
    yield context
    context.close()


# What a browser may do is the same whatever the Lambdas' roles allow.
iam_off = pytest.mark.parametrize("enforce_iam", [False], ids=["iam-off"], indirect=True)


@iam_off
@pytest.mark.usefixtures("harmless")
@pytest.mark.parametrize("host", ["evil.example", "localhost", "127.0.0.1"])
def test_a_page_of_another_origin_reaches_nothing(
    context: BrowserContext, stack: Stack, ports: list[int], other_port: int, mint: Mint, tenant: str, host: str
) -> None:
    page = context.new_page()
    if host == "evil.example":
        page.route("http://evil.example/*", lambda route: route.fulfill(path=SUPPORT / "foreign_page.html"))
        page.goto("http://evil.example/")
    else:
        page.goto(f"http://{host}:{other_port}/foreign_page.html")
    bases = [f"http://127.0.0.1:{port}" for port in ports]
    # A token that was stolen does not help a page.
    protocols = ["formbridge.v1", f"bearer.{mint(tenant)}"]
    seen = page.evaluate(
        "attempts => attack(attempts)",
        {
            "posts": [{"url": base + path, "body": body} for base in bases for path, body in posts(stack).items()],
            "pages": [base + path for base in bases for path in PAGES],
            "sockets": [
                {"url": url, "protocols": protocols}
                for url in (stack.output("websocket_url"), *(base.replace("http", "ws") for base in bases))
            ],
        },
    )
    # An opaque answer tells a page nothing; that it had no effect is checked afterwards.
    assert {what: result for what, result in seen.items() if result not in ("failed", "answered opaque 0")} == {}
    assert len(seen) == 2 * (4 * len(posts(stack)) + 3 * len(PAGES)) + 3


@iam_off
def test_the_file_that_the_browser_is_given_opens_the_dashboard(
    browser: Browser, stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("local.browser.webbrowser.open", str)
    user_browser.open_page(stack.page_url, tmp_path)
    page = browser.new_page()
    page.goto((tmp_path / user_browser.FILE_NAME).as_uri())
    page.wait_for_url(f"{stack.dashboard_url}/")
    live(page)
    page.close()


@iam_off
def test_a_browser_without_the_key_is_told_what_to_do(browser: Browser, stack: Stack) -> None:
    page = browser.new_page()
    page.goto(stack.dashboard_url)
    assert "Open the URL that `make dev` printed." in page.inner_text("body")
    page.close()


# --- Files and command lines ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("ports")
def test_every_file_is_private_and_no_secret_is_in_a_log_or_a_command_line(
    stack: Stack, state_dir: Path, log: Path
) -> None:
    files = [path for path in state_dir.rglob("*") if path.is_file()]
    assert [path for path in (state_dir, log, *state_dir.rglob("*")) if path.stat().st_mode & 0o077] == []
    assert any(path.suffix == ".pem" for path in files), "the pool's signing keys"
    commands = [Path(f"/proc/{pid}/cmdline").read_text() for pid in (stack.pid, *descendants(stack.pid))]
    logs = [path.read_text(errors="replace") for path in files if path.suffix == ".log"]
    for secret in (stack.secret_access_key, stack.dashboard_key):
        assert not any(secret in text for text in (*commands, *logs))
        assert [path.name for path in files if secret.encode() in path.read_bytes()] == ["stack.json"]


# --- boto3 ----------------------------------------------------------------------------------------------------


def test_boto3_works_as_the_documentation_writes_it(stack: Stack, mint: Mint, state_dir: Path, tmp_path: Path) -> None:
    (tmp_path / ".local").symlink_to(state_dir)
    (snippet,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "local-run.md").read_text(), re.DOTALL)
    with dashboard(stack, mint("t_acme")) as client:
        subprocess.run([sys.executable, "-c", snippet], cwd=tmp_path, env=build_local_environment({}), check=True)
        client.until_held(lambda held: "sub-1" in held)
