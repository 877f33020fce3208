"""Two programs that together create every resource type of the local run, and helpers to read their resources."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tests.support.local.programs import by_name

if TYPE_CHECKING:
    from local.monitor import Monitor

BACKEND_PROGRAM = """
import json

def assume(service):
    return json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": service}}]})

tags = {"team": "forms"}
provider = aws.Provider("here", region="us-east-1", skip_credentials_validation=True)
own = pulumi.ResourceOptions(provider=provider)

table = aws.dynamodb.Table(
    "table", billing_mode="PAY_PER_REQUEST", hash_key="PK", range_key="SK", tags=tags,
    attributes=[{"name": name, "type": "S"} for name in ("PK", "SK", "GSI1PK")],
    global_secondary_indexes=[
        {"name": "GSI1", "key_schemas": [{"attribute_name": "GSI1PK", "key_type": "HASH"}],
         "projection_type": "INCLUDE", "non_key_attributes": ["status"]}],
    stream_enabled=True, stream_view_type="NEW_AND_OLD_IMAGES", server_side_encryption={"enabled": True},
    point_in_time_recovery={"enabled": True}, ttl={"attribute_name": "ttl", "enabled": True},
    deletion_protection_enabled=True, opts=own)
named_table = aws.dynamodb.Table(
    "named", name="named-table", billing_mode="PAY_PER_REQUEST", hash_key="id",
    attributes=[{"name": "id", "type": "S"}])

queue = aws.sqs.Queue(
    "queue", max_message_size=4096, message_retention_seconds=1209600, sqs_managed_sse_enabled=True, tags=tags)
aws.sqs.QueuePolicy("queue-policy", queue_url=queue.id, policy=queue.arn.apply(lambda arn: json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"},
                                            "Action": "sqs:SendMessage", "Resource": arn}]})))

role = aws.iam.Role("role", assume_role_policy=assume("lambda.amazonaws.com"), description="a role", tags=tags)
role_from_object = aws.iam.Role("role-from-object", assume_role_policy={"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "pipes.amazonaws.com"}}]})
policy = aws.iam.RolePolicy("policy", role=role.name, policy=table.arn.apply(lambda arn: json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "dynamodb:PutItem", "Resource": arn}]})))
aws.iam.RolePolicyAttachment("attachment", role=role.name,
    policy_arn="arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole")

logs = aws.cloudwatch.LogGroup("logs", retention_in_days=14, tags=tags)
function = aws.lambda_.Function(
    "function", role=role.arn, runtime="python3.13", handler="main.handler", architectures=["arm64"],
    timeout=5, memory_size=256, environment={"variables": {"GREETING": "hello", "lower_case": "kept"}},
    code=pulumi.AssetArchive({
        "main.py": pulumi.StringAsset("import os\\nimport names\\n\\ndef handler(event, context):\\n"
                                      "    return [os.environ['GREETING'], names.NAME, event]\\n"),
        ".": pulumi.FileArchive("code")}),
    logging_config={"log_format": "JSON", "log_group": logs.name, "application_log_level": "INFO"},
    reserved_concurrent_executions=5, tags=tags, opts=pulumi.ResourceOptions(depends_on=[policy]))
aws.lambda_.FunctionEventInvokeConfig(
    "event-invoke", function_name=function.name, maximum_retry_attempts=0, maximum_event_age_in_seconds=600,
    destination_config={"on_failure": {"destination": queue.arn}})
work = aws.sqs.Queue("work", visibility_timeout_seconds=30, redrive_policy=queue.arn.apply(lambda arn: json.dumps(
    {"deadLetterTargetArn": arn, "maxReceiveCount": 10})))
aws.lambda_.EventSourceMapping(
    "mapping", event_source_arn=work.arn, function_name=function.name, batch_size=1, tags=tags,
    function_response_types=["ReportBatchItemFailures"], scaling_config={"maximum_concurrency": 2},
    filter_criteria={"filters": [{"pattern": '{"body": {"a": [1]}}'}]})

