"""`pulumi package add …/components`, as far as it goes without the CLI: the plugin, and an engine that asks it."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest

from components import RealtimePipe
from docs import generate

from .examples import FUNCTION_ARN, STREAM_ARN
from .harness import run
from .plugin import Plugin, running_plugin
from .provider import arn, physical_name


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plugin]:
    with running_plugin(tmp_path_factory.mktemp("elsewhere")) as plugin:
        yield plugin


def test_gives_the_schema(plugin: Plugin) -> None:
    given = plugin.schema()

    assert (given["name"], given["version"]) == ("formbridge", "0.1.0")
    assert set(given["resources"]) == set(generate.schema()["resources"])


def test_makes_what_a_python_program_makes(plugin: Plugin) -> None:
    inputs = {
        "streamArn": STREAM_ARN,
        "functionArn": FUNCTION_ARN,
        "batchSize": 7,
        "filters": [{"eventName": ["INSERT"]}],
    }
    outputs = plugin.construct("formbridge:index:RealtimePipe", "realtime", inputs)
    python = run(
        lambda: RealtimePipe(
            "realtime",
            {
                "stream_arn": STREAM_ARN,
                "function_arn": FUNCTION_ARN,
                "batch_size": 7,
                "filters": [{"eventName": ["INSERT"]}],
            },
        )
    )

    assert outputs["pipeArn"] == arn("pipes", f"pipe/{physical_name('realtime-pipe')}")
    assert plugin.recording.children("realtime") == python.children("realtime")
    for _, child in python.children("realtime"):
        assert plugin.recording.inputs(child) == python.inputs(child)


def test_handlers_travel_with_it(plugin: Plugin) -> None:
    plugin.construct("formbridge:index:SubmissionIngest", "ingest", {"tableArn": arn("dynamodb", "table/submissions")})

    assert plugin.recording.inputs("ingest-persist-function")["handler"] == "persist.handler"


def test_refuses_what_a_python_program_is_refused(plugin: Plugin) -> None:
    inputs = {"streamArn": STREAM_ARN, "functionArn": FUNCTION_ARN, "batchSize": 0}

    with pytest.raises(grpc.RpcError, match="batch_size: must be a whole number from 1 to 10,000, got 0"):
        plugin.construct("formbridge:index:RealtimePipe", "refused", inputs)
    assert not [one.name for one in plugin.recording.resources.values() if one.name.startswith("refused")]
