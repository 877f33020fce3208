"""The AWS provider of the engine tests, as Pulumi's provider protocol has it, in front of a `Backend`.

It runs in the process of the test. The program `pulumi-resource-aws`, which the engine finds on `PATH`, only prints the
port and lives as long as the engine.
"""

# ruff: noqa: N802 - the method names are those of Pulumi's gRPC service

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NoReturn

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.empty_pb2 import Empty
from google.protobuf.struct_pb2 import Struct, Value
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from local import type_metadata, wire
from tests.support.engine.cloud import CloudError, CreatedAndFailed

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.support.engine.cloud import Backend, Existing

REPLACING: Final[dict[str, frozenset[str]]] = {
    "aws:apigateway/account:Account": frozenset(),
    "aws:apigatewayv2/api:Api": frozenset({"protocolType"}),
    "aws:apigatewayv2/authorizer:Authorizer": frozenset({"apiId"}),
    "aws:apigatewayv2/integration:Integration": frozenset({"apiId", "integrationType"}),
    "aws:apigatewayv2/route:Route": frozenset({"apiId"}),
    "aws:apigatewayv2/routeResponse:RouteResponse": frozenset({"apiId", "routeId"}),
    "aws:apigatewayv2/stage:Stage": frozenset({"apiId", "name"}),
    "aws:cloudfront/distribution:Distribution": frozenset(),
    "aws:cloudfront/originAccessControl:OriginAccessControl": frozenset(),
    "aws:cloudfront/responseHeadersPolicy:ResponseHeadersPolicy": frozenset(),
    "aws:cloudwatch/eventBus:EventBus": frozenset({"name"}),
    "aws:cloudwatch/eventRule:EventRule": frozenset({"eventBusName", "name"}),
    "aws:cloudwatch/eventTarget:EventTarget": frozenset({"eventBusName", "rule", "targetId"}),
    "aws:cloudwatch/logDelivery:LogDelivery": frozenset({"deliveryDestinationArn", "deliverySourceName"}),
    "aws:cloudwatch/logDeliveryDestination:LogDeliveryDestination": frozenset({"name", "outputFormat"}),
    "aws:cloudwatch/logDeliverySource:LogDeliverySource": frozenset({"logType", "name", "resourceArn"}),
    "aws:cloudwatch/logGroup:LogGroup": frozenset({"name"}),
    "aws:cloudwatch/logResourcePolicy:LogResourcePolicy": frozenset({"policyName"}),
    "aws:cloudwatch/metricAlarm:MetricAlarm": frozenset({"name"}),
    "aws:cognito/userPool:UserPool": frozenset({"aliasAttributes", "usernameAttributes", "usernameConfiguration"}),
    "aws:cognito/userPoolClient:UserPoolClient": frozenset({"generateSecret", "userPoolId"}),
    "aws:cognito/userPoolDomain:UserPoolDomain": frozenset({"domain", "userPoolId"}),
    "aws:dynamodb/table:Table": frozenset({"hashKey", "localSecondaryIndexes", "name", "rangeKey"}),
    "aws:iam/role:Role": frozenset({"name", "path"}),
    "aws:iam/rolePolicy:RolePolicy": frozenset({"name", "role"}),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": frozenset({"policyArn", "role"}),
    "aws:kms/key:Key": frozenset({"customerMasterKeySpec", "keyUsage", "multiRegion"}),
    "aws:kms/keyPolicy:KeyPolicy": frozenset({"keyId"}),
    "aws:lambda/eventSourceMapping:EventSourceMapping": frozenset({"eventSourceArn", "startingPosition"}),
    "aws:lambda/function:Function": frozenset({"name", "packageType"}),
    "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig": frozenset({"functionName"}),
    "aws:lambda/permission:Permission": frozenset({"action", "function", "principal", "sourceArn", "statementId"}),
    "aws:pipes/pipe:Pipe": frozenset({"name", "source"}),
    "aws:s3/bucket:Bucket": frozenset({"bucket"}),
    "aws:s3/bucketObjectv2:BucketObjectv2": frozenset({"bucket", "key"}),
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": frozenset({"bucket"}),
    "aws:s3/bucketPolicy:BucketPolicy": frozenset({"bucket"}),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": frozenset({"bucket"}),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": frozenset({"bucket"}),
    "aws:sns/topic:Topic": frozenset({"name"}),
    "aws:sns/topicPolicy:TopicPolicy": frozenset({"arn"}),
    "aws:sns/topicSubscription:TopicSubscription": frozenset({"endpoint", "protocol", "topic"}),
    "aws:sqs/queue:Queue": frozenset({"fifoQueue", "name"}),
    "aws:sqs/queuePolicy:QueuePolicy": frozenset({"queueUrl"}),
    "aws:ssm/parameter:Parameter": frozenset({"dataType", "name"}),
}
"""Properties besides `region` whose change replaces a resource (`ForceNew` and `RequiresReplace`).

They are from the source files and versions that `tools/iam/provider_calls.json` names. Properties that the program
does not use are left out.
"""

