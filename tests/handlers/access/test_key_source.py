"""Requests for an issuer's keys, over real sockets."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import pytest

from bench.certificates import write_certificate
from formbridge.access.discovery import DISCOVERY_PATH
from formbridge.access.issuer_request import MAX_DOCUMENT_BYTES
from formbridge.access.key_set import KeyFetchFailed
from formbridge.access.key_source import MAX_LOGGED_KEYS, KeySource
from tests.support.handlers import issuer
from tests.support.handlers.raw_server import (
    answering,
    dripping,
    endless,
    http_response,
    read_request,
    sending,
    silent,
)

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from threading import Event

    from tests.support.handlers.raw_server import Respond

JWKS_PATH: Final = "/keys"
PATIENCE: Final = 0.3
"""The time limit of the requests to slow servers. A slow response would take seconds."""
KEYS: Final = json.dumps(issuer.published("rsa-1")).encode()
GOOD_KEYS: Final = http_response(KEYS)


@dataclass
class Provider:
    """A server with a discovery document and a key set. A test sets its responses."""

    running: ExitStack
    url: str = ""
    paths: list[str] = field(default_factory=list[str])
    """The paths that were requested."""
    responses: dict[str, bytes] = field(default_factory=dict[str, bytes])
    """The response to each path, 404 to every other."""

    def start(self, certificate: Path | None = None) -> Provider:
        self.url = self.running.enter_context(answering(self.respond, certificate))
        self.discover()
        self.responses[JWKS_PATH] = GOOD_KEYS
        return self

    def discover(self, **fields: object) -> None:
        """Set the fields of the discovery document."""
        document = {"issuer": self.url, "jwks_uri": self.url + JWKS_PATH, **fields}
        self.responses[DISCOVERY_PATH] = http_response(json.dumps(document).encode())

    def respond(self, connection: socket.socket, stopped: Event) -> None:
        path = read_request(connection).split(" ")[1]
        self.paths.append(path)
        connection.sendall(self.responses.get(path, http_response(b"", "404 Not Found")))

    def elsewhere(self, respond: Respond) -> str:
        """The URL of another server."""
        return self.running.enter_context(answering(respond))

    def refusal(self, issuer: str | None = None, jwks_url: str | None = None) -> str:
        """Why the keys cannot be fetched, without the URL."""
        with pytest.raises(KeyFetchFailed) as failed:
            KeySource(issuer or self.url, jwks_url, PATIENCE).request()
        url, _, reason = str(failed.value).partition(": ")
        assert url.startswith("http")
        return reason


@pytest.fixture
def provider() -> Iterator[Provider]:
    with ExitStack() as running:
        yield Provider(running).start()


def key_ids(source: KeySource) -> list[str]:
    return [key.key_id for key in source.request().keys]


# --- Where the keys are ---------------------------------------------------------------------------------------


def test_the_keys_are_where_the_discovery_document_says(provider: Provider) -> None:
    assert key_ids(KeySource(provider.url, None)) == ["rsa-1"]
    assert provider.paths == [DISCOVERY_PATH, JWKS_PATH]


def test_the_keys_may_be_on_another_host(provider: Provider) -> None:
    requests: list[str] = []
    other = provider.elsewhere(sending(GOOD_KEYS, requests)).replace("127.0.0.1", "localhost")
    provider.discover(jwks_uri=f"{other}/certs?version=3")
    assert key_ids(KeySource(provider.url, None)) == ["rsa-1"]
    assert provider.paths == [DISCOVERY_PATH]
    assert requests[0].startswith("GET /certs?version=3 HTTP/1.1\r\n")


@pytest.mark.parametrize("path", ["/", "/realms/acme", "/realms/acme/"])
def test_an_issuer_may_have_a_path_and_a_slash(provider: Provider, path: str) -> None:
    issuer_url = provider.url + path
    below = f"{path.removesuffix('/')}{DISCOVERY_PATH}"
    document = {"issuer": issuer_url, "jwks_uri": provider.url + JWKS_PATH}
    provider.responses = {below: http_response(json.dumps(document).encode()), JWKS_PATH: GOOD_KEYS}
    assert key_ids(KeySource(issuer_url, None)) == ["rsa-1"]


def test_a_setting_replaces_discovery(provider: Provider) -> None:
    provider.responses["/own"] = GOOD_KEYS
    assert key_ids(KeySource(provider.url, f"{provider.url}/own")) == ["rsa-1"]
    assert provider.paths == ["/own"]


def test_both_documents_are_requested_over_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = write_certificate(tmp_path / "server.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with ExitStack() as running:
        provider = Provider(running).start(certificate)
        assert key_ids(KeySource(provider.url, None)) == ["rsa-1"]
        provider.discover(jwks_uri=provider.elsewhere(sending(GOOD_KEYS)))
        assert provider.refusal().startswith("jwks_uri: must be an https URL, got 'http://127.0.0.1:")


# --- Discovery documents that are not used --------------------------------------------------------------------


def redirect(status: str) -> Callable[[Provider, str], bytes]:
    return lambda _provider, elsewhere: http_response(b"", status, f"Location: {elsewhere}{DISCOVERY_PATH}")


def document(**fields: object) -> Callable[[Provider, str], bytes]:
    """A discovery document in which `HERE` and `ELSEWHERE` stand for the two servers."""

    def build(provider: Provider, elsewhere: str) -> bytes:
        text = json.dumps({"issuer": "HERE", "jwks_uri": "HERE/keys", **fields})
        return http_response(text.replace("ELSEWHERE", elsewhere).replace("HERE", provider.url).encode())

    return build


def raw(body: bytes, status: str = "200 OK") -> Callable[[Provider, str], bytes]:
    return lambda _provider, _elsewhere: http_response(body, status)


ONE_OBJECT: Final = "discovery: must be one JSON object in UTF-8, with each field once"

BAD_DISCOVERIES: dict[str, tuple[Callable[[Provider, str], bytes], str]] = {
    "404": (raw(b"", "404 Not Found"), "status: must be 200, got 404"),
    "500": (raw(b"", "500 Error"), "status: must be 200, got 500"),
    "a redirect to another issuer": (redirect("302 Found"), "status: must be 200, got 302"),
    "a permanent redirect to another issuer": (redirect("308 Permanent Redirect"), "status: must be 200, got 308"),
    "a page": (raw(b"<html>Sign in</html>"), ONE_OBJECT),
    "a list": (raw(b"[]"), ONE_OBJECT),
    "another issuer": (
        document(issuer="ELSEWHERE"),
        "issuer: must be 'HERE' as in the setting issuer, got 'ELSEWHERE'",
    ),
    "a slash more": (document(issuer="HERE/"), "issuer: must be 'HERE' as in the setting issuer, got 'HERE/'"),
    "no issuer": (document(issuer=None), "issuer: must be 'HERE' as in the setting issuer, got None"),
    "two issuers": (document(issuer=["HERE"]), "issuer: must be 'HERE' as in the setting issuer, got ['HERE']"),
    "no keys": (document(jwks_uri=None), "jwks_uri: must be a string, got None"),
    "keys of a file": (document(jwks_uri="file:///keys"), "jwks_uri: must be an https URL, got 'file:///keys'"),
    "keys of the instance's metadata": (
        document(jwks_uri="http://169.254.169.254/keys"),
        "jwks_uri: must be an https URL, got 'http://169.254.169.254/keys'",
    ),
    "too large": (raw(b" " * (MAX_DOCUMENT_BYTES + 1)), "body: must be at most 262,144 bytes"),
}


@pytest.mark.parametrize(("response", "reason"), BAD_DISCOVERIES.values(), ids=BAD_DISCOVERIES.keys())
def test_a_discovery_document_that_is_not_used_causes_one_request(
    provider: Provider, response: Callable[[Provider, str], bytes], reason: str
) -> None:
    asked: list[str] = []
    elsewhere = provider.elsewhere(sending(GOOD_KEYS, asked))
    provider.responses[DISCOVERY_PATH] = response(provider, elsewhere)
    assert provider.refusal() == reason.replace("ELSEWHERE", elsewhere).replace("HERE", provider.url)
    assert (provider.paths, asked) == ([DISCOVERY_PATH], [])


# --- Key sets that are not used -------------------------------------------------------------------------------

BAD_KEY_SETS: dict[str, tuple[bytes, str]] = {
    "404": (http_response(b"", "404 Not Found"), "status: must be 200, got 404"),
    "503": (http_response(KEYS, "503 Busy"), "status: must be 200, got 503"),
    "204": (http_response(b"", "204 No Content"), "status: must be 200, got 204"),
    "a page": (http_response(b"<html>"), "key set: must be one JSON object in UTF-8, with each field once"),
    "no field": (http_response(b"{}"), "keys: must be a list, got None"),
    "an object of keys": (http_response(b'{"keys": {"rsa-1": {}}}'), "keys: must be a list, got object"),
    "no key": (http_response(b'{"keys": []}'), "the key set has no usable key: keys: must not be empty"),
    "only a shared key": (
        http_response(json.dumps(issuer.published("oct-1")).encode()),
        "the key set has no usable key: keys[0]: k: must be absent from a public key",
    ),
    "too large": (http_response(b" " * (MAX_DOCUMENT_BYTES + 1)), "body: must be at most 262,144 bytes"),
    "half of it": (http_response(KEYS[:99]), "key set: must be one JSON object in UTF-8, with each field once"),
}


@pytest.mark.parametrize(("response", "reason"), BAD_KEY_SETS.values(), ids=BAD_KEY_SETS.keys())
def test_a_key_set_that_is_not_used_causes_one_request_after_discovery(
    provider: Provider, response: bytes, reason: str
) -> None:
    provider.responses[JWKS_PATH] = response
    assert provider.refusal() == reason
    assert provider.paths == [DISCOVERY_PATH, JWKS_PATH]


def test_a_redirect_of_the_keys_is_not_followed(provider: Provider) -> None:
    asked: list[str] = []
    elsewhere = provider.elsewhere(sending(GOOD_KEYS, asked))
    provider.responses[JWKS_PATH] = http_response(b"", "302 Found", f"Location: {elsewhere}/keys")
    assert (provider.refusal(), asked) == ("status: must be 200, got 302", [])


# --- Servers that answer badly --------------------------------------------------------------------------------

SLOW_KEYS: Final = dripping(GOOD_KEYS, at_once=60)
BAD_SERVERS: dict[str, tuple[Respond, str]] = {
    "silent": (silent, "TimeoutError: 'timed out'"),
    "slow": (SLOW_KEYS, "TimeoutError: "),
    "closed": (sending(b""), "RemoteDisconnected: "),
    "no HTTP": (sending(b"SSH-2.0-OpenSSH_9.6\r\n"), "BadStatusLine: "),
    "endless": (endless, "body: must be at most 262,144 bytes"),
}


@pytest.mark.parametrize(("respond", "reason"), BAD_SERVERS.values(), ids=BAD_SERVERS.keys())
def test_a_server_of_either_document_that_answers_badly(provider: Provider, respond: Respond, reason: str) -> None:
    bad = provider.elsewhere(respond)
    assert provider.refusal(issuer=bad).startswith(reason)
    provider.discover(jwks_uri=f"{bad}/keys")
    assert provider.refusal().startswith(reason)
    assert provider.refusal(jwks_url=f"{bad}/keys").startswith(reason)


def test_a_server_that_is_down(provider: Provider) -> None:
    assert provider.refusal(issuer="http://127.0.0.1:1").startswith("ConnectionRefusedError: ")
    provider.discover(jwks_uri="http://127.0.0.1:1/keys")
    assert provider.refusal().startswith("ConnectionRefusedError: ")


def test_both_requests_have_one_time_limit(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second request gets the deadline of the first one, not one of its own."""
    deadlines: list[float] = []

    def fetch(url: str, deadline: float) -> bytes:
        deadlines.append(deadline)
        return provider.responses[url.removeprefix(provider.url)].partition(b"\r\n\r\n")[2]

    monkeypatch.setattr("formbridge.access.key_source.fetch_document", fetch)
    KeySource(provider.url, None).request()
    assert len(deadlines) == 2
    assert len(set(deadlines)) == 1


