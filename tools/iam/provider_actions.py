"""Actions of the table of what the provider calls, as the statements of the deploy role's policies need them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .provider_calls import CALLS

if TYPE_CHECKING:
    from collections.abc import Iterable

WITHHELD: Final = {
    "apigateway:UntagResource": "an API keeps its tags; by another API's, the role could take it over",
    "cloudfront:UpdateOriginAccessControl": "the program replaces one, because it could be another stack's",
    "cloudfront:UpdateResponseHeadersPolicy": "the same",
    "iam:DeleteRolePermissionsBoundary": "every role keeps the boundary",
    "kms:ScheduleKeyDeletion": "Pulumi keeps the key, because backups and logs need it",
    "sts:GetCallerIdentity": "AWS allows it without a policy",
}
"""Actions of the table that the role does not get, with the reason."""


def select_actions(service: str, *types: str, without: Iterable[str] = ()) -> frozenset[str]:
    """Return the actions of a service that resource types need.

    Args:
        service: Prefix of the actions, such as `sqs`.
        types: The types without `aws:`, such as `sqs/queue:Queue`.
        without: Names of actions that another statement limits.

    Returns:
        The actions, without those that AWS allows only for the resource `*`, and without `WITHHELD`.
    """
    actions = frozenset[str]().union(*(CALLS.actions(f"aws:{kind}") for kind in types))
    own = {action for action in actions if action.startswith(f"{service}:")}
    return frozenset(own - CALLS.any_resource - set(WITHHELD) - {f"{service}:{name}" for name in without})
