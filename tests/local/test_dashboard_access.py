from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from starlette.responses import PlainTextResponse

from local.dashboard_access import JWKS_PATH, DashboardAccess, get_jwks_key
from tests.support.local.asgi import Answer, ask

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY = "the-key"
COOKIE = {"Cookie": f"formbridge-8400={KEY}"}
BEARER = {"Authorization": f"Bearer {KEY}"}
PATHS = ("/", "/config.json", JWKS_PATH, "/api/token", "/missing")


def request(path: str, headers: Mapping[str, str] | None = None, method: str = "GET") -> Answer:
    """Send a request to an application that answers everything that the middleware passes on."""
    app = DashboardAccess(PlainTextResponse("the page"), key=KEY, port=8400)
    return ask(app, method, path, [*({"Host": "127.0.0.1:8400"} | dict(headers or {})).items()])


def is_open(answer: Answer) -> bool:
    """Return whether the application answered."""
    return answer.body == b"the page"


def assert_refused(answer: Answer, status: int, message: str) -> None:
    assert answer.status == status
    assert answer.json()["error"].startswith(message)
    assert not answer.body_was_read
    assert "set-cookie" not in answer.headers
    assert not [name for name in answer.headers if name.startswith("access-control-")]


# --- The key --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_nothing_is_open_without_the_key(method: str, path: str) -> None:
    assert_refused(request(path, method=method), 401, "Open the URL that `make dev` printed. It contains the key")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer other"},
        {"Authorization": "Bearer"},
        {"Authorization": f"Basic {KEY}"},
        {"Authorization": KEY},
        {"Authorization": "Bearer \xe9"},
        {"Cookie": "formbridge-8400=other"},
        {"Cookie": f"formbridge-8401={KEY}"},
        {"Cookie": "formbridge-8400="},
    ],
)
def test_a_wrong_key_opens_nothing(path: str, headers: Mapping[str, str]) -> None:
    assert_refused(request(path, headers), 401, "Open the URL")
    assert_refused(request(f"{path}?key=other", headers), 401, "Open the URL")


def test_programs_send_the_key_as_a_bearer_token() -> None:
    assert all(is_open(request(path, BEARER)) for path in PATHS)
    assert is_open(request("/api/token", {**BEARER, "Origin": "http://127.0.0.1:8400"}, "POST"))


def test_the_url_with_the_key_opens_the_page_for_a_browser() -> None:
    entrance = request(f"/?key={KEY}", {"Sec-Fetch-Site": "cross-site"})
    assert entrance.status == 200
    assert b'http-equiv="refresh" content="0; url=/"' in entrance.body
    assert entrance.headers["cache-control"] == "no-store"
    assert entrance.headers["set-cookie"] == f"{COOKIE['Cookie']}; HttpOnly; Path=/; SameSite=strict"
    assert all(is_open(request(path, {**COOKIE, "Sec-Fetch-Site": "same-origin"})) for path in PATHS)


def test_the_key_in_a_query_opens_only_the_entrance() -> None:
    for path in PATHS[1:]:
        assert_refused(request(f"{path}?key={KEY}"), 401, "Open the URL")


def test_the_key_of_the_public_keys_opens_nothing_else() -> None:
    key = get_jwks_key(KEY)
    assert is_open(request(f"{JWKS_PATH}?key={key}"))
    for path in PATHS:
        assert_refused(request(path, {"Authorization": f"Bearer {key}"}), 401, "Open the URL")
        if path != JWKS_PATH:
            assert_refused(request(f"{path}?key={key}"), 401, "Open the URL")


# --- Other sites ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8400", "127.0.0.1:8401", "127.0.0.1"])
def test_another_host_gets_nothing_even_with_the_key(host: str) -> None:
    for path in (*PATHS, f"/?key={KEY}"):
        answer = request(path, {**BEARER, "Host": host})
        assert_refused(answer, 403, "Host: must be 127.0.0.1:8400 or localhost:8400, got ")


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:8401"},
        {"Origin": "https://127.0.0.1:8400"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_page_of_another_origin_gets_nothing_even_with_the_cookie(method: str, headers: Mapping[str, str]) -> None:
    for path in PATHS:
        assert_refused(request(path, {**COOKIE, **headers}, method), 403, f"{next(iter(headers))}: must be ")


def test_localhost_is_this_machine_too() -> None:
    assert is_open(request("/", {**BEARER, "Host": "localhost:8400", "Origin": "http://localhost:8400"}, "POST"))


# --- What a person sees ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("headers", "status"), [({}, 401), ({"Sec-Fetch-Site": "same-site"}, 403)])
def test_a_browser_gets_a_page_that_says_what_to_do(headers: Mapping[str, str], status: int) -> None:
    answer = request("/", {"Accept": "text/html,*/*", **headers})
    assert answer.status == status
    assert answer.headers["content-type"].startswith("text/html")
    assert b"Open the URL that `make dev` printed." in answer.body
