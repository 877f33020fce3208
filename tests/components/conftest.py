"""What these tests package is small."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.components.packages import small_packages


@pytest.fixture(scope="module", autouse=True)
def packages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with small_packages(tmp_path_factory.mktemp("packages")):
        yield
