"""AWS behind the test provider: the emulator of the local run, in which each resource exists.

`local.provisioners` creates a resource, and the calls of `emulated_calls` read, update and delete it. A read checks
that the resource exists. It returns the outputs of the last creation or update, so it finds no property that was
changed by hand.
"""

from __future__ import annotations

import json
import re
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError
from google.protobuf.struct_pb2 import Struct

from local import wire
from local.emulator_client import client
from local.provisioners import Provisioner, find_problems
from local.resource import ProvisionError, Resource
from tests.support.components.provider import GET_RESOURCE
from tests.support.engine.cloud import API_GATEWAY_ACCOUNT, Call, CloudError, Existing, Urn
from tests.support.engine.emulated_calls import BEFORE_DELETE, CALLS

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from local.emulator_client import Endpoint

_NOT_FOUND: Final = re.compile(r"\((\w*(NotFound|NoSuch|NonExistent|NotExist)\w*|404)\)")
"""The error codes of resources that do not exist, in the message of a `ClientError`."""


class EmulatedCloud:
    """What exists in the emulator, and what was called. Several threads may use it at the same time.

    Args:
        endpoint: The emulator.
        folder: The program's folder, from which relative paths of archives start.
    """

    def __init__(self, endpoint: Endpoint, folder: Path) -> None:
        self.calls: list[Call] = []
        self._endpoint = endpoint
        self._folder = folder
        self._provisioner = Provisioner(endpoint, folder)
        self._known: dict[tuple[str, str], Existing] = {}
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()

    def create(self, urn: str, inputs: Struct, region: str) -> Existing:
        """Create a resource.

        Raises:
            CloudError: The emulator is in another region or refuses it, or the local run does not support it.
        """
        self._note("create", urn)
        if region != self._endpoint.region:
            raise CloudError(f"region: must be {self._endpoint.region}, got {region}")
        return self._put(urn, inputs)

    def read(self, urn: str, identifier: str) -> Existing | None:
        """Return a resource, or None if it does not exist."""
        self._note("read", urn)
        existing = self._known.get((urn, identifier))
        if existing is None and Urn(urn).type == API_GATEWAY_ACCOUNT:
            # The account's settings exist from the start.
            settings = Struct()
            settings.update(
                {"cloudwatchRoleArn": self._client("apigateway").get_account().get("cloudwatchRoleArn", "")}
            )
            return Existing(urn, identifier, settings, settings)
        return existing if existing and self._find(existing) is not None else None

    def update(self, urn: str, identifier: str, inputs: Struct) -> Existing:
        """Update a resource.

        Raises:
            CloudError: The emulator refuses it, or this class cannot update resources of the type.
        """
        self._note("update", urn)
        calls = CALLS[Urn(urn).type]
        if calls.is_put:
            return self._put(urn, inputs)
        existing = self._known[urn, identifier]
        if calls.update is None:
            raise CloudError(f"the tests cannot update {Urn(urn).type} in the emulator")
        with _refusals():
            calls.update(self._client(calls.service), {**wire.load(inputs), "id": identifier}, self._folder)
        for name, value in inputs.fields.items():
            existing.outputs.fields[name].CopyFrom(value)
        existing.inputs = inputs
        return existing

    def delete(self, urn: str, identifier: str) -> None:
        """Delete a resource, if it exists.

        Raises:
            CloudError: The emulator refuses it.
        """
        self._note("delete", urn)
        existing = self._known.pop((urn, identifier))
        calls, properties = CALLS[Urn(urn).type], _properties(existing)
        if calls.delete is None or self._find(existing) is None:
            return
        service = self._client(calls.service)
        with _refusals():
            if prepare := BEFORE_DELETE.get(Urn(urn).type):
                prepare(service, properties, self._folder)
            tag = {"IfMatch": calls.read.make(service, properties)["ETag"]} if calls.has_etag else {}
            calls.delete.make(service, properties, **tag)

    def invoke(self, function: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return what the provider's function `aws.cloudcontrol.get_resource` returns for a pipe.

        Raises:
            CloudError: Another function or type, or no such pipe.
        """
        self._note("invoke", function)
        if function != GET_RESOURCE:
            raise CloudError(f"{function} {arguments}: the test provider does not support it")
        with _refusals():
            found = self._provisioner.read_properties(arguments["typeName"], arguments["identifier"])
        return {**arguments, "id": arguments["identifier"], "properties": json.dumps(found)}

    def existing(self) -> list[Existing]:
        """Return the resources that were created and not deleted."""
        return list(self._known.values())

    def close(self) -> None:
        """Close the connections to the emulator."""
        self._provisioner.close()
        for one in self._clients.values():
            one.close()

    def _put(self, urn: str, inputs: Struct) -> Existing:
        parts = Urn(urn)
        resource = Resource(urn, parts.type, parts.name, parent="", custom=True, inputs=wire.load(inputs))
        problems = find_problems(resource, self._endpoint.region)
        if problems:
            raise CloudError("; ".join(problems))
        with _refusals():
            created = self._provisioner.create(resource)
        existing = Existing(urn, created.id, inputs, wire.merge(inputs, created.outputs))
        self._known[urn, created.id] = existing
        return existing

    def _find(self, existing: Existing) -> dict[str, Any] | None:
        """Return the emulator's description of a resource, or None if it does not exist."""
        calls, properties = CALLS[Urn(existing.urn).type], _properties(existing)
        try:
            response = calls.read.make(self._client(calls.service), properties)
        except ClientError as error:
            if _NOT_FOUND.search(str(error)):
                return None
            raise CloudError(str(error)) from error
        return response if not calls.proof or properties[calls.proof] in json.dumps(response, default=str) else None

    def _client(self, service: str) -> Any:
        with self._lock:
            if service not in self._clients:
                self._clients[service] = client(service, self._endpoint)
            return self._clients[service]

    def _note(self, method: str, urn: str) -> None:
        self.calls.append(Call(method, urn))


def _properties(existing: Existing) -> dict[str, Any]:
    return {**wire.load(existing.inputs), **wire.load(existing.outputs), "id": existing.id}


@contextmanager
def _refusals() -> Generator[None]:
    """Report an error of the emulator as one of the cloud.

    Raises:
        CloudError: The emulator refused a call.
    """
    try:
        yield
    except (ClientError, ProvisionError) as error:
        raise CloudError(str(error)) from error
