from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from formbridge.runtime import keys
from formbridge.runtime.identifiers import SUBMISSION_ID, TENANT_ID

# Few characters, so that ids which differ in a separator alone are frequent.
TENANTS = st.from_regex(TENANT_ID, fullmatch=True) | st.from_regex("[a_][a_.:-]{0,3}", fullmatch=True)
SUBMISSIONS = st.from_regex(SUBMISSION_ID, fullmatch=True) | st.from_regex("[a.:-]{1,3}", fullmatch=True)
HASHES = st.from_regex("[a0]{1,3}", fullmatch=True)
SHARDS = st.integers(0, 63)


@given(tenant_id=TENANTS, shard=SHARDS)
def test_the_partition_of_a_tenants_shard_is_read_back(tenant_id: str, shard: int) -> None:
    assert keys.parse_tenant_partition(keys.tenant_partition(tenant_id, shard)) == (tenant_id, shard)


@given(one=st.tuples(TENANTS, SHARDS), other=st.tuples(TENANTS, SHARDS))
def test_no_two_tenants_and_no_two_shards_share_a_partition(one: tuple[str, int], other: tuple[str, int]) -> None:
    assert (keys.tenant_partition(*one) == keys.tenant_partition(*other)) == (one == other)


@example(one=("a", "a:a"), other=("a:a", "a"))
@example(one=("a", "a.a"), other=("a.a", "a"))
@given(one=st.tuples(TENANTS, SUBMISSIONS), other=st.tuples(TENANTS, SUBMISSIONS))
def test_no_two_tenants_share_a_submission(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert (keys.submission_partition(*one) == keys.submission_partition(*other)) == (one == other)


@given(
    one=st.tuples(st.just("TENANT"), TENANTS) | st.tuples(st.just("USER"), TENANTS, HASHES),
    other=st.tuples(st.just("TENANT"), TENANTS) | st.tuples(st.just("USER"), TENANTS, HASHES),
)
def test_no_two_tenants_share_a_revocation(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert (keys.revocation_partition(*one) == keys.revocation_partition(*other)) == (one == other)
    assert keys.parse_revocation_partition(keys.revocation_partition(*one)) == [*one]


@given(connection_id=st.text(st.characters(codec="utf-8")))
def test_the_sort_key_of_a_connection_is_read_back(connection_id: str) -> None:
    assert keys.parse_connection_sort_key(keys.connection_sort_key(connection_id)) == connection_id


@given(connection_id=st.text(st.characters(codec="utf-8")))
def test_a_tenants_row_sorts_after_all_of_its_connections(connection_id: str) -> None:
    assert keys.connection_sort_key(connection_id).encode() < keys.TENANT_SORT_KEY.encode()


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (keys.submission_partition("t_acme", "s1"), "SUB#t_acme#s1"),
        (keys.submission_position("2026-11-22T20:00:00.000Z", "s1"), "2026-11-22T20:00:00.000Z#s1"),
        (keys.tenant_partition("t_acme"), "TENANT#t_acme"),
        (keys.tenant_partition("t_acme", 3), "TENANT#t_acme#3"),
        (keys.connection_sort_key("L0SM9cOFvHcCIhw="), "CONN#L0SM9cOFvHcCIhw="),
    ],
)
def test_keys_are_as_docs_data_model_says(key: str, expected: str) -> None:
    assert key == expected
