from __future__ import annotations

from starlette.responses import PlainTextResponse

from components.dashboard_site import PERMISSIONS_POLICY, build_content_security_policy
from local.security_headers import SecurityHeaders
from tests.support.local.asgi import ask


def test_a_page_has_the_headers_of_the_site_on_aws() -> None:
    app = SecurityHeaders(PlainTextResponse("the page"), "127.0.0.1:1", ["https://login.example.com"])
    headers = ask(app, "GET", "/", []).headers
    assert headers["content-security-policy"] == build_content_security_policy(
        ["ws://127.0.0.1:1", "http://127.0.0.1:1", "https://login.example.com"]
    )
    assert headers["permissions-policy"] == PERMISSIONS_POLICY
    assert headers["cache-control"] == "no-cache"


def test_a_response_keeps_its_own_header() -> None:
    response = PlainTextResponse("the page", headers={"Cache-Control": "no-store"})
    assert ask(SecurityHeaders(response, "127.0.0.1:1"), "GET", "/", []).headers["cache-control"] == "no-store"
