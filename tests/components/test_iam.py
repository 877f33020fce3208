"""Policy documents: each allows what its statements name, and nothing else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pulumi

from components import _iam
from components._iam import Statement
from tests.support.components.harness import run
from tests.support.components.policies import allow, deny_without_tls, document, trust
from tests.support.components.provider import ACCOUNT, arn

if TYPE_CHECKING:
    from collections.abc import Callable

QUEUE_ARN = arn("sqs", "queue")
RULE_ARN = arn("events", "rule/rule")
BUCKET_ARN = "arn:aws:s3:::bucket"
DISTRIBUTION_ARN = f"arn:aws:cloudfront::{ACCOUNT}:distribution/E1"
TOPIC_ARN = arn("sns", "topic")


def load(build: Callable[[], pulumi.Output[str]]) -> Any:
    """Return a policy document, parsed."""
    documents: list[str] = []
    run(lambda: build().apply(documents.append))
    (text,) = documents
    return json.loads(text)


def statement(service: str, action: str, resource: str, condition: dict[str, Any]) -> dict[str, Any]:
    """Return the statement of a resource's policy that lets a service in."""
    return {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": action,
        "Resource": resource,
        "Condition": condition,
    }


def test_a_policy_allows_its_statements() -> None:
    def build() -> pulumi.Output[str]:
        queue_arn = pulumi.Output.from_input(QUEUE_ARN)
        return _iam.build_policy([Statement(["sqs:SendMessage"], [queue_arn]), Statement(["sns:Publish"], [TOPIC_ARN])])

    assert load(build) == document(allow(["sqs:SendMessage"], QUEUE_ARN), allow(["sns:Publish"], TOPIC_ARN))


def test_a_role_trusts_a_service() -> None:
    assert load(lambda: _iam.build_trust_policy("lambda.amazonaws.com")) == trust("lambda.amazonaws.com")


def test_a_role_trusts_a_service_on_behalf_of_one_account() -> None:
    assert load(lambda: _iam.build_trust_policy("pipes.amazonaws.com", ACCOUNT)) == trust(
        "pipes.amazonaws.com", {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
    )


def test_a_role_trusts_a_service_on_behalf_of_one_source() -> None:
    pipes = arn("pipes", "pipe/*realtime*")

    assert load(lambda: _iam.build_trust_policy("pipes.amazonaws.com", ACCOUNT, pipes)) == trust(
        "pipes.amazonaws.com",
        {"StringEquals": {"aws:SourceAccount": ACCOUNT}, "ArnLike": {"aws:SourceArn": pipes}},
    )


def test_a_queue_takes_messages_on_behalf_of_one_rule() -> None:
    assert load(lambda: _iam.build_queue_policy(QUEUE_ARN, RULE_ARN)) == document(
        statement("events.amazonaws.com", "sqs:SendMessage", QUEUE_ARN, {"ArnEquals": {"aws:SourceArn": RULE_ARN}}),
        deny_without_tls("sqs:*", QUEUE_ARN),
    )


def test_a_queue_without_a_rule_lets_no_service_in() -> None:
    assert load(lambda: _iam.build_queue_policy(QUEUE_ARN)) == document(deny_without_tls("sqs:*", QUEUE_ARN))


def test_a_bucket_is_read_on_behalf_of_one_source() -> None:
    assert load(lambda: _iam.build_bucket_policy("cloudfront.amazonaws.com", BUCKET_ARN, DISTRIBUTION_ARN)) == document(
        statement(
            "cloudfront.amazonaws.com",
            "s3:GetObject",
            f"{BUCKET_ARN}/*",
            {"StringEquals": {"AWS:SourceArn": DISTRIBUTION_ARN}},
        ),
        deny_without_tls("s3:*", BUCKET_ARN, f"{BUCKET_ARN}/*"),
    )


def test_a_topic_takes_messages_on_behalf_of_one_account() -> None:
    assert load(lambda: _iam.build_topic_policy("cloudwatch.amazonaws.com", TOPIC_ARN, ACCOUNT)) == document(
        statement(
            "cloudwatch.amazonaws.com", "sns:Publish", TOPIC_ARN, {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
        ),
        deny_without_tls("sns:Publish", TOPIC_ARN),
    )
