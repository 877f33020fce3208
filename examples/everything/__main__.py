"""The whole product in a stack of your own, with an explicit provider, protected data and an alarm topic."""

import pulumi
import pulumi_aws as aws

from components import (
    SUBMISSION_RECORDS,
    AlarmTopic,
    DashboardPage,
    DashboardSite,
    DeadLetterResync,
    RealtimePipe,
    StreamTable,
    SubmissionIngest,
    TenantIdentity,
    WebSocketGateway,
)

config = pulumi.Config()
tags = {"Service": "forms", "Owner": "team-forms"}
package_for = config.require("packageFor")

acme = aws.Provider("acme", region=pulumi.Config("aws").require("region"))
ours = pulumi.ResourceOptions(providers=[acme])
kept = pulumi.ResourceOptions(providers=[acme], protect=True)

alarms = AlarmTopic("acme-alarms", {"email": config.require("alarmEmail"), "tags": tags}, opts=ours)
table = StreamTable("acme-submissions", {"deletion_protection": True, "tags": tags}, opts=kept)
ingest = SubmissionIngest(
    "acme-ingest",
    {
        "table_arn": table.table_arn,
        "retention_days": 365,
        "log_retention_days": 90,
        "alarm_topic_arn": alarms.topic_arn,
        "package_for": package_for,
        "tags": tags,
    },
    opts=ours,
)
site = DashboardSite("acme-dashboard", {"tags": tags}, opts=ours)
staff = TenantIdentity(
    "acme-staff",
    {
        "callback_urls": [pulumi.Output.concat(site.url, "/")],
        "deletion_protection": True,
        "tags": tags,
    },
    opts=kept,
)
gateway = WebSocketGateway(
    "acme-gateway",
    {
        "access": {
            "issuer": staff.issuer,
            "audience": staff.client_id,
            "jwks_url": config.get("jwksUrl") or None,
            "allowed_origins": [site.url],
        },
        "table_arn": table.table_arn,
        "stream_arn": table.stream_arn,
        "limits": {"rate_limit": 200, "burst_limit": 400},
        "log_retention_days": 90,
        "alarm_topic_arn": alarms.topic_arn,
        "package_for": package_for,
        "tags": tags,
    },
    # The gateway of this stack was once named `realtime`. The alias keeps its deployed resources.
    opts=pulumi.ResourceOptions(providers=[acme], aliases=[pulumi.Alias(name="realtime")]),
)
DashboardPage(
    "acme-page",
    {
        "bucket_name": site.bucket_name,
        "websocket_url": gateway.websocket_url,
        "sign_in": {"issuer": staff.issuer, "client_id": staff.client_id},
        "tags": tags,
    },
    opts=ours,
)
pipe = RealtimePipe(
    "acme-realtime",
    {
        "stream_arn": table.stream_arn,
        "function_arn": gateway.broadcast_function_arn,
        "filters": [SUBMISSION_RECORDS],
        "alarm_topic_arn": alarms.topic_arn,
        "tags": tags,
    },
    opts=ours,
)
DeadLetterResync(
    "acme-recovery",
    {
        "dead_letter_queue_arn": pipe.dead_letter_queue_arn,
        "stream_arn": table.stream_arn,
        "fanout_queue_url": gateway.fanout_queue_url,
        "fanout_queue_arn": gateway.fanout_queue_arn,
        "alarm_topic_arn": alarms.topic_arn,
        "log_retention_days": 90,
        "package_for": package_for,
        "tags": tags,
    },
    opts=ours,
)

pulumi.export("dashboard_url", site.url)
pulumi.export("event_bus_name", ingest.event_bus_name)
pulumi.export("websocket_url", gateway.websocket_url)
pulumi.export("issuer", staff.issuer)
pulumi.export("client_id", staff.client_id)
