"""The site's page on this machine, for a stack whose users sign in at an issuer of their own.

The page is the one of AWS: static files, and a `config.json` that the program makes. As on AWS, everyone who reaches
the server can read it, and the token is what opens the gateway. There is no API: only the issuer makes tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from .errors import ConfigError
from .foreign_requests import HTTP_PORT, find_foreign_host, get_hosts
from .security_headers import SecurityHeaders
from .server import DASHBOARD

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

    from .resource import Resource
    from .stack import Stack

OBJECT_TYPE: Final = "aws:s3/bucketObjectv2:BucketObjectv2"
HEADERS_TYPE: Final = "aws:cloudfront/responseHeadersPolicy:ResponseHeadersPolicy"
CONFIG: Final = "config.json"
CONNECT: Final = "connect-src 'self'"


@dataclass(frozen=True, kw_only=True)
class SitePage:
    """Configuration and security policy of the page, as the program creates them."""

    config: str
    """The content of `config.json`."""
    connect_sources: tuple[str, ...]
    """The hosts to which the site's Content-Security-Policy lets the page connect, besides its own."""


def find_site_page(resources: Iterable[Resource]) -> SitePage:
    """Find the page of the site among the resources of the program.

    Raises:
        ConfigError: The program has no page.
    """
    resources = tuple(resources)
    config = [one.inputs["content"] for one in resources if one.type == OBJECT_TYPE and one.inputs["key"] == CONFIG]
    if not config:
        raise ConfigError(
            "config issuer: must be empty for a program without a page, since only a page can sign in at the issuer; "
            "turn on dashboardSite, or start with --config issuer= --config audience="
        )
    policies = [
        one.inputs["securityHeadersConfig"]["contentSecurityPolicy"]["contentSecurityPolicy"]
        for one in resources
        if one.type == HEADERS_TYPE
    ]
    return SitePage(config=config[0], connect_sources=tuple(_read_connect_sources(policies)))


def _read_connect_sources(policies: Iterable[str]) -> Iterable[str]:
    for policy in policies:
        for directive in policy.split("; "):
            if directive.startswith(CONNECT):
                yield from directive.removeprefix(CONNECT).split()


def site_application(stack: Stack, page: SitePage, dashboard: Path = DASHBOARD) -> Starlette:
    """Create the web application: the files in `dashboard` and the program's `config.json`."""

    def config(_request: Request) -> Response:
        return Response(page.config, media_type="application/json", headers={"Cache-Control": "no-store"})

    return Starlette(
        routes=[Route(f"/{CONFIG}", config), Mount("/", StaticFiles(directory=dashboard, html=True))],
        middleware=[
            Middleware(
                SecurityHeaders, gateway=urlsplit(stack.endpoint_url).netloc, connect_sources=page.connect_sources
            ),
            Middleware(_OwnHost, port=urlsplit(stack.dashboard_url).port or HTTP_PORT),
        ],
    )


class _OwnHost:
    """ASGI middleware that refuses requests whose `Host` is not this machine.

    Links of other sites are not refused: the issuer's page leads the browser back here.
    """

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app = app
        self._hosts = get_hosts(port)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        problem = find_foreign_host(scope["headers"], self._hosts)
        answer = JSONResponse({"error": problem}, 403) if problem else self._app
        await answer(scope, receive, send)
