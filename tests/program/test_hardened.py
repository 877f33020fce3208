"""The setting `hardened`: what it adds to the program, and that it takes nothing away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from components._encryption import READ, SEND
from tests.support.components.provider import key_arn
from tests.support.program.needs import NEEDS
from tests.support.program.permissions import allowed, permissions, role_arn
from tests.support.program.whole_program import declare

if TYPE_CHECKING:
    from tests.support.components.harness import Recording

KEY = key_arn("data-key")
USES = {
    **dict.fromkeys(["gateway-connect", "gateway-message", "gateway-authenticate", "gateway-janitor"], READ),
    **dict.fromkeys(["gateway-broadcast", "gateway-fanout", "ingest-persist"], SEND),
    **dict.fromkeys(["recovery-resync", "realtime"], SEND),
}
"""What each role does with the key: it reads tables and queues, or sends to queues and topics too."""


@pytest.fixture(scope="module")
def hardened(packages: None) -> Recording:
    return declare(hardened="true")


def test_it_adds_a_key_and_the_pages_log_and_takes_nothing_away(recording: Recording, hardened: Recording) -> None:
    added = {hardened.resources[urn].name for urn in set(hardened.resources) - set(recording.resources)}

    assert set(recording.resources) <= set(hardened.resources)
    assert added == {
        *("data", "data-key", "data-key-policy"),
        *("dashboard-access-logs", "dashboard-access-logs-policy", "dashboard-log", "dashboard-dst"),
        "dashboard-log-delivery",
    }
    assert hardened.exports == recording.exports


def test_every_table_queue_topic_and_log_of_the_region_is_encrypted_with_the_key(hardened: Recording) -> None:
    kinds = ("dynamodb/table:Table", "sqs/queue:Queue", "sns/topic:Topic", "cloudwatch/logGroup:LogGroup")
    holders = [one for kind in kinds for one in hardened.of_type(kind)]
    # CloudFront's log is in us-east-1, and a key is of one region.
    without = {one.name for one in holders if KEY not in str(one.inputs)}

    assert len(holders) > 15
    assert without == {"dashboard-access-logs"}


def test_a_role_uses_the_key_as_far_as_it_needs_to_and_others_do_not(hardened: Recording) -> None:
    granted: dict[str, set[str]] = {}
    for one in permissions(hardened):
        if one.action.startswith("kms:") and one.resource == KEY:
            granted.setdefault(one.principal, set()).add(one.action)

    assert granted == {role_arn(name): set(actions) for name, actions in USES.items()}


def test_what_a_principal_does_is_still_allowed(hardened: Recording) -> None:
    granted = permissions(hardened)

    assert [name for name, need in NEEDS.items() if not allowed(need, granted)] == []


def test_every_user_has_a_second_factor(recording: Recording, hardened: Recording) -> None:
    assert hardened.inputs("identity-users")["mfaConfiguration"] == "ON"
    assert recording.inputs("identity-users")["mfaConfiguration"] == "OFF"
    assert declare(hardened="true", mfa="optional").inputs("identity-users")["mfaConfiguration"] == "ON"


def test_without_a_page_or_a_pool_there_is_nothing_of_them_to_harden() -> None:
    recording = declare(
        hardened="true", dashboardSite="false", issuer="https://login.example.com", audience="dashboards"
    )

    assert not recording.of_type("cloudwatch/logDelivery:LogDelivery")
    assert not recording.of_type("cognito/userPool:UserPool")
    assert recording.inputs("submissions-table")["serverSideEncryption"]["kmsKeyArn"] == KEY


def test_a_web_acl_filters_the_requests_for_the_page() -> None:
    acl = "arn:aws:wafv2:us-east-1:123456789012:global/webacl/pages/1a2b3c"

    assert declare(webAclArn=acl).inputs("dashboard-distribution")["webAclId"] == acl
