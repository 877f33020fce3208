"""The requests to AWS with which the provider manages a stack: each action of the table, on each recorded resource."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tests.support.components.harness import PROJECT
from tests.support.components.provider import ACCOUNT, REGION
from tests.support.program.naming import StackProvider
from tests.support.program.whole_program import declare_stack
from tests.support.tools.iam_evaluator import Request
from tools.iam.facts import StackFacts
from tools.iam.provider_actions import WITHHELD
from tools.iam.provider_calls import CALLS

if TYPE_CHECKING:
    from collections.abc import Mapping

SETTINGS: Final = {
    "hardened": "true",
    "mailSender": f"arn:aws:ses:{REGION}:{ACCOUNT}:identity/no-reply@example.com",
    "webAclArn": f"arn:aws:wafv2:us-east-1:{ACCOUNT}:global/webacl/page/473e64fd-f30b-4765-81a0-62ad96dd167a",
}
"""Settings with which the program declares all types of resources and uses all services."""
EMAIL_ROLE: Final = "aws-service-role/email.cognito-idp.amazonaws.com/AWSServiceRoleForAmazonCognitoIdpEmailService"
GLOBAL_SERVICES: Final = ("cloudfront", "iam", "wafv2")
"""Services whose requests are for the region us-east-1."""

ARNS: Final = {
    "apigateway/account:Account": "arn:aws:apigateway:REGION::/account",
    "apigatewayv2/api:Api": "arn:aws:apigateway:REGION::/apis/{id}",
    "apigatewayv2/authorizer:Authorizer": "arn:aws:apigateway:REGION::/apis/{apiId}/authorizers/{id}",
    "apigatewayv2/integration:Integration": "arn:aws:apigateway:REGION::/apis/{apiId}/integrations/{id}",
    "apigatewayv2/route:Route": "arn:aws:apigateway:REGION::/apis/{apiId}/routes/{id}",
    "apigatewayv2/routeResponse:RouteResponse": (
        "arn:aws:apigateway:REGION::/apis/{apiId}/routes/{routeId}/routeresponses/{id}"
    ),
    "apigatewayv2/stage:Stage": "arn:aws:apigateway:REGION::/apis/{apiId}/stages/{id}",
    "cloudfront/distribution:Distribution": "arn:aws:cloudfront::ACCOUNT:distribution/{id}",
    "cloudfront/originAccessControl:OriginAccessControl": "arn:aws:cloudfront::ACCOUNT:origin-access-control/{id}",
    "cloudfront/responseHeadersPolicy:ResponseHeadersPolicy": (
        "arn:aws:cloudfront::ACCOUNT:response-headers-policy/{id}"
    ),
    "cloudwatch/eventBus:EventBus": "arn:aws:events:REGION:ACCOUNT:event-bus/{name}",
    "cloudwatch/eventRule:EventRule": "arn:aws:events:REGION:ACCOUNT:rule/{id}",
    "cloudwatch/eventTarget:EventTarget": "arn:aws:events:REGION:ACCOUNT:rule/{bus}{rule}",
    "cloudwatch/logDelivery:LogDelivery": "arn:aws:logs:REGION:ACCOUNT:delivery:{id}",
    "cloudwatch/logDeliveryDestination:LogDeliveryDestination": (
        "arn:aws:logs:REGION:ACCOUNT:delivery-destination:{name}"
    ),
    "cloudwatch/logDeliverySource:LogDeliverySource": "arn:aws:logs:REGION:ACCOUNT:delivery-source:{name}",
    "cloudwatch/logGroup:LogGroup": "arn:aws:logs:REGION:ACCOUNT:log-group:{name}",
    "cloudwatch/logResourcePolicy:LogResourcePolicy": "*",
    "cloudwatch/metricAlarm:MetricAlarm": "arn:aws:cloudwatch:REGION:ACCOUNT:alarm:{name}",
    "cognito/userPool:UserPool": "arn:aws:cognito-idp:REGION:ACCOUNT:userpool/{id}",
    "cognito/userPoolClient:UserPoolClient": "arn:aws:cognito-idp:REGION:ACCOUNT:userpool/{userPoolId}",
    "cognito/userPoolDomain:UserPoolDomain": "arn:aws:cognito-idp:REGION:ACCOUNT:userpool/{userPoolId}",
    "dynamodb/table:Table": "arn:aws:dynamodb:REGION:ACCOUNT:table/{name}",
    "iam/role:Role": "arn:aws:iam::ACCOUNT:role/{name}",
    "iam/rolePolicy:RolePolicy": "arn:aws:iam::ACCOUNT:role/{role}",
    "iam/rolePolicyAttachment:RolePolicyAttachment": "arn:aws:iam::ACCOUNT:role/{role}",
    "kms/key:Key": "arn:aws:kms:REGION:ACCOUNT:key/{id}",
    "kms/keyPolicy:KeyPolicy": "arn:aws:kms:REGION:ACCOUNT:key/{keyId}",
    "lambda/eventSourceMapping:EventSourceMapping": "arn:aws:lambda:REGION:ACCOUNT:event-source-mapping:{id}",
    "lambda/function:Function": "arn:aws:lambda:REGION:ACCOUNT:function:{name}",
    "lambda/functionEventInvokeConfig:FunctionEventInvokeConfig": (
        "arn:aws:lambda:REGION:ACCOUNT:function:{functionName}"
    ),
    "lambda/permission:Permission": "arn:aws:lambda:REGION:ACCOUNT:function:{function}",
    "pipes/pipe:Pipe": "arn:aws:pipes:REGION:ACCOUNT:pipe/{name}",
    "s3/bucket:Bucket": "arn:aws:s3:::{bucket}",
    "s3/bucketObjectv2:BucketObjectv2": "arn:aws:s3:::{bucket}/{key}",
    "s3/bucketOwnershipControls:BucketOwnershipControls": "arn:aws:s3:::{bucket}",
    "s3/bucketPolicy:BucketPolicy": "arn:aws:s3:::{bucket}",
    "s3/bucketPublicAccessBlock:BucketPublicAccessBlock": "arn:aws:s3:::{bucket}",
    "s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": "arn:aws:s3:::{bucket}",
    "sns/topic:Topic": "arn:aws:sns:REGION:ACCOUNT:{name}",
    "sns/topicPolicy:TopicPolicy": "{arn}",
    # AWS checks the actions on a subscription for the ARN of its topic.
    "sns/topicSubscription:TopicSubscription": "{topic}",
    "sqs/queue:Queue": "arn:aws:sqs:REGION:ACCOUNT:{name}",
    "sqs/queuePolicy:QueuePolicy": "arn:aws:sqs:REGION:ACCOUNT:{queueName}",
    "ssm/parameter:Parameter": "arn:aws:ssm:REGION:ACCOUNT:parameter/{name}",
}
"""The ARN that AWS checks for most actions, by type.
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

