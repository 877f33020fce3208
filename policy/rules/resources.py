"""Resources of a stack, and functions that read their inputs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

Inputs = Mapping[str, Any]


@dataclass(frozen=True)
class Resource:
    """A resource of a stack."""

    urn: str
    type: str
    """Type token, for example `aws:sqs/queue:Queue`."""
    inputs: Inputs
    dependencies: frozenset[str] = frozenset()
    """URNs of the resources that this resource depends on. It depends on a resource explicitly, or because one of its
    inputs is an output of that resource."""


BUCKETS = {"aws:s3/bucket:Bucket", "aws:s3/bucketV2:BucketV2"}
FUNCTION = "aws:lambda/function:Function"
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
MAPPING = "aws:lambda/eventSourceMapping:EventSourceMapping"
PERMISSION = "aws:lambda/permission:Permission"
QUEUE = "aws:sqs/queue:Queue"
STAGE = "aws:apigatewayv2/stage:Stage"
TABLE = "aws:dynamodb/table:Table"
TOPIC = "aws:sns/topic:Topic"
USER_POOL = "aws:cognito/userPool:UserPool"


def get_value(value: Any, *path: str) -> Any:
    """Return the value at the end of `path`, or None if there is no value."""
    for key in path:
        if not isinstance(value, Mapping):
            return None
        value = cast("Inputs", value).get(key)
    return value


def has_value(inputs: Inputs, *path: str) -> bool:
    """Return whether there is a value at the end of `path`.

    The value itself is not read, because a preview may not know it yet.
    """
    *parents, last = path
    parent = get_value(inputs, *parents)
    # `set(parent)` reads only the keys. `last in parent` would also read the value, because CrossGuard's mappings look
    # the key up.
    return isinstance(parent, Mapping) and last in set(cast("Inputs", parent))


def is_positive(value: Any) -> bool:
    """Return whether a value is a number above zero."""
    return isinstance(value, int | float) and value > 0


def to_list(value: Any) -> list[Any]:
    """Return the value as a list. IAM accepts a single value in place of a list."""
    if value is None:
        return []
    if isinstance(value, str) or not isinstance(value, Sequence):
        return [value]
    return list(cast("Sequence[Any]", value))


def find_dependents(stack: Sequence[Resource], resource: Resource, resource_type: str) -> list[Resource]:
    """Return the resources of a type that depend on `resource`."""
    return [other for other in stack if other.type == resource_type and resource.urn in other.dependencies]
