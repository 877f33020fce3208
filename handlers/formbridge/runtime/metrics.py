"""Metrics in CloudWatch's embedded format: a line of the log that CloudWatch reads as metrics."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Final

from . import clock

NAMESPACE: Final = "FormBridge"
UNITS: Final[Mapping[str, str]] = {
    "RealTimeUpdateLatency": "Milliseconds",
    "BroadcastSuccessRate": "Percent",
    "Bytes": "Bytes",
}
"""Of what is no count."""


def emit(values: Mapping[str, float]) -> None:
    """Give each of these metrics one value more. Their dimension is the Lambda: two stacks in an account do not mix.

    Printed and not logged: Lambda would wrap a log line, and then it is no metric.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    metrics = [{"Name": name, "Unit": UNITS.get(name, "Count")} for name in values]
    directive = {"Namespace": NAMESPACE, "Dimensions": [["FunctionName"]], "Metrics": metrics}
    envelope = {"Timestamp": clock.now_ms(), "CloudWatchMetrics": [directive]}
    function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "local")
    print(json.dumps({"_aws": envelope, "FunctionName": function_name, **values}))
