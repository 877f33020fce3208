from __future__ import annotations

import http.client
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from bench import posting
from bench.certificates import write_certificate
from bench.connections_server import ACCESS_KEY, REGION, running_server
from bench.posting import BOTO3_LOOP, FIRST, WARM, Spent
from formbridge.posting.signing import Credentials, Signer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_certificate(tmp_path_factory.mktemp("tls") / "server.pem")


@pytest.fixture
def endpoint(pem: Path) -> Iterator[str]:
    with running_server(pem, 0, 1) as endpoint:
        yield endpoint


def test_the_server_takes_what_every_client_makes(endpoint: str, pem: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "MIN_POSTS", 20)
    monkeypatch.setattr(posting, "BOTO3_POSTS", 3)
    monkeypatch.setattr(posting, "WRK_SECONDS", 1)
    with posting.lambda_environment():
        spent = {name: client() for name, client in posting.build_clients(endpoint, pem, 10).items()}

    assert {BOTO3_LOOP, FIRST, WARM} <= spent.keys()
    assert (spent[BOTO3_LOOP].posts, spent[FIRST].posts, spent[WARM].posts) == (10, 10, 20)


def test_the_first_request_must_be_signed_as_botocore_signs_it(endpoint: str, pem: Path) -> None:
    signer = Signer(endpoint, REGION, lambda: Credentials(ACCESS_KEY, "another secret", None))
    url, headers = signer.sign("POST", "one", b"frame")
    parts = urlsplit(url)
    connection = http.client.HTTPSConnection(
        parts.hostname or "", parts.port, context=ssl.create_default_context(cafile=str(pem))
    )
    connection.request("POST", parts.path, b"frame", dict(line.split(": ", 1) for line in headers))

    assert connection.getresponse().status == 403
    connection.close()


@pytest.mark.parametrize(("cpu", "wall", "verdict"), [(18, 100, "met"), (17, 100, "not met")])
def test_the_verdict_is_on_a_thousand_connections_that_take_their_time(cpu: int, wall: int, verdict: str) -> None:
    clients = {BOTO3_LOOP: Spent(cpu, wall, 1), FIRST: Spent(2, 2, 1), WARM: Spent(1, 1, 1)}
    spent = {(delay, number): clients for delay in posting.ANSWER_MS for number in posting.CONNECTIONS}

    section = posting.build_section(spent, rounds=1)

    assert f"takes {cpu} times less" in " ".join(section.notes.split())
    assert f"**{verdict}**" in section.notes
    assert len(section.rows) == len(spent) * len(clients)
