"""Everything that this project declares, as the policy pack sees it; what it packages is small."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.components.examples import EXAMPLES, example
from tests.support.components.harness import Recording, run
from tests.support.components.packages import small_packages
from tests.support.program.whole_program import declare

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module", autouse=True)
def packages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with small_packages(tmp_path_factory.mktemp("packages")):
        yield


@pytest.fixture(scope="module")
def recordings(packages: None) -> dict[str, Recording]:
    """The program, as it is developed with and as it is served, and each component alone."""
    components = {name: run(lambda name=name: example(name, {})) for name in EXAMPLES}
    return {
        "the program": declare(),
        "the program, in production": declare(protectData="true", alarmEmail="ada@example.com", logRetentionDays="90"),
        "the program, hardened": declare(hardened="true"),
        "the program, with an issuer": declare(
            issuer="https://login.example.com", audience="dashboards", dashboardSite="false", apiGatewayLogRole="false"
        ),
        **components,
    }
