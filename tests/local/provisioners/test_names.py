from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.support.local.provisioning import outputs

if TYPE_CHECKING:
    from local.monitor import Monitor


def test_a_name_of_its_own(made: Monitor, call: Any) -> None:
    assert outputs(made, "named")["name"] == "named-table"
    assert call("dynamodb", "describe_table", TableName="named-table")["Table"]["TableName"] == "named-table"