UNTAGGED: Final = (
    *("apigateway/account:Account", "apigatewayv2/authorizer:Authorizer", "apigatewayv2/integration:Integration"),
    *("apigatewayv2/route:Route", "apigatewayv2/routeResponse:RouteResponse"),
    *("cloudfront/originAccessControl:OriginAccessControl", "cloudfront/responseHeadersPolicy:ResponseHeadersPolicy"),
)
"""Types that have no tags, or for which AWS does not document that they inherit those of their parent."""
USES_OF_EXISTING: Final = ("kms:CreateGrant", "cognito-idp:CreateUserPoolClient", "cognito-idp:CreateUserPoolDomain")
"""Actions called `Create…` on a resource that exists."""
SERVICES: Final = {
    "lambda/function:Function": "lambda.amazonaws.com",
    "pipes/pipe:Pipe": "pipes.amazonaws.com",
    "apigateway/account:Account": "apigateway.amazonaws.com",
}
"""Services that get a role, by type."""


Context = dict[str, str]


@dataclass(frozen=True)
class Made:
    """A resource of a stack."""

    name: str
    """The logical name."""
    type: str
    """The type, without `aws:`."""
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    """What AWS says of it, `id` included."""

    @property
    def region(self) -> str:
        """The region that a request about it is for."""
        return self.inputs.get("region", REGION)


def build_facts(stack: str, region: str = REGION) -> StackFacts:
    """Return the facts of a stack in the account of the tests."""
    return StackFacts(
        partition="aws",
        account=ACCOUNT,
        region=region,
        project=PROJECT,
        stack=stack,
        state_bucket=f"formbridge-state-{ACCOUNT}-{region}",
        state_key_arn=f"arn:aws:kms:{region}:{ACCOUNT}:key/state-of-{stack}",
        github_subject="repo:example@1/forms@2",
    )


def record_stack(stack: str) -> list[Made]:
    """Return every resource that the program declares with all that it can make, as AWS would name it."""
    provider = StackProvider(stack)
    recording = declare_stack(stack, provider, SETTINGS)
    return [
        Made(one.name, one.type.removeprefix("aws:"), one.inputs, provider.created[one.name])
        for one in recording.custom()
    ]