_RANDOM_CHARACTERS: Final = 7


class AwsProvider(provider_pb2_grpc.ResourceProviderServicer):
    """The provider's gRPC service."""

    def __init__(self, cloud: Backend) -> None:
        self._cloud = cloud

    def Handshake(self, request: Any, context: grpc.ServicerContext) -> Any:
        return provider_pb2.ProviderHandshakeResponse(supports_autonaming_configuration=True)

    def GetPluginInfo(self, request: Any, context: grpc.ServicerContext) -> Any:
        return plugin_pb2.PluginInfo(version="7.51.1")

    def CheckConfig(self, request: Any, context: grpc.ServicerContext) -> Any:
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: grpc.ServicerContext) -> Any:
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    def Configure(self, request: Any, context: grpc.ServicerContext) -> Any:
        return provider_pb2.ConfigureResponse(supportsPreview=True, supports_autonaming_configuration=True)

    def Cancel(self, request: Any, context: grpc.ServicerContext) -> Any:
        return Empty()

    def Check(self, request: Any, context: grpc.ServicerContext) -> Any:
        inputs = Struct()
        inputs.CopyFrom(request.news)
        name = _name_property(request.type)
        if name and name not in inputs.fields:
            inputs.update({name: _choose_name(request, name)})
        failures = [
            provider_pb2.CheckFailure(property=path, reason=reason)
            for path, _, reason in (
                problem.partition(": ") for problem in type_metadata.find_problems(request.type, wire.load(inputs))
            )
        ]
        return provider_pb2.CheckResponse(inputs=inputs, failures=failures)

    def Diff(self, request: Any, context: grpc.ServicerContext) -> Any:
        old, new = request.old_inputs.fields, request.news.fields
        changed = sorted(
            key
            for key in {*old, *new} - set(request.ignoreChanges)
            if key not in old or key not in new or _contents(old[key]) != _contents(new[key])
        )
        replacing = REPLACING[request.type] | {"region"}
        return provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME if changed else provider_pb2.DiffResponse.DIFF_NONE,
            diffs=changed,
            replaces=[key for key in changed if key in replacing],
        )

    def Create(self, request: Any, context: grpc.ServicerContext) -> Any:
        if request.preview:
            return provider_pb2.CreateResponse(properties=request.properties)
        with _reported(context):
            existing = self._cloud.create(request.urn, request.properties)
        return provider_pb2.CreateResponse(id=existing.id, properties=existing.outputs)

    def Read(self, request: Any, context: grpc.ServicerContext) -> Any:
        with _reported(context):
            existing = self._cloud.read(request.urn, request.id)
        if existing is None:
            return provider_pb2.ReadResponse()
        return provider_pb2.ReadResponse(id=existing.id, properties=existing.outputs, inputs=existing.inputs)

    def Update(self, request: Any, context: grpc.ServicerContext) -> Any:
        if request.preview:
            return provider_pb2.UpdateResponse(properties=_merge(request.olds, request.news))
        with _reported(context):
            existing = self._cloud.update(request.urn, request.id, request.news)
        return provider_pb2.UpdateResponse(properties=existing.outputs)

    def Delete(self, request: Any, context: grpc.ServicerContext) -> Any:
        with _reported(context):
            self._cloud.delete(request.urn, request.id)
        return Empty()

    def Invoke(self, request: Any, context: grpc.ServicerContext) -> Any:
        with _reported(context):
            result = self._cloud.invoke(request.tok, wire.load(request.args))
        response = provider_pb2.InvokeResponse()
        getattr(response, "return").update(result)
        return response


