"""The engine's side of a Pulumi program, in this process: a resource monitor that makes each resource at once.

The SDK takes any Python object in place of its gRPC stubs, and calls it from several threads. There is no state
and no diff: every resource is created, and the options that only matter to an existing stack (aliases, protection,
ignored changes, …) have nothing to do.
"""

# ruff: noqa: N802 - the methods have the names of Pulumi's gRPC services

from __future__ import annotations

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

# Without resource references, the SDK gives the id (or the URN of a component) where a program gives a resource.
_FEATURES: Final = (
    resource_pb2.RESOURCE_MONITOR_FEATURE_SECRETS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_ALIAS_SPECS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_DELETED_WITH,
    resource_pb2.RESOURCE_MONITOR_FEATURE_REPLACE_WITH,
    resource_pb2.RESOURCE_MONITOR_FEATURE_REPLACEMENT_TRIGGER,
    resource_pb2.RESOURCE_MONITOR_FEATURE_TRANSFORMS,
)


_Invoke = Callable[[callback_pb2.CallbackInvokeRequest], callback_pb2.CallbackInvokeResponse]


@dataclass(frozen=True, slots=True)
class LogMessage:
    """A line that the program logged; `severity` is `info`, `warning` or `error`."""

    severity: str
    text: str


class Monitor:
    """What one run of a program registers its resources with.

    Args:
        project: the project whose program is run; its region answers `aws.get_region`.
        provisioner: makes the resources; without it this is a preview: everything is checked, nothing is made, and ids
            and outputs are unknown to the program.
        on_resource: called after each custom resource was made (or checked, in a preview), one call at a time, from
            a thread of the run.

    Attributes:
        resources: every resource by URN, components and the stack included, in the order of registration.
        exports: the stack's exports; secrets are plain.
        logs: what the program logged, except debug messages.
        failure: the first thing that went wrong, if anything did.
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
        """Whether nothing is made."""
        return self._provisioner is None

    # Of the ResourceMonitor service

    def GetDeploymentInfo(self, _request: Empty) -> resource_pb2.DeploymentInfo:
        return resource_pb2.DeploymentInfo(supportedFeatures=_FEATURES)

    def RegisterResource(self, request: resource_pb2.RegisterResourceRequest) -> resource_pb2.RegisterResourceResponse:
        try:
            return self._register(request)
        except ProvisionError as error:
            text = f'{request.type} "{request.name}": {error}'
            raise self._record_failure("\n  at ".join([text, *self._find_program_lines(request)])) from error

    def RegisterResourceOutputs(self, request: resource_pb2.RegisterResourceOutputsRequest) -> Empty:
        resource = self.resources[request.urn]
        resource.outputs = wire.load(request.outputs)
        if resource.type == STACK_TYPE:
            self.exports = resource.outputs
            unknown = next(wire.find_unknown_paths(self.exports), None)
            if unknown is not None and not self.is_preview:
                raise self._record_failure(f"export {unknown}: depends on an output that the local run does not give")
        return Empty()

    def Invoke(self, request: resource_pb2.ResourceInvokeRequest) -> resource_pb2.ResourceInvokeResponse:
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
            case token:
                raise self._record_failure(f"{token}: the local run does not know this function")
        response = resource_pb2.ResourceInvokeResponse()
        getattr(response, "return").update(result)
        return response

    def ReadResource(self, request: resource_pb2.ReadResourceRequest) -> resource_pb2.ReadResourceResponse:
        raise self._record_failure(
            f'{request.type} "{request.name}": looked up by the id {request.id}, but the local run holds only '
            "what the program itself creates"
        )

    def Call(self, request: resource_pb2.ResourceCallRequest) -> object:
        raise self._record_failure(f"{request.tok}: the local run calls no methods of resources")

    def RegisterStackTransform(self, request: callback_pb2.Callback) -> Empty:
        self._stack_transforms.append(request)
        return Empty()

    def SignalAndWaitForShutdown(self, _request: Empty) -> Empty:
        return Empty()

    # Of the Engine service

    def Log(self, request: engine_pb2.LogRequest) -> Empty:
        if request.severity != engine_pb2.DEBUG:
            severity = engine_pb2.LogSeverity.Name(request.severity).lower()
            self.logs.append(LogMessage(severity, request.message))
        return Empty()

    def RequirePulumiVersion(
        self, _request: engine_pb2.RequirePulumiVersionRequest
    ) -> engine_pb2.RequirePulumiVersionResponse:
        # The range is about the CLI, and there is none here.
        return engine_pb2.RequirePulumiVersionResponse()

    # What the methods above are made of

    def _register(self, request: resource_pb2.RegisterResourceRequest) -> resource_pb2.RegisterResourceResponse:
        urn = self._build_urn(request)
        with self._lock:
            # The SDK's stubs name this message's type wrongly, which leaves it unknown.
            callbacks = cast("Iterable[callback_pb2.Callback]", request.transforms)  # pyright: ignore[reportUnknownMemberType]
            self._transforms[urn] = list(callbacks)
        properties, secrets = self._apply_transforms(request, urn)
        resource = Resource(urn, request.type, request.name, request.parent, request.custom, wire.load(properties))
        with self._lock:
            if urn in self.resources:
                raise ProvisionError("a second resource of this type, name and parent")
            self.resources[urn] = resource
        if request.remote:
            raise ProvisionError("a component of another language, which the local run cannot start")
        if request.importId:
            raise ProvisionError(f"imported by the id {request.importId}, but there is nothing to import")
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
            # An output that we do not give is unknown to the program, never a silent `None`: what depends on it then
            # fails by name.
            unknown=True,
        )

    def _check(self, resource: Resource) -> None:
        """Refuse what is wrong, what is not supported and, where a resource is to be made, what is not known.

        Raises:
            ProvisionError: there is any of that.
        """
        problems: list[str] = []
        if not resource.type.startswith(PROVIDER_PREFIX):
            problems = type_metadata.find_problems(resource.type, resource.inputs)
        problems = problems or provisioners.find_problems(resource, self.project.region)
        if not problems and not self.is_preview:
            problems = [
                f"{path}: depends on an output that the local run does not give"
                for path in wire.find_unknown_paths(resource.inputs)
            ]
        if problems:
            raise ProvisionError("; ".join(problems))

    def _create(self, resource: Resource) -> CreatedResource:
        if self._provisioner is None:
            return CreatedResource("", {})
        return self._provisioner.create(resource)

    def _build_urn(self, request: resource_pb2.RegisterResourceRequest) -> str:
        kind = request.type
        if request.parent:
            parent_kind = request.parent.split("::")[2]
            if parent_kind != STACK_TYPE:
                kind = f"{parent_kind}${kind}"
        return f"urn:pulumi:{self.project.stack}::{self.project.name}::{kind}::{request.name}"

    def _apply_transforms(self, request: resource_pb2.RegisterResourceRequest, urn: str) -> tuple[Struct, list[str]]:
        """The properties and the additional secret outputs after all transforms: the resource's own, its
        ancestors', the stack's."""
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
            # What depends on this resource fails too; the first error is the one to report.
            self.failure = self.failure or error
        return error

    def _find_program_lines(self, request: resource_pb2.RegisterResourceRequest) -> Iterator[str]:
        """The lines of the program that led to `request`, innermost first."""
        trace = cast("source_pb2.StackTrace", request.stackTrace)  # pyright: ignore[reportUnknownMemberType]  # as above
        for frame in trace.frames:
            path = Path(unquote(urlsplit(frame.pc.uri).path))
            place = self.project.locate(path, frame.pc.line)
            if place is not None:
                yield place


def _call_transform(callback: callback_pb2.Callback, request: bytes) -> bytes:
    """Run a function of the program through the callback server that the SDK started for it."""
    with grpc.insecure_channel(callback.target) as channel:
        stub = callback_pb2_grpc.CallbacksStub(channel)
        try:
            message = callback_pb2.CallbackInvokeRequest(token=callback.token, request=request)
            invoke = cast("_Invoke", stub.Invoke)  # pyright: ignore[reportUnknownMemberType]  # as above
            return invoke(message).response
        except grpc.RpcError as error:
            # Every error of a call is a `grpc.Call` too.
            details = error.details() if isinstance(error, grpc.Call) else None
            raise ProvisionError(f"a transform failed: {(details or '').strip()}") from error
