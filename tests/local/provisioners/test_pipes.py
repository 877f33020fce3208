from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from local.emulator_client import client
from local.errors import ProgramError
from local.provisioners import Provisioner
from tests.support.local.programs import by_name, run_program, write_program
from tests.support.local.provisioning import outputs

if TYPE_CHECKING:
    from pathlib import Path

    from local.emulator import Emulator
    from local.monitor import Monitor
    from local.resource import CreatedResource, Resource

COMPONENT = """
from components import RealtimePipe, StreamTable

pipe = RealtimePipe(
    "{name}",
    {{
        "stream_arn": StreamTable("{name}", {{}}).stream_arn,
        "function_arn": "arn:aws:lambda:us-east-1:000000000000:function:f",
        "desired_state": "{desired_state}",
    }},
)
pulumi.export("state", pipe.pipe_state)
"""


class Meddling(Provisioner):
    """Provisioner of an emulator in which somebody stops each new pipe at once."""

    def __init__(self, emulator: Emulator, root: Path) -> None:
        super().__init__(emulator, root)
        self._pipes = client("pipes", emulator)

    def create(self, resource: Resource) -> CreatedResource:
        created = super().create(resource)
        if resource.type == "aws:pipes/pipe:Pipe":
            self._pipes.stop_pipe(Name=created.id)
        return created


def test_pipe_is_recorded_and_runs(made: Monitor, call: Any) -> None:
    own = outputs(made, "pipe")
    pipe = call("pipes", "describe_pipe", Name=own["name"])
    assert (pipe["Arn"], pipe["CurrentState"]) == (own["arn"], "RUNNING")
    assert (pipe["Source"], pipe["Target"]) == (outputs(made, "table")["streamArn"], outputs(made, "function")["arn"])
    # The emulator forgets the rest; the pipe's runner reads it from the inputs.
    parameters = by_name(made, "pipe").inputs["sourceParameters"]
    assert parameters["filterCriteria"] == {"filters": [{"pattern": '{"eventName": ["INSERT"]}'}]}
    assert parameters["dynamodbStreamParameters"]["onPartialBatchItemFailure"] == "AUTOMATIC_BISECT"


@pytest.mark.parametrize("state", ["RUNNING", "STOPPED"])
def test_the_component_reads_the_state(emulator: Emulator, tmp_path: Path, state: str) -> None:
    provisioner = Provisioner(emulator, tmp_path)
    made = run_program(write_program(tmp_path, COMPONENT.format(name=state.lower(), desired_state=state)), provisioner)
    provisioner.close()

    assert made.exports == {"state": state}


def test_a_pipe_in_another_state_ends_the_run_with_one_line(emulator: Emulator, tmp_path: Path) -> None:
    provisioner = Meddling(emulator, tmp_path)
    with pytest.raises(ProgramError, match=r"^pipe \S+ must be RUNNING, got STOPPED\. Run: .*$") as caught:
        run_program(write_program(tmp_path, COMPONENT.format(name="meddling", desired_state="RUNNING")), provisioner)
    provisioner.close()

    assert re.search(r"pulumi up --replace 'urn:pulumi:dev::example::\S+::meddling-pipe'$", str(caught.value))


@pytest.mark.parametrize(
    ("type_name", "message"),
    [
        ("AWS::Pipes::Pipe", "NotFoundException"),
        ("AWS::SQS::Queue", "typeName: must be AWS::Pipes::Pipe in the local run, got 'AWS::SQS::Queue'"),
    ],
)
def test_what_cannot_be_read_is_an_error(emulator: Emulator, tmp_path: Path, type_name: str, message: str) -> None:
    provisioner = Provisioner(emulator, tmp_path)
    source = f"aws.cloudcontrol.get_resource_output(type_name='{type_name}', identifier='nothing')"
    with pytest.raises(ProgramError, match=f"^aws:cloudcontrol/getResource:getResource: .*{message}"):
        run_program(write_program(tmp_path, source), provisioner)
    provisioner.close()
