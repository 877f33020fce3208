"""The plugin that `pulumi package add …/components` runs, as far as it goes without the CLI."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from components import RealtimePipe
from components.__main__ import VERSION
from docs import generate
from local import wire
from tests.support.components.examples import FUNCTION_ARN, STREAM_ARN
from tests.support.components.harness import run
from tests.support.components.plugin import Plugin, running_plugin
from tests.support.components.provider import arn, physical_name

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plugin]:
    with running_plugin(tmp_path_factory.mktemp("elsewhere")) as plugin:
        yield plugin


def test_gives_the_schema(plugin: Plugin) -> None:
    given = plugin.schema()

    assert (given["name"], given["version"]) == ("formbridge", "0.1.0")
    assert set(given["resources"]) == set(generate.build_schema()["resources"])


def test_makes_what_a_python_program_makes(plugin: Plugin) -> None:
    inputs = {
        "streamArn": STREAM_ARN,
        "functionArn": FUNCTION_ARN,
        "batchSize": 7,
        "filters": [{"a": [5]}],
    }
    outputs = plugin.construct("formbridge:index:RealtimePipe", "realtime", inputs)
    python = run(
        lambda: RealtimePipe(
            "realtime",
            {
                "stream_arn": STREAM_ARN,
                "function_arn": FUNCTION_ARN,
                "batch_size": 7,
                "filters": [{"a": [5]}],
            },
        )
    )

    assert outputs["pipeArn"] == arn("pipes", f"pipe/{physical_name('realtime-pipe')}")
    assert plugin.recording.children("realtime") == python.children("realtime")
    for _, child in python.children("realtime"):
        assert plugin.recording.inputs(child) == python.inputs(child)


def output_value(**known: Any) -> dict[str, Any]:
    """An Output of another language's, as it comes over the wire: with a value, or without one in a preview."""
    return {"4dabf18193072939515e22adb298388d": "d0e6a833031e9bbcd3f4e8bde6ca49a4", **known}


def test_takes_outputs_as_a_python_program_does(plugin: Plugin) -> None:
    inputs = {
        "streamArn": output_value(value=STREAM_ARN),
        "functionArn": output_value(value=FUNCTION_ARN),
        "batchSize": output_value(value=7),
        "retryAttempts": output_value(value=3, secret=True),
        "filters": output_value(value=[{"eventName": ["INSERT"]}]),
        "tags": output_value(value={"Team": "shop"}),
    }
    plugin.construct("formbridge:index:RealtimePipe", "outputs", inputs)
    pipe = plugin.recording.inputs("outputs-pipe")
    parameters = pipe["sourceParameters"]["dynamodbStreamParameters"]

    assert (parameters["batchSize"], parameters["maximumRetryAttempts"]) == (7, 3)
    assert (pipe["source"], pipe["tags"]) == (STREAM_ARN, {"Team": "shop"})


def test_takes_what_a_preview_does_not_know_yet(plugin: Plugin) -> None:
    inputs = {"streamArn": output_value(), "functionArn": FUNCTION_ARN, "batchSize": output_value()}
    plugin.construct("formbridge:index:RealtimePipe", "unknown", inputs)

    parameters = plugin.recording.inputs("unknown-pipe")["sourceParameters"]["dynamodbStreamParameters"]
    assert parameters["batchSize"] is wire.UNKNOWN


def test_handlers_travel_with_it(plugin: Plugin) -> None:
    plugin.construct("formbridge:index:SubmissionIngest", "ingest", {"tableArn": arn("dynamodb", "table/submissions")})

    assert plugin.recording.inputs("ingest-persist-function")["handler"] == "persist.handler"


def test_refuses_what_a_python_program_is_refused(plugin: Plugin) -> None:
    inputs = {"streamArn": STREAM_ARN, "functionArn": FUNCTION_ARN, "batchSize": 0}

    with pytest.raises(grpc.RpcError, match="batch_size: must be an integer from 1 to 10,000, got 0"):
        plugin.construct("formbridge:index:RealtimePipe", "refused", inputs)
    assert not [one.name for one in plugin.recording.resources.values() if one.name.startswith("refused")]


def test_the_plugins_version_is_the_projects() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == VERSION
