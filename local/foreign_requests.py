"""Checks that a request was not made by a web page of another origin.

A browser sends requests of any page to any port of this machine. The servers of the local run therefore check the
headers that a page cannot choose: `Host`, `Origin` and `Sec-Fetch-Site`. Header names are in lower case, as in ASGI.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    Headers = Iterable[tuple[bytes, bytes]]

HTTP_PORT: Final = 80
OWN_SITES: Final = ("none", "same-origin")
"""Values of `Sec-Fetch-Site` for requests of the user and of pages of the same origin.

https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header
"""


def get_hosts(port: int) -> tuple[str, ...]:
    """Return the values of the `Host` header that name this machine and `port`.

    Every other name is refused. Without this rule, another site could let its own name resolve to 127.0.0.1 (DNS
    rebinding), and its pages would be of the server's origin.
    """
    suffix = "" if port == HTTP_PORT else f":{port}"
    return (f"127.0.0.1{suffix}", f"localhost{suffix}")


def find_foreign_host(headers: Headers, hosts: Collection[str]) -> str | None:
    """Return an error message if the `Host` header is missing or is not in `hosts`, otherwise None."""
    found = _get_values(headers, b"host")
    if len(found) == 1 and found[0] in hosts:
        return None
    return f"Host: must be {' or '.join(hosts)}, got {', '.join(found)[:100]!r}"


def find_foreign_page(headers: Headers, origins: Collection[str]) -> str | None:
    """Return an error message if a page of an origin that is not in `origins` made the request, otherwise None."""
    headers = tuple(headers)
    for origin in _get_values(headers, b"origin"):
        if origin not in origins:
            return f"Origin: must be {' or '.join(origins) or 'absent'}, got {origin[:100]!r}"
    for site in _get_values(headers, b"sec-fetch-site"):
        if site not in OWN_SITES:
            return f"Sec-Fetch-Site: must be {' or '.join(OWN_SITES)}, got {site[:100]!r}"
    return None


def _get_values(headers: Headers, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in headers if key == name]
