"""The whole program, without pip."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.components.harness import Recording
from tests.components.packages import no_pip, write_dependencies

from .whole_program import declare


@pytest.fixture(scope="module", autouse=True)
def small_dependencies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with no_pip(write_dependencies(tmp_path_factory.mktemp("dependencies"))):
        yield


@pytest.fixture(scope="module")
def recording(small_dependencies: None) -> Recording:
    return declare()
