"""Runs a Pulumi program as the SDK runs one, to its last RPC, and keeps every request that it made."""

from __future__ import annotations

import asyncio
import contextvars
import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pulumi
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.mocks import MockEngine, MockMonitor
from pulumi.runtime.proto import resource_pb2
from pulumi.runtime.stack import run_in_stack

from local import wire
from tests.support.components.provider import Provider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from google.protobuf.struct_pb2 import Struct

PROJECT = "formbridge-realtime"
STACK = "test"
STACK_TYPE = "pulumi:pulumi:Stack"


@dataclass(frozen=True)
class Declared:
    """A resource as the program asked for it."""

    urn: str
    type: str
    name: str
    parent: str
    """The parent's URN."""
    dependencies: frozenset[str]
    """URNs: what it was told to depend on, and where its inputs come from."""
    custom: bool
    """Whether a provider makes it; if not, it is a component."""
    retained: bool
    """Whether it stays when the stack goes."""
    protected: bool
    """Whether Pulumi refuses to delete it."""
    provider: str
    """The URN and id of the provider that makes it; empty for the default one."""
    aliases: frozenset[str]
    """The URNs that it had before."""
    message: Struct
    hooks: frozenset[str] = field(default=frozenset[str](), compare=False)
    """The names of the hooks that the engine calls around its operations. A part of a name is random."""

    @property
    def inputs(self) -> dict[str, Any]:
        """By the names of the wire, without nulls; `wire.UNKNOWN` where a preview does not know yet."""
        return wire.load(self.message)


@dataclass(frozen=True)
class Recording:
    """What a program declared."""

    resources: dict[str, Declared] = field(default_factory=dict[str, Declared])
    """By URN, in the order of registration."""
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    """What components, and the stack, registered as their outputs; by URN."""
    hooks: list[str] = field(default_factory=list[str])
    """The names of the hooks in the order of their registration."""

    def one(self, name: str) -> Declared:
        """The one resource of this name."""
        (found,) = [resource for resource in self.resources.values() if resource.name == name]
        return found

    def inputs(self, name: str) -> dict[str, Any]:
        """The inputs of the one resource of this name."""
        return self.one(name).inputs

    def json(self, name: str, key: str) -> Any:
        """The input `key` of the resource `name`, a JSON text, as what it says."""
        return json.loads(self.inputs(name)[key])

    def of_type(self, kind: str) -> list[Declared]:
        """Every resource of a type, as `dynamodb/table:Table`."""
        return [resource for resource in self.resources.values() if resource.type == f"aws:{kind}"]

    def children(self, name: str) -> set[tuple[str, str]]:
        """Type and name of all whose parent is the resource `name`; without the `aws:` of AWS's types."""
        parent = self.one(name).urn
        return {(one.type.removeprefix("aws:"), one.name) for one in self.resources.values() if one.parent == parent}

    def below(self, name: str) -> list[Declared]:
        """The component `name`, and every resource whose parent is one of these."""
        found = {self.one(name).urn}
        for resource in self.resources.values():  # a parent is registered before its children
            if resource.parent in found:
                found.add(resource.urn)
        return [resource for urn, resource in self.resources.items() if urn in found]

    def dependencies(self, name: str) -> set[str]:
        """The names of what the resource `name` depends on, without resources that the program only looks up."""
        return {self.resources[urn].name for urn in self.one(name).dependencies if urn in self.resources}

    def custom(self) -> Iterator[Declared]:
        """Every resource that a provider makes."""
        return (resource for resource in self.resources.values() if resource.custom)

    def registered(self, name: str) -> dict[str, Any]:
        """The outputs that the component `name` registered."""
        return self.outputs[self.one(name).urn]

    @property
    def exports(self) -> dict[str, Any]:
        """The stack's exports."""
        (found,) = [outputs for urn, outputs in self.outputs.items() if "::pulumi:pulumi:Stack::" in urn]
        return found


def run(
    program: Callable[[], object],
    *,
    config: Mapping[str, str] | None = None,
    preview: bool = False,
    project: str = PROJECT,
    stack: str = STACK,
    provider: Provider | None = None,
) -> Recording:
    """Run `program` in a stack of its own until nothing of it is outstanding.

    Whatever it raises is raised here, in an `apply` that nobody awaits too. `config` has full keys (`project:key`).
    In a preview there is no provider: every output is unknown.
    """
    monitor = RecordingMonitor(None if preview else provider or Provider())
    _run_apart(program, config or {}, project, stack, monitor)
    return monitor.recording


def refusal(program: Callable[[], object], *, config: Mapping[str, str] | None = None) -> str:
    """What the `ValueError` says that `program` raises before it has declared anything."""
    monitor = RecordingMonitor(Provider())
    try:
        _run_apart(program, config or {}, PROJECT, STACK, monitor)
    except ValueError as error:
        _stack, *declared = monitor.recording.resources.values()
        assert declared == []
        return str(error)
    raise AssertionError("the program raised no ValueError")


def _run_apart(
    program: Callable[[], object], config: Mapping[str, str], project: str, stack: str, monitor: RecordingMonitor
) -> None:
    # The SDK keeps its state in the context: a context of its own is a process of its own.
    contextvars.Context().run(_run, program, config, project, stack, monitor)