bus = aws.cloudwatch.EventBus("bus", description="a bus", tags=tags)
rule = aws.cloudwatch.EventRule("rule", event_bus_name=bus.name, tags=tags,
    event_pattern=json.dumps({"source": ["form-bridge"]}))
default_rule = aws.cloudwatch.EventRule("hourly", schedule_expression="rate(1 hour)", state="DISABLED")
target = aws.cloudwatch.EventTarget("target", rule=rule.name, event_bus_name=bus.name, arn=function.arn,
    dead_letter_config={"arn": queue.arn},
    retry_policy={"maximum_retry_attempts": 3, "maximum_event_age_in_seconds": 3600})
aws.cloudwatch.EventTarget("hourly-target", rule=default_rule.name, arn=queue.arn, target_id="queue",
    input_path="$.detail", retry_policy={"maximum_retry_attempts": 0, "maximum_event_age_in_seconds": 60})
aws.lambda_.Permission("permission", function=function.name, action="lambda:InvokeFunction",
    principal="events.amazonaws.com", source_arn=rule.arn)

aws.cloudwatch.MetricAlarm(
    "alarm", namespace="AWS/SQS", metric_name="ApproximateNumberOfMessagesVisible", statistic="Maximum",
    dimensions={"QueueName": queue.name}, period=60, evaluation_periods=1, threshold=0,
    comparison_operator="GreaterThanThreshold", treat_missing_data="notBreaching", ok_actions=[queue.arn], tags=tags)
aws.cloudwatch.MetricAlarm(
    "ratio", evaluation_periods=1, threshold=0.5, comparison_operator="GreaterThanThreshold",
    metric_queries=[
        {"id": "ratio", "expression": "errors / 2", "return_data": True},
        {"id": "errors", "metric": {"namespace": "AWS/Lambda", "metric_name": "Errors", "period": 60, "stat": "Sum",
                                    "dimensions": {"FunctionName": function.name}}}])

pipe = aws.pipes.Pipe(
    "pipe", role_arn=role_from_object.arn, source=table.stream_arn, target=function.arn, tags=tags,
    source_parameters={
        "dynamodb_stream_parameters": {
            "starting_position": "TRIM_HORIZON", "batch_size": 100, "maximum_retry_attempts": 10,
            "on_partial_batch_item_failure": "AUTOMATIC_BISECT", "dead_letter_config": {"arn": queue.arn}},
        "filter_criteria": {"filters": [{"pattern": '{"eventName": ["INSERT"]}'}]}},
    target_parameters={"lambda_function_parameters": {"invocation_type": "REQUEST_RESPONSE"}})

aws.apigateway.Account("account", cloudwatch_role_arn=role.arn)
api = aws.apigatewayv2.Api("api", protocol_type="WEBSOCKET", route_selection_expression="$request.body.action",
    description="live", tags=tags)
authorizer = aws.apigatewayv2.Authorizer("authorizer", api_id=api.id, authorizer_type="REQUEST",
    authorizer_uri=function.invoke_arn, identity_sources=["route.request.header.Authorization"])
open_authorizer = aws.apigatewayv2.Authorizer("open-authorizer", api_id=api.id, authorizer_type="REQUEST",
    authorizer_uri=function.invoke_arn)
integration = aws.apigatewayv2.Integration("integration", api_id=api.id, integration_type="AWS_PROXY",
    integration_uri=function.invoke_arn, timeout_milliseconds=10000)
route = aws.apigatewayv2.Route("route", api_id=api.id, route_key="sync",
    target=integration.id.apply(lambda id: f"integrations/{id}"), route_response_selection_expression="$default")
aws.apigatewayv2.Route("connect", api_id=api.id, route_key="$connect", authorization_type="CUSTOM",
    authorizer_id=authorizer.id, target=integration.id.apply(lambda id: f"integrations/{id}"))
