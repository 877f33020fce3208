from __future__ import annotations

from typing import TYPE_CHECKING

from formbridge.connections.filters_row import FiltersRow, build_entry, read_costs
from tests.support.handlers.connections import wanting

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

ROW: Mapping[str, AttributeValueTypeDef] = {
    "PK": {"S": "TENANT#t_acme"},
    "SK": {"S": "FILTERS"},
    "filters": {"SS": ["b:20", "a:3", "c:3"]},
}


def test_an_entry_is_the_id_and_the_cost_of_a_filter() -> None:
    assert build_entry(wanting({"form_id": ["contact"]})) == "3ae6865d96cf:2"
    assert build_entry(wanting({"status": ["a"], "form_id": ["b"]})) == build_entry(
        wanting({"form_id": ["b"], "status": ["a"]})
    )


def test_a_row_has_its_tenant_and_its_entries() -> None:
    assert FiltersRow.from_row(ROW) == FiltersRow("t_acme", frozenset({"a:3", "b:20", "c:3"}))
    assert read_costs(ROW) == (3, 3, 20)


def test_a_row_whose_last_filter_was_removed_has_none() -> None:
    empty: Mapping[str, AttributeValueTypeDef] = {"PK": {"S": "TENANT#t_acme"}, "SK": {"S": "FILTERS"}}
    assert FiltersRow.from_row(empty).entries == frozenset()
    assert read_costs(empty) == read_costs({}) == ()
