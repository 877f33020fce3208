from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.support.local.programs import by_name
from tests.support.local.provisioning import is_generated, outputs

if TYPE_CHECKING:
    from local.monitor import Monitor


def test_queue_and_its_policy(made: Monitor, call: Any) -> None:
    own = outputs(made, "queue")
    attributes = call("sqs", "get_queue_attributes", QueueUrl=own["url"], AttributeNames=["All"])["Attributes"]
    assert by_name(made, "queue").id == own["url"]
    assert is_generated(own["name"], "queue")
    assert attributes["QueueArn"] == own["arn"]
    assert (attributes["MessageRetentionPeriod"], attributes["SqsManagedSseEnabled"]) == ("1209600", "true")
    assert attributes["MaximumMessageSize"] == "4096"
    assert json.loads(attributes["Policy"])["Statement"][0]["Resource"] == own["arn"]
    assert by_name(made, "queue-policy").id == own["url"]
    assert call("sqs", "list_queue_tags", QueueUrl=own["url"])["Tags"] == {"team": "forms"}
