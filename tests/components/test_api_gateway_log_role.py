"""`ApiGatewayLogRole`: the account's one role for the logs of API Gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from components import ApiGatewayLogRole, InputError
from tests.support.components.harness import Recording, run
from tests.support.components.policies import trust
from tests.support.components.provider import ACCOUNT, Provider, Values, physical_name

if TYPE_CHECKING:
    import pulumi

ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/{physical_name('api-gateway-role')}"


@pytest.fixture(scope="module")
def recording() -> Recording:
    return run(lambda: ApiGatewayLogRole("api-gateway", {}))


def test_declares_the_role_its_policy_and_the_setting_of_the_account(recording: Recording) -> None:
    assert recording.children("api-gateway") == {
        ("iam/role:Role", "api-gateway-role"),
        ("iam/rolePolicyAttachment:RolePolicyAttachment", "api-gateway-policy"),
        ("apigateway/account:Account", "api-gateway-account"),
    }


def test_only_api_gateway_may_take_the_role(recording: Recording) -> None:
    assert recording.json("api-gateway-role", "assumeRolePolicy") == trust("apigateway.amazonaws.com")


def test_the_role_may_do_what_aws_says_that_it_needs(recording: Recording) -> None:
    assert recording.inputs("api-gateway-policy") == {
        "role": physical_name("api-gateway-role"),
        "policyArn": "arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs",
    }


def test_its_policy_is_that_of_the_accounts_partition() -> None:
    china = Provider({"api-gateway-role": {"arn": ROLE_ARN.replace("arn:aws:", "arn:aws-cn:")}})
    recording = run(lambda: ApiGatewayLogRole("api-gateway", {}), provider=china)

    assert recording.inputs("api-gateway-policy")["policyArn"].startswith("arn:aws-cn:iam::aws:policy/service-role/")


def test_the_account_gets_the_role_once_it_may_log(recording: Recording) -> None:
    assert recording.inputs("api-gateway-account") == {"cloudwatchRoleArn": ROLE_ARN}
    assert "api-gateway-policy" in recording.dependencies("api-gateway-account")


class TestAnotherRole:
    """The account has a role for the logs of API Gateway already."""

    OTHER = f"arn:aws:iam::{ACCOUNT}:role/someone-elses"

    def test_is_not_overwritten(self) -> None:
        declared: list[str] = []
        with pytest.raises(InputError) as caught:
            run(lambda: ApiGatewayLogRole("api-gateway", {}), provider=self.provider(self.OTHER, declared))

        assert str(caught.value) == (
            f"apiGatewayLogRole: must be false, because API Gateway has the role {self.OTHER} already in this account "
            "and region, got true"
        )
        assert "api-gateway-account" not in declared

    def test_is_not_another_one_if_this_stack_has_set_it(self) -> None:
        declared: list[str] = []
        run(lambda: ApiGatewayLogRole("api-gateway", {}), provider=self.provider(ROLE_ARN, declared))

        assert "api-gateway-account" in declared

    @staticmethod
    def provider(role_arn: str, declared: list[str]) -> Provider:
        """The provider of an account with this role; it adds the name of each resource to `declared`."""

        class Account(Provider):
            def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, Values]:
                declared.append(args.name)
                return super().new_resource(args)

        return Account({"api-gateway-current": {"cloudwatchRoleArn": role_arn}})


def test_registers_the_role(recording: Recording) -> None:
    assert recording.registered("api-gateway") == {"role_arn": ROLE_ARN}


def test_it_stays_when_its_stack_goes_for_the_whole_account_may_rest_on_it(recording: Recording) -> None:
    assert {one.name for one in recording.resources.values() if one.custom and one.retained} == {
        "api-gateway-role",
        "api-gateway-policy",
        "api-gateway-account",
    }
