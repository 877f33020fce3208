from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from components.dashboard_site import PERMISSIONS_POLICY, build_content_security_policy
from local.errors import ConfigError
from local.resource import Resource
from local.site_page import HEADERS_TYPE, OBJECT_TYPE, SitePage, find_site_page, site_application
from tests.support.local.asgi import Answer, ask
from tests.support.local.stacks import make_stack

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ISSUER = "https://login.example.com"
PAGE = SitePage(config=json.dumps({"issuer": ISSUER}), connect_sources=(ISSUER,))
HOST = "127.0.0.1:2"


def make_resource(type_: str, **inputs: Any) -> Resource:
    return Resource(urn="", type=type_, name="", parent="", custom=True, inputs=inputs)


@pytest.fixture
def dashboard(tmp_path: Path) -> Path:
    (tmp_path / "index.html").write_text("<title>the page</title>")
    return tmp_path


def request(dashboard: Path, path: str, headers: Mapping[str, str] | None = None, method: str = "GET") -> Answer:
    app = site_application(make_stack(), PAGE, dashboard)
    return ask(app, method, path, [*({"Host": HOST} | dict(headers or {})).items()])


def test_the_page_is_what_the_program_makes() -> None:
    policy = build_content_security_policy(["wss://*.execute-api.us-east-1.amazonaws.com", ISSUER])
    found = find_site_page(
        [
            make_resource("aws:sqs/queue:Queue"),
            make_resource(OBJECT_TYPE, key="index.html", source="…"),
            make_resource(OBJECT_TYPE, key="config.json", content='{"issuer": "…"}'),
            make_resource(
                HEADERS_TYPE,
                securityHeadersConfig={"contentSecurityPolicy": {"contentSecurityPolicy": policy, "override": True}},
            ),
        ]
    )

    assert found.config == '{"issuer": "…"}'
    assert found.connect_sources == ("wss://*.execute-api.us-east-1.amazonaws.com", ISSUER)


def test_a_program_without_a_page_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"config issuer: must be empty for a program without a page.*dashboardSite"):
        find_site_page([make_resource("aws:sqs/queue:Queue")])


def test_the_page_and_its_configuration_need_no_key(dashboard: Path) -> None:
    page = request(dashboard, "/")
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    answer = request(dashboard, "/config.json")
    assert answer.json() == {"issuer": ISSUER}
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"


def test_the_page_opens_when_the_issuer_leads_back(dashboard: Path) -> None:
    answer = request(dashboard, "/?code=c&state=s", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"})
    assert answer.status == 200


def test_the_page_may_reach_its_gateway_and_its_issuer_alone(dashboard: Path) -> None:
    headers = request(dashboard, "/").headers
    assert headers["content-security-policy"] == build_content_security_policy(
        ["ws://127.0.0.1:1", "http://127.0.0.1:1", ISSUER]
    )
    assert headers["permissions-policy"] == PERMISSIONS_POLICY


@pytest.mark.parametrize("path", ["/.well-known/jwks.json", "/api/token", "/api/submissions"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_there_is_no_api(dashboard: Path, path: str, method: str) -> None:
    assert request(dashboard, path, method=method).status in (404, 405)


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1:3", "127.0.0.1"])
def test_another_host_gets_nothing(dashboard: Path, host: str) -> None:
    answer = request(dashboard, "/", {"Host": host})
    assert answer.status == 403
    assert answer.json()["error"].startswith("Host: must be 127.0.0.1:2 or localhost:2")
    assert request(dashboard, "/", {"Host": "localhost:2"}).status == 200
