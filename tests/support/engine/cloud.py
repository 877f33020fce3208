"""AWS behind the test provider: resources in memory, a record of the calls, and failures on demand.

The outputs of a resource are those that the component tests use (`tests.support.components.provider`).
"""

from __future__ import annotations

import copy
import json
import threading
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import pulumi
from google.protobuf.struct_pb2 import Struct

from local import wire
from tests.support.components.provider import GET_RESOURCE, Provider

PIPE: Final = "aws:pipes/pipe:Pipe"
API_GATEWAY_ACCOUNT: Final = "aws:apigateway/account:Account"


class CloudError(Exception):
    """Error: AWS refused a call."""


@dataclass(frozen=True)
class Urn:
    """The parts of a URN that the tests use."""

    text: str

    @property
    def type(self) -> str:
        """The type of the resource, without those of its parents."""
        return self.text.split("::")[2].rpartition("$")[2]

    @property
    def name(self) -> str:
        """The logical name."""
        return self.text.split("::")[3]


def is_target(target: str, urn: str) -> bool:
    """Return whether a resource has the URN, the type or the logical name `target`."""
    return target == urn or ("::" in urn and target in (Urn(urn).type, Urn(urn).name))


@dataclass(frozen=True)
class Call:
    """A call of the provider that is not part of a preview."""

    method: str
    """`create`, `read`, `update`, `delete` or `invoke`."""
    urn: str
    """The URN of the resource; of an `invoke`, its token."""

    @property
    def name(self) -> str:
        """The logical name of the resource."""
        return Urn(self.urn).name


@dataclass
class Fault:
    """A failure on demand.

    `target` is a resource type, a logical name or a URN. `has_id` is about `create`: the resource exists nevertheless.
    """

    method: str
    target: str
    message: str
    times: int
    has_id: bool

    def fits(self, method: str, urn: str) -> bool:
        """Return whether the fault applies to a call."""
        return self.times > 0 and method == self.method and is_target(self.target, urn)


@dataclass
class Pause:
    """A point at which the creation of a resource waits, after the resource exists and before Pulumi is told."""

    target: str
    reached: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)


@dataclass
class Existing:
    """A resource that exists."""

    urn: str
    id: str
    inputs: Struct
    outputs: Struct
    current_state: str = "RUNNING"
    """The state of a pipe; no meaning for other types."""
    state_reason: str = ""
    """Why a pipe is in this state, if AWS says so."""


class CreatedAndFailed(CloudError):
    """Error: the resource exists, but does not work."""

    def __init__(self, message: str, existing: Existing) -> None:
        super().__init__(message)
        self.existing = existing


