"""What a KMS key changes of a component: what it encrypts, and who may use the key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from components import AlarmTopic, DeadLetterResync, RealtimePipe, StreamTable, SubmissionIngest, WebSocketGateway
from components._encryption import READ, SEND
from tests.support.components.examples import (
    AUDIENCE,
    DEAD_LETTERS_ARN,
    FANOUT_QUEUE_ARN,
    FANOUT_QUEUE_URL,
    FUNCTION_ARN,
    ISSUER,
    STREAM_ARN,
    TABLE_ARN,
)
from tests.support.components.harness import Recording, refusal, run
from tests.support.components.policies import allow
from tests.support.components.provider import arn

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = arn("kms", "key/1234abcd-12ab-34cd-56ef-1234567890ab")

WITH_A_KEY: dict[str, Callable[[Any], object]] = {
    "submissions": lambda key: StreamTable("it", {"kms_key_arn": key}),
    "ingest": lambda key: SubmissionIngest("it", {"table_arn": TABLE_ARN, "kms_key_arn": key}),
    "gateway": lambda key: WebSocketGateway(
        "it",
        {"access": {"issuer": ISSUER, "audience": AUDIENCE}, "table_arn": TABLE_ARN, "kms_key_arn": key},
    ),
    "realtime": lambda key: RealtimePipe(
        "it", {"stream_arn": STREAM_ARN, "function_arn": FUNCTION_ARN, "kms_key_arn": key}
    ),
    "recovery": lambda key: DeadLetterResync(
        "it",
        {
            "dead_letter_queue_arn": DEAD_LETTERS_ARN,
            "stream_arn": STREAM_ARN,
            "fanout_queue_url": FANOUT_QUEUE_URL,
            "fanout_queue_arn": FANOUT_QUEUE_ARN,
            "kms_key_arn": key,
        },
    ),
    "alarms": lambda key: AlarmTopic("it", {"kms_key_arn": key}),
}
"""Each component that takes a key, by the name of its example."""

ENCRYPTED = {
    "dynamodb/table:Table": {"serverSideEncryption": {"enabled": True, "kmsKeyArn": KEY}},
    "sqs/queue:Queue": {"kmsMasterKeyId": KEY},
    "sns/topic:Topic": {"kmsMasterKeyId": KEY},
    "cloudwatch/logGroup:LogGroup": {"kmsKeyId": KEY},
}
"""What a resource of each type that holds data says of its encryption."""

USES = {
    **dict.fromkeys(["connect", "message", "authenticate", "janitor"], READ),
    **dict.fromkeys(["broadcast", "fanout", "persist", "resync"], SEND),
    "authorize": (),
    "policy": SEND,
    "invoke": (),
}
"""What each role does with the key, by the end of its name; the pipe's are `it-policy` and `it-invoke-policy`."""


def with_key(name: str) -> Recording:
    return run(lambda: WITH_A_KEY[name](KEY))


def holders(recording: Recording) -> dict[str, dict[str, Any]]:
    """What each resource that holds data says of its encryption."""
    return {
        one.name: {key: one.inputs[key] for key in expected if key in one.inputs}
        for kind, expected in ENCRYPTED.items()
        for one in recording.of_type(kind)
    }


@pytest.mark.parametrize("name", WITH_A_KEY)
def test_all_that_holds_data_is_encrypted_with_the_key(name: str) -> None:
    recording = with_key(name)
    held = holders(recording)

    assert held
    assert held == {one.name: expected for kind, expected in ENCRYPTED.items() for one in recording.of_type(kind)}
    assert [one.name for one in recording.custom() if one.inputs.get("sqsManagedSseEnabled")] == [], "one or the other"


@pytest.mark.parametrize("name", WITH_A_KEY)
def test_without_a_key_nothing_mentions_one(name: str) -> None:
    recording = run(lambda: WITH_A_KEY[name](None))

    assert "kms" not in str([one.message for one in recording.custom()]).lower()


@pytest.mark.parametrize("name", sorted(set(WITH_A_KEY) - {"submissions", "alarms"}))
def test_a_role_uses_the_key_as_far_as_it_needs_to(name: str) -> None:
    for policy in with_key(name).of_type("iam/rolePolicy:RolePolicy"):
        role = policy.name.removeprefix("it-").removesuffix("-policy")
        (actions,) = [USES[role]]
        granted = [
            one
            for one in with_key(name).json(policy.name, "policy")["Statement"]
            if any(action.startswith("kms:") for action in one["Action"])
        ]

        assert granted == ([allow(list(actions), KEY)] if actions else []), policy.name


@pytest.mark.parametrize("name", WITH_A_KEY)
def test_what_is_no_key_is_refused(name: str) -> None:
    for given in ("alias/data", arn("kms", "alias/data"), ""):
        message = refusal(lambda given=given: WITH_A_KEY[name](given))

        assert message == f"kms_key_arn: must be the ARN of a KMS key, got {given!r}"
