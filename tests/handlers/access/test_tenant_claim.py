from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formbridge.access.tenant_claim import TenantClaim
from formbridge.runtime.identifiers import TENANT_ID
from tests.support.access.tenant_claims import CASES, Case
from tests.support.handlers.issuer import PATTERN
from tests.support.handlers.strategies import JSON

SAFE = TENANT_ID.pattern


REASONS = {
    "missing": ("tenant: claim missing, must be in the ID token", "tenantClaim"),
    "empty": ("tenant: claim empty, must name a tenant", "tenantClaim"),
    "form": ("tenant: shape, must match the pattern of a tenant id", "tenantIdPattern"),
    "type": ("tenant: shape, must be a string, a list of strings, or an object", "tenantClaim"),
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_claim_grants_tenants_or_says_what_is_wrong(case: Case) -> None:
    tenant_claim = TenantClaim.parse(case["claim"], case["pattern"])
    check = tenant_claim.check(case["claims"])
    assert tenant_claim.read(case["claims"]) == tuple(case.get("tenants", []))
    if "problem" in case:
        assert (check.reason, check.setting) == REASONS[case["problem"]]
    else:
        assert check.passes


@pytest.mark.parametrize(("claim", "claims"), [("/a//b", {"a": {"": {"b": "t_acme"}}}), ("/", {"": "t_acme"})])
def test_a_name_in_a_pointer_may_be_empty(claim: str, claims: dict[str, object]) -> None:
    """RFC 6901 allows it. No such name can be configured."""
    assert TenantClaim.parse(claim, PATTERN).read(claims) == ("t_acme",)


@pytest.mark.parametrize("claim", ["/a~", "/a~2b", "/~", "/a/~/b"])
def test_a_pointer_that_is_malformed_is_an_error(claim: str) -> None:
    message = f"tenantClaim: must be a JSON Pointer with ~0 for ~ and ~1 for /, got '{claim}'"
    with pytest.raises(ValueError, match=f"^{message}$"):
        TenantClaim.parse(claim, PATTERN)


def test_a_pattern_that_is_malformed_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"^tenantIdPattern: must be .* got 't_\['"):
        TenantClaim.parse("tenant_id", "t_[")


@given(JSON | st.lists(st.from_regex(SAFE, fullmatch=True)), st.sampled_from(["org", "/org/id", "/org"]))
def test_any_claim_is_read_or_says_what_is_wrong(value: object, claim: str) -> None:
    tenant_claim = TenantClaim.parse(claim, "[^q]*")
    tenants = tenant_claim.read({"org": value})
    assert all(TENANT_ID.fullmatch(tenant) for tenant in tenants)
    assert len(set(tenants)) == len(tenants)
    assert tenant_claim.check({"org": value}).passes == bool(tenants)
