from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formbridge.access.tenant_claim import TenantClaim
from formbridge.runtime.identifiers import TENANT_ID
from tests.support.handlers.issuer import PATTERN
from tests.support.handlers.strategies import JSON

SAFE = TENANT_ID.pattern


@pytest.mark.parametrize(
    ("claim", "claims"),
    [
        ("tenant_id", {"tenant_id": "t_acme"}),
        ("custom:tenant_id", {"custom:tenant_id": "t_acme"}),
        ("https://example.com/tenant", {"https://example.com/tenant": "t_acme"}),
        ("urn:zitadel:iam:user:resourceowner:id", {"urn:zitadel:iam:user:resourceowner:id": "t_acme"}),
        ("a.b", {"a.b": "t_acme", "a": {"b": "t_other"}}),
        ("a/b", {"a/b": "t_acme", "a": {"b": "t_other"}}),
        ("~1", {"~1": "t_acme", "/": "t_other"}),
        ("/tenant_id", {"tenant_id": "t_acme"}),
        ("/o/id", {"o": {"id": "t_acme"}}),
        ("/app_metadata/tenant_id", {"app_metadata": {"tenant_id": "t_acme"}}),
        ("/realm_access/roles", {"realm_access": {"roles": ["offline_access", "t_acme"]}}),
        ("/organization", {"organization": {"t_acme": {"id": "5"}}}),
        ("/https:~1~1example.com/tenant", {"https://example.com": {"tenant": "t_acme"}}),
        ("/a~0b/c", {"a~b": {"c": "t_acme"}}),
        ("/~01", {"~1": "t_acme", "/": "t_other"}),
        ("/a//b", {"a": {"": {"b": "t_acme"}}}),
        ("/", {"": "t_acme"}),
        ("/0", {"0": "t_acme"}),
    ],
)
def test_the_claim_is_a_name_or_a_pointer(claim: str, claims: dict[str, object]) -> None:
    tenant_claim = TenantClaim.parse(claim, PATTERN)
    assert tenant_claim.read(claims) == ("t_acme",)
    assert tenant_claim.check(claims).passes


@pytest.mark.parametrize("claim", ["/a~", "/a~2b", "/~", "/a/~/b"])
def test_a_pointer_that_is_malformed_is_an_error(claim: str) -> None:
    message = f"tenantClaim: must be a JSON Pointer with ~0 for ~ and ~1 for /, got '{claim}'"
    with pytest.raises(ValueError, match=f"^{message}$"):
        TenantClaim.parse(claim, PATTERN)


def test_a_pattern_that_is_malformed_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"^tenantIdPattern: must be .* got 't_\['"):
        TenantClaim.parse("tenant_id", "t_[")


@pytest.mark.parametrize(
    ("value", "tenants"),
    [
        ("t_acme", ("t_acme",)),
        (["t_acme", "t_globex"], ("t_acme", "t_globex")),
        (["t_globex", "t_acme", "t_globex"], ("t_globex", "t_acme")),
        (["t_acme", 5, None, "globex", ["t_other"], {"t_other": True}], ("t_acme",)),
        ({"t_acme": {}, "t_globex": True, "t_third": 0, "t_fourth": ""}, ("t_acme", "t_globex", "t_third", "t_fourth")),
        ({"t_acme": None, "t_globex": False, "t_third": {"id": "x"}}, ("t_third",)),
    ],
    ids=str,
)
def test_a_value_names_one_or_several_tenants(value: object, tenants: tuple[str, ...]) -> None:
    assert TenantClaim.parse("org", PATTERN).read({"org": value}) == tenants


MISSING = ("tenant: claim missing, must be in the ID token", "tenantClaim")
EMPTY = ("tenant: claim empty, must name a tenant", "tenantClaim")
OTHER_FORM = ("tenant: shape, must match the pattern of a tenant id", "tenantIdPattern")
OTHER_TYPE = ("tenant: shape, must be a string, a list of strings, or an object", "tenantClaim")