aws.apigatewayv2.RouteResponse("route-response", api_id=api.id, route_id=route.id, route_response_key="$default")
stage = aws.apigatewayv2.Stage("stage", api_id=api.id, name="live", auto_deploy=True, tags=tags,
    stage_variables={"some_name": "kept"},
    access_log_settings={"destination_arn": logs.arn, "format": "$context.requestId"},
    default_route_settings={"throttling_burst_limit": 5, "throttling_rate_limit": 10},
    route_settings=[{"route_key": "$connect", "throttling_rate_limit": 1}])

pool = aws.cognito.UserPool("pool", tags=tags, auto_verified_attributes=["email"],
    username_configuration={"case_sensitive": False},
    email_configuration={"email_sending_account": "DEVELOPER",
                         "source_arn": "arn:aws:ses:us-east-1:123456789012:identity/no-reply@example.com"},
    password_policy={"minimum_length": 14, "require_symbols": True},
    admin_create_user_config={"allow_admin_create_user_only": True},
    account_recovery_setting={"recovery_mechanisms": [{"name": "verified_email", "priority": 1}]},
    user_attribute_update_settings={"attributes_require_verification_before_updates": ["email"]},
    mfa_configuration="OPTIONAL", software_token_mfa_configuration={"enabled": True},
    schemas=[{"name": "tenant_id", "attribute_data_type": "String", "mutable": True,
              "string_attribute_constraints": {"min_length": "1", "max_length": "66"}}])
client = aws.cognito.UserPoolClient("client", user_pool_id=pool.id, explicit_auth_flows=["ALLOW_USER_SRP_AUTH"],
    read_attributes=["custom:tenant_id"], id_token_validity=15, token_validity_units={"id_token": "minutes"},
    callback_urls=["https://example.com"], allowed_oauth_flows=["code"], allowed_oauth_scopes=["openid"],
    refresh_token_rotation={"feature": "ENABLED", "retry_grace_period_seconds": 30},
    allowed_oauth_flows_user_pool_client=True, supported_identity_providers=["COGNITO"], generate_secret=True)

for export in ("url", "arn", "name"):
    pulumi.export(f"queue_{export}", getattr(queue, export))
"""
"""The backend: tables, queues, roles, functions, event bus, pipe, WebSocket API and user pool."""

SITE_PROGRAM = """
import json

tags = {"team": "forms", "Stage": "a + b"}

bucket = aws.s3.Bucket("Site-bucket", tags=tags, force_destroy=True)
aws.s3.Bucket("named", bucket="a-name-of-its-own")
block = aws.s3.BucketPublicAccessBlock("block", bucket=bucket.bucket, block_public_acls=True,
    block_public_policy=True, ignore_public_acls=True, restrict_public_buckets=True)
aws.s3.BucketOwnershipControls("ownership", bucket=bucket.id, rule={"object_ownership": "BucketOwnerEnforced"})
aws.s3.BucketServerSideEncryptionConfiguration("encryption", bucket=bucket.bucket, rules=[
    {"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}, "blocked_encryption_types": ["SSE-C"]}])
aws.s3.BucketObjectv2("index", bucket=bucket.bucket, key="index.html", source=pulumi.FileAsset("page/index.html"),
    content_type="text/html; charset=utf-8", cache_control="no-cache", tags=tags)
aws.s3.BucketObjectv2("config", bucket=bucket.bucket, key="vendor/config.json", content='{"a": "ä"}',
    content_type="application/json")

access = aws.cloudfront.OriginAccessControl("access", origin_access_control_origin_type="s3",
    signing_behavior="always", signing_protocol="sigv4")
headers = aws.cloudfront.ResponseHeadersPolicy("headers", comment="strict",
    security_headers_config={
        "content_security_policy": {"content_security_policy": "default-src 'none'", "override": True},
        "content_type_options": {"override": True},
        "frame_options": {"frame_option": "DENY", "override": True},
        "referrer_policy": {"referrer_policy": "no-referrer", "override": True},
        "strict_transport_security": {"access_control_max_age_sec": 60, "override": True}},
    custom_headers_config={"items": [{"header": "X-Team", "value": "forms", "override": True}]})
distribution = aws.cloudfront.Distribution("distribution", enabled=True, comment="the page", tags=tags,
    default_root_object="index.html", http_version="http2and3", is_ipv6_enabled=True, price_class="PriceClass_100",
    origins=[{"origin_id": "bucket", "domain_name": bucket.bucket_regional_domain_name,
              "origin_access_control_id": access.id}],
    default_cache_behavior={"target_origin_id": "bucket", "viewer_protocol_policy": "redirect-to-https",
        "allowed_methods": ["GET", "HEAD"], "cached_methods": ["GET", "HEAD"], "compress": True,
        "cache_policy_id": "658327ea-f89d-4fab-a63d-7e88639e58f6", "response_headers_policy_id": headers.id},
    restrictions={"geo_restriction": {"restriction_type": "none"}},
    viewer_certificate={"cloudfront_default_certificate": True}, wait_for_deployment=False)
aws.s3.BucketPolicy("bucket-policy", bucket=bucket.bucket, policy=pulumi.Output.json_dumps(
    {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "cloudfront.amazonaws.com"}, "Action": "s3:GetObject",
         "Resource": pulumi.Output.concat(bucket.arn, "/*"),
         "Condition": {"StringEquals": {"AWS:SourceArn": distribution.arn}}}]}),
    opts=pulumi.ResourceOptions(depends_on=[block]))

