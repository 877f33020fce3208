from __future__ import annotations

import json

import pytest

from formbridge import metrics
from tests.handlers.builders import NOW
from tests.handlers.clock import Clock


def test_counts_are_one_line_in_the_embedded_metric_format(capsys: pytest.CaptureFixture[str], clock: Clock) -> None:
    metrics.emit({"WebSocketConnections": 3, "InternalErrors": 0})
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert json.loads(out) == {
        "_aws": {
            "Timestamp": NOW,
            "CloudWatchMetrics": [
                {
                    "Namespace": "FormBridge",
                    "Dimensions": [[]],
                    "Metrics": [
                        {"Name": "WebSocketConnections", "Unit": "Count"},
                        {"Name": "InternalErrors", "Unit": "Count"},
                    ],
                }
            ],
        },
        "WebSocketConnections": 3,
        "InternalErrors": 0,
    }
