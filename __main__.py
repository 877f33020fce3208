"""FormBridge Realtime: a submission on the bus reaches every dashboard of its tenant, and no other."""

import pulumi

from components import (
    SUBMISSION_RECORDS,
    ApiGatewayLogRole,
    RealtimePipe,
    StreamTable,
    SubmissionIngest,
    TenantIdentity,
    WebSocketGateway,
)
from settings import Settings

settings = Settings.load()

table = StreamTable("submissions", {"deletion_protection": settings.protect_data, "tags": settings.tags})
ingest = SubmissionIngest(
    "ingest",
    {
        "table_arn": table.table_arn,
        "retention_days": settings.retention_days,
        "log_retention_days": settings.log_retention_days,
        "package_for": settings.package_for,
        "tags": settings.tags,
    },
)
identity = TenantIdentity(
    "identity",
    {
        "issuer": settings.issuer,
        "audience": settings.audience,
        "jwks_url": settings.jwks_url,
        "deletion_protection": settings.protect_data,
        "tags": settings.tags,
    },
)
log_role = [ApiGatewayLogRole("api-gateway", {"tags": settings.tags})] if settings.api_gateway_log_role else []
gateway = WebSocketGateway(
    "gateway",
    {
        "table_arn": table.table_arn,
        "issuer": identity.issuer,
        "audience": identity.client_id,
        "jwks_url": identity.jwks_url,
        "tenant_claim": settings.tenant_claim,
        "allowed_origins": settings.allowed_origins,
        "log_retention_days": settings.log_retention_days,
        "package_for": settings.package_for,
        "tags": settings.tags,
    },
    opts=pulumi.ResourceOptions(depends_on=log_role),
)
pipe = RealtimePipe(
    "realtime",
    {
        "stream_arn": table.stream_arn,
        "function_arn": gateway.broadcast_function_arn,
        "filters": [SUBMISSION_RECORDS],
        "tags": settings.tags,
    },
)

pulumi.export("websocket_url", gateway.websocket_url)
pulumi.export("management_endpoint", gateway.management_endpoint)
pulumi.export("event_bus_name", ingest.event_bus_name)
pulumi.export("table_name", table.table_name)
pulumi.export("connections_table_name", gateway.connections_table_name)
pulumi.export("pipe_name", pipe.pipe_name)
pulumi.export("issuer", identity.issuer)
pulumi.export("jwks_url", identity.jwks_url)
pulumi.export("client_id", identity.client_id)
