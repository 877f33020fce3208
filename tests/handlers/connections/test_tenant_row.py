from __future__ import annotations

from typing import TYPE_CHECKING

from formbridge.connections.tenant_row import PERIOD_MS, TenantRow
from tests.support.handlers.builders import NOW

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef


def test_the_number_of_a_tenant_is_the_sum_of_its_periods() -> None:
    period = NOW // PERIOD_MS
    row: dict[str, AttributeValueTypeDef] = {
        "PK": {"S": "TENANT#t_acme"},
        "SK": {"S": "TENANT"},
        "connections": {"N": "5"},
        f"period_{period}": {"N": "2"},
        f"period_{period + 1}": {"N": "3"},
        "quarter_1994863": {"N": "7"},
    }
    tenant = TenantRow.from_row(row)
    assert tenant == TenantRow("t_acme", 5, periods={period: 2, period + 1: 3})
    assert tenant.counted == 5


def test_a_row_without_attributes_is_an_empty_tenant_with_one_shard() -> None:
    row: dict[str, AttributeValueTypeDef] = {"PK": {"S": "TENANT#t_acme"}, "SK": {"S": "TENANT"}}
    assert TenantRow.from_row(row) == TenantRow("t_acme", connections=0, periods={}, shards=1)
