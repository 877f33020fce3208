from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any, Final

import pytest

from bench.certificates import write_certificate
from formbridge.access import issuer_request
from formbridge.access.issuer_request import MAX_DOCUMENT_BYTES, TIME_LIMIT_SECONDS, fetch_document, start_time_limit
from formbridge.access.key_set import KeyFetchFailed
from tests.support.handlers.raw_server import answering, dripping, endless, http_response, sending, silent

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.handlers.raw_server import Respond
    from tests.support.handlers.server import Answer, LocalServer

BODY: Final = b'{"keys": []}'
PATIENCE: Final = 0.3
"""The time limit of the requests to slow servers. A slow response would take seconds."""


def fetch(url: str, seconds: float = TIME_LIMIT_SECONDS) -> bytes:
    """Fetch a document with a time limit that begins now."""
    return fetch_document(url, start_time_limit(seconds))


def test_the_body_of_the_response_is_returned(serve: Callable[[Answer], LocalServer]) -> None:
    server = serve(lambda _method, path: (200, f"body of {path}"))
    assert fetch(f"{server.url}/pool/keys.json?version=1") == b"body of /pool/keys.json?version=1"
    assert fetch(server.url) == b"body of /"
    assert [method for method, _, _ in server.requests] == ["GET", "GET"]


def test_the_request_is_plain_http() -> None:
    requests: list[str] = []
    with answering(sending(http_response(BODY), requests)) as url:
        assert fetch(f"{url}/keys") == BODY
    lines = requests[0].split("\r\n")
    assert lines[0] == "GET /keys HTTP/1.1"
    assert {f"Host: {url.removeprefix('http://')}", "Accept-Encoding: identity", "Accept: application/json"} <= {*lines}


@pytest.mark.parametrize(
    "response",
    [
        b"HTTP/1.0 200 OK\r\n\r\n" + BODY,
        http_response(BODY, "200 OK", "Connection: close"),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n"
        + BODY[:5]
        + b"\r\n7\r\n"
        + BODY[5:]
        + b"\r\n0\r\n\r\n",
    ],
    ids=["HTTP/1.0", "close", "chunked"],
)
def test_a_body_may_end_in_several_ways(response: bytes) -> None:
    with answering(sending(response)) as url:
        assert fetch(url) == BODY


def test_a_server_that_is_down() -> None:
    with pytest.raises(KeyFetchFailed, match=r"^ConnectionRefusedError: "):
        fetch("http://127.0.0.1:1/keys")


def test_a_host_without_an_address() -> None:
    with pytest.raises(KeyFetchFailed, match=r"^gaierror: "):
        fetch("http://issuer.invalid/keys")


@pytest.mark.parametrize("host", ["a" * 64, "a..b", "\u00ad"])
def test_a_host_that_cannot_have_an_address(host: str) -> None:
    with pytest.raises(KeyFetchFailed, match=r"^(UnicodeError|UnicodeEncodeError|gaierror): "):
        fetch(f"http://{host}.invalid/keys")