def _run(
    program: Callable[[], object], config: Mapping[str, str], project: str, stack: str, monitor: RecordingMonitor
) -> None:
    lost: list[BaseException] = []

    def execute() -> None:
        program()  # what it returns is its own affair: the SDK would await an Output

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: lost.append(_exception_of(context)))
        pulumi.runtime.set_all_config(dict(config))
        pulumi.runtime.configure(
            pulumi.runtime.Settings(
                project=project, stack=stack, monitor=monitor, engine=MockEngine(None), dry_run=monitor.preview
            )
        )
        await run_in_stack(execute)

    asyncio.run(main())
    if lost:
        raise lost[0]


def _exception_of(context: dict[str, Any]) -> BaseException:
    return context.get("exception") or RuntimeError(context["message"])


def kept_value(resource: str, name: str) -> str:
    """The value of a resource's input whose changes are ignored, as the state of the stack has it."""
    return hashlib.sha256(f"{resource} {name}".encode()).hexdigest()


class RecordingMonitor(MockMonitor):
    """The SDK's mock monitor, which keeps the requests: the mocks themselves see neither parent nor dependencies."""

    def __init__(self, provider: Provider | None) -> None:
        super().__init__(provider or Provider())
        self.recording = Recording()
        self.preview = provider is None
        self._provider = provider

    def make_urn(self, parent: str, type_: str, name: str) -> str:
        """As the engine makes it: of the types of all parents, except the stack's."""
        ancestors = parent.split("::")[2] if parent else STACK_TYPE
        qualified = type_ if ancestors == STACK_TYPE else f"{ancestors}${type_}"
        return f"urn:pulumi:{pulumi.get_stack()}::{pulumi.get_project()}::{qualified}::{name}"

    def GetDeploymentInfo(self, request: Empty) -> resource_pb2.DeploymentInfo:  # noqa: N802 - as below
        # Without alias specs, which the engine resolves, the SDK resolves what a resource was called before.
        offered = super().GetDeploymentInfo(request).supportedFeatures  # pyright: ignore[reportUnknownMemberType]  # untyped
        kept = [one for one in offered if one != resource_pb2.RESOURCE_MONITOR_FEATURE_ALIAS_SPECS]
        return resource_pb2.DeploymentInfo(supportedFeatures=kept)

    def RegisterResource(  # noqa: N802 - named by Pulumi's gRPC service
        self, request: resource_pb2.RegisterResourceRequest
    ) -> resource_pb2.RegisterResourceResponse:
        # All by itself: the SDK's own reads the message on an event loop that it opens in each thread and never closes.
        urn = self.make_urn(request.parent, request.type, request.name)
        for name in request.ignoreChanges:
            # The engine keeps what the state holds.
            request.object.update({name: {wire.SIGNATURE: wire.SECRET, "value": kept_value(request.name, name)}})
        if urn in self.recording.resources:
            raise ValueError(f"declared twice: {urn}")
        declared = Declared(
            urn=urn,
            type=request.type,
            name=request.name,
            parent=request.parent,
            dependencies=frozenset(request.dependencies),
            custom=request.custom,
            retained=request.retainOnDelete,
            protected=request.protect,
            provider=request.provider,
            aliases=frozenset(request.aliasURNs),
            hooks=frozenset([*request.hooks.before_create, *request.hooks.before_update, *request.hooks.on_error]),
            message=request.object,
        )
        self.recording.resources[urn] = declared
        if self._provider is None or not request.custom:
            return resource_pb2.RegisterResourceResponse(urn=urn, object=request.object)
        asked = pulumi.runtime.MockResourceArgs(declared.type, declared.name, declared.inputs)
        identifier, outputs = self._provider.new_resource(asked)
        return resource_pb2.RegisterResourceResponse(urn=urn, id=identifier, object=wire.merge(request.object, outputs))

    def ReadResource(self, request: resource_pb2.ReadResourceRequest) -> resource_pb2.ReadResourceResponse:  # noqa: N802 - as above
        # A look-up declares nothing.
        asked = pulumi.runtime.MockResourceArgs(request.type, request.name, wire.load(request.properties))
        _, outputs = (self._provider or Provider()).new_resource(asked)
        return resource_pb2.ReadResourceResponse(
            urn=self.make_urn(request.parent, request.type, request.name),
            properties=wire.merge(request.properties, outputs),
        )

    def RegisterResourceHook(self, request: resource_pb2.RegisterResourceHookRequest) -> Empty:  # noqa: N802
        self.recording.hooks.append(request.name)
        return Empty()

    def RegisterErrorHook(self, request: resource_pb2.RegisterErrorHookRequest) -> Empty:  # noqa: N802
        self.recording.hooks.append(request.name)
        return Empty()

    def Invoke(  # noqa: N802 - named by Pulumi's gRPC service
        self, request: resource_pb2.ResourceInvokeRequest
    ) -> resource_pb2.ResourceInvokeResponse:
        # All by itself, for the same reason.
        if self._provider is None:
            raise ValueError(f"called in a preview, in which nothing is known: {request.tok}")
        result, _failures = self._provider.call(
            pulumi.runtime.MockCallArgs(request.tok, wire.load(request.args), request.provider)
        )
        response = resource_pb2.ResourceInvokeResponse()
        getattr(response, "return").update(result)
        return response

    def RegisterResourceOutputs(  # noqa: N802 - named by Pulumi's gRPC service
        self, request: resource_pb2.RegisterResourceOutputsRequest
    ) -> Empty:
        if request.urn in self.recording.outputs:
            raise ValueError(f"outputs registered twice: {request.urn}")
        self.recording.outputs[request.urn] = wire.load(request.outputs)
        return Empty()
