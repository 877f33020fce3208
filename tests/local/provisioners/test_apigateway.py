from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.support.local.provisioning import outputs

if TYPE_CHECKING:
    from local.monitor import Monitor


def test_account(made: Monitor, call: Any) -> None:
    assert call("apigateway", "get_account")["cloudwatchRoleArn"] == outputs(made, "role")["arn"]
