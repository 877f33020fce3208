from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from local.emulator_client import client as make_client
from local.provisioners import Provisioner
from tests.support.local.programs import run_program, write_program
from tests.support.local.provisioning import BACKEND_PROGRAM, SITE_PROGRAM

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from local.emulator import Emulator
    from local.monitor import Monitor


@pytest.fixture(scope="session")
def made(emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Generator[Monitor]:
    """The run of `BACKEND_PROGRAM`, whose resources exist in the emulator."""
    root = write_program(
        tmp_path_factory.mktemp("program"), BACKEND_PROGRAM, modules={"code/names.py": "NAME = 'from the archive'\n"}
    )
    provisioner = Provisioner(emulator, root)
    yield run_program(root, provisioner)
    provisioner.close()


@pytest.fixture(scope="session")
def site(emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Generator[Monitor]:
    """The run of `SITE_PROGRAM`, whose resources exist in the emulator."""
    root = write_program(
        tmp_path_factory.mktemp("program"), SITE_PROGRAM, modules={"page/index.html": "<title>a page</title>"}
    )
    provisioner = Provisioner(emulator, root)
    yield run_program(root, provisioner)
    provisioner.close()


@pytest.fixture(scope="session")
def client(emulator: Emulator) -> Generator[Callable[[str], Any]]:
    """A function that returns the boto3 client of a service."""
    clients: dict[str, Any] = {}

    def get_client(service: str) -> Any:
        if service not in clients:
            clients[service] = make_client(service, emulator)
        return clients[service]

    yield get_client
    for each in clients.values():
        each.close()


@pytest.fixture(scope="session")
def call(client: Callable[[str], Any]) -> Callable[..., Any]:
    """A function that calls an API: `call("sqs", "list_queues", …)`."""

    def call_api(service: str, operation: str, **arguments: Any) -> Any:
        return getattr(client(service), operation)(**arguments)

    return call_api
