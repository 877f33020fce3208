"""Resources as the rules take them, and how to read their inputs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

Inputs = Mapping[str, Any]


@dataclass(frozen=True)
class Resource:
    """A resource of a stack."""

    urn: str
    type: str
    """The type's token, as `aws:sqs/queue:Queue`."""
    inputs: Inputs
    dependencies: frozenset[str] = frozenset()
    """URNs: what it was told to depend on, and where its inputs come from."""


BUCKETS = {"aws:s3/bucket:Bucket", "aws:s3/bucketV2:BucketV2"}
FUNCTION = "aws:lambda/function:Function"
MAPPING = "aws:lambda/eventSourceMapping:EventSourceMapping"
PERMISSION = "aws:lambda/permission:Permission"
QUEUE = "aws:sqs/queue:Queue"
STAGE = "aws:apigatewayv2/stage:Stage"
TABLE = "aws:dynamodb/table:Table"
TOPIC = "aws:sns/topic:Topic"


def at(value: Any, *path: str) -> Any:
    """What lies at the end of `path`; `None` if nothing does."""
    for key in path:
        if not isinstance(value, Mapping):
            return None
        value = cast("Inputs", value).get(key)
    return value


def given(inputs: Inputs, *path: str) -> bool:
    """Whether something lies at the end of `path`, without looking at it: a preview may not know it yet."""
    *parents, last = path
    parent = at(inputs, *parents)
    # Over the keys alone: of CrossGuard's mappings `in` would read the value.
    return isinstance(parent, Mapping) and last in set(cast("Inputs", parent))


def positive(value: Any) -> bool:
    return isinstance(value, int | float) and value > 0


def listed(value: Any) -> list[Any]:
    """IAM's habit: one where there could be a list."""
    if value is None:
        return []
    if isinstance(value, str) or not isinstance(value, Sequence):
        return [value]
    return list(cast("Sequence[Any]", value))


def about(stack: Sequence[Resource], resource: Resource, resource_type: str) -> list[Resource]:
    """The resources of a type that are about `resource`."""
    return [one for one in stack if one.type == resource_type and resource.urn in one.dependencies]
