"""Access log of a CloudFront distribution, in a log group.

The log is a delivery of CloudWatch (CloudFront calls it standard logging v2). It needs no bucket and no ACL, and it has
only the chosen fields. CloudFront is a global service: its deliveries, and therefore the log group, are in us-east-1.
https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/standard-logging.html
"""

import pulumi
import pulumi_aws as aws

from ._iam import build_log_policy
from ._tags import Tags

REGION = "us-east-1"
FIELDS = (
    *("timestamp(ms)", "c-ip", "cs-method", "cs-uri-stem", "sc-status", "sc-bytes", "time-taken"),
    *("x-edge-location", "x-edge-result-type", "x-edge-detailed-result-type", "x-edge-request-id"),
    *("cs-protocol", "cs-protocol-version", "ssl-protocol", "ssl-cipher", "cs(User-Agent)"),
)
"""Fields of the log. It has no query strings, because they contain the authorization codes of sign-ins. It has no
cookies and no referrers."""


def create_page_log(
    name: str,
    distribution: aws.cloudfront.Distribution,
    log_retention_days: pulumi.Input[int],
    parent: pulumi.Resource,
    tags: Tags | None,
) -> None:
    """Create the log group `{name}-access-logs` in us-east-1 and the delivery of the access log of `distribution`."""
    child_options = pulumi.ResourceOptions(parent=parent)
    logs = aws.cloudwatch.LogGroup(
        f"{name}-access-logs", retention_in_days=log_retention_days, region=REGION, tags=tags, opts=child_options
    )
    policy = aws.cloudwatch.LogResourcePolicy(
        f"{name}-access-logs-policy",
        policy_name=logs.name,
        policy_document=build_log_policy("delivery.logs.amazonaws.com", logs.arn),
        region=REGION,
        opts=child_options,
    )
    source = aws.cloudwatch.LogDeliverySource(
        f"{name}-log",
        log_type="ACCESS_LOGS",
        resource_arn=distribution.arn,
        region=REGION,
        tags=tags,
        opts=child_options,
    )
    destination = aws.cloudwatch.LogDeliveryDestination(
        f"{name}-dst",
        delivery_destination_configuration={"destination_resource_arn": logs.arn},
        output_format="json",
        region=REGION,
        tags=tags,
        opts=child_options,
    )
    aws.cloudwatch.LogDelivery(
        f"{name}-log-delivery",
        delivery_source_name=source.name,
        delivery_destination_arn=destination.arn,
        record_fields=list(FIELDS),
        region=REGION,
        tags=tags,
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[policy]),
    )