def list_requests(made: Made, facts: StackFacts) -> list[Request]:
    """Return the requests with which the provider manages a resource, as it sends them for the stack `facts`."""
    actions = CALLS.actions(f"aws:{made.type}") - set(WITHHELD)
    if made.type == "pipes/pipe:Pipe":
        actions |= CALLS.actions("aws:cloudcontrol/getResource:getResource")
    if "kmsKeyId" not in made.inputs:
        actions -= {"logs:AssociateKmsKey", "logs:DisassociateKmsKey"}
    found = [
        Request(action, resource, _build_context(made, action, resource, facts))
        for action in sorted(actions)
        for resource in _find_resources(made, action)
    ]
    # The test provider has one region, that of the tests.
    moved: list[Request] = []
    for one in found:
        text = json.dumps([one.resource, one.context]).replace(REGION, facts.region)
        resource, context = json.loads(text)
        moved.append(Request(one.action, resource, context))
    return moved


def is_collection(request: Request) -> bool:
    """Return whether AWS checks a creation for no resource that exists, and for no parent."""
    resource = request.resource
    return is_creation(request.action) and (resource == "*" or resource.endswith("/apis") or ":delivery:" in resource)


def is_creation(action: str) -> bool:
    """Return whether an action is about a resource that does not exist yet."""
    return action == "apigateway:POST" or (":Create" in action and action not in USES_OF_EXISTING)


def is_tagging(action: str) -> bool:
    """Return whether an action sets tags."""
    return action.partition(":")[2] in ("TagResource", "TagRole", "TagQueue", "AddTagsToResource")


def _find_resources(made: Made, action: str) -> list[str]:
    """Return the ARNs that AWS checks for an action on a resource."""
    inputs = made.inputs
    if action in CALLS.any_resource:
        return ["*"]
    if made.type == "dynamodb/table:Table" and action.startswith("kms:"):
        return [inputs["serverSideEncryption"]["kmsKeyArn"]]
    if action in ("logs:CreateDelivery", "logs:UpdateDeliveryConfiguration"):
        start, destination = f"arn:aws:logs:{made.region}:{ACCOUNT}", inputs["deliveryDestinationArn"].split(":")[-1]
        return [
            _main_resource(made),
            f"{start}:delivery-source:{inputs['deliverySourceName']}",
            f"{start}:delivery-destination:{destination}",
        ]
    match action:
        case "iam:PassRole":
            return [next(inputs[key] for key in ("role", "roleArn", "cloudwatchRoleArn") if key in inputs)]
        case "iam:CreateServiceLinkedRole":
            return [f"arn:aws:iam::{ACCOUNT}:role/{EMAIL_ROLE}"]
        case "wafv2:GetWebACL":
            return [inputs["webAclId"]]
        case "cloudfront:AllowVendedLogDeliveryForResource":
            return [inputs["resourceArn"]]
        case "s3:ListBucket":
            return [f"arn:aws:s3:::{made.outputs.get('bucket') or inputs['bucket']}"]
        case "apigateway:POST" | "apigateway:TagResource":
            return [_main_resource(made).rpartition("/")[0]]  # of the collection
        case _:
            return [_main_resource(made)]


def _main_resource(made: Made) -> str:
    values = {
        "queueName": made.inputs.get("queueUrl", "").rpartition("/")[2],
        "bus": f"{made.inputs['eventBusName']}/" if "eventBusName" in made.inputs else "",
        **made.inputs,
        **made.outputs,
    }
    return ARNS[made.type].replace("REGION", made.region).replace("ACCOUNT", ACCOUNT).format_map(values)


def _build_context(made: Made, action: str, resource: str, facts: StackFacts) -> Context:
    """Return the condition keys of a request, as the Service Authorization Reference lists them."""
    service = action.partition(":")[0]
    tags = {"Project": facts.project, "Stack": facts.stack}
    context = {"aws:RequestedRegion": "us-east-1" if service in GLOBAL_SERVICES else made.region}
    if "tags" in made.inputs and (is_creation(action) or is_tagging(action)):
        context |= {f"aws:RequestTag/{key}": value for key, value in tags.items()}
    has_tags = made.type not in UNTAGGED and not resource.endswith(("/apis", "/stages")) and ":webacl/" not in resource
    if has_tags and not is_creation(action):
        context |= {f"aws:ResourceTag/{key}": value for key, value in tags.items()}
    if service == "iam":
        context |= {
            "iam:PermissionsBoundary": facts.boundary_arn,
            "iam:PolicyARN": made.inputs.get("policyArn", ""),
            "iam:PassedToService": SERVICES.get(made.type, ""),
            "iam:AWSServiceName": "email.cognito-idp.amazonaws.com",
        }
    if made.type == "lambda/eventSourceMapping:EventSourceMapping":
        context["lambda:FunctionArn"] = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{made.inputs['functionName']}"
    return context
