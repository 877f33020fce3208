"""The access log of a `DashboardSite`: in a log group of us-east-1, without what a sign-in leaves in a URL."""

from __future__ import annotations

import pytest

from components import DashboardSite
from tests.support.components.harness import Recording, run
from tests.support.components.policies import document
from tests.support.components.provider import ACCOUNT, arn, distribution_id, physical_name

GROUP = arn("logs", f"log-group:{physical_name('site-access-logs')}", "us-east-1")


@pytest.fixture(scope="module")
def recording() -> Recording:
    return run(lambda: DashboardSite("site", {"access_log": True, "log_retention_days": 30}))


def test_is_there_where_it_was_asked_for(recording: Recording) -> None:
    without = run(lambda: DashboardSite("site", {}))

    assert recording.children("site") - without.children("site") == {
        ("cloudwatch/logGroup:LogGroup", "site-access-logs"),
        ("cloudwatch/logResourcePolicy:LogResourcePolicy", "site-access-logs-policy"),
        ("cloudwatch/logDeliverySource:LogDeliverySource", "site-log"),
        ("cloudwatch/logDeliveryDestination:LogDeliveryDestination", "site-dst"),
        ("cloudwatch/logDelivery:LogDelivery", "site-log-delivery"),
    }


def test_leads_from_the_distribution_to_the_log_group(recording: Recording) -> None:
    source, destination = recording.inputs("site-log"), recording.inputs("site-dst")
    delivery = recording.inputs("site-log-delivery")

    assert source["resourceArn"] == f"arn:aws:cloudfront::{ACCOUNT}:distribution/{distribution_id('site-distribution')}"
    assert source["logType"] == "ACCESS_LOGS"
    assert destination["deliveryDestinationConfiguration"] == {"destinationResourceArn": GROUP}
    assert delivery["deliverySourceName"] == physical_name("site-log")
    assert delivery["deliveryDestinationArn"] == arn(
        "logs", f"delivery-destination:{physical_name('site-dst')}", "us-east-1"
    )
    assert "site-access-logs-policy" in recording.dependencies("site-log-delivery")


def test_is_where_cloudfront_delivers_from(recording: Recording) -> None:
    made = [one for one in recording.custom() if one.type.startswith("aws:cloudwatch/")]

    assert {one.inputs["region"] for one in made} == {"us-east-1"}


def test_has_no_code_of_a_sign_in_no_cookie_and_no_referrer(recording: Recording) -> None:
    fields = recording.inputs("site-log-delivery")["recordFields"]

    assert {"c-ip", "cs-uri-stem", "sc-status"} <= set(fields)
    assert not [one for one in fields if "query" in one or "ookie" in one or "eferer" in one]


def test_is_kept_as_long_as_was_asked_for(recording: Recording) -> None:
    assert recording.inputs("site-access-logs")["retentionInDays"] == 30


def test_is_written_by_deliveries_of_this_account_alone(recording: Recording) -> None:
    assert recording.json("site-access-logs-policy", "policyDocument") == document(
        {
            "Effect": "Allow",
            "Principal": {"Service": "delivery.logs.amazonaws.com"},
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": f"{GROUP}:log-stream:*",
            "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}},
        }
    )


def test_names_are_as_long_as_cloudwatch_takes_them() -> None:
    """A delivery's source and destination may have names of 60 characters: no other name of a site is shorter."""
    name = "s" * 48
    recording = run(lambda: DashboardSite(name, {"access_log": True}))
    made = [
        one.name for one in recording.custom() if "logDelivery" in one.type and one.inputs.get("recordFields") is None
    ]

    assert len(made) == 2
    assert max(len(one) for one in made) + 8 == 60
