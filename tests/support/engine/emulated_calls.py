"""The calls with which the emulated cloud reads, updates and deletes resources. `local.provisioners` creates them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from local.archives import build_zip

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    Update = Callable[[Any, Mapping[str, Any], Path], object]


@dataclass(frozen=True)
class Call:
    """A call of boto3."""

    method: str
    arguments: Mapping[str, str | list[str]]
    """The property of the resource for each argument, in a list if the argument is one. `id` is the resource's id."""
    constants: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Further arguments."""

    def make(self, client: Any, properties: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        """Make the call and return the response.

        Args:
            client: The client of the service.
            properties: The properties of the resource.
            more: Further arguments.
        """
        given = {
            name: properties[key] if isinstance(key, str) else [properties[one] for one in key]
            for name, key in self.arguments.items()
        }
        return getattr(client, self.method)(**given, **self.constants, **more)


@dataclass(frozen=True)
class Calls:
    """The calls of one resource type."""

    service: str
    read: Call
    delete: Call | None
    """None if there is nothing to delete, because the resource is part of another one."""
    proof: str = "id"
    """The property whose value is in the response of `read` if the resource exists. Empty: each response is proof."""
    update: Update | None = None
    """The function that updates a resource with the client, the new properties and the program's folder."""
    is_put: bool = False
    """Whether the creation of an existing resource updates it."""
    has_etag: bool = False
    """Whether a deletion names the `ETag` of the last read."""


def _update_function(client: Any, properties: Mapping[str, Any], folder: Path) -> None:
    name = properties["name"]
    client.update_function_code(FunctionName=name, ZipFile=build_zip(properties["code"], folder))
    client.update_function_configuration(
        FunctionName=name,
        Timeout=properties["timeout"],
        MemorySize=properties["memorySize"],
        Environment={"Variables": properties["environment"]["variables"]},
    )


def _update_table(client: Any, properties: Mapping[str, Any], _folder: Path) -> None:
    is_protected = bool(properties.get("deletionProtectionEnabled"))
    client.update_table(TableName=properties["id"], DeletionProtectionEnabled=is_protected)


def _update_pool(client: Any, properties: Mapping[str, Any], _folder: Path) -> None:
    protection = properties.get("deletionProtection", "INACTIVE")
    client.update_user_pool(UserPoolId=properties["id"], DeletionProtection=protection)


def _disable_distribution(client: Any, properties: Mapping[str, Any], _folder: Path) -> None:
    found = client.get_distribution_config(Id=properties["id"])
    config = {**found["DistributionConfig"], "Enabled": False}
    client.update_distribution(Id=properties["id"], IfMatch=found["ETag"], DistributionConfig=config)


BEFORE_DELETE: Final[dict[str, Update]] = {"aws:cloudfront/distribution:Distribution": _disable_distribution}
"""What must be changed before AWS deletes a resource."""


def _in_api(kind: str, argument: str) -> Calls:
    """Return the calls of a part of an API of API Gateway."""
    arguments = {"ApiId": "apiId", argument: "id"}
    return Calls("apigatewayv2", Call(f"get_{kind}", arguments), Call(f"delete_{kind}", arguments))


def _of_bucket(kind: str) -> Calls:
    """Return the calls of a setting of a bucket."""
    arguments = {"Bucket": "bucket"}
    return Calls("s3", Call(f"get_{kind}", arguments), Call(f"delete_{kind}", arguments), "", is_put=True)


def _in_cloudfront(kind: str) -> Calls:
    """Return the calls of a resource of CloudFront."""
    return Calls("cloudfront", Call(f"get_{kind}", {"Id": "id"}), Call(f"delete_{kind}", {"Id": "id"}), has_etag=True)


_ROUTE_RESPONSE: Final = {"ApiId": "apiId", "RouteId": "routeId", "RouteResponseId": "id"}
_ROLE_POLICY: Final = {"RoleName": "role", "PolicyName": "name"}
_ATTACHMENT: Final = {"RoleName": "role"}
_POOL_CLIENT: Final = {"UserPoolId": "userPoolId", "ClientId": "id"}
_RULE: Final = {"Name": "name", "EventBusName": "eventBusName"}
_OBJECT: Final = {"Bucket": "bucket", "Key": "key"}
_PERMISSION: Final = {"FunctionName": "function"}

