from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from local.emulator import ACCOUNT_ID
from tests.local.conftest import REGION
from tests.support.local.programs import by_name
from tests.support.local.provisioning import outputs

if TYPE_CHECKING:
    from local.monitor import Monitor


def test_bus_rule_and_target(made: Monitor, call: Any) -> None:
    bus, rule = outputs(made, "bus"), outputs(made, "rule")
    described = call("events", "describe_event_bus", Name=bus["name"])
    assert (described["Arn"], described["Description"]) == (bus["arn"], "a bus")
    described = call("events", "describe_rule", Name=rule["name"], EventBusName=bus["name"])
    assert (described["Arn"], described["State"]) == (rule["arn"], "ENABLED")
    assert json.loads(described["EventPattern"]) == {"source": ["form-bridge"]}
    assert by_name(made, "rule").id == f"{bus['name']}/{rule['name']}"
    (target,) = call("events", "list_targets_by_rule", Rule=rule["name"], EventBusName=bus["name"])["Targets"]
    assert target == {
        "Id": outputs(made, "target")["targetId"],
        "Arn": outputs(made, "function")["arn"],
        "DeadLetterConfig": {"Arn": outputs(made, "queue")["arn"]},
        "RetryPolicy": {"MaximumRetryAttempts": 3, "MaximumEventAgeInSeconds": 3600},
    }
    assert by_name(made, "target").id == f"{bus['name']}-{rule['name']}-{target['Id']}"


def test_rule_on_the_default_bus(made: Monitor, call: Any) -> None:
    rule = outputs(made, "hourly")
    described = call("events", "describe_rule", Name=rule["name"])
    assert (described["ScheduleExpression"], described["State"]) == ("rate(1 hour)", "DISABLED")
    assert described["Arn"] == rule["arn"] == f"arn:aws:events:{REGION}:{ACCOUNT_ID}:rule/{rule['name']}"
    (target,) = call("events", "list_targets_by_rule", Rule=rule["name"])["Targets"]
    assert target["InputPath"] == "$.detail"
    assert target["RetryPolicy"] == {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60}
    assert by_name(made, "hourly-target").id == f"{rule['name']}-queue"
