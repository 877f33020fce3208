from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.support.local.programs import by_name
from tests.support.local.provisioning import outputs

if TYPE_CHECKING:
    from local.monitor import Monitor


def test_log_group(made: Monitor, call: Any) -> None:
    own = outputs(made, "logs")
    (group,) = call("logs", "describe_log_groups", logGroupNamePrefix=own["name"])["logGroups"]
    assert (group["logGroupArn"], group["retentionInDays"]) == (own["arn"], 14)
    assert call("logs", "list_tags_for_resource", resourceArn=own["arn"])["tags"] == {"team": "forms"}


def test_a_delivery_of_logs(site: Monitor, client: Any) -> None:
    logs = client("logs")
    (delivery,) = logs.describe_deliveries()["deliveries"]

    assert delivery["id"] == by_name(site, "delivery").id
    assert delivery["deliverySourceName"] == outputs(site, "source")["name"]
    assert delivery["deliveryDestinationArn"] == outputs(site, "destination")["arn"]
    assert delivery["recordFields"] == ["c-ip", "sc-status"]
    (source,) = logs.describe_delivery_sources()["deliverySources"]
    assert (source["logType"], source["resourceArns"]) == ("ACCESS_LOGS", [outputs(site, "distribution")["arn"]])
    (destination,) = logs.describe_delivery_destinations()["deliveryDestinations"]
    group = outputs(site, "log")
    assert destination["deliveryDestinationConfiguration"] == {"destinationResourceArn": group["arn"]}
    (policy,) = logs.describe_resource_policies()["resourcePolicies"]
    assert (policy["policyName"], by_name(site, "log-policy").id) == (group["name"], group["name"])


def test_alarms(made: Monitor, call: Any) -> None:
    names = [outputs(made, name)["name"] for name in ("alarm", "ratio")]
    alarms = {
        alarm["AlarmName"]: alarm for alarm in call("cloudwatch", "describe_alarms", AlarmNames=names)["MetricAlarms"]
    }
    simple, ratio = (alarms[name] for name in names)
    assert simple["AlarmArn"] == outputs(made, "alarm")["arn"]
    assert simple["Dimensions"] == [{"Name": "QueueName", "Value": outputs(made, "queue")["name"]}]
    assert (simple["Period"], simple["Statistic"], simple["Threshold"]) == (60, "Maximum", 0.0)
    assert (simple["TreatMissingData"], simple["OKActions"]) == ("notBreaching", [outputs(made, "queue")["arn"]])
    assert ratio["Threshold"] == 0.5
