"""A shop that shows its orders on live dashboards.

The shop needs a table with a stream. Each item of the table names its tenant. An order is an item with the attributes
that `StreamTable` describes, for example:

    order_id        o-1
    tenant_id       t_berlin                    the branch of the shop whose dashboards show the order
    submission_id   o-1
    form_id         order
    status          paid
    version         3                           one more with each write
    submitted_at    2026-11-24T09:30:00.000Z
    updated_at      2026-11-24T09:31:12.345Z
    GSI1PK          TENANT#t_berlin
    GSI1SK          2026-11-24T09:31:12.345Z#o-1
"""

import pulumi

from components import RealtimePipe, StreamTable, TenantIdentity, WebSocketGateway

config = pulumi.Config()
tags = {"Team": "shop"}

orders = StreamTable("orders", {"hash_key": "order_id", "tags": tags}, opts=pulumi.ResourceOptions(protect=True))
branches = TenantIdentity("branches", {"tags": tags})
live = WebSocketGateway(
    "live",
    {
        "access": {
            "issuer": branches.issuer,
            "audience": branches.client_id,
            "jwks_url": config.get("jwksUrl") or None,
        },
        "table_arn": orders.table_arn,
        "stream_arn": orders.stream_arn,
        "package_for": config.require("packageFor"),
        "tags": tags,
    },
)
RealtimePipe(
    "order-changes",
    {
        "stream_arn": orders.stream_arn,
        "function_arn": live.broadcast_function_arn,
        "filters": [{"dynamodb": {"NewImage": {"status": {"S": [{"anything-but": "draft"}]}}}}],
        "tags": tags,
    },
)

pulumi.export("table_name", orders.table_name)
pulumi.export("websocket_url", live.websocket_url)
pulumi.export("issuer", branches.issuer)
pulumi.export("client_id", branches.client_id)
