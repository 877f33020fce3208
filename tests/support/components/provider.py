"""AWS as the components see it: what each resource is called, and what it says of itself once it exists."""

from __future__ import annotations

import hashlib
import json
import uuid
from typing import TYPE_CHECKING, Any, cast

import pulumi

if TYPE_CHECKING:
    from collections.abc import Mapping

REGION = "eu-west-1"
ACCOUNT = "123456789012"
Values = dict[str, Any]
GET_RESOURCE = "aws:cloudcontrol/getResource:getResource"
"""The provider's function `aws.cloudcontrol.get_resource`."""


class Provider(pulumi.runtime.Mocks):
    """Creates by the rules of pulumi_aws: physical names and ids from the logical name, outputs from both.

    `instead` holds outputs that are to be others, by the resource's logical name. `region` is the provider's own; a
    resource may name another. `pipe` is what Cloud Control says of each pipe besides its name.
    """

    def __init__(
        self,
        instead: Mapping[str, Values] | None = None,
        region: str = REGION,
        pipe: Mapping[str, str] | None = None,
    ) -> None:
        self._instead = instead or {}
        self._region = region
        self._pipe = pipe or {"CurrentState": "RUNNING"}

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, Values]:
        inputs = cast("Values", args.inputs)  # pyright: ignore[reportUnknownMemberType]  # a bare dict to the SDK
        region = inputs.get("region", self._region)
        outputs = {**_outputs(args.typ, args.name, inputs, region), **self._instead.get(args.name, {})}
        return outputs.pop("id"), outputs

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[Values, list[tuple[str, str]]]:
        asked = cast("Values", args.args)  # pyright: ignore[reportUnknownMemberType]  # a bare dict to the SDK
        if (args.token, asked.get("typeName")) != (GET_RESOURCE, "AWS::Pipes::Pipe"):
            raise NotImplementedError(f"{args.token} {asked}: no component asks AWS this")
        properties = {"Name": asked["identifier"], **self._pipe}
        return {**asked, "id": asked["identifier"], "properties": json.dumps(properties)}, []


def arn(service: str, resource: str, region: str = REGION) -> str:
    """The ARN of a resource in the account of these tests."""
    return f"arn:aws:{service}:{region}:{ACCOUNT}:{resource}"


def physical_name(name: str) -> str:
    """What pulumi_aws calls a resource that was given no name."""
    return f"{name}-{_digest(name, 7)}"


def api_id(name: str) -> str:
    """The id that API Gateway makes up."""
    return _digest(name, 10)


def user_pool_id(name: str, region: str = REGION) -> str:
    """The id that Cognito makes up."""
    return f"{region}_{_digest(name, 9)}"


def bucket_name(name: str) -> str:
    """As `physical_name`, in the small letters that S3 asks for."""
    return physical_name(name).lower()


def distribution_id(name: str) -> str:
    """The id that CloudFront makes up."""
    return f"E{_digest(name, 13).upper()}"


def distribution_domain(name: str) -> str:
    """The domain name that CloudFront makes up."""
    return f"d{_digest(name, 13)}.cloudfront.net"


def key_id(name: str) -> str:
    """The id that KMS makes up."""
    return str(uuid.UUID(_digest(name, 32)))


def key_arn(name: str, region: str = REGION) -> str:
    """The ARN of the KMS key with this id."""
    return arn("kms", f"key/{key_id(name)}", region)


