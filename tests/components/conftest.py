"""What these tests package is small."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.components.packages import small_packages

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module", autouse=True)
def packages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with small_packages(tmp_path_factory.mktemp("packages")):
        yield
