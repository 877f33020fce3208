from __future__ import annotations

import json
from typing import TYPE_CHECKING

from formbridge.runtime import metrics
from tests.support.handlers.builders import NOW

if TYPE_CHECKING:
    import pytest

    from tests.support.handlers.clock import Clock


def test_counts_are_one_line_in_the_embedded_metric_format(
    capsys: pytest.CaptureFixture[str], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "gateway-janitor")
    metrics.emit({"WebSocketConnections": 3, "InternalErrors": 0})
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert json.loads(out) == {
        "_aws": {
            "Timestamp": NOW,
            "CloudWatchMetrics": [
                {
                    "Namespace": "FormBridge",
                    "Dimensions": [["FunctionName"]],
                    "Metrics": [
                        {"Name": "WebSocketConnections", "Unit": "Count"},
                        {"Name": "InternalErrors", "Unit": "Count"},
                    ],
                }
            ],
        },
        "FunctionName": "gateway-janitor",
        "WebSocketConnections": 3,
        "InternalErrors": 0,
    }


def test_what_is_no_count_says_in_what_it_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    metrics.emit({"RealTimeUpdateLatency": 12, "BroadcastSuccessRate": 99.5, "Bytes": 3, "Frames": 1})
    (directive,) = json.loads(capsys.readouterr().out)["_aws"]["CloudWatchMetrics"]
    assert {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]} == {
        "RealTimeUpdateLatency": "Milliseconds",
        "BroadcastSuccessRate": "Percent",
        "Bytes": "Bytes",
        "Frames": "Count",
    }
