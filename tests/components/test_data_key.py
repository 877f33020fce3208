"""`DataKey`: a key that the account's own policies give away, and three services use for this account alone."""

from __future__ import annotations

from typing import Any

import pytest

from components import DataKey
from components._iam import KEY_ACTIONS
from tests.support.components.harness import Recording, refusal, run
from tests.support.components.provider import ACCOUNT, REGION, Provider, key_arn, key_id


def declare(provider: Provider | None = None) -> Recording:
    return run(lambda: DataKey("data", {}), provider=provider)


@pytest.fixture(scope="module")
def recording() -> Recording:
    return declare()


@pytest.fixture(scope="module")
def by_principal(recording: Recording) -> dict[str, dict[str, Any]]:
    document = recording.json("data-key-policy", "policy")
    return {"".join(one["Principal"].values()): one for one in document["Statement"]}


def test_declares_a_key_whose_material_changes_and_its_policy(recording: Recording) -> None:
    assert recording.children("data") == {
        ("kms/key:Key", "data-key"),
        ("kms/keyPolicy:KeyPolicy", "data-key-policy"),
    }
    assert recording.inputs("data-key")["enableKeyRotation"] is True
    assert recording.inputs("data-key-policy")["keyId"] == key_id("data-key")


def test_the_key_outlives_the_stack_as_backups_need_it(recording: Recording) -> None:
    assert recording.one("data-key").retained
    assert recording.one("data-key-policy").retained


def test_the_accounts_policies_decide_who_uses_it(by_principal: dict[str, dict[str, Any]]) -> None:
    statement = by_principal[f"arn:aws:iam::{ACCOUNT}:root"]

    assert statement["Action"] == list(KEY_ACTIONS)
    assert {"kms:PutKeyPolicy", "kms:Decrypt", "kms:GenerateDataKey", "kms:CreateGrant"} <= set(KEY_ACTIONS)
    assert "Condition" not in statement


@pytest.mark.parametrize(
    ("service", "condition"),
    [
        (
            f"logs.{REGION}.amazonaws.com",
            {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:*"}},
        ),
        (
            "events.amazonaws.com",
            {"ArnLike": {"kms:EncryptionContext:aws:sqs:arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:*"}},
        ),
        ("cloudwatch.amazonaws.com", {"StringEquals": {"aws:SourceAccount": ACCOUNT}}),
    ],
)
def test_a_service_uses_it_for_this_account_alone(
    by_principal: dict[str, dict[str, Any]], service: str, condition: dict[str, Any]
) -> None:
    statement = by_principal[service]

    assert statement["Condition"] == condition
    assert {"kms:Decrypt", "kms:GenerateDataKey"} <= set(statement["Action"])
    assert "kms:PutKeyPolicy" not in statement["Action"]


def test_nobody_else_uses_it(by_principal: dict[str, dict[str, Any]]) -> None:
    assert len(by_principal) == 4


def test_the_services_of_china_have_another_domain() -> None:
    arn = "arn:aws-cn:kms:cn-north-1:210987654321:key/1a"
    policy = declare(Provider({"data-key": {"arn": arn}})).json("data-key-policy", "policy")
    principals = [one["Principal"] for one in policy["Statement"]]

    assert {"Service": "logs.cn-north-1.amazonaws.com.cn"} in principals
    assert {"AWS": "arn:aws-cn:iam::210987654321:root"} in principals


def test_registers_the_key_that_has_its_policy(recording: Recording) -> None:
    assert recording.registered("data") == {"key_arn": key_arn("data-key")}


def test_a_name_that_other_components_could_not_have_is_refused() -> None:
    assert refusal(lambda: DataKey("my_key", {})).startswith("name: must be a letter followed by")
