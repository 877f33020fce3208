"""`AlarmTopic`: a topic for the alarms of its own account."""

from __future__ import annotations

from typing import Any

import pulumi
import pytest

from components import AlarmTopic
from tests.support.components.harness import Recording, refusal, run
from tests.support.components.policies import deny_without_tls, document
from tests.support.components.provider import ACCOUNT, arn, physical_name

TOPIC_ARN = arn("sns", physical_name("alarms-topic"))
EMAIL = "ada@example.com"
LONGEST_NAME = "a" * 242


@pytest.fixture(scope="module")
def recording() -> Recording:
    return run(lambda: AlarmTopic("alarms", {"email": EMAIL}))


def test_declares_a_topic_its_policy_and_the_subscription(recording: Recording) -> None:
    assert recording.children("alarms") == {
        ("sns/topic:Topic", "alarms-topic"),
        ("sns/topicPolicy:TopicPolicy", "alarms-policy"),
        ("sns/topicSubscription:TopicSubscription", "alarms-email"),
    }


def test_only_alarms_of_its_own_account_may_publish(recording: Recording) -> None:
    assert recording.inputs("alarms-policy")["arn"] == TOPIC_ARN
    assert recording.json("alarms-policy", "policy") == document(
        {
            "Effect": "Allow",
            "Principal": {"Service": "cloudwatch.amazonaws.com"},
            "Action": "sns:Publish",
            "Resource": TOPIC_ARN,
            "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}},
        },
        deny_without_tls("sns:Publish", TOPIC_ARN),
    )


def test_it_has_no_key_under_which_alarms_could_not_publish(recording: Recording) -> None:
    assert recording.inputs("alarms-topic") == {}


def test_an_email_address_gets_each_alarm(recording: Recording) -> None:
    assert recording.inputs("alarms-email") == {"topic": TOPIC_ARN, "protocol": "email", "endpoint": EMAIL}


@pytest.mark.parametrize("args", [{}, {"email": None}])
def test_without_one_nobody_is_subscribed(args: Any) -> None:
    assert run(lambda: AlarmTopic("alarms", args)).of_type("sns/topicSubscription:TopicSubscription") == []


@pytest.mark.parametrize("email", ["", "ada", "ada@", "@example.com", "ada@example.com, bob@example.com", "a@b@c"])
def test_what_is_no_email_address_is_refused(email: str) -> None:
    assert refusal(lambda: AlarmTopic("alarms", {"email": email})) == f"email: must be an e-mail address, got {email!r}"


def test_an_email_address_may_be_known_later() -> None:
    recording = run(lambda: AlarmTopic("alarms", {"email": pulumi.Output.from_input(EMAIL)}))

    assert recording.inputs("alarms-email")["endpoint"] == EMAIL


def test_registers_the_topic(recording: Recording) -> None:
    assert recording.registered("alarms") == {"topic_arn": TOPIC_ARN}
