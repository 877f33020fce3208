from __future__ import annotations

import pytest

from local.foreign_requests import find_foreign_host, find_foreign_page, get_hosts

HOSTS = ("127.0.0.1:8400", "localhost:8400")
ORIGIN = "http://127.0.0.1:8400"


def test_hosts_have_the_port_unless_it_is_the_protocols() -> None:
    assert get_hosts(8400) == HOSTS
    assert get_hosts(80) == ("127.0.0.1", "localhost")


@pytest.mark.parametrize("host", HOSTS)
def test_the_hosts_of_this_machine_pass(host: str) -> None:
    assert find_foreign_host([(b"accept", b"*/*"), (b"host", host.encode())], HOSTS) is None


@pytest.mark.parametrize(
    "values",
    [
        [],
        [b""],
        [b"evil.example"],
        [b"evil.example:8400"],
        [b"127.0.0.1"],
        [b"127.0.0.1:8401"],
        [b"127.0.0.1:8400.evil.example"],
        [b"127.0.0.1.evil.example:8400"],
        [b"[::1]:8400"],
        [b"127.0.0.1:8400", b"evil.example"],
        [b"127.0.0.1:8400", b"127.0.0.1:8400"],
        [b"\xff"],
    ],
)
def test_every_other_host_is_foreign(values: list[bytes]) -> None:
    problem = find_foreign_host([(b"host", value) for value in values], HOSTS)
    assert problem is not None
    assert problem.startswith("Host: must be 127.0.0.1:8400 or localhost:8400, got ")


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"origin", ORIGIN.encode())],
        [(b"sec-fetch-site", b"none")],
        [(b"origin", ORIGIN.encode()), (b"sec-fetch-site", b"same-origin")],
    ],
)
def test_programs_and_own_pages_pass(headers: list[tuple[bytes, bytes]]) -> None:
    assert find_foreign_page(headers, [ORIGIN]) is None


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ([(b"origin", b"https://evil.example")], "Origin"),
        ([(b"origin", b"null")], "Origin"),
        ([(b"origin", b"")], "Origin"),
        ([(b"origin", b"http://127.0.0.1:8401")], "Origin"),
        ([(b"origin", ORIGIN.encode()), (b"origin", b"https://evil.example")], "Origin"),
        ([(b"sec-fetch-site", b"cross-site")], "Sec-Fetch-Site"),
        ([(b"sec-fetch-site", b"same-site")], "Sec-Fetch-Site"),
        ([(b"origin", ORIGIN.encode()), (b"sec-fetch-site", b"cross-site")], "Sec-Fetch-Site"),
    ],
)
def test_other_pages_are_foreign(headers: list[tuple[bytes, bytes]], name: str) -> None:
    problem = find_foreign_page(iter(headers), [ORIGIN])
    assert problem is not None
    assert problem.startswith(f"{name}: must be ")


def test_where_there_is_no_page_every_origin_is_foreign() -> None:
    problem = find_foreign_page([(b"origin", ORIGIN.encode())], [])
    assert problem == f"Origin: must be absent, got '{ORIGIN}'"
