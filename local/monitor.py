"""In-process replacement for Pulumi's resource monitor and engine.

The Pulumi SDK accepts any Python object in place of its gRPC stubs and calls it from several threads. The monitor
creates each resource as soon as the program registers the resource. There is no state file and no diff. Options that
concern only an existing stack (aliases, protection, ignored changes and others) have no effect. Hooks are not called:
what the emulator has created can be used at once, and nothing is tried twice.
"""

# ruff: noqa: N802 - the method names are those of Pulumi's gRPC services

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import unquote, urlsplit

import grpc
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import callback_pb2, callback_pb2_grpc, engine_pb2, resource_pb2, source_pb2

from . import provisioners, type_metadata, wire
from .emulator import ACCOUNT_ID
from .errors import ProgramError
from .resource import CreatedResource, ProvisionError, Resource, ResourceProvisioner

if TYPE_CHECKING:
    from google.protobuf.struct_pb2 import Struct

    from .project import Project

STACK_TYPE: Final = "pulumi:pulumi:Stack"
PROVIDER_PREFIX: Final = "pulumi:providers:"

# The features of Pulumi's protocol that this monitor supports. Resource references are not among them. If an input is
# another resource, the SDK therefore sends the id of the other resource, or its URN if it is a component.
_FEATURES: Final = (
    resource_pb2.RESOURCE_MONITOR_FEATURE_SECRETS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_ALIAS_SPECS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_DELETED_WITH,
    resource_pb2.RESOURCE_MONITOR_FEATURE_REPLACE_WITH,
    resource_pb2.RESOURCE_MONITOR_FEATURE_REPLACEMENT_TRIGGER,
    resource_pb2.RESOURCE_MONITOR_FEATURE_TRANSFORMS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_RESOURCE_HOOKS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_ERROR_HOOKS,
)


_Invoke = Callable[[callback_pb2.CallbackInvokeRequest], callback_pb2.CallbackInvokeResponse]


@dataclass(frozen=True, slots=True)
class LogMessage:
    """A message that the program logged."""

    severity: str
    """`info`, `warning` or `error`."""
    text: str


