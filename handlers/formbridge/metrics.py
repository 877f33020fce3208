"""Counters in CloudWatch's embedded metric format: a line of the log that CloudWatch reads as metrics."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from . import timestamps

NAMESPACE: Final = "FormBridge"


def emit(counts: Mapping[str, int]) -> None:
    """Count each of these by so many.

    Printed and not logged: Lambda would wrap a log line, and then it is no metric.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    metrics = [{"Name": name, "Unit": "Count"} for name in counts]
    no_dimensions: list[str] = []
    directive = {"Namespace": NAMESPACE, "Dimensions": [no_dimensions], "Metrics": metrics}
    envelope = {"Timestamp": timestamps.now_ms(), "CloudWatchMetrics": [directive]}
    print(json.dumps({"_aws": envelope, **counts}))
