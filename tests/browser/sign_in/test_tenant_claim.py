"""The tenants of a token: the page reads them as the gateway does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.access.tenant_claims import CASES

if TYPE_CHECKING:
    from playwright.sync_api import Page

CODES = {
    "missing": "no_tenant_claim",
    "empty": "empty_tenant_claim",
    "form": "no_tenant_of_form",
    "type": "no_tenant_of_form",
}


def test_the_page_reads_claims_as_the_gateway_does(page: Page) -> None:
    page.goto("/style.css")
    found = page.evaluate(
        """async (cases) => {
            const { readTenants, explainNoTenant } = await import("/tenant-claim.js");
            return cases.map(({ claim, pattern, claims }) => {
                const rule = { tenant_claim: claim, tenant_id_pattern: pattern };
                const tenants = readTenants(claims, rule);
                return tenants.length > 0 ? tenants : explainNoTenant(claims, rule, "ada@example.com").code;
            });
        }""",
        CASES,
    )
    assert found == [CODES[case["problem"]] if "problem" in case else case.get("tenants") for case in CASES]
