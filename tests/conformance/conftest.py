"""One stack for the whole folder, with each Lambda held to its role, and what the tests see of it."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING

import pytest

from formbridge.runtime.clock import now_ms
from formbridge.runtime.timestamps import to_iso
from local.background import running_stack
from tests.support.conformance.backstage import Backstage, made
from tests.support.conformance.crowd import Crowd
from tests.support.conformance.flood import Flood
from tests.support.conformance.tokens import Issuer
from tests.support.conformance.wire import Gateway

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from local.stack import Stack


@pytest.fixture(scope="package")
def state_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("conformance")


@pytest.fixture(scope="package")
def stack(state_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(state_dir, tmp_path_factory.mktemp("up") / "up.log", enforce_iam=True) as stack:
        yield stack


@pytest.fixture(scope="package")
def gateway(stack: Stack) -> Gateway:
    return Gateway(stack.output("websocket_url"))


@pytest.fixture(scope="package")
def issuer(stack: Stack, state_dir: Path) -> Issuer:
    return Issuer(stack, state_dir)


@pytest.fixture(scope="package")
def backstage(stack: Stack) -> Backstage:
    backstage = Backstage(stack)
    backstage.stop_the_clock()
    return backstage


@pytest.fixture
def tenant(request: pytest.FixtureRequest) -> str:
    """A tenant that no other test has."""
    test = re.sub(r"\W", "", request.node.name)[:30]
    return f"t_{test}-{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="package")
def crowd(backstage: Backstage) -> Crowd:
    """A tenant with more submissions than one reply looks at."""
    hour_ago = now_ms() - 3_600_000
    tenant_id = f"t_crowd-{uuid.uuid4().hex[:8]}"
    held = [
        made(
            tenant_id,
            f"crowd-{number}",
            status="rare" if number < Crowd.RARE else "common",
            updated_at=to_iso(hour_ago + number),
        )
        for number in range(Crowd.SIZE)
    ]
    backstage.store(*held)
    return Crowd(tenant_id, held)


@pytest.fixture(scope="package")
def flood(gateway: Gateway, issuer: Issuer, backstage: Backstage) -> Flood:
    """A client that sends one message after another, where one a second is allowed for long."""
    with (
        backstage.setting("gateway-message", MESSAGES_PER_SECOND="1"),
        gateway.connect(issuer.token(f"t_flood-{uuid.uuid4().hex[:8]}")) as wire,
    ):
        while not (wire.frames and wire.frames[-1]["type"] == "disconnect") and len(wire.frames) < 300:
            wire.send({"action": "ping", "id": "more"})
            wire.next()
        assert wire.until_closed() == []
    return Flood(wire.frames[:-1], wire.frames[-1])