@pytest.mark.parametrize(
    ("claim", "claims", "expected"),
    [
        ("org", {}, MISSING),
        ("org", {"org": None}, MISSING),
        ("org", {"Org": "t_acme"}, MISSING),
        ("o.id", {"o": {"id": "t_acme"}}, MISSING),
        ("/o/id", {}, MISSING),
        ("/o/id", {"o": "t_acme"}, MISSING),
        ("/o/id", {"o": ["t_acme"]}, MISSING),
        ("/o/id", {"o": {"id": None}}, MISSING),
        ("/o/0", {"o": ["t_acme"]}, MISSING),
        ("/o/id", {"/o/id": "t_acme"}, MISSING),
        ("org", {"org": ""}, EMPTY),
        ("org", {"org": []}, EMPTY),
        ("org", {"org": {}}, EMPTY),
        ("org", {"org": {"t_acme": False}}, EMPTY),
        ("org", {"org": "org_9ybGmxLnUAk"}, OTHER_FORM),
        ("org", {"org": "72f988bf-86f1-41af-91ab-2d7cd011db47"}, OTHER_FORM),
        ("org", {"org": ["acme", 5]}, OTHER_FORM),
        ("org", {"org": {"acme": {}}}, OTHER_FORM),
        ("org", {"org": 5}, OTHER_TYPE),
        ("org", {"org": True}, OTHER_TYPE),
        ("org", {"org": False}, OTHER_TYPE),
        ("org", {"org": 0}, OTHER_TYPE),
        ("org", {"org": [5, None]}, OTHER_TYPE),
        ("org", {"org": [["t_acme"]]}, OTHER_TYPE),
    ],
    ids=str,
)
def test_a_claim_without_a_tenant_says_what_is_wrong(
    claim: str, claims: dict[str, object], expected: tuple[str, str]
) -> None:
    tenant_claim = TenantClaim.parse(claim, PATTERN)
    assert tenant_claim.read(claims) == ()
    failed = tenant_claim.check(claims)
    assert (failed.reason, failed.setting) == expected


@pytest.mark.parametrize(
    ("pattern", "ids"),
    [
        (r"org_[A-Za-z0-9]+", ["org_9ybGmxLnUAk"]),
        (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", ["72f988bf-86f1-41af-91ab-2d7cd011db47"]),
        (r"[a-z0-9.\-]+\.[a-z]+", ["example.com", "sub.example.co.uk"]),
        (r"\d+", ["165617850692654601"]),
        (r"acme|globex", ["acme", "globex"]),
        (r"\w+", ["acme_5"]),
    ],
)
def test_the_pattern_is_a_setting(pattern: str, ids: list[str]) -> None:
    assert TenantClaim.parse("org", pattern).read({"org": [*ids, "t-", "é", "T 5"]}) == tuple(ids)


@pytest.mark.parametrize(
    "unsafe",
    ["a#b", "a b", "a/b", "a\n", "", ".a", "-a", ":a", "a" * 67, "á", "٣", "a\x00", "a,b", "a|b", "a%b"],
)
def test_no_pattern_allows_an_id_that_is_not_safe_in_keys(unsafe: str) -> None:
    assert TenantClaim.parse("org", "[^q]*").read({"org": [unsafe, "safe"]}) == ("safe",)


@given(JSON | st.lists(st.from_regex(SAFE, fullmatch=True)), st.sampled_from(["org", "/org/id", "/org"]))
def test_any_claim_is_read_or_says_what_is_wrong(value: object, claim: str) -> None:
    tenant_claim = TenantClaim.parse(claim, "[^q]*")
    tenants = tenant_claim.read({"org": value})
    assert all(TENANT_ID.fullmatch(tenant) for tenant in tenants)
    assert len(set(tenants)) == len(tenants)
    assert tenant_claim.check({"org": value}).passes == bool(tenants)