@pytest.mark.parametrize(
    ("respond", "reason"),
    [
        (silent, "TimeoutError"),
        (dripping(http_response(BODY * 100), at_once=0), "TimeoutError"),
        (dripping(http_response(BODY * 100), at_once=60), "TimeoutError"),
        (sending(b""), "RemoteDisconnected"),
        (sending(b"SSH-2.0-OpenSSH_9.6\r\n"), "BadStatusLine"),
        (sending(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n"), "HTTPException"),
        (sending(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000), "LineTooLong"),
        (sending(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), "IncompleteRead"),
    ],
    ids=["silent", "slow header", "slow body", "closed", "no HTTP", "many headers", "a long header", "bad chunks"],
)
def test_a_server_that_answers_badly(respond: Respond, reason: str) -> None:
    with answering(respond) as url, pytest.raises(KeyFetchFailed, match=f"^{reason}: "):
        fetch(f"{url}/keys", PATIENCE)


def test_a_response_that_comes_in_pieces_in_time_is_read() -> None:
    with answering(dripping(http_response(BODY), at_once=45)) as url:
        assert fetch(url, 30) == BODY


@pytest.mark.parametrize(
    "status", ["204 No Content", "301 Moved", "302 Found", "404 Not Found", "500 Server Error", "503 Busy"]
)
def test_another_status_is_a_failure_and_a_redirect_is_not_followed(status: str) -> None:
    requests: list[str] = []
    with answering(sending(http_response(BODY), requests)) as elsewhere:
        response = http_response(BODY, status, f"Location: {elsewhere}/keys")
        with answering(sending(response)) as url, pytest.raises(KeyFetchFailed) as failed:
            fetch(url)
    assert str(failed.value) == f"status: must be 200, got {status[:3]}"
    assert requests == []


def test_a_body_has_a_largest_size() -> None:
    with answering(sending(http_response(b"x" * MAX_DOCUMENT_BYTES))) as url:
        assert len(fetch(url)) == MAX_DOCUMENT_BYTES
    for respond in (sending(http_response(b"x" * (MAX_DOCUMENT_BYTES + 1))), endless):
        with answering(respond) as url, pytest.raises(KeyFetchFailed, match=r"^body: must be at most 262,144 bytes$"):
            fetch(url)


def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with answering(sending(http_response(BODY))) as url:
        assert fetch(url) == BODY


# --- TLS ------------------------------------------------------------------------------------------------------


def test_a_certificate_that_nobody_trusts_is_a_failure(tmp_path: Path) -> None:
    certificate = write_certificate(tmp_path / "server.pem")
    requests: list[str] = []
    server = answering(sending(http_response(BODY), requests), certificate)
    with server as url, pytest.raises(KeyFetchFailed, match=r"^SSLCertVerificationError: "):
        fetch(url)
    assert requests == []


def test_a_certificate_of_another_host_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = write_certificate(tmp_path / "server.pem", "issuer.example")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    server = answering(sending(http_response(BODY)), certificate)
    with server as url, pytest.raises(KeyFetchFailed, match=r"^SSLCertVerificationError: "):
        fetch(url)


@pytest.mark.parametrize("respond", [silent, dripping(http_response(BODY * 100), at_once=60)], ids=["silent", "slow"])
def test_a_trusted_server_has_the_same_time_limit(
    respond: Respond, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = write_certificate(tmp_path / "server.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with answering(sending(http_response(BODY)), certificate) as url:
        assert fetch(f"{url}/keys") == BODY
    with answering(respond, certificate) as url, pytest.raises(KeyFetchFailed, match=r"^TimeoutError: "):
        fetch(f"{url}/keys", PATIENCE)


def test_a_handshake_has_the_same_time_limit() -> None:
    with answering(silent) as url, pytest.raises(KeyFetchFailed, match=r"^TimeoutError: "):
        fetch(url.replace("http:", "https:"), PATIENCE)


# --- Addresses ------------------------------------------------------------------------------------------------


def test_the_first_address_that_answers_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve = socket.getaddrinfo

    def resolve_twice(host: str, *arguments: Any, **options: Any) -> list[Any]:
        others = resolve("127.0.0.2", *arguments, **options) if host == "localhost" else []
        return [*others, *resolve(host, *arguments, **options)]

    monkeypatch.setattr(issuer_request.socket, "getaddrinfo", resolve_twice)
    with answering(sending(http_response(BODY))) as url:
        assert fetch(url.replace("127.0.0.1", "localhost")) == BODY


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_default_port_is_used_and_not_named(scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = write_certificate(tmp_path / "server.pem") if scheme == "https" else None
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    requests: list[str] = []
    asked: list[int] = []
    connect = socket.create_connection
    with answering(sending(http_response(BODY), requests), certificate) as url:
        server = ("127.0.0.1", int(url.rpartition(":")[2]))

        def redirect(address: tuple[str, int], seconds: float) -> socket.socket:
            asked.append(address[1])
            return connect(server, seconds)

        monkeypatch.setattr(issuer_request.socket, "create_connection", redirect)
        assert fetch(f"{scheme}://127.0.0.1/keys") == BODY
    assert asked == [{"http": 80, "https": 443}[scheme]]
    assert "\r\nHost: 127.0.0.1\r\n" in requests[0]


def test_no_address_is_tried_after_the_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []
    moments = iter([0.0, 0.0, 2.0, 3.0, 4.0])

    def connect(address: tuple[str, int], seconds: float) -> socket.socket:
        tried.append(f"{address[0]} for {seconds}")
        raise TimeoutError("timed out")

    def resolve(host: str, port: int, *, type: int) -> list[Any]:  # noqa: A002 - the name in `socket`
        return addresses

    addresses = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"192.0.2.{number}", 80)) for number in range(4)]
    monkeypatch.setattr(issuer_request.socket, "getaddrinfo", resolve)
    monkeypatch.setattr(issuer_request.socket, "create_connection", connect)
    monkeypatch.setattr(issuer_request.clock, "monotonic_seconds", lambda: next(moments))
    with pytest.raises(KeyFetchFailed, match="the time limit has passed"):
        fetch("http://issuer.example/keys", 3.0)
    assert tried == ["192.0.2.0 for 3.0", "192.0.2.1 for 1.0"]
