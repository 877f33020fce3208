"""IAM's evaluation of a role's policies, as far as the documents of this project need it.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tools.iam.document import Document, Statement

IF_EXISTS: Final = "IfExists"
ANY_VALUE: Final = "ForAnyValue:"


@dataclass(frozen=True)
class Request:
    """A request to AWS by a principal whose policies are evaluated."""

    action: str
    resource: str
    """ARN of the resource, or `*` if AWS checks the action for no resource."""
    context: Mapping[str, str] = field(default_factory=dict[str, str])
    """The values of the condition keys that the request has."""


def is_allowed(documents: Iterable[Document], request: Request) -> bool:
    """Return whether a statement allows the request and no statement denies it."""
    effects = [
        statement["Effect"]
        for document in documents
        for statement in document["Statement"]
        if applies(statement, request)
    ]
    return "Allow" in effects and "Deny" not in effects


def applies(statement: Statement, request: Request) -> bool:
    """Return whether a statement is about the request."""
    return (
        any(_matches(pattern.lower(), request.action.lower()) for pattern in statement["Action"])
        and any(_matches_arn(pattern, request.resource) for pattern in statement["Resource"])
        and all(
            _holds(operator, key, expected, request.context)
            for operator, keys in statement.get("Condition", {}).items()
            for key, expected in keys.items()
        )
    )


def _holds(operator: str, key: str, expected: str | list[str], context: Mapping[str, str]) -> bool:
    # The names of condition keys are case-insensitive.
    (given,) = [value for name, value in context.items() if name.lower() == key.lower()] or [None]
    if given is None:
        return operator.endswith(IF_EXISTS)
    patterns = [expected] if isinstance(expected, str) else expected
    compare = _OPERATORS[operator.removeprefix(ANY_VALUE).removesuffix(IF_EXISTS)]
    return any(compare(pattern, given) for pattern in patterns)


@functools.cache
def _matches_arn(pattern: str, arn: str) -> bool:
    """Return whether an ARN matches, each of its six parts for itself."""
    if pattern == "*":
        return True
    patterns, parts = pattern.split(":", 5), arn.split(":", 5)
    return len(patterns) == len(parts) and all(map(_matches, patterns, parts))


@functools.cache
def _matches(pattern: str, text: str) -> bool:
    translated = "".join({"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in pattern)
    return re.fullmatch(translated, text) is not None


_OPERATORS: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "StringEquals": str.__eq__,
    "StringLike": _matches,
    # AWS treats both alike.
    "ArnEquals": _matches_arn,
    "ArnLike": _matches_arn,
}
"""The condition operators of our documents."""