key = aws.kms.Key("key", description="Data", enable_key_rotation=True, tags=tags)
aws.kms.KeyPolicy("key-policy", key_id=key.key_id, policy=pulumi.Output.json_dumps(
    {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::000000000000:root"}, "Action": "kms:Decrypt",
         "Resource": "*"}]}))
group = aws.cloudwatch.LogGroup("log", retention_in_days=7, kms_key_id=key.arn)
aws.cloudwatch.LogResourcePolicy("log-policy", policy_name=group.name, policy_document=pulumi.Output.json_dumps(
    {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "delivery.logs.amazonaws.com"}, "Action": "logs:PutLogEvents",
         "Resource": group.arn}]}))
source = aws.cloudwatch.LogDeliverySource("source", log_type="ACCESS_LOGS", resource_arn=distribution.arn, tags=tags)
destination = aws.cloudwatch.LogDeliveryDestination("destination", output_format="json",
    delivery_destination_configuration={"destination_resource_arn": group.arn})
aws.cloudwatch.LogDelivery("delivery", delivery_source_name=source.name, delivery_destination_arn=destination.arn,
    record_fields=["c-ip", "sc-status"])

topic = aws.sns.Topic("topic", display_name="Alarms", kms_master_key_id=key.arn, tags=tags)
aws.ssm.Parameter("user-key", type="SecureString", value=pulumi.Output.secret("a secret"),
    description="A key", tags=tags)
aws.sns.TopicPolicy("topic-policy", arn=topic.arn, policy=pulumi.Output.json_dumps(
    {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "cloudwatch.amazonaws.com"}, "Action": "sns:Publish",
         "Resource": topic.arn}]}))
aws.sns.TopicSubscription("email", topic=topic.arn, protocol="email", endpoint="ada@example.com")

pool = aws.cognito.UserPool("pool")
aws.cognito.UserPoolDomain("domain", user_pool_id=pool.id, domain="a1b2c3", managed_login_version=2)
"""
"""The dashboard's site: bucket, distribution, alarm topic and sign-in domain."""
SITE_TAGS = [{"Key": "Stage", "Value": "a + b"}, {"Key": "team", "Value": "forms"}]
"""The tags of the resources in `SITE_PROGRAM`, in the order of their keys."""


def outputs(made: Monitor, name: str) -> dict[str, Any]:
    """Return the outputs of the resource with the logical name `name`."""
    return by_name(made, name).outputs


def is_generated(name: str, logical: str) -> bool:
    """Return whether `name` is a physical name generated from the name `logical`."""
    return re.fullmatch(rf"{logical}-[0-9a-f]{{7}}", name) is not None


def by_key(tags: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return `tags` in the order of their keys."""
    return sorted(tags, key=lambda tag: tag["Key"])
