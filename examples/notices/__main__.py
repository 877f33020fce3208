"""An intranet that sends notices to the users of a tenant.

It has a gateway without a submissions table, and a Lambda that posts to the connections. This command sends a notice:

aws lambda invoke --function-name notify-… --payload '{"tenant_id": "t_berlin", "text": "Closed on Friday"}' out.json
"""

import json

import pulumi
import pulumi_aws as aws

from components import WebSocketGateway

config = pulumi.Config()
gateway = WebSocketGateway(
    "intranet",
    {
        "access": {
            "issuer": config.require("issuer"),
            "audience": config.require("audience"),
            "tenant_claim": "branch",
            "allowed_origins": ["https://intranet.example.com"],
        },
    },
)

role = aws.iam.Role(
    "notify",
    assume_role_policy=json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
            ],
        }
    ),
)
logs = aws.cloudwatch.LogGroup("notify", retention_in_days=30)
aws.iam.RolePolicy(
    "notify",
    role=role.name,
    policy=pulumi.Output.json_dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Action": "dynamodb:Query", "Resource": gateway.connections_table_arn},
                {
                    "Effect": "Allow",
                    "Action": "execute-api:ManageConnections",
                    "Resource": gateway.manage_connections_arn,
                },
                {
                    "Effect": "Allow",
                    "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
                    "Resource": pulumi.Output.concat(logs.arn, ":*"),
                },
            ],
        }
    ),
)
notify = aws.lambda_.Function(
    "notify",
    role=role.arn,
    runtime="python3.13",
    handler="notify.handler",
    code=pulumi.FileArchive("notify"),
    logging_config={"log_format": "JSON", "log_group": logs.name},
    environment={
        "variables": {
            "CONNECTIONS_TABLE_NAME": gateway.connections_table_name,
            "MANAGEMENT_ENDPOINT": gateway.management_endpoint,
        }
    },
)

pulumi.export("websocket_url", gateway.websocket_url)
pulumi.export("notify_function_name", notify.name)
