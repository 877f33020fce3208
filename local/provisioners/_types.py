"""What the provisioners of all services share: the way to the emulator, and the shape of a resource type."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from .. import emulator
from ..resource import Created, Resource
from ..wire import UNKNOWN


@dataclass(frozen=True, slots=True)
class ResourceType:
    """How one type of resource is made, and which of its properties are known.

    Properties are paths of wire names (`ttl.enabled`), without list indices; a path stands for all that lies below
    it. A property in neither set is an error.
    """

    create: Callable[[Aws, Resource], Created]
    passed: frozenset[str]
    """Handed to the emulator."""
    ignored: frozenset[str] = field(default_factory=frozenset[str])
    """Accepted, with no effect in the local run; the reason stands where the set is written."""

    def unknown_properties(self, inputs: Mapping[str, Any]) -> list[str]:
        """The paths within `inputs` that neither set covers."""
        known = self.passed | self.ignored
        unknown = (path for path, value in _leaves(inputs) if not _is_known(path, value, known))
        return list(dict.fromkeys(unknown))


class Aws:
    """The emulator: boto3 clients, and the names that AWS gives things.

    Args:
        endpoint_url: where the emulator listens, such as `http://127.0.0.1:4566`.
        region: the one region of the stack.
        root: the directory that relative asset paths start from.
        account_id: the account that the emulator answers for.
    """

    def __init__(self, endpoint_url: str, region: str, root: Path, account_id: str = "000000000000") -> None:
        self.endpoint_url = endpoint_url
        self.host = urlsplit(endpoint_url).netloc
        self.region = region
        self.root = root
        self.account_id = account_id
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()

    def client(self, service: str) -> Any:
        """The boto3 client of `service`; clients are safe to share between threads, making them is not."""
        with self._lock:
            if service not in self._clients:
                self._clients[service] = emulator.client(service, self.endpoint_url, self.region)
            return self._clients[service]

    def arn(self, service: str, resource: str) -> str:
        """`arn:aws:service:region:account:resource`."""
        return f"arn:aws:{service}:{self.region}:{self.account_id}:{resource}"

    def close(self) -> None:
        """Closes the connections to the emulator."""
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()


def properties(*paths: str) -> frozenset[str]:
    """A set of property paths."""
    return frozenset(paths)


def name_of(resource: Resource, separator: str = "-") -> str:
    """The given name, or the logical name with seven hexadecimal digits: random on AWS, stable here."""
    given: str | None = resource.inputs.get("name")
    return given or generated_name(resource, separator)


def generated_name(resource: Resource, separator: str = "-") -> str:
    """The logical name with seven hexadecimal digits of the URN."""
    digest = hashlib.sha256(resource.urn.encode()).hexdigest()
    return f"{resource.name}{separator}{digest[:7]}"


def arguments(inputs: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """The given ones of the properties `names` as arguments of an AWS API: `memorySize` is `MemorySize`, at every
    depth."""
    return {_pascal(name): pascal(inputs[name]) for name in names if name in inputs}


def pascal(value: Any) -> Any:
    """`value` with the keys of its objects in PascalCase."""
    if isinstance(value, dict):
        return {_pascal(key): pascal(item) for key, item in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [pascal(item) for item in cast("list[Any]", value)]
    return value


def renamed(inputs: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """The given ones of the properties in `names`, under the argument names of the API."""
    return {argument: inputs[name] for name, argument in names.items() if name in inputs}


def tag_list(inputs: Mapping[str, Any]) -> list[dict[str, str]]:
    """`tags` as most older APIs take them."""
    return [{"Key": key, "Value": value} for key, value in inputs.get("tags", {}).items()]


def json_text(document: Any) -> str:
    """A policy, given as JSON text or as an object, as JSON text (which is what the provider gives back, too)."""
    return document if isinstance(document, str) else json.dumps(document)


def _pascal(name: str) -> str:
    return name[:1].upper() + name[1:]


def _leaves(value: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for key, item in value.items():
        below = f"{path}.{key}" if path else key
        for member in cast("list[Any]", item) if isinstance(item, list) else [item]:
            if isinstance(member, dict) and member:
                yield from _leaves(cast("dict[str, Any]", member), below)
            else:
                yield below, member


def _is_known(path: str, value: Any, known: frozenset[str]) -> bool:
    # An unknown value may turn out to be an object with nothing but known properties.
    if value is UNKNOWN and any(one.startswith(f"{path}.") for one in known):
        return True
    while path not in known and path:
        path = path.rpartition(".")[0]
    return bool(path)