# --- Logs and metrics -----------------------------------------------------------------------------------------


def counts(capsys: pytest.CaptureFixture[str]) -> tuple[int, int]:
    metrics = json.loads(capsys.readouterr().out)
    return metrics["KeyFetches"], metrics["KeyFetchFailures"]


def test_fetched_keys_are_counted_and_those_that_are_not_used_are_logged(
    provider: Provider, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("INFO", logger="formbridge")
    published = issuer.published("rsa-1", *(f"oct-{number}" for number in range(9)))
    provider.responses[JWKS_PATH] = http_response(json.dumps(published).encode())
    KeySource(provider.url, None).fetch()
    line = vars(caplog.records[-1])
    assert (line["msg"], line["keys"], len(line["ignored"])) == ("keys fetched", 1, MAX_LOGGED_KEYS)
    assert line["ignored"][0] == "keys[1]: k: must be absent from a public key"
    assert counts(capsys) == (1, 0)


@pytest.mark.parametrize("path", [DISCOVERY_PATH, JWKS_PATH])
def test_a_failed_request_is_counted_and_logged_with_its_url_and_reason(
    path: str, provider: Provider, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("INFO", logger="formbridge")
    provider.responses[path] = http_response(b"", "503 Busy")
    with pytest.raises(KeyFetchFailed):
        KeySource(provider.url, None).fetch()
    line = vars(caplog.records[-1])
    assert (line["msg"], line["reason"]) == (
        "key fetch failed",
        f"{provider.url}{path}: status: must be 200, got 503",
    )
    assert counts(capsys) == (1, 1)
