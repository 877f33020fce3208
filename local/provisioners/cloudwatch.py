"""Log groups, deliveries of logs and metric alarms of CloudWatch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..resource import CreatedResource, Resource
from ._arguments import pick_arguments, pick_renamed, to_json, to_tag_list
from ._names import choose_name
from ._resource_type import ResourceType, properties

if TYPE_CHECKING:
    from ._aws import Aws


def _create_log_group(aws: Aws, resource: Resource) -> CreatedResource:
    inputs, name = resource.inputs, choose_name(resource)
    logs = aws.client("logs")
    optional = pick_renamed(inputs, {"logGroupClass": "logGroupClass", "kmsKeyId": "kmsKeyId"})
    logs.create_log_group(logGroupName=name, tags=inputs.get("tags", {}), **optional)
    # In Pulumi, 0 means that log events never expire. CloudWatch has no such value: the group has no policy instead.
    if days := inputs.get("retentionInDays"):
        logs.put_retention_policy(logGroupName=name, retentionInDays=days)
    return CreatedResource(name, {"name": name, "arn": aws.arn("logs", f"log-group:{name}")})


_ALARM_ARGUMENTS = (
    *("actionsEnabled", "alarmActions", "alarmDescription", "comparisonOperator", "datapointsToAlarm"),
    *("evaluationPeriods", "extendedStatistic", "insufficientDataActions"),
    *("metricName", "namespace", "period", "statistic", "threshold", "thresholdMetricId", "treatMissingData"),
    "unit",
)


def _create_metric_alarm(aws: Aws, resource: Resource) -> CreatedResource:
    inputs, name = resource.inputs, choose_name(resource)
    request = pick_arguments(inputs, _ALARM_ARGUMENTS) | pick_renamed(inputs, {"okActions": "OKActions"})
    if dimensions := inputs.get("dimensions"):
        request["Dimensions"] = [{"Name": key, "Value": value} for key, value in dimensions.items()]
    aws.client("cloudwatch").put_metric_alarm(AlarmName=name, Tags=to_tag_list(inputs), **request)
    return CreatedResource(name, {"name": name, "arn": aws.arn("cloudwatch", f"alarm:{name}")})


def _create_resource_policy(aws: Aws, resource: Resource) -> CreatedResource:
    name, policy = resource.inputs["policyName"], to_json(resource.inputs["policyDocument"])
    aws.client("logs").put_resource_policy(policyName=name, policyDocument=policy)
    return CreatedResource(name, {"policyDocument": policy})


def _create_delivery_source(aws: Aws, resource: Resource) -> CreatedResource:
    inputs, name = resource.inputs, choose_name(resource)
    source = aws.client("logs").put_delivery_source(
        name=name, resourceArn=inputs["resourceArn"], logType=inputs["logType"], tags=inputs.get("tags", {})
    )["deliverySource"]
    return CreatedResource(name, {"name": name, "arn": source["arn"]})


def _create_delivery_destination(aws: Aws, resource: Resource) -> CreatedResource:
    inputs, name = resource.inputs, choose_name(resource)
    destination = aws.client("logs").put_delivery_destination(
        name=name, tags=inputs.get("tags", {}), **{key: inputs[key] for key in _DESTINATION if key in inputs}
    )["deliveryDestination"]
    return CreatedResource(name, {"name": name, "arn": destination["arn"]})


def _create_delivery(aws: Aws, resource: Resource) -> CreatedResource:
    inputs = resource.inputs
    delivery = aws.client("logs").create_delivery(
        tags=inputs.get("tags", {}), **{key: inputs[key] for key in _DELIVERY if key in inputs}
    )["delivery"]
    return CreatedResource(delivery["id"], {"arn": delivery["arn"]})


_DESTINATION = ("deliveryDestinationConfiguration", "outputFormat")
_DELIVERY = ("deliverySourceName", "deliveryDestinationArn", "recordFields")

TYPES = {
    "aws:cloudwatch/logResourcePolicy:LogResourcePolicy": ResourceType(
        _create_resource_policy, properties("policyName", "policyDocument")
    ),
    # The emulator stores a delivery. Its distributions write no log.
    "aws:cloudwatch/logDeliverySource:LogDeliverySource": ResourceType(
        _create_delivery_source, properties("name", "tags", "logType", "resourceArn")
    ),
    "aws:cloudwatch/logDeliveryDestination:LogDeliveryDestination": ResourceType(
        _create_delivery_destination,
        properties("name", "tags", "deliveryDestinationConfiguration.destinationResourceArn", "outputFormat"),
    ),
    "aws:cloudwatch/logDelivery:LogDelivery": ResourceType(_create_delivery, properties("tags", *_DELIVERY)),
    "aws:cloudwatch/logGroup:LogGroup": ResourceType(
        _create_log_group,
        properties("name", "tags", "retentionInDays", "logGroupClass", "kmsKeyId"),
        # `skipDestroy` concerns deletion, and the local run deletes nothing.
        ignored=properties("skipDestroy"),
    ),
    "aws:cloudwatch/metricAlarm:MetricAlarm": ResourceType(
        _create_metric_alarm,
        properties("name", "tags", "dimensions", "okActions", *_ALARM_ARGUMENTS),
        # The emulator does not support metric math: it stores an alarm with metric math and never evaluates it.
        ignored=properties("metricQueries"),
    ),
}
