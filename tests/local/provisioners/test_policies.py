"""What of a resource's policy reaches the emulator, which is spoken to without TLS."""

from __future__ import annotations

import json

import pytest

from local.provisioners._policies import to_http_policy
from tests.support.components.policies import allow, deny_without_tls, document

QUEUE = "arn:aws:sqs:us-east-1:000000000000:queue"
SERVICE = allow(["sqs:SendMessage"], QUEUE) | {"Principal": {"Service": "events.amazonaws.com"}}
DENIAL = deny_without_tls("sqs:*", QUEUE)


def test_the_denial_of_requests_without_tls_is_left_out() -> None:
    assert json.loads(to_http_policy(document(SERVICE, DENIAL)) or "") == document(SERVICE)
    assert json.loads(to_http_policy(json.dumps(document(DENIAL, SERVICE))) or "") == document(SERVICE)


def test_of_a_policy_that_denies_nothing_else_nothing_is_left() -> None:
    assert to_http_policy(document(DENIAL)) is None


@pytest.mark.parametrize(
    "statement",
    [
        SERVICE | {"Condition": DENIAL["Condition"]},
        DENIAL | {"Condition": {"StringEquals": {"aws:SourceAccount": "000000000000"}}},
        DENIAL | {"Condition": {**DENIAL["Condition"], "StringEquals": {"aws:SourceAccount": "000000000000"}}},
        {key: value for key, value in DENIAL.items() if key != "Condition"},
    ],
    ids=["an allowance", "another condition", "a further condition", "no condition"],
)
def test_any_other_statement_stays(statement: dict[str, object]) -> None:
    assert json.loads(to_http_policy(document(statement)) or "") == document(statement)
