"""The preview role reads the state of its stack and its pipe and the account's log role, and nothing else."""

from __future__ import annotations

import pytest

from tests.support.components.provider import ACCOUNT
from tests.support.tools.iam_evaluator import Request, is_allowed
from tests.support.tools.stack_requests import build_facts
from tools.iam.preview_role import build_policies, build_trust_policy

DEV = build_facts("dev")
POLICIES = build_policies(DEV).values()
BUCKET = f"arn:aws:s3:::{DEV.state_bucket}"


def test_it_has_no_other_actions() -> None:
    assert {action for document in POLICIES for one in document["Statement"] for action in one["Action"]} == {
        *("s3:ListBucket", "s3:GetObject", "kms:Decrypt"),
        *("cloudformation:GetResource", "pipes:DescribePipe", "pipes:ListTagsForResource", "apigateway:GET"),
    }


def test_of_api_gateway_it_reads_the_setting_of_the_account_alone() -> None:
    start = "arn:aws:apigateway:eu-west-1::"

    assert is_allowed(POLICIES, Request("apigateway:GET", f"{start}/account"))
    assert not is_allowed(POLICIES, Request("apigateway:GET", f"{start}/apis/a1b2c3d4e5"))


def pipe(stack: str) -> str:
    return f"arn:aws:pipes:eu-west-1:{ACCOUNT}:pipe/formbridge-realtime-{stack}-realtime-pipe-1a2b3c4"


@pytest.mark.parametrize(
    ("action", "own", "other"),
    [
        ("s3:GetObject", f"{BUCKET}/dev/.pulumi/meta.yaml", f"{BUCKET}/dev2/.pulumi/meta.yaml"),
        ("s3:GetObject", f"{BUCKET}/dev/.pulumi/meta.yaml", f"{BUCKET}/prod/.pulumi/meta.yaml"),
        ("kms:Decrypt", DEV.state_key_arn, build_facts("prod").state_key_arn),
        ("pipes:DescribePipe", pipe("dev"), pipe("dev2")),
        ("pipes:ListTagsForResource", pipe("dev"), pipe("prod")),
    ],
)
def test_it_reads_what_is_its_stacks(action: str, own: str, other: str) -> None:
    assert is_allowed(POLICIES, Request(action, own))
    assert not is_allowed(POLICIES, Request(action, other))


def test_it_lists_the_folder_of_its_stack() -> None:
    assert is_allowed(POLICIES, Request("s3:ListBucket", BUCKET, {"s3:prefix": "dev/.pulumi/"}))
    assert is_allowed(POLICIES, Request("s3:ListBucket", BUCKET)), "S3 asks so about a missing object"
    assert not is_allowed(POLICIES, Request("s3:ListBucket", BUCKET, {"s3:prefix": "dev2/.pulumi/"}))
    assert not is_allowed(POLICIES, Request("s3:ListBucket", BUCKET, {"s3:prefix": ""}))


def test_it_trusts_the_environment_for_previews() -> None:
    (statement,) = build_trust_policy(DEV)["Statement"]

    assert statement["Condition"]["StringEquals"] == {
        "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
        "token.actions.githubusercontent.com:sub": "repo:example@1/forms@2:environment:preview",
    }