class Backend(Protocol):
    """What the provider is in front of. Each method may raise a `CloudError`, with which AWS refuses the call."""

    def create(self, urn: str, inputs: Struct, region: str) -> Existing:
        """Create a resource in the provider's region. If it exists and does not work, raise `CreatedAndFailed`."""
        ...

    def read(self, urn: str, identifier: str) -> Existing | None:
        """Return a resource, or None if it does not exist."""
        ...

    def update(self, urn: str, identifier: str, inputs: Struct) -> Existing:
        """Update a resource."""
        ...

    def delete(self, urn: str, identifier: str) -> None:
        """Delete a resource, if it exists."""
        ...

    def invoke(self, function: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Call a function of the provider."""
        ...


class Cloud:
    """What exists, what was called, and what is to fail. Several threads may use it at the same time."""

    def __init__(self) -> None:
        self.existing: list[Existing] = []
        self.calls: list[Call] = []
        self.api_gateway_log_role = ""
        """ARN of the role in the account's settings of API Gateway, which exist from the start."""
        self._faults: list[Fault] = []
        self._pauses: list[Pause] = []
        self._created = 0
        self._lock = threading.Lock()

    def copy(self) -> Cloud:
        """Return a cloud in which the same exists, without the calls, faults and pauses of this one."""
        other = Cloud()
        other.existing = copy.deepcopy(self.existing)
        other.api_gateway_log_role = self.api_gateway_log_role
        other._created = self._created
        return other

    def fail(self, method: str, target: str, *, message: str, times: int = 1, has_id: bool = False) -> None:
        """Let the next calls fail. See `Fault`."""
        self._faults.append(Fault(method, target, message, times, has_id))

    def pause(self, target: str) -> Pause:
        """Let the creation of a resource, by its type, name or URN, wait until `over` is set."""
        self._pauses.append(pause := Pause(target))
        return pause

    def called(self, method: str) -> list[str]:
        """Return the logical names of the resources for which `method` was called, in order."""
        return [call.name for call in self.calls if call.method == method]

    def of_name(self, name: str) -> list[Existing]:
        """Return the resources of a logical name that exist; of several stacks, and while one is replaced, several."""
        return [one for one in self.existing if Urn(one.urn).name == name]

    def create(self, urn: str, inputs: Struct, region: str) -> Existing:
        """Create a resource.

        Args:
            urn: The URN of the resource.
            inputs: Its inputs. An input `region` replaces `region`.
            region: The region of the provider.

        Raises:
            CloudError: A fault, and nothing exists.
            CreatedAndFailed: A fault, and the resource exists.
        """
        with self._lock:
            self.calls.append(Call("create", urn))
            fault = self._next_fault("create", urn)
            if fault and not fault.has_id:
                raise CloudError(fault.message)
            self._created += 1
            existing = self._make(urn, inputs, self._created, region)
            self.existing.append(existing)
            self._store_settings(existing)
        for pause in [one for one in self._pauses if is_target(one.target, urn)]:
            pause.reached.set()
            pause.over.wait()
        if fault:
            existing.current_state, existing.state_reason = "CREATE_FAILED", fault.message.rpartition("last error: ")[2]
            raise CreatedAndFailed(fault.message, existing)
        return existing

    def read(self, urn: str, identifier: str) -> Existing | None:
        """Return a resource, or None if it does not exist.

        Raises:
            CloudError: A fault.
        """
        with self._lock:
            self._enter("read", urn)
            found = self._find(urn, identifier)
            if found is None and Urn(urn).type == API_GATEWAY_ACCOUNT:
                settings = Struct()
                settings.update({"cloudwatchRoleArn": self.api_gateway_log_role})
                return Existing(urn, identifier, settings, settings)
            return found

    def update(self, urn: str, identifier: str, inputs: Struct) -> Existing:
        """Update a resource.

        As in the AWS provider, the update of a pipe that was created and failed does not start it.

        Raises:
            CloudError: A fault, or the resource does not exist.
        """
        with self._lock:
            self._enter("update", urn)
            existing = self._find(urn, identifier)
            if existing is None:
                raise CloudError(f"{identifier} does not exist")
            if wire.load(inputs).get("desiredState") != wire.load(existing.inputs).get("desiredState"):
                existing.current_state = _desired_state(inputs)
            for name in existing.inputs.fields:
                existing.outputs.fields.pop(name)
            for name, value in inputs.fields.items():
                existing.outputs.fields[name].CopyFrom(value)
            existing.inputs = inputs
            self._store_settings(existing)
            return existing

    def delete(self, urn: str, identifier: str) -> None:
        """Delete a resource, if it exists.

        Raises:
            CloudError: A fault, or the resource has the deletion protection of AWS.
        """
        with self._lock:
            self._enter("delete", urn)
            existing = self._find(urn, identifier)
            if existing is None:
                return
            own = wire.load(existing.inputs)
            if own.get("deletionProtectionEnabled") or own.get("deletionProtection") == "ACTIVE":
                raise CloudError(f"{identifier} has deletion protection")
            self.existing.remove(existing)

    def invoke(self, function: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return what the provider's function `aws.cloudcontrol.get_resource` returns for a pipe.

        Raises:
            CloudError: A fault, another function or type, or no such pipe.
        """
        with self._lock:
            self._enter("invoke", function)
            for one in self.existing:
                asked = (GET_RESOURCE, "AWS::Pipes::Pipe", one.id)
                if Urn(one.urn).type == PIPE and asked == (function, arguments["typeName"], arguments["identifier"]):
                    properties = {"Name": one.id, "CurrentState": one.current_state}
                    properties |= {"StateReason": one.state_reason} if one.state_reason else {}
                    return {**arguments, "id": one.id, "properties": json.dumps(properties)}
        raise CloudError(f"{function} {arguments}: not found, or the test provider does not support it")

    def _store_settings(self, existing: Existing) -> None:
        if Urn(existing.urn).type == API_GATEWAY_ACCOUNT:
            self.api_gateway_log_role = existing.inputs.fields["cloudwatchRoleArn"].string_value

    def _enter(self, method: str, urn: str) -> None:
        self.calls.append(Call(method, urn))
        if fault := self._next_fault(method, urn):
            raise CloudError(fault.message)

    def _next_fault(self, method: str, urn: str) -> Fault | None:
        found = next((fault for fault in self._faults if fault.fits(method, urn)), None)
        if found:
            found.times -= 1
        return found

    def _find(self, urn: str, identifier: str) -> Existing | None:
        return next((one for one in self.existing if (one.urn, one.id) == (urn, identifier)), None)

    def _make(self, urn: str, inputs: Struct, number: int, region: str) -> Existing:
        # Ids that AWS makes up differ between the resources of two stacks, and after a replacement.
        asked = pulumi.runtime.MockResourceArgs(Urn(urn).type, f"{urn} {number}", wire.load(inputs))
        identifier, outputs = Provider(region=region).new_resource(asked)
        outputs["tagsAll"] = wire.load(inputs).get("tags", {})
        return Existing(urn, identifier, inputs, wire.merge(inputs, outputs), _desired_state(inputs))


def _desired_state(inputs: Struct) -> str:
    return wire.load(inputs).get("desiredState", "RUNNING")
