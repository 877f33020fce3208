from __future__ import annotations

import pytest

from tests.support.tools.sign_in import sign_in_world
from tools.doctor_web import Answer, RequestFailed, is_secure, may_connect, read_origin, send

PAGE = "https://page.example"


@pytest.mark.parametrize(
    ("url", "secure"),
    [
        ("https://issuer.example/token", True),
        ("http://127.0.0.1:9000/token", True),
        ("http://localhost/token", True),
        ("http://issuer.example/token", False),
        ("ftp://issuer.example/token", False),
        ("https:///token", False),
        ("https://[::1", False),
        ("", False),
        (None, False),
        (5, False),
    ],
)
def test_a_url_is_secure_by_its_scheme_or_on_this_machine(url: object, secure: bool) -> None:
    assert is_secure(url) is secure


def test_an_origin_has_no_path() -> None:
    assert read_origin("https://issuer.example:8443/token?x=1") == "https://issuer.example:8443"


@pytest.mark.parametrize(
    ("policy", "allowed"),
    [
        ("", True),
        ("script-src 'self'", True),
        ("connect-src 'self' https://issuer.example", True),
        ("connect-src *", True),
        ("connect-src https:", True),
        ("connect-src https://*.example", True),
        ("default-src 'none'; CONNECT-SRC https://issuer.example", True),
        ("default-src https://issuer.example", True),
        ("default-src 'none'", False),
        ("connect-src 'none'", False),
        ("connect-src 'self'", False),
        ("connect-src wss:", False),
        ("connect-src http://issuer.example", False),
        ("connect-src https://issuer.example:8443", False),
        ("connect-src https://*.issuer.example", False),
        ("connect-src https://other.example; connect-src https://issuer.example", False),
    ],
)
def test_a_policy_allows_requests_to_a_host(policy: str, allowed: bool) -> None:
    assert may_connect(policy, "https://issuer.example/token", PAGE) is allowed


def test_a_page_may_connect_to_itself() -> None:
    assert may_connect("connect-src 'self'", f"{PAGE}/config.json", f"{PAGE}/")


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'{"error": "invalid_grant"}', "invalid_grant"),
        (b'{"error": "<script>"}', ""),
        (b'{"error": 5}', ""),
        (b"[]", ""),
        (b"<html>", ""),
    ],
)
def test_only_an_error_code_is_taken_from_an_answer(body: bytes, error: str) -> None:
    assert Answer(400, {}, body).error == error


@pytest.mark.parametrize(
    ("header", "allowed"), [("*", True), (PAGE, True), ("https://other.example", False), ("", False)]
)
def test_an_answer_allows_an_origin(header: str, allowed: bool) -> None:
    assert Answer(200, {"access-control-allow-origin": header}, b"").allows(PAGE) is allowed


def test_a_form_is_sent_as_a_page_sends_it() -> None:
    with sign_in_world() as world:
        answer = send("POST", f"{world.issuer}/token", origin=world.page, form={"code": "a b"})

    assert (answer.status, answer.error, answer.allows(world.page)) == (400, "invalid_grant", True)
    assert world.forms == [{"code": "a b"}]


def test_a_server_that_does_not_answer() -> None:
    with sign_in_world() as world:
        pass
    with pytest.raises(RequestFailed, match="NewConnectionError"):
        send("GET", world.page)
