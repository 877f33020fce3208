from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from local.emulator import ACCOUNT_ID
from tests.local.conftest import REGION
from tests.support.local.programs import by_name
from tests.support.local.provisioning import SITE_TAGS, by_key, outputs

if TYPE_CHECKING:
    from local.monitor import Monitor


def test_a_topic_with_its_policy_and_its_subscription(site: Monitor, client: Any) -> None:
    own, topic = outputs(site, "topic"), by_name(site, "topic").id
    attributes = client("sns").get_topic_attributes(TopicArn=topic)["Attributes"]

    assert re.fullmatch("topic-[0-9a-f]{7}", own["name"])
    assert own["arn"] == topic == f"arn:aws:sns:{REGION}:{ACCOUNT_ID}:{own['name']}"
    assert attributes["DisplayName"] == "Alarms"
    assert attributes["KmsMasterKeyId"] == outputs(site, "key")["arn"]
    assert json.loads(attributes["Policy"])["Statement"][0]["Resource"] == topic
    assert by_name(site, "topic-policy").id == topic
    assert by_key(client("sns").list_tags_for_resource(ResourceArn=topic)["Tags"]) == SITE_TAGS
    (subscription,) = client("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", "ada@example.com")
    assert subscription["SubscriptionArn"] == by_name(site, "email").id == outputs(site, "email")["arn"]
