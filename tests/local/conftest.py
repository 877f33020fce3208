from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local.emulator import Emulator

if TYPE_CHECKING:
    from collections.abc import Generator

REGION = "us-east-1"


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Generator[Emulator]:
    """One emulator for all tests; each makes resources of its own names in it."""
    with Emulator(tmp_path_factory.mktemp("emulator"), REGION) as running:
        yield running
