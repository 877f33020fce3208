from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.support.local.programs import by_name
from tests.support.local.provisioning import outputs

if TYPE_CHECKING:
    from local.monitor import Monitor


def test_pipe_is_recorded_and_stopped(made: Monitor, call: Any) -> None:
    own = outputs(made, "pipe")
    pipe = call("pipes", "describe_pipe", Name=own["name"])
    assert (pipe["Arn"], pipe["CurrentState"]) == (own["arn"], "STOPPED")
    assert (pipe["Source"], pipe["Target"]) == (outputs(made, "table")["streamArn"], outputs(made, "function")["arn"])
    # The emulator forgets the rest; the pipe's runner reads it from the inputs.
    parameters = by_name(made, "pipe").inputs["sourceParameters"]
    assert parameters["filterCriteria"] == {"filters": [{"pattern": '{"eventName": ["INSERT"]}'}]}
    assert parameters["dynamodbStreamParameters"]["onPartialBatchItemFailure"] == "AUTOMATIC_BISECT"