CALLS: Final[dict[str, Calls]] = {
    "aws:apigateway/account:Account": Calls("apigateway", Call("get_account", {}), None, "", is_put=True),
    "aws:apigatewayv2/api:Api": Calls(
        "apigatewayv2", Call("get_api", {"ApiId": "id"}), Call("delete_api", {"ApiId": "id"})
    ),
    "aws:apigatewayv2/authorizer:Authorizer": _in_api("authorizer", "AuthorizerId"),
    "aws:apigatewayv2/integration:Integration": _in_api("integration", "IntegrationId"),
    "aws:apigatewayv2/route:Route": _in_api("route", "RouteId"),
    "aws:apigatewayv2/routeResponse:RouteResponse": Calls(
        "apigatewayv2", Call("get_route_response", _ROUTE_RESPONSE), Call("delete_route_response", _ROUTE_RESPONSE)
    ),
    "aws:apigatewayv2/stage:Stage": _in_api("stage", "StageName"),
    "aws:cloudfront/distribution:Distribution": _in_cloudfront("distribution"),
    "aws:cloudfront/originAccessControl:OriginAccessControl": _in_cloudfront("origin_access_control"),
    "aws:cloudfront/responseHeadersPolicy:ResponseHeadersPolicy": _in_cloudfront("response_headers_policy"),
    "aws:cloudwatch/eventBus:EventBus": Calls(
        "events", Call("describe_event_bus", {"Name": "id"}), Call("delete_event_bus", {"Name": "id"})
    ),
    "aws:cloudwatch/eventRule:EventRule": Calls(
        "events", Call("describe_rule", _RULE), Call("delete_rule", _RULE), "name", is_put=True
    ),
    "aws:cloudwatch/eventTarget:EventTarget": Calls(
        "events",
        Call("list_targets_by_rule", {"Rule": "rule", "EventBusName": "eventBusName"}),
        Call("remove_targets", {"Rule": "rule", "EventBusName": "eventBusName", "Ids": ["targetId"]}),
        "targetId",
        is_put=True,
    ),
    "aws:cloudwatch/logDelivery:LogDelivery": Calls(
        "logs", Call("get_delivery", {"id": "id"}), Call("delete_delivery", {"id": "id"})
    ),
    "aws:cloudwatch/logDeliveryDestination:LogDeliveryDestination": Calls(
        "logs",
        Call("get_delivery_destination", {"name": "id"}),
        Call("delete_delivery_destination", {"name": "id"}),
        is_put=True,
    ),
    "aws:cloudwatch/logDeliverySource:LogDeliverySource": Calls(
        "logs", Call("get_delivery_source", {"name": "id"}), Call("delete_delivery_source", {"name": "id"}), is_put=True
    ),
    "aws:cloudwatch/logGroup:LogGroup": Calls(
        "logs",
        Call("describe_log_groups", {"logGroupNamePrefix": "id"}),
        Call("delete_log_group", {"logGroupName": "id"}),
    ),
    "aws:cloudwatch/logResourcePolicy:LogResourcePolicy": Calls(
        "logs",
        Call("describe_resource_policies", {}),
        Call("delete_resource_policy", {"policyName": "id"}),
        is_put=True,
    ),
    "aws:cloudwatch/metricAlarm:MetricAlarm": Calls(
        "cloudwatch",
        Call("describe_alarms", {"AlarmNames": ["id"]}),
        Call("delete_alarms", {"AlarmNames": ["id"]}),
        is_put=True,
    ),
    "aws:cognito/userPool:UserPool": Calls(
        "cognito-idp",
        Call("describe_user_pool", {"UserPoolId": "id"}),
        Call("delete_user_pool", {"UserPoolId": "id"}),
        update=_update_pool,
    ),
    "aws:cognito/userPoolClient:UserPoolClient": Calls(
        "cognito-idp", Call("describe_user_pool_client", _POOL_CLIENT), Call("delete_user_pool_client", _POOL_CLIENT)
    ),
    "aws:cognito/userPoolDomain:UserPoolDomain": Calls(
        "cognito-idp",
        Call("describe_user_pool_domain", {"Domain": "id"}),
        Call("delete_user_pool_domain", {"Domain": "id", "UserPoolId": "userPoolId"}),
    ),
    "aws:dynamodb/table:Table": Calls(
        "dynamodb",
        Call("describe_table", {"TableName": "id"}),
        Call("delete_table", {"TableName": "id"}),
        update=_update_table,
    ),
    "aws:iam/role:Role": Calls("iam", Call("get_role", {"RoleName": "id"}), Call("delete_role", {"RoleName": "id"})),
    "aws:iam/rolePolicy:RolePolicy": Calls(
        "iam", Call("get_role_policy", _ROLE_POLICY), Call("delete_role_policy", _ROLE_POLICY), "name", is_put=True
    ),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": Calls(
        "iam",
        Call("list_attached_role_policies", _ATTACHMENT),
        Call("detach_role_policy", {**_ATTACHMENT, "PolicyArn": "policyArn"}),
        "policyArn",
    ),
    "aws:kms/key:Key": Calls("kms", Call("describe_key", {"KeyId": "id"}), None),
    "aws:kms/keyPolicy:KeyPolicy": Calls(
        "kms", Call("get_key_policy", {"KeyId": "id"}, {"PolicyName": "default"}), None, "", is_put=True
    ),
    "aws:lambda/eventSourceMapping:EventSourceMapping": Calls(
        "lambda", Call("get_event_source_mapping", {"UUID": "id"}), Call("delete_event_source_mapping", {"UUID": "id"})
    ),
    "aws:lambda/function:Function": Calls(
        "lambda",
        Call("get_function", {"FunctionName": "id"}),
        Call("delete_function", {"FunctionName": "id"}),
        update=_update_function,
    ),
    "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig": Calls(
        "lambda",
        Call("get_function_event_invoke_config", {"FunctionName": "functionName"}),
        Call("delete_function_event_invoke_config", {"FunctionName": "functionName"}),
        "functionName",
        is_put=True,
    ),
    "aws:lambda/permission:Permission": Calls(
        "lambda",
        Call("get_policy", _PERMISSION),
        Call("remove_permission", {**_PERMISSION, "StatementId": "id"}),
    ),
    "aws:pipes/pipe:Pipe": Calls("pipes", Call("describe_pipe", {"Name": "id"}), Call("delete_pipe", {"Name": "id"})),
    "aws:s3/bucket:Bucket": Calls(
        "s3", Call("head_bucket", {"Bucket": "id"}), Call("delete_bucket", {"Bucket": "id"}), ""
    ),
    "aws:s3/bucketObjectv2:BucketObjectv2": Calls(
        "s3", Call("head_object", _OBJECT), Call("delete_object", _OBJECT), "", is_put=True
    ),
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": _of_bucket("bucket_ownership_controls"),
    "aws:s3/bucketPolicy:BucketPolicy": _of_bucket("bucket_policy"),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": _of_bucket("public_access_block"),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": _of_bucket(
        "bucket_encryption"
    ),
    "aws:sns/topic:Topic": Calls(
        "sns", Call("get_topic_attributes", {"TopicArn": "id"}), Call("delete_topic", {"TopicArn": "id"})
    ),
    "aws:sns/topicPolicy:TopicPolicy": Calls(
        "sns", Call("get_topic_attributes", {"TopicArn": "id"}), None, is_put=True
    ),
    "aws:sns/topicSubscription:TopicSubscription": Calls(
        "sns",
        Call("get_subscription_attributes", {"SubscriptionArn": "id"}),
        Call("unsubscribe", {"SubscriptionArn": "id"}),
    ),
    "aws:sqs/queue:Queue": Calls(
        "sqs",
        Call("get_queue_attributes", {"QueueUrl": "id"}, {"AttributeNames": ["QueueArn"]}),
        Call("delete_queue", {"QueueUrl": "id"}),
        "arn",
    ),
    "aws:sqs/queuePolicy:QueuePolicy": Calls(
        "sqs",
        Call("get_queue_attributes", {"QueueUrl": "id"}, {"AttributeNames": ["All"]}),
        Call("set_queue_attributes", {"QueueUrl": "id"}, {"Attributes": {"Policy": ""}}),
        "",
        is_put=True,
    ),
    "aws:ssm/parameter:Parameter": Calls(
        "ssm", Call("get_parameter", {"Name": "id"}), Call("delete_parameter", {"Name": "id"})
    ),
}
"""The calls by Pulumi's type token."""
