"""No component of these tests runs pip."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .packages import no_pip, write_dependencies


@pytest.fixture(scope="module", autouse=True)
def small_dependencies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with no_pip(write_dependencies(tmp_path_factory.mktemp("dependencies"))):
        yield
