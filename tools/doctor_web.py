"""The requests that `python -m tools doctor` makes in place of a browser."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import urlencode, urlsplit

import urllib3

if TYPE_CHECKING:
    from collections.abc import Mapping

TIMEOUT_SECONDS: Final = 10.0
"""Time limit of one request."""
ERROR_CODE: Final = re.compile(r"[a-z_]{1,40}")
"""The form of an OAuth error code. Whatever else an issuer sends is not printed.
https://www.rfc-editor.org/rfc/rfc6749#section-5.2"""
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost"})
"""Hosts that a page may ask without TLS, for development."""


class RequestFailed(Exception):
    """A server did not answer. The message is the reason."""


@dataclass(frozen=True)
class Answer:
    """The response to a request of a page."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def allows(self, origin: str) -> bool:
        """Return whether a browser lets a page of this origin read the response."""
        return self.headers.get("access-control-allow-origin", "") in ("*", origin)

    @cached_property
    def error(self) -> str:
        """The OAuth error code of the response; empty if it has none."""
        try:
            answer: object = json.loads(self.body)
        except ValueError:
            return ""
        code = cast("dict[str, object]", answer).get("error") if isinstance(answer, dict) else None
        return code if isinstance(code, str) and ERROR_CODE.fullmatch(code) else ""


def send(method: str, url: str, *, origin: str | None = None, form: Mapping[str, str] | None = None) -> Answer:
    """Send a request as a page of an origin sends it, without cookies. Redirects are not followed.

    Args:
        method: HTTP method.
        url: An http or https URL.
        origin: Value of the header `Origin`. None: the request has none.
        form: Fields of a form. None: the request has no body.

    Raises:
        RequestFailed: The server did not answer.
    """
    headers = {"Accept": "application/json"} | ({"Origin": origin} if origin else {})
    if form is not None:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    body = urlencode(form) if form is not None else None
    with urllib3.PoolManager(retries=False, timeout=TIMEOUT_SECONDS) as pool:
        try:
            response = pool.request(method, url, body=body, headers=headers, redirect=False)
        except urllib3.exceptions.HTTPError as error:
            raise RequestFailed(type(error).__name__) from error
        return Answer(response.status, {name.lower(): value for name, value in response.headers.items()}, response.data)


def is_secure(url: object) -> bool:
    """Return whether a value is an https URL, or an http URL of this machine."""
    if not isinstance(url, str):
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK))


def read_origin(url: str) -> str:
    """Return the origin of a URL."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def may_connect(policy: str, url: str, page: str) -> bool:
    """Return whether the Content-Security-Policy of a page allows requests to a URL.

    Args:
        policy: Value of the header `Content-Security-Policy`.
        url: URL of the request.
        page: URL of the page.
    """
    directives = [directive.split() for directive in policy.split(";") if directive.strip()]
    named = {words[0].lower(): words[1:] for words in reversed(directives)}  # the first of a name counts
    sources = named.get("connect-src", named.get("default-src"))
    return sources is None or any(_matches(source, url, page) for source in sources)


def _matches(source: str, url: str, page: str) -> bool:
    if source == "'self'":
        return read_origin(url) == read_origin(page)
    if source == "*" or source == f"{urlsplit(url).scheme}:":
        return True
    allowed, asked = urlsplit(source), urlsplit(url)
    if (allowed.scheme, allowed.port) != (asked.scheme, asked.port):
        return False
    host, wanted = allowed.hostname or "", asked.hostname or ""
    return wanted.endswith(host[1:]) if host.startswith("*.") else wanted == host