def _digest(text: str, length: int) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def _outputs(kind: str, logical_name: str, inputs: Values, region: str) -> Values:
    """The `id` and the computed outputs of a new resource."""
    name: str = inputs.get("name") or physical_name(logical_name)
    made_up = api_id(logical_name)
    match kind:
        case "aws:dynamodb/table:Table":
            table = arn("dynamodb", f"table/{name}", region)
            stream = {"streamArn": f"{table}/stream/2026-11-22T20:00:00.000"} if inputs.get("streamEnabled") else {}
            return {"id": name, "name": name, "arn": table, **stream}
        case "aws:cloudwatch/eventBus:EventBus":
            return {"id": name, "name": name, "arn": arn("events", f"event-bus/{name}", region)}
        case "aws:cloudwatch/eventRule:EventRule":
            # Without the bus where it is the default one.
            path = f"{inputs['eventBusName']}/{name}" if "eventBusName" in inputs else name
            return {"id": path, "name": name, "arn": arn("events", f"rule/{path}", region)}
        case "aws:sqs/queue:Queue":
            url = f"https://sqs.{region}.amazonaws.com/{ACCOUNT}/{name}"
            return {"id": url, "url": url, "name": name, "arn": arn("sqs", name, region)}
        case "aws:iam/role:Role":
            role = f"arn:aws:iam::{ACCOUNT}:role/{name}"
            return {"id": name, "name": name, "arn": role, "createDate": "2026-11-22T20:00:00Z"}
        case "aws:lambda/function:Function":
            function = arn("lambda", f"function:{name}", region)
            invoke = f"arn:aws:apigateway:{region}:lambda:path/2015-03-31/functions/{function}/invocations"
            return {"id": name, "name": name, "arn": function, "invokeArn": invoke}
        case "aws:cloudwatch/logGroup:LogGroup":
            return {"id": name, "name": name, "arn": arn("logs", f"log-group:{name}", region)}
        case "aws:cloudwatch/logDeliverySource:LogDeliverySource":
            return {"id": name, "name": name, "arn": arn("logs", f"delivery-source:{name}", region)}
        case "aws:cloudwatch/logDeliveryDestination:LogDeliveryDestination":
            return {"id": name, "name": name, "arn": arn("logs", f"delivery-destination:{name}", region)}
        case "aws:cloudwatch/logResourcePolicy:LogResourcePolicy":
            return {"id": inputs["policyName"]}
        case "aws:pipes/pipe:Pipe":
            return {"id": name, "name": name, "arn": arn("pipes", f"pipe/{name}", region)}
        case "aws:apigatewayv2/api:Api":
            endpoint = f"wss://{made_up}.execute-api.{region}.amazonaws.com"
            return {
                "id": made_up,
                "name": name,
                "executionArn": arn("execute-api", made_up, region),
                "apiEndpoint": endpoint,
            }
        case "aws:apigatewayv2/stage:Stage":
            url = f"wss://{inputs['apiId']}.execute-api.{region}.amazonaws.com/{inputs['name']}"
            return {"id": inputs["name"], "invokeUrl": url}
        case "aws:cognito/userPool:UserPool":
            pool = user_pool_id(logical_name, region)
            endpoint = f"cognito-idp.{region}.amazonaws.com/{pool}"
            return {
                "id": pool,
                "name": name,
                "endpoint": endpoint,
                "arn": arn("cognito-idp", f"userpool/{pool}", region),
            }
        case "aws:cognito/userPoolDomain:UserPoolDomain":
            return {"id": inputs["domain"]}
        case "aws:s3/bucket:Bucket":
            bucket: str = inputs.get("bucket") or bucket_name(logical_name)
            host = f"{bucket}.s3.{region}.amazonaws.com"
            return {
                "id": bucket,
                "bucket": bucket,
                "region": region,
                "arn": f"arn:aws:s3:::{bucket}",
                "bucketRegionalDomainName": host,
            }
        case "aws:s3/bucketObjectv2:BucketObjectv2":
            path = f"{inputs['bucket']}/{inputs['key']}"
            return {"id": path, "arn": f"arn:aws:s3:::{path}"}
        case "aws:cloudfront/distribution:Distribution":
            distribution = distribution_id(logical_name)
            domain = distribution_domain(logical_name)
            distribution_arn = f"arn:aws:cloudfront::{ACCOUNT}:distribution/{distribution}"
            return {"id": distribution, "arn": distribution_arn, "domainName": domain}
        case "aws:kms/key:Key":
            return {"id": key_id(logical_name), "keyId": key_id(logical_name), "arn": key_arn(logical_name, region)}
        case "aws:kms/keyPolicy:KeyPolicy":
            return {"id": inputs["keyId"]}
        case "aws:ssm/parameter:Parameter":
            return {"id": name, "name": name, "arn": arn("ssm", f"parameter/{name}", region)}
        case "aws:sns/topic:Topic":
            topic = arn("sns", name, region)
            return {"id": topic, "name": name, "arn": topic}
        case "aws:sns/topicSubscription:TopicSubscription":
            subscription = f"{inputs['topic']}:{made_up}"
            return {"id": subscription, "arn": subscription}
        case _:
            return {"id": made_up, "name": name}
