"""Permissions boundary of every role that a stack creates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .document import Document, allow, build_document

if TYPE_CHECKING:
    from .facts import StackFacts


def build_policy(facts: StackFacts) -> Document:
    """Return the boundary: the most that the Lambdas, the pipe and API Gateway's log role of the stack need."""
    queues = f"arn:{facts.partition}:sqs:{facts.region}:{facts.account}:{facts.project}-{facts.stack}-*"
    return build_document(
        allow(
            "Queues", ["sqs:SendMessage", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"], [queues]
        )
    )
