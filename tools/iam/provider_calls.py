"""IAM actions that the AWS provider needs per resource type, from a table that was read from the provider's source."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

PATH: Final = Path(__file__).with_suffix(".json")

Operation = Literal["create", "read", "update", "delete", "import"]
OPERATIONS: Final[tuple[Operation, ...]] = ("create", "read", "update", "delete", "import")


@dataclass(frozen=True, slots=True)
class Calls:
    """IAM actions that one resource type or function needs."""

    source: str
    """File of terraform-provider-aws and the version that was read, such as `internal/service/sqs/queue.go@6.36.0`.

    Only the major version where no more is known.
    """
    properties: frozenset[str]
    """Input properties that were taken into account. A call that only another property causes is missing."""
    by_operation: Mapping[Operation, frozenset[str]]
    """Actions per operation. Create, update and import end with a read, whose actions are listed under `read` only."""


@dataclass(frozen=True, slots=True)
class ProviderCalls:
    """IAM actions that the AWS provider needs."""

    pulumi_aws: str
    """Version of the package `pulumi-aws` that the table is for."""
    terraform_provider_aws: str
    """Newest version of terraform-provider-aws whose source was read. `pulumi_aws` contains a newer one."""
    provider: frozenset[str]
    """Actions that the provider needs when it is configured."""
    any_resource: frozenset[str]
    """Actions that AWS allows only for the resource `*`, by the Service Authorization Reference."""
    types: Mapping[str, Calls]
    """By type, such as `aws:dynamodb/table:Table`, for each type that the program can declare."""
    functions: Mapping[str, Calls]
    """By token, such as `aws:cloudcontrol/getResource:getResource`, for each function that the program can call."""

    def actions(self, token: str, *operations: Operation) -> frozenset[str]:
        """Return the actions that a resource type or a function needs.

        Args:
            token: The type or the function.
            operations: The operations, such as `read`. All, if there are none.

        Raises:
            KeyError: The table has no such type or function.
        """
        calls = self.types[token] if token in self.types else self.functions[token]
        return frozenset[str]().union(
            *(calls.by_operation.get(operation, ()) for operation in operations or OPERATIONS)
        )


def _load() -> ProviderCalls:
    table: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))
    return ProviderCalls(
        pulumi_aws=table["pulumi_aws"],
        terraform_provider_aws=table["terraform_provider_aws"],
        provider=frozenset(table["provider"]),
        any_resource=frozenset(table["any_resource"]),
        types={token: _calls(entry) for token, entry in table["types"].items()},
        functions={token: _calls(entry) for token, entry in table["functions"].items()},
    )


def _calls(entry: Mapping[str, Any]) -> Calls:
    return Calls(
        source=entry["source"],
        properties=frozenset(entry["properties"]),
        by_operation={operation: frozenset(entry[operation]) for operation in OPERATIONS if operation in entry},
    )


CALLS: Final = _load()
"""The table `provider_calls.json`."""
