"""Every resource type, made for real in the emulator by a program and read back through AWS's API."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local import emulator as emulator_module
from local import type_metadata
from local.emulator import ACCOUNT_ID, Emulator
from local.errors import ProgramError
from local.monitor import Monitor
from local.provisioners import TYPES, Provisioner, problems
from local.resource import Resource
from local.wire import UNKNOWN
from tests.local.conftest import REGION
from tests.support.local.programs import by_name, run_program, write_program

PROGRAM = """
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
        {"name": "GSI1", "hash_key": "GSI1PK", "projection_type": "INCLUDE", "non_key_attributes": ["status"]}],
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
    password_policy={"minimum_length": 14, "require_symbols": True},
    admin_create_user_config={"allow_admin_create_user_only": True},
    account_recovery_setting={"recovery_mechanisms": [{"name": "verified_email", "priority": 1}]},
    schemas=[{"name": "tenant_id", "attribute_data_type": "String", "mutable": True,
              "string_attribute_constraints": {"min_length": "1", "max_length": "66"}}])
client = aws.cognito.UserPoolClient("client", user_pool_id=pool.id, explicit_auth_flows=["ALLOW_USER_SRP_AUTH"],
    read_attributes=["custom:tenant_id"], id_token_validity=15, token_validity_units={"id_token": "minutes"},
    callback_urls=["https://example.com"], allowed_oauth_flows=["code"], allowed_oauth_scopes=["openid"],
    allowed_oauth_flows_user_pool_client=True, supported_identity_providers=["COGNITO"], generate_secret=True)

for export in ("url", "arn", "name"):
    pulumi.export(f"queue_{export}", getattr(queue, export))
