"""Policies of queues, topics and buckets, as the emulator can apply them."""

from __future__ import annotations

import json
from typing import Any, Final

from ._arguments import to_json

_WITHOUT_TLS: Final = {"Bool": {"aws:SecureTransport": "false"}}


def to_http_policy(document: Any) -> str | None:
    """Return a resource's policy as JSON, without the statements that deny requests without TLS.

    The emulator serves only HTTP. If it enforces IAM, such a statement would deny every request.

    Returns:
        The policy, or None if no statement remains. A resource cannot have a policy without statements.
    """
    policy: dict[str, Any] = json.loads(to_json(document))
    statements = [one for one in policy["Statement"] if not _denies_only_http(one)]
    return json.dumps({**policy, "Statement": statements}) if statements else None


def _denies_only_http(statement: dict[str, Any]) -> bool:
    return statement["Effect"] == "Deny" and statement.get("Condition") == _WITHOUT_TLS