@contextmanager
def _reported(context: grpc.ServicerContext) -> Generator[None]:
    """End the call with an error of gRPC if the cloud refuses it."""
    try:
        yield
    except CreatedAndFailed as error:
        _fail_initialization(context, error)
    except CloudError as error:
        context.abort(grpc.StatusCode.UNKNOWN, str(error))


def _fail_initialization(context: grpc.ServicerContext, error: CreatedAndFailed) -> NoReturn:
    """End the call with an error whose details hold the resource, so that the engine stores it."""
    existing: Existing = error.existing
    detail = AnyMessage()
    detail.Pack(
        provider_pb2.ErrorResourceInitFailed(
            id=existing.id, properties=existing.outputs, inputs=existing.inputs, reasons=[str(error)]
        )
    )
    code: int = grpc.StatusCode.UNKNOWN.value[0]
    status = status_pb2.Status(code=code, message=str(error), details=[detail])
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(grpc.StatusCode.UNKNOWN, str(error))


def _name_property(kind: str) -> str | None:
    """Return the property for which the provider makes a name if the program gives none."""
    if kind == "aws:s3/bucket:Bucket":
        return "bucket"
    problems = type_metadata.find_problems(kind, {"name": ""})
    return None if any(problem.startswith("name:") for problem in problems) else "name"


def _choose_name(request: Any, name: str) -> str:
    """Return the name that the resource has already, or the one that the engine proposes, or one of our own."""
    if name in request.olds.fields:
        return request.olds.fields[name].string_value
    if request.HasField("autonaming") and request.autonaming.proposed_name:
        return request.autonaming.proposed_name
    chosen = f"{request.name}-{request.randomSeed.hex()[:_RANDOM_CHARACTERS]}"
    return chosen.lower() if name == "bucket" else chosen


def _contents(value: Value) -> Any:
    """Return a value for a comparison: of an asset or archive only its hash, because it may have moved."""
    match value.WhichOneof("kind"):
        case "struct_value":
            fields = value.struct_value.fields
            if wire.SIGNATURE in fields and "hash" in fields:
                return fields["hash"].string_value
            return {key: _contents(item) for key, item in fields.items()}
        case "list_value":
            return [_contents(item) for item in value.list_value.values]
        case _:
            return value.SerializeToString()


def _merge(olds: Struct, news: Struct) -> Struct:
    merged = Struct()
    merged.CopyFrom(olds)
    for key, value in news.fields.items():
        merged.fields[key].CopyFrom(value)
    return merged


@contextmanager
def serving(cloud: Backend, folder: Path) -> Generator[None]:
    """Serve the provider, and put the program `pulumi-resource-aws` into `folder`."""
    server = grpc.server(ThreadPoolExecutor(64))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(AwsProvider(cloud), server)  # pyright: ignore[reportUnknownMemberType]  # untyped
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    program = folder / "pulumi-resource-aws"
    # An engine that was killed does not end its plugins.
    program.write_text(f'#!/bin/sh\necho {port}\nwhile kill -0 "$PPID" 2>/dev/null; do sleep 1; done\n')
    program.chmod(0o755)
    try:
        yield
    finally:
        server.stop(None)
