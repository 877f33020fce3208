from __future__ import annotations

from collections.abc import Generator

import pytest

from local.emulator import Emulator

REGION = "us-east-1"


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Generator[Emulator]:
    """One emulator for all tests; each makes resources of its own names in it."""
    with Emulator(tmp_path_factory.mktemp("emulator"), REGION) as running:
        yield running
