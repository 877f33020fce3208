"""The Pulumi program. It reads the settings, creates the components and exports the stack's outputs."""

import pulumi

from components import (
    SUBMISSION_RECORDS,
    AlarmTopic,
    ApiGatewayLogRole,
    DashboardPage,
    DashboardSite,
    DataKey,
    DeadLetterResync,
    RealtimePipe,
    StreamTable,
    SubmissionIngest,
    TenantIdentity,
    WebSocketGateway,
)
from settings import Settings

settings = Settings.load()
settings.check_issuer()
tags = settings.tags


def set_boundary(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
    """Give a role the permissions boundary. Leave every other resource unchanged."""
    if args.type_ != "aws:iam/role:Role":
        return None
    props = {**args.props, "permissions_boundary": settings.permissions_boundary_arn}
    return pulumi.ResourceTransformationResult(props, args.opts)


if settings.permissions_boundary_arn:
    pulumi.runtime.register_stack_transformation(set_boundary)

key_arn = DataKey("data", {"tags": tags}).key_arn if settings.hardened else None
alarms = AlarmTopic("alarms", {"email": settings.alarm_email, "kms_key_arn": key_arn, "tags": tags})
site = None
if settings.dashboard_site:
    site = DashboardSite(
        "dashboard",
        {
            "connect_sources": settings.sign_in_hosts,
            "web_acl_arn": settings.web_acl_arn,
            "access_log": settings.hardened,
            "log_retention_days": settings.log_retention_days,
            "tags": tags,
        },
    )
page_urls = [pulumi.Output.concat(site.url, "/")] if site else []
origins = [*settings.allowed_origins, site.url] if site else settings.allowed_origins

table = StreamTable("submissions", {"kms_key_arn": key_arn, "deletion_protection": settings.protect_data, "tags": tags})
ingest = SubmissionIngest(
    "ingest",
    {
        "table_arn": table.table_arn,
        "tenant_id_pattern": settings.tenant_id_pattern,
        "retention_days": settings.retention_days,
        "max_clock_skew_seconds": settings.max_clock_skew_seconds,
        "reserved_concurrency": settings.persist_reserved_concurrency,
        "log_retention_days": settings.log_retention_days,
        "kms_key_arn": key_arn,
        "alarm_topic_arn": alarms.topic_arn,
        "package_for": settings.package_for,
        "tags": tags,
    },
)
identity = TenantIdentity(
    "identity",
    {
        "issuer": settings.issuer,
        "audience": settings.audience,
        "callback_urls": [] if settings.issuer else page_urls,
        "mfa": "required" if settings.hardened else settings.mfa,
        "mail_sender": settings.mail_sender,
        "deletion_protection": settings.protect_data,
        "tags": tags,
    },
)
log_role = [ApiGatewayLogRole("api-gateway", {"tags": tags})] if settings.api_gateway_log_role else []
gateway = WebSocketGateway(
    "gateway",
    {
        "table_arn": table.table_arn,
        "stream_arn": table.stream_arn,
        "access": {
            "issuer": identity.issuer,
            "audience": identity.client_id,
            "additional_audiences": settings.additional_audiences,
            "jwks_url": settings.jwks_url,
            "clock_tolerance_seconds": settings.clock_tolerance_seconds,
            "tenant_claim": settings.tenant_claim,
            "tenant_id_pattern": settings.tenant_id_pattern,
            "token_in_query": settings.token_in_query,
            "allowed_origins": origins,
        },
        "limits": settings.limits,
        "posting": settings.posting,
        "concurrency": settings.concurrency,
        "log_retention_days": settings.log_retention_days,
        "kms_key_arn": key_arn,
        "deletion_protection": settings.protect_data,
        "alarm_topic_arn": alarms.topic_arn,
        "package_for": settings.package_for,
        "tags": tags,
    },
    opts=pulumi.ResourceOptions(depends_on=log_role),
)
pipe = RealtimePipe(
    "realtime",
    {
        "stream_arn": table.stream_arn,
        "function_arn": gateway.broadcast_function_arn,
        "filters": [SUBMISSION_RECORDS],
        "batch_size": 1_000,  # a batch of 100 fills little more than one frame (docs/adr/0004)
        "kms_key_arn": key_arn,
        "alarm_topic_arn": alarms.topic_arn,
        "tags": tags,
    },
)
DeadLetterResync(
    "recovery",
    {
        "dead_letter_queue_arn": pipe.dead_letter_queue_arn,
        "stream_arn": table.stream_arn,
        "fanout_queue_url": gateway.fanout_queue_url,
        "fanout_queue_arn": gateway.fanout_queue_arn,
        "kms_key_arn": key_arn,
        "alarm_topic_arn": alarms.topic_arn,
        "log_retention_days": settings.log_retention_days,
        "package_for": settings.package_for,
        "tags": tags,
    },
)
if site:
    DashboardPage(
        "page",
        {
            "bucket_name": site.bucket_name,
            "websocket_url": gateway.websocket_url,
            "sign_in": {
                "issuer": identity.issuer,
                "client_id": identity.client_id,
                "tenant_claim": settings.tenant_claim,
                "tenant_id_pattern": settings.tenant_id_pattern,
                "scopes": settings.scopes,
                "prompt": settings.prompt,
            },
            "tags": tags,
        },
    )
    pulumi.export("dashboard_url", site.url)

pulumi.export("websocket_url", gateway.websocket_url)
pulumi.export("management_endpoint", gateway.management_endpoint)
pulumi.export("event_bus_name", ingest.event_bus_name)
pulumi.export("ingest_dead_letter_queue_url", ingest.dead_letter_queue_url)
pulumi.export("table_name", table.table_name)
pulumi.export("connections_table_name", gateway.connections_table_name)
pulumi.export("revocations_table_name", gateway.revocations_table_name)
pulumi.export("user_hash_key_parameter", gateway.user_hash_key_parameter)
pulumi.export("pipe_name", pipe.pipe_name)
pulumi.export("issuer", identity.issuer)
pulumi.export("client_id", identity.client_id)
pulumi.export("user_pool_id", identity.user_pool_id)
# What the tools need to know of tokens.
pulumi.export("audiences", pulumi.Output.all(identity.client_id, *settings.additional_audiences))
pulumi.export("jwks_url", settings.jwks_url or "")
pulumi.export("tenant_claim", settings.tenant_claim)
pulumi.export("tenant_id_pattern", settings.tenant_id_pattern)
pulumi.export("clock_tolerance_seconds", settings.clock_tolerance_seconds)
