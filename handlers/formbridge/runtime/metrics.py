"""Metrics in the CloudWatch embedded metric format: log lines that CloudWatch reads as metrics."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Final

from . import clock

if TYPE_CHECKING:
    from collections.abc import Mapping

NAMESPACE: Final = "FormBridge"
"""Namespace of all metrics in CloudWatch."""
UNITS: Final[Mapping[str, str]] = {
    "RealTimeUpdateLatency": "Milliseconds",
    "StreamLag": "Milliseconds",
    "IndexLag": "Milliseconds",
    "BroadcastSuccessRate": "Percent",
    "Bytes": "Bytes",
}
"""CloudWatch unit by name of the metric. Metrics that are not listed have the unit `Count`."""


def emit(values: Mapping[str, float]) -> None:
    """Write one log line with a value for each metric.

    Each metric has the dimension `FunctionName`, so that the metrics of two stacks in one account stay apart.

    The line is printed and not logged. Lambda would wrap a logged line in JSON, and CloudWatch would not find the
    metrics in it.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    metrics = [{"Name": name, "Unit": UNITS.get(name, "Count")} for name in values]
    directive = {"Namespace": NAMESPACE, "Dimensions": [["FunctionName"]], "Metrics": metrics}
    envelope = {"Timestamp": clock.now_ms(), "CloudWatchMetrics": [directive]}
    function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "local")
    print(json.dumps({"_aws": envelope, "FunctionName": function_name, **values}))
