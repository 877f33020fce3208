from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from local.errors import ProgramError
from local.provisioners import Provisioner
from tests.support.local.programs import by_name, run_program, write_program
from tests.support.local.provisioning import outputs

if TYPE_CHECKING:
    from pathlib import Path

    from local.emulator import Emulator
    from local.monitor import Monitor


def test_function(made: Monitor, call: Any) -> None:
    own = outputs(made, "function")
    function = call("lambda", "get_function", FunctionName=own["name"])
    configuration = function["Configuration"]
    assert (own["arn"], own["version"]) == (configuration["FunctionArn"], "$LATEST")
    assert own["invokeArn"].endswith(f":lambda:path/2015-03-31/functions/{own['arn']}/invocations")
    assert own["codeSha256"] == configuration["CodeSha256"]
    assert configuration["Environment"]["Variables"] == {"GREETING": "hello", "lower_case": "kept"}
    assert (configuration["Timeout"], configuration["MemorySize"]) == (5, 256)
    assert (configuration["Runtime"], configuration["Architectures"]) == ("python3.13", ["arm64"])
    assert configuration["LoggingConfig"]["LogGroup"] == outputs(made, "logs")["name"]
    assert function["Concurrency"] == {"ReservedConcurrentExecutions": 5}
    assert function["Tags"] == {"team": "forms"}
    answer = call("lambda", "invoke", FunctionName=own["name"], Payload=b'{"a": 1}')
    assert json.load(answer["Payload"]) == ["hello", "from the archive", {"a": 1}]


def test_event_invoke_config(made: Monitor, call: Any) -> None:
    function = outputs(made, "function")["name"]
    config = call("lambda", "get_function_event_invoke_config", FunctionName=function)
    assert (config["MaximumRetryAttempts"], config["MaximumEventAgeInSeconds"]) == (0, 600)
    assert config["DestinationConfig"]["OnFailure"] == {"Destination": outputs(made, "queue")["arn"]}
    assert by_name(made, "event-invoke").id == function


def test_event_source_mapping(made: Monitor, call: Any) -> None:
    own, queue = outputs(made, "mapping"), outputs(made, "work")
    mapping = call("lambda", "get_event_source_mapping", UUID=by_name(made, "mapping").id)
    assert (own["uuid"], own["arn"]) == (mapping["UUID"], mapping["EventSourceMappingArn"])
    assert own["functionArn"] == mapping["FunctionArn"] == outputs(made, "function")["arn"]
    assert (mapping["EventSourceArn"], mapping["BatchSize"], mapping["State"]) == (queue["arn"], 1, "Enabled")
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": 2}
    assert mapping["FilterCriteria"] == {"Filters": [{"Pattern": '{"body": {"a": [1]}}'}]}
    assert call("lambda", "list_tags", Resource=own["arn"])["Tags"] == {"team": "forms"}


def test_a_message_of_the_queue_invokes_the_function(made: Monitor, call: Any) -> None:
    def last_result() -> str:
        return call("lambda", "get_event_source_mapping", UUID=outputs(made, "mapping")["uuid"])["LastProcessingResult"]

    call("sqs", "send_message", QueueUrl=outputs(made, "work")["url"], MessageBody='{"a": 1}')

    deadline = time.monotonic() + 30
    while last_result() != "OK - 1 records":
        assert time.monotonic() < deadline, last_result()
        time.sleep(0.05)


def test_permission(made: Monitor, call: Any) -> None:
    policy = call("lambda", "get_policy", FunctionName=outputs(made, "function")["name"])["Policy"]
    (statement,) = json.loads(policy)["Statement"]
    assert statement["Sid"] == by_name(made, "permission").id == outputs(made, "permission")["statementId"]
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert statement["Condition"] == {"ArnLike": {"AWS:SourceArn": outputs(made, "rule")["arn"]}}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "aws.lambda_.Function('f', role='r', runtime='python3.13', handler='a.b', code=pulumi.FileArchive('none'))",
            '^aws:lambda/function:Function "f": archive none: no such directory',
        ),
        (
            "aws.lambda_.Function('f', role='r', runtime='python3.13', handler='a.b')",
            '^aws:lambda/function:Function "f": code: is required; the local run',
        ),
    ],
)
def test_code_that_cannot_be_read_is_named(emulator: Emulator, tmp_path: Path, source: str, message: str) -> None:
    provisioner = Provisioner(emulator, tmp_path)
    with pytest.raises(ProgramError, match=message):
        run_program(write_program(tmp_path, source), provisioner)
    provisioner.close()