"""


@pytest.fixture(scope="module")
def made(emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Generator[Monitor]:
    """The program above, provisioned."""
    root = write_program(
        tmp_path_factory.mktemp("program"), PROGRAM, modules={"code/names.py": "NAME = 'from the archive'\n"}
    )
    provisioner = Provisioner(emulator.endpoint_url, REGION, root)
    yield run_program(root, provisioner)
    provisioner.close()


@pytest.fixture(scope="module")
def call(emulator: Emulator) -> Generator[Callable[..., Any]]:
    """A function that calls an API: `call("sqs", "list_queues", …)`."""
    clients: dict[str, Any] = {}

    def call_api(service: str, operation: str, **arguments: Any) -> Any:
        if service not in clients:
            clients[service] = emulator_module.client(service, emulator.endpoint_url, REGION)
        return getattr(clients[service], operation)(**arguments)

    yield call_api
    for client in clients.values():
        client.close()


def outputs(made: Monitor, name: str) -> dict[str, Any]:
    return by_name(made, name).outputs


def is_generated(name: str, logical: str) -> bool:
    return re.fullmatch(rf"{logical}-[0-9a-f]{{7}}", name) is not None


def test_the_program_makes_every_type(made: Monitor) -> None:
    rest = {kind for kind in TYPES if kind.split("/")[0] in ("aws:s3", "aws:cloudfront", "aws:sns")}
    rest.add("aws:cognito/userPoolDomain:UserPoolDomain")  # these by test_provisioners_site.py

    assert {resource.type for resource in made.resources.values()} - {"pulumi:pulumi:Stack"} == set(TYPES) - rest


def test_table(made: Monitor, call: Any) -> None:
    own = outputs(made, "table")
    table = call("dynamodb", "describe_table", TableName=own["name"])["Table"]
    assert is_generated(own["name"], "table")
    assert (own["arn"], own["streamArn"]) == (table["TableArn"], table["LatestStreamArn"])
    assert by_name(made, "table").id == own["name"]
    assert table["KeySchema"] == [
        {"AttributeName": "PK", "KeyType": "HASH"},
        {"AttributeName": "SK", "KeyType": "RANGE"},
    ]
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert table["StreamSpecification"] == {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    assert table["SSEDescription"]["Status"] == "ENABLED"
    assert table["DeletionProtectionEnabled"] is True
    (index,) = table["GlobalSecondaryIndexes"]
    assert index["KeySchema"] == [{"AttributeName": "GSI1PK", "KeyType": "HASH"}]
    assert index["Projection"] == {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["status"]}
    ttl = call("dynamodb", "describe_time_to_live", TableName=own["name"])["TimeToLiveDescription"]
    assert ttl == {"TimeToLiveStatus": "ENABLED", "AttributeName": "ttl"}
    backups = call("dynamodb", "describe_continuous_backups", TableName=own["name"])["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
    assert call("dynamodb", "list_tags_of_resource", ResourceArn=own["arn"])["Tags"] == [
        {"Key": "team", "Value": "forms"}
    ]


def test_a_name_of_its_own(made: Monitor, call: Any) -> None:
    assert outputs(made, "named")["name"] == "named-table"
    assert call("dynamodb", "describe_table", TableName="named-table")["Table"]["TableName"] == "named-table"


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


def test_role_with_policy_and_attachment(made: Monitor, call: Any) -> None:
    own, policy = outputs(made, "role"), outputs(made, "policy")
    role = call("iam", "get_role", RoleName=own["name"])["Role"]
    assert (role["Arn"], role["RoleId"], role["Description"]) == (own["arn"], own["uniqueId"], "a role")
    assert role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == {"Service": "lambda.amazonaws.com"}
    assert role["Tags"] == [{"Key": "team", "Value": "forms"}]
    inline = call("iam", "get_role_policy", RoleName=own["name"], PolicyName=policy["name"])["PolicyDocument"]
    assert inline["Statement"][0]["Resource"] == outputs(made, "table")["arn"]
    assert by_name(made, "policy").id == f"{own['name']}:{policy['name']}"
    (attached,) = call("iam", "list_attached_role_policies", RoleName=own["name"])["AttachedPolicies"]
    assert by_name(made, "attachment").id == f"{own['name']}/{attached['PolicyArn']}"


def test_policies_may_be_objects(made: Monitor, call: Any) -> None:
    role = call("iam", "get_role", RoleName=outputs(made, "role-from-object")["name"])["Role"]
    assert role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == {"Service": "pipes.amazonaws.com"}


def test_log_group(made: Monitor, call: Any) -> None:
    own = outputs(made, "logs")
    (group,) = call("logs", "describe_log_groups", logGroupNamePrefix=own["name"])["logGroups"]
    assert (group["logGroupArn"], group["retentionInDays"]) == (own["arn"], 14)
    assert call("logs", "list_tags_for_resource", resourceArn=own["arn"])["tags"] == {"team": "forms"}


def test_function(made: Monitor, call: Any) -> None:
    own = outputs(made, "function")
    function = call("lambda", "get_function", FunctionName=own["name"])
    configuration = function["Configuration"]
    assert (own["arn"], own["version"]) == (configuration["FunctionArn"], "$LATEST")
    assert own["invokeArn"].endswith(f":lambda:path/2015-03-31/functions/{own['arn']}/invocations")
    assert own["codeSha256"] == configuration["CodeSha256"]
    assert configuration["Environment"]["Variables"] == {"GREETING": "hello", "lower_case": "kept"}
    assert (configuration["Timeout"], configuration["MemorySize"]) == (5, 256)
    assert (configuration["Runtime"], configuration["Architectures"]) == ("python3.13", ["arm64"])
    assert configuration["LoggingConfig"]["LogGroup"] == outputs(made, "logs")["name"]
    assert function["Concurrency"] == {"ReservedConcurrentExecutions": 5}
    assert function["Tags"] == {"team": "forms"}
    answer = call("lambda", "invoke", FunctionName=own["name"], Payload=b'{"a": 1}')
    assert json.load(answer["Payload"]) == ["hello", "from the archive", {"a": 1}]


def test_event_invoke_config(made: Monitor, call: Any) -> None:
    function = outputs(made, "function")["name"]
    config = call("lambda", "get_function_event_invoke_config", FunctionName=function)
    assert (config["MaximumRetryAttempts"], config["MaximumEventAgeInSeconds"]) == (0, 600)
    assert config["DestinationConfig"]["OnFailure"] == {"Destination": outputs(made, "queue")["arn"]}
    assert by_name(made, "event-invoke").id == function


def test_event_source_mapping(made: Monitor, call: Any) -> None:
    own, queue = outputs(made, "mapping"), outputs(made, "work")
    mapping = call("lambda", "get_event_source_mapping", UUID=by_name(made, "mapping").id)
    assert (own["uuid"], own["arn"]) == (mapping["UUID"], mapping["EventSourceMappingArn"])
    assert own["functionArn"] == mapping["FunctionArn"] == outputs(made, "function")["arn"]
    assert (mapping["EventSourceArn"], mapping["BatchSize"], mapping["State"]) == (queue["arn"], 1, "Enabled")
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": 2}
    assert mapping["FilterCriteria"] == {"Filters": [{"Pattern": '{"body": {"a": [1]}}'}]}
    assert call("lambda", "list_tags", Resource=own["arn"])["Tags"] == {"team": "forms"}


def test_a_message_of_the_queue_invokes_the_function(made: Monitor, call: Any) -> None:
    def last_result() -> str:
        return call("lambda", "get_event_source_mapping", UUID=outputs(made, "mapping")["uuid"])["LastProcessingResult"]

    call("sqs", "send_message", QueueUrl=outputs(made, "work")["url"], MessageBody='{"a": 1}')

    deadline = time.monotonic() + 30
    while last_result() != "OK - 1 records":
        assert time.monotonic() < deadline, last_result()
        time.sleep(0.05)


def test_permission(made: Monitor, call: Any) -> None:
    policy = call("lambda", "get_policy", FunctionName=outputs(made, "function")["name"])["Policy"]
    (statement,) = json.loads(policy)["Statement"]
    assert statement["Sid"] == by_name(made, "permission").id == outputs(made, "permission")["statementId"]
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert statement["Condition"] == {"ArnLike": {"AWS:SourceArn": outputs(made, "rule")["arn"]}}


def test_bus_rule_and_target(made: Monitor, call: Any) -> None:
    bus, rule = outputs(made, "bus"), outputs(made, "rule")
    described = call("events", "describe_event_bus", Name=bus["name"])
    assert (described["Arn"], described["Description"]) == (bus["arn"], "a bus")
    described = call("events", "describe_rule", Name=rule["name"], EventBusName=bus["name"])
    assert (described["Arn"], described["State"]) == (rule["arn"], "ENABLED")
    assert json.loads(described["EventPattern"]) == {"source": ["form-bridge"]}
    assert by_name(made, "rule").id == f"{bus['name']}/{rule['name']}"
    (target,) = call("events", "list_targets_by_rule", Rule=rule["name"], EventBusName=bus["name"])["Targets"]
    assert target == {
        "Id": outputs(made, "target")["targetId"],
        "Arn": outputs(made, "function")["arn"],
        "DeadLetterConfig": {"Arn": outputs(made, "queue")["arn"]},
        "RetryPolicy": {"MaximumRetryAttempts": 3, "MaximumEventAgeInSeconds": 3600},
    }
    assert by_name(made, "target").id == f"{bus['name']}-{rule['name']}-{target['Id']}"


def test_rule_on_the_default_bus(made: Monitor, call: Any) -> None:
    rule = outputs(made, "hourly")
    described = call("events", "describe_rule", Name=rule["name"])
    assert (described["ScheduleExpression"], described["State"]) == ("rate(1 hour)", "DISABLED")
    assert described["Arn"] == rule["arn"] == f"arn:aws:events:{REGION}:{ACCOUNT_ID}:rule/{rule['name']}"
    (target,) = call("events", "list_targets_by_rule", Rule=rule["name"])["Targets"]
    assert target["InputPath"] == "$.detail"
    assert target["RetryPolicy"] == {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60}
    assert by_name(made, "hourly-target").id == f"{rule['name']}-queue"


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


def test_pipe_is_recorded_and_stopped(made: Monitor, call: Any) -> None:
    own = outputs(made, "pipe")
    pipe = call("pipes", "describe_pipe", Name=own["name"])
    assert (pipe["Arn"], pipe["CurrentState"]) == (own["arn"], "STOPPED")
    assert (pipe["Source"], pipe["Target"]) == (outputs(made, "table")["streamArn"], outputs(made, "function")["arn"])
    # The emulator forgets the rest; the pipe's runner reads it from the inputs.
    parameters = by_name(made, "pipe").inputs["sourceParameters"]
    assert parameters["filterCriteria"] == {"filters": [{"pattern": '{"eventName": ["INSERT"]}'}]}
    assert parameters["dynamodbStreamParameters"]["onPartialBatchItemFailure"] == "AUTOMATIC_BISECT"


def test_account(made: Monitor, call: Any) -> None:
    assert call("apigateway", "get_account")["cloudwatchRoleArn"] == outputs(made, "role")["arn"]


def test_websocket_api(made: Monitor, call: Any, emulator: Emulator) -> None:
    api_id = by_name(made, "api").id
    own = outputs(made, "api")
    api = call("apigatewayv2", "get_api", ApiId=api_id)
    assert (api["Name"], api["Description"], api["Tags"]) == (own["name"], "live", {"team": "forms"})
    assert api["RouteSelectionExpression"] == "$request.body.action"
    assert own["executionArn"] == f"arn:aws:execute-api:{REGION}:{ACCOUNT_ID}:{api_id}"
    host = emulator.endpoint_url.removeprefix("http://")
    assert own["apiEndpoint"] == f"ws://{host}/_aws/execute-api/{api_id}"

    (integration,) = call("apigatewayv2", "get_integrations", ApiId=api_id)["Items"]
    assert integration["IntegrationId"] == by_name(made, "integration").id
    assert integration["IntegrationUri"] == outputs(made, "function")["invokeArn"]
    assert integration["TimeoutInMillis"] == 10000

    authorizers = {item["Name"]: item for item in call("apigatewayv2", "get_authorizers", ApiId=api_id)["Items"]}
    authorizer = authorizers[outputs(made, "authorizer")["name"]]
    assert authorizer["IdentitySource"] == ["route.request.header.Authorization"]
    assert authorizers[outputs(made, "open-authorizer")["name"]]["IdentitySource"] == []

    routes = {item["RouteKey"]: item for item in call("apigatewayv2", "get_routes", ApiId=api_id)["Items"]}
    assert routes["sync"]["Target"] == f"integrations/{integration['IntegrationId']}"
    assert routes["sync"]["RouteResponseSelectionExpression"] == "$default"
    assert routes["$connect"]["AuthorizerId"] == authorizer["AuthorizerId"]
    route_id = by_name(made, "route").id
    (response,) = call("apigatewayv2", "get_route_responses", ApiId=api_id, RouteId=route_id)["Items"]
    assert response["RouteResponseId"] == by_name(made, "route-response").id


def test_websocket_stage(made: Monitor, call: Any) -> None:
    api_id, own = by_name(made, "api").id, outputs(made, "stage")
    stage = call("apigatewayv2", "get_stage", ApiId=api_id, StageName="live")
    assert (stage["AutoDeploy"], stage["StageVariables"]) == (True, {"some_name": "kept"})
    assert stage["AccessLogSettings"]["DestinationArn"] == outputs(made, "logs")["arn"]
    assert stage["DefaultRouteSettings"] == {"ThrottlingBurstLimit": 5, "ThrottlingRateLimit": 10}
    assert stage["RouteSettings"] == {"$connect": {"ThrottlingRateLimit": 1}}
    assert own["invokeUrl"] == f"{outputs(made, 'api')['apiEndpoint']}/live"
    assert own["executionArn"] == f"{outputs(made, 'api')['executionArn']}/live"


def test_user_pool_and_client(made: Monitor, call: Any) -> None:
    pool_id, client_id = by_name(made, "pool").id, by_name(made, "client").id
    pool = call("cognito-idp", "describe_user_pool", UserPoolId=pool_id)["UserPool"]
    own = outputs(made, "pool")
    assert (pool["Name"], pool["Arn"]) == (own["name"], own["arn"])
    assert own["endpoint"] == f"cognito-idp.{REGION}.amazonaws.com/{pool_id}"
    attributes = {attribute["Name"]: attribute for attribute in pool["SchemaAttributes"]}
    assert attributes["custom:tenant_id"]["StringAttributeConstraints"] == {"MinLength": "1", "MaxLength": "66"}
    assert pool["Policies"]["PasswordPolicy"]["MinimumLength"] == 14
    assert pool["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"] is True
    assert pool["UserPoolTags"] == {"team": "forms"}
    client = call("cognito-idp", "describe_user_pool_client", UserPoolId=pool_id, ClientId=client_id)["UserPoolClient"]
    assert client["ClientSecret"] == outputs(made, "client")["clientSecret"]
    assert (client["IdTokenValidity"], client["TokenValidityUnits"]["IdToken"]) == (15, "minutes")
    assert (client["CallbackURLs"], client["AllowedOAuthFlows"]) == (["https://example.com"], ["code"])
    assert client["ReadAttributes"] == ["custom:tenant_id"]


def test_exports_are_those_of_the_emulator(made: Monitor) -> None:
    assert made.exports == {f"queue_{name}": outputs(made, "queue")[name] for name in ("url", "arn", "name")}


def test_tags_and_region_come_back(made: Monitor) -> None:
    assert (outputs(made, "queue")["tagsAll"], outputs(made, "queue")["region"]) == ({"team": "forms"}, REGION)


# What is refused


def test_what_the_emulator_refuses_names_the_resource(emulator: Emulator, tmp_path: Path) -> None:
    source = "aws.iam.RolePolicy('policy', role='nobody', policy='{}')"
    provisioner = Provisioner(emulator.endpoint_url, REGION, tmp_path)
    with pytest.raises(ProgramError, match=r'^aws:iam/rolePolicy:RolePolicy "policy": .*PutRolePolicy') as caught:
        run_program(write_program(tmp_path, source), provisioner)
    provisioner.close()
    assert isinstance(caught.value.__cause__, Exception)
    assert isinstance(caught.value.__cause__.__cause__, ClientError)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "aws.lambda_.Function('f', role='r', runtime='python3.13', handler='a.b', code=pulumi.FileArchive('none'))",
            '^aws:lambda/function:Function "f": archive none: no such directory',
        ),
        (
            "aws.lambda_.Function('f', role='r', runtime='python3.13', handler='a.b')",
            '^aws:lambda/function:Function "f": code: required in the local run',
        ),
    ],
)
def test_code_that_cannot_be_read_is_named(emulator: Emulator, tmp_path: Path, source: str, message: str) -> None:
    provisioner = Provisioner(emulator.endpoint_url, REGION, tmp_path)
    with pytest.raises(ProgramError, match=message):
        run_program(write_program(tmp_path, source), provisioner)
    provisioner.close()


def resource(token: str, inputs: dict[str, Any]) -> Resource:
    return Resource("urn:pulumi:dev::example::t::n", token, "n", "", custom=True, inputs=inputs)


ON_DEMAND = {"billingMode": "PAY_PER_REQUEST"}


@pytest.mark.parametrize(
    ("token", "inputs", "found"),
    [
        ("aws:sqs/queue:Queue", {"delaySeconds": 1, "region": "us-east-1"}, []),
        ("aws:sqs/queue:Queue", {"delaySeconds": UNKNOWN, "region": UNKNOWN}, []),
        ("aws:sqs/queue:Queue", {"namePrefix": "q"}, ["namePrefix: the local run does not know this property"]),
        ("aws:sqs/queue:Queue", {"fifoQueue": True}, ["fifoQueue: the local run does not know this property"]),
        ("aws:dynamodb/table:Table", {**ON_DEMAND, "globalSecondaryIndexes": UNKNOWN}, []),
        ("aws:dynamodb/table:Table", {**ON_DEMAND, "globalSecondaryIndexes": [{"name": "a", "hashKey": UNKNOWN}]}, []),
        ("aws:dynamodb/table:Table", {"billingMode": UNKNOWN}, []),
        (
            "aws:dynamodb/table:Table",
            {"billingMode": "PROVISIONED", "readCapacity": 1},
            [
                "readCapacity: the local run does not know this property",
                "billingMode: 'PROVISIONED', but the local run knows only 'PAY_PER_REQUEST'",
            ],
        ),
        (
            "aws:dynamodb/table:Table",
            {},
            ["billingMode: left out, but the local run knows only 'PAY_PER_REQUEST'"],
        ),
        (
            "aws:dynamodb/table:Table",
            {**ON_DEMAND, "localSecondaryIndexes": [{"name": "a"}]},
            ["localSecondaryIndexes.name: the local run does not know this property"],
        ),
        (
            "aws:apigatewayv2/api:Api",
            {"protocolType": "HTTP"},
            ["protocolType: 'HTTP', but the local run knows only 'WEBSOCKET'"],
        ),
        (
            "aws:apigatewayv2/authorizer:Authorizer",
            {"authorizerType": "JWT", "jwtConfiguration": {"issuer": "https://i"}},
            [
                "jwtConfiguration.issuer: the local run does not know this property",
                "authorizerType: 'JWT', but the local run knows only 'REQUEST'",
            ],
        ),
        (
            "aws:apigatewayv2/route:Route",
            {"authorizationType": "JWT"},
            ["authorizationType: 'JWT', but the local run knows only 'NONE' or 'AWS_IAM' or 'CUSTOM'"],
        ),
        ("aws:apigatewayv2/route:Route", {}, []),
        ("aws:apigatewayv2/deployment:Deployment", {}, ["the local run does not know this resource type"]),
        (
            "aws:cloudwatch/eventTarget:EventTarget",
            {"inputTransformer": {"inputTemplate": "<x>"}},
            ["inputTransformer.inputTemplate: the local run does not know this property"],
        ),
        (
            "aws:dynamodb/table:Table",
            {**ON_DEMAND, "globalSecondaryIndexes": [{"name": "a"}, {"warmThroughput": {"readUnitsPerSecond": 1}}]},
            ["globalSecondaryIndexes.warmThroughput.readUnitsPerSecond: the local run does not know this property"],
        ),
        (
            "aws:pipes/pipe:Pipe",
            {"sourceParameters": {"sqsQueueParameters": {"batchSize": 1}}},
            ["sourceParameters.sqsQueueParameters.batchSize: the local run does not know this property"],
        ),
        (
            "aws:lambda/eventSourceMapping:EventSourceMapping",
            {"eventSourceArn": UNKNOWN, "functionName": "f", "startingPosition": "LATEST"},
            ["startingPosition: the local run does not know this property"],
        ),
        ("aws:kinesis/stream:Stream", {}, ["the local run does not know this resource type"]),
        ("pulumi:providers:aws", {"region": "us-east-1", "accessKey": "k"}, []),
        (
            "pulumi:providers:aws",
            {"region": "eu-west-1"},
            ["region: 'eu-west-1', but the local run has one region, us-east-1"],
        ),
        (
            "pulumi:providers:aws",
            {"defaultTags": {"tags": {}}},
            ["defaultTags.tags: the local run does not know this property"],
        ),
    ],
)
def test_unsupported_properties_are_named(token: str, inputs: dict[str, Any], found: list[str]) -> None:
    assert problems(resource(token, inputs), "us-east-1") == found


def shapes(parts: list[str]) -> list[Mapping[str, Any]]:
    """The objects that hold an unknown value at the path `parts`, with and without lists on the way."""
    head, *rest = parts
    if not rest:
        return [{head: UNKNOWN}]
    return [{head: inner} for shape in shapes(rest) for inner in (shape, [shape])]


def exists(token: str, path: str) -> bool:
    wrong = re.compile(r": (unknown property|expected)")
    candidates = (type_metadata.problems(token, dict(shape)) for shape in shapes(path.split(".")))
    return any(not any(wrong.search(problem) for problem in found) for found in candidates)


@pytest.mark.parametrize("token", [token for token in TYPES if not token.startswith("pulumi:")])
def test_the_listed_properties_exist(token: str) -> None:
    """A property that the provider does not have would be listed for nothing."""
    listed = TYPES[token].passed | TYPES[token].ignored
    assert [path for path in listed if not exists(token, path)] == []
