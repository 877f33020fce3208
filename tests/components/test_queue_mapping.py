"""The mapping of a queue to a Lambda, as a gateway's fan-out queue has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.components.examples import TABLE_ARN
from tests.support.components.gateway import (
    QUEUE_ARN,
    REQUIRED,
    declare,
    function_name,
    gateway_args,
)

if TYPE_CHECKING:
    from tests.support.components.harness import Recording


@pytest.fixture(scope="module")
def recording() -> Recording:
    return declare(REQUIRED)


class TestQueue:
    def test_hides_work_six_times_as_long_as_a_lambda_may_run(self, recording: Recording) -> None:
        timeout = recording.inputs("gateway-fanout-function")["timeout"]

        assert recording.inputs("gateway-fanout-queue")["visibilityTimeoutSeconds"] == 6 * timeout

    def test_invokes_the_lambda_with_one_message_at_a_time(self, recording: Recording) -> None:
        assert recording.inputs("gateway-fanout-mapping") == {
            "eventSourceArn": QUEUE_ARN,
            "functionName": function_name("fanout"),
            "batchSize": 1,
            "scalingConfig": {"maximumConcurrency": 4},
        }

    @pytest.mark.parametrize("concurrency", [2, 1_000])
    def test_runs_as_many_lambdas_as_is_told(self, concurrency: int) -> None:
        mapping = declare(gateway_args({"table_arn": TABLE_ARN, "fanout_concurrency": concurrency})).inputs(
            "gateway-fanout-mapping"
        )

        assert mapping["scalingConfig"] == {"maximumConcurrency": concurrency}
