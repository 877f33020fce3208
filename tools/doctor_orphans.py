"""The check for resources of a stack that its state does not have."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from .console import UsageError, create_client
from .doctor_check import Check
from .stack_outputs import STDIN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .iam.facts import StackFacts

GLOBAL_REGION: Final = "us-east-1"
"""The region of what has no region, such as CloudFront."""
RETAINED: Final = (":kms:", "-api-gateway-role-")
"""Parts of the ARNs of what Pulumi keeps when it is no longer part of the stack: keys, and API Gateway's log role."""
SUBJECT: Final = "state"


@dataclass(frozen=True, slots=True)
class StackState:
    """What a stack's state says about resources."""

    known: frozenset[str]
    """ARNs of the resources."""
    untagged: frozenset[str]
    """Types of the resources that have no tags."""
    pending: tuple[tuple[str, str], ...]
    """URN and physical name of each resource whose creation was interrupted. The name may be empty."""

    @classmethod
    def read(cls, source: str) -> StackState:
        """Read what `pulumi stack export` printed.

        Args:
            source: Name of the file; `-` for stdin.

        Raises:
            UsageError: The file cannot be read, or it is not such an export.
        """
        try:
            text = sys.stdin.read() if source == STDIN else Path(source).read_text()
            return cls._parse(json.loads(text)["deployment"] or {})
        except OSError as error:
            raise UsageError(f"--state {source}: {error.strerror}") from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise UsageError(f"--state {source}: must be what `pulumi stack export` prints") from None

    @classmethod
    def _parse(cls, deployment: dict[str, Any]) -> StackState:
        resources = cast("list[dict[str, Any]]", deployment.get("resources") or [])
        custom = [one for one in resources if one.get("custom") and not one["type"].startswith("pulumi:")]
        operations = cast("list[dict[str, Any]]", deployment.get("pending_operations") or [])
        interrupted = [one["resource"] for one in operations if one["type"] == "creating"]
        return cls(
            frozenset(one["outputs"]["arn"] for one in custom if "arn" in one.get("outputs", {})),
            frozenset(one["type"] for one in custom if "tags" not in one.get("outputs", {})),
            tuple((one["urn"], _read_name(one.get("inputs", {}))) for one in interrupted),
        )


def _read_name(inputs: dict[str, Any]) -> str:
    """Return the physical name in a resource's inputs. Most types call it `name`."""
    return str(next((inputs[key] for key in ("name", "bucket", "dashboardName") if key in inputs), ""))


def check_orphans(facts: StackFacts, state: StackState) -> Iterator[Check]:
    """Yield interrupted creations, and resources with the stack's tags or names that the state does not have."""
    for urn, name in state.pending:
        yield Check.failed(
            SUBJECT,
            f"the creation of {urn.rpartition('::')[2]} ({urn.split('::')[2].rpartition('$')[2]}) was interrupted"
            f"{f': look for {name}' if name else ''}",
        )
    orphans = sorted(arn for arn in _list_resources(facts) if arn not in state.known)
    for arn in orphans:
        if any(part in arn for part in RETAINED):
            yield Check.noted(SUBJECT, f"not in the state: {arn}; Pulumi keeps such a resource on purpose")
        else:
            yield Check.failed(SUBJECT, f"not in the state: {arn}; delete it, or import it")
    if not state.pending and not orphans:
        yield Check.passed(SUBJECT, "each resource with the stack's tags is in the state")
    types = ", ".join(sorted(one.rpartition(":")[2] for one in state.untagged))
    yield Check.noted(SUBJECT, f"not seen, because they have no tags: {types or 'the parts of other resources'}")


def _list_resources(facts: StackFacts) -> Iterator[str]:
    """Yield the ARN of each resource that carries the stack's tags, and of each role with the stack's name."""
    tags = [{"Key": "Project", "Values": [facts.project]}, {"Key": "Stack", "Values": [facts.stack]}]
    for region in sorted({facts.region, GLOBAL_REGION}):
        tagging = create_client("resourcegroupstaggingapi", region)
        for page in tagging.get_paginator("get_resources").paginate(TagFilters=tags):
            yield from (one["ResourceARN"] for one in page["ResourceTagMappingList"])
    # The tagging API does not list roles: https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/
    for page in create_client("iam", facts.region).get_paginator("list_roles").paginate():
        yield from (
            one["Arn"] for one in page["Roles"] if one["RoleName"].startswith(f"{facts.project}-{facts.stack}-")
        )
