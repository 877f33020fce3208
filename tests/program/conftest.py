"""The whole program; what it packages is small."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.components.packages import small_packages
from tests.support.program.whole_program import declare

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.components.harness import Recording


@pytest.fixture(scope="module", autouse=True)
def packages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with small_packages(tmp_path_factory.mktemp("packages")):
        yield


@pytest.fixture(scope="module")
def recording(packages: None) -> Recording:
    return declare()
