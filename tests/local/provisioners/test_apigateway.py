from __future__ import annotations

from typing import Any

from local.monitor import Monitor
from tests.support.local.provisioning import outputs


def test_account(made: Monitor, call: Any) -> None:
    assert call("apigateway", "get_account")["cloudwatchRoleArn"] == outputs(made, "role")["arn"]