class Monitor:
    """Resource monitor and engine for one run of a program.

    Args:
        project: The project of the program. `aws.get_region` returns its region.
        provisioner: The provisioner that creates the resources; None for a preview. In a preview, the monitor checks
            the resources and creates none of them. Their ids and outputs are unknown to the program.
        on_resource: A function that is called with each custom resource after it was created. In a preview, it is
            called after the resource was checked. Threads of the run call it, one at a time.

    Attributes:
        resources: All resources by URN, components and the stack included, in the order of registration.
        exports: The exports of the stack; secrets are plain values.
        logs: The messages that the program logged, except debug messages.
        failure: The first failure of the run, or None.
    """

    def __init__(
        self,
        project: Project,
        provisioner: ResourceProvisioner | None = None,
        *,
        on_resource: Callable[[Resource], None] | None = None,
    ) -> None:
        self.project = project
        self.resources: dict[str, Resource] = {}
        self.exports: dict[str, Any] = {}
        self.logs: list[LogMessage] = []
        self.failure: ProgramError | None = None
        self._provisioner = provisioner
        self._on_resource = on_resource
        self._lock = threading.Lock()
        self._callback_lock = threading.Lock()
        self._transforms: dict[str, list[callback_pb2.Callback]] = {}
        self._stack_transforms: list[callback_pb2.Callback] = []

    @property
    def is_preview(self) -> bool:
        """Whether the run is a preview, which creates nothing."""
        return self._provisioner is None

    # Methods of the gRPC service ResourceMonitor

    def GetDeploymentInfo(self, _request: Empty) -> resource_pb2.DeploymentInfo:
        """Return the features that this monitor supports."""
        return resource_pb2.DeploymentInfo(supportedFeatures=_FEATURES)

    def RegisterResource(self, request: resource_pb2.RegisterResourceRequest) -> resource_pb2.RegisterResourceResponse:
        """Check and create a resource.

        Raises:
            ProgramError: The resource is invalid, not supported, or cannot be created.
        """
        try:
            return self._register(request)
        except ProvisionError as error:
            text = f'{request.type} "{request.name}": {error}'
            raise self._record_failure("\n  at ".join([text, *self._find_program_lines(request)])) from error

    def RegisterResourceOutputs(self, request: resource_pb2.RegisterResourceOutputsRequest) -> Empty:
        """Store the outputs of a component or the exports of the stack.

        Raises:
            ProgramError: An export depends on an output that the local run does not provide.
        """
        resource = self.resources[request.urn]
        resource.outputs = wire.load(request.outputs)
        if resource.type == STACK_TYPE:
            self.exports = resource.outputs
            unknown = next(wire.find_unknown_paths(self.exports), None)
            if unknown is not None and not self.is_preview:
                raise self._record_failure(
                    f"export {unknown}: depends on an output that the local run does not provide"
                )
        return Empty()

    def Invoke(self, request: resource_pb2.ResourceInvokeRequest) -> resource_pb2.ResourceInvokeResponse:
        """Return the result of `aws.get_region`, `aws.get_caller_identity` or `aws.cloudcontrol.get_resource`.

        Raises:
            ProgramError: The program called another function, or the function fails.
        """
        arguments = wire.load(request.args)
        region = arguments.get("region", self.project.region)
        match request.tok:
            case "aws:index/getRegion:getRegion":
                result = {
                    "id": region,
                    "name": region,
                    "region": region,
                    "description": region,
                    "endpoint": f"ec2.{region}.amazonaws.com",
                }
            case "aws:index/getCallerIdentity:getCallerIdentity":
                result = {
                    "id": ACCOUNT_ID,
                    "accountId": ACCOUNT_ID,
                    "userId": ACCOUNT_ID,
                    "arn": f"arn:aws:iam::{ACCOUNT_ID}:root",
                }
            case "aws:cloudcontrol/getResource:getResource":
                properties = self._read_properties(request.tok, arguments["typeName"], arguments["identifier"])
                result = {**arguments, "id": arguments["identifier"], "region": region, "properties": properties}
            case token:
                raise self._record_failure(f"{token}: the local run does not support this function")
        response = resource_pb2.ResourceInvokeResponse()
        getattr(response, "return").update(result)
        return response

    def ReadResource(self, request: resource_pb2.ReadResourceRequest) -> resource_pb2.ReadResourceResponse:
        """Return a resource that an account has from the start.

        Raises:
            ProgramError: An account has no resource of this type from the start.
        """
        resource_type = provisioners.TYPES.get(request.type)
        if resource_type and resource_type.existing is not None:
            properties = wire.merge(request.properties, resource_type.existing)
            return resource_pb2.ReadResourceResponse(urn=self._build_urn(request), properties=properties)
        raise self._record_failure(
            f'{request.type} "{request.name}": the local run does not support look-ups of existing resources '
            f"(id {request.id})"
        )

    def Call(self, request: resource_pb2.ResourceCallRequest) -> object:
        """Reject a call of a resource method.

        Raises:
            ProgramError: Always.
        """
        raise self._record_failure(f"{request.tok}: the local run does not support methods of resources")

    def RegisterStackTransform(self, request: callback_pb2.Callback) -> Empty:
        """Store a transform that applies to every resource of the stack."""
        self._stack_transforms.append(request)
        return Empty()

    def RegisterResourceHook(self, _request: resource_pb2.RegisterResourceHookRequest) -> Empty:
        """Accept a hook without calling it."""
        return Empty()

    def RegisterErrorHook(self, _request: resource_pb2.RegisterErrorHookRequest) -> Empty:
        """Accept a hook without calling it. The first failure of the local run ends it."""
        return Empty()

    def SignalAndWaitForShutdown(self, _request: Empty) -> Empty:
        """Return immediately, because there is no separate engine whose end the program must await."""
        return Empty()

    # Methods of the gRPC service Engine

    def Log(self, request: engine_pb2.LogRequest) -> Empty:
        """Store a message that the program logged, unless it is a debug message."""
        if request.severity != engine_pb2.DEBUG:
            severity = engine_pb2.LogSeverity.Name(request.severity).lower()
            self.logs.append(LogMessage(severity, request.message))
        return Empty()

    def RequirePulumiVersion(
        self, _request: engine_pb2.RequirePulumiVersionRequest
    ) -> engine_pb2.RequirePulumiVersionResponse:
        """Accept every version range. It concerns the Pulumi CLI, which the local run does not use."""
        return engine_pb2.RequirePulumiVersionResponse()

    # Helpers

    def _register(self, request: resource_pb2.RegisterResourceRequest) -> resource_pb2.RegisterResourceResponse:
        urn = self._build_urn(request)
        with self._lock:
            # The SDK's type stubs declare a wrong type for `transforms`. The cast states the right type.
            callbacks = cast("Iterable[callback_pb2.Callback]", request.transforms)  # pyright: ignore[reportUnknownMemberType]
            self._transforms[urn] = list(callbacks)
        properties, secrets = self._apply_transforms(request, urn)
        resource = Resource(urn, request.type, request.name, request.parent, request.custom, wire.load(properties))
        with self._lock:
            if urn in self.resources:
                raise ProvisionError("another resource has the same type, name and parent")
            self.resources[urn] = resource
        if request.remote:
            raise ProvisionError("the local run does not support components written in another language")
        if request.importId:
            raise ProvisionError(f"the local run does not support imports (id {request.importId})")
        if not request.custom:
            return resource_pb2.RegisterResourceResponse(urn=urn, object=properties)
        self._check(resource)
        created = self._create(resource)
        resource.id = created.id
        resource.outputs = {**resource.inputs, **created.outputs}
        if self._on_resource is not None:
            with self._callback_lock:
                self._on_resource(resource)
        return resource_pb2.RegisterResourceResponse(
            urn=urn,
            id=resource.id,
            object=wire.merge(properties, created.outputs, secrets),
            # Makes each output that the local run does not provide unknown instead of `None`. A resource that depends
            # on such an output then fails with an error that names the property.
            unknown=True,
        )

    def _check(self, resource: Resource) -> None:
        """Check the type and the inputs of a resource.

        Raises:
            ProvisionError: The type is not supported, or an input is invalid or not supported. If the run is not a
                preview, an unknown input is an error too.
        """
        problems: list[str] = []
        if not resource.type.startswith(PROVIDER_PREFIX):
            problems = type_metadata.find_problems(resource.type, resource.inputs)
        problems = problems or provisioners.find_problems(resource, self.project.region)
        if not problems and not self.is_preview:
            problems = [
                f"{path}: depends on an output that the local run does not provide"
                for path in wire.find_unknown_paths(resource.inputs)
            ]
        if problems:
            raise ProvisionError("; ".join(problems))

    def _create(self, resource: Resource) -> CreatedResource:
        if self._provisioner is None:
            return CreatedResource("", {})
        return self._provisioner.create(resource)

    def _read_properties(self, token: str, type_name: str, identifier: str) -> str:
        """Return the properties of an existing resource as JSON."""
        if self._provisioner is None:
            raise self._record_failure(f"{token}: {identifier!r} does not exist, because this is a preview")
        try:
            return json.dumps(self._provisioner.read_properties(type_name, identifier))
        except ProvisionError as error:
            raise self._record_failure(f"{token}: {error}") from error

    def _build_urn(self, request: resource_pb2.RegisterResourceRequest | resource_pb2.ReadResourceRequest) -> str:
        kind = request.type
        if request.parent:
            parent_kind = request.parent.split("::")[2]
            if parent_kind != STACK_TYPE:
                kind = f"{parent_kind}${kind}"
        return f"urn:pulumi:{self.project.stack}::{self.project.name}::{kind}::{request.name}"

    def _apply_transforms(self, request: resource_pb2.RegisterResourceRequest, urn: str) -> tuple[Struct, list[str]]:
        """Apply the transforms of the resource, of its ancestors and of the stack, in this order.

        Returns:
            The properties after the transforms, and the names of additional secret outputs.
        """
        properties = request.object
        options = resource_pb2.TransformResourceOptions(
            depends_on=request.dependencies,
            ignore_changes=request.ignoreChanges,
            additional_secret_outputs=request.additionalSecretOutputs,
            protect=request.protect,
            provider=request.provider,
            providers=request.providers,
            version=request.version,
        )
        for callback in self._collect_transforms(urn, request.parent):
            message = resource_pb2.TransformRequest(
                type=request.type,
                name=request.name,
                custom=request.custom,
                parent=request.parent,
                properties=properties,
                options=options,
            )
            response = resource_pb2.TransformResponse.FromString(_call_transform(callback, message.SerializeToString()))
            properties = response.properties
            if response.HasField("options"):
                options = response.options
        return properties, list(options.additional_secret_outputs)

    def _collect_transforms(self, urn: str, parent: str) -> list[callback_pb2.Callback]:
        with self._lock:
            found = list(self._transforms[urn])
            while parent:
                found += self._transforms.get(parent, [])
                parent = self.resources[parent].parent
            return found + self._stack_transforms

    def _record_failure(self, message: str) -> ProgramError:
        error = ProgramError(message)
        with self._lock:
            # Resources that depend on the failed resource fail too. Only the first error is reported.
            self.failure = self.failure or error
        return error

    def _find_program_lines(self, request: resource_pb2.RegisterResourceRequest) -> Iterator[str]:
        """Yield `file:line` of each call in the program that led to `request`, innermost first."""
        trace = cast("source_pb2.StackTrace", request.stackTrace)  # pyright: ignore[reportUnknownMemberType]  # as above
        for frame in trace.frames:
            path = Path(unquote(urlsplit(frame.pc.uri).path))
            line = self.project.locate(path, frame.pc.line)
            if line is not None:
                yield line


def _call_transform(callback: callback_pb2.Callback, request: bytes) -> bytes:
    """Call a transform of the program through the callback server that the SDK has started."""
    with grpc.insecure_channel(callback.target) as channel:
        stub = callback_pb2_grpc.CallbacksStub(channel)
        try:
            message = callback_pb2.CallbackInvokeRequest(token=callback.token, request=request)
            invoke = cast("_Invoke", stub.Invoke)  # pyright: ignore[reportUnknownMemberType]  # as above
            return invoke(message).response
        except grpc.RpcError as error:
            # grpc raises errors that also implement `grpc.Call`, which has the details.
            details = error.details() if isinstance(error, grpc.Call) else None
            raise ProvisionError(f"a transform failed: {(details or '').strip()}") from error
