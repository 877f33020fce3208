"""Tokens as the documentation of identity providers shows them, and the settings with which they are accepted or not.

Each token is signed and verified with real keys. The claims follow these pages:

- https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-id-token.html
- https://auth0.com/docs/manage-users/organizations/using-tokens
- https://developer.okta.com/docs/api/openapi/okta-oauth/guides/overview
- https://learn.microsoft.com/entra/identity-platform/id-token-claims-reference
- https://www.keycloak.org/docs/latest/server_admin/#_mapping_organization_claims_
- https://developers.google.com/identity/openid-connect/openid-connect#an-id-tokens-payload
- https://zitadel.com/docs/apis/openidoauth/claims
- https://clerk.com/docs/guides/sessions/session-tokens
- https://workos.com/docs/authkit/connect/token-claims
- https://supabase.com/docs/guides/auth/jwt-fields
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import pytest

from formbridge.access.handshake import Unauthorized, WrongTenant
from formbridge.access.key_cache import KeyCache
from formbridge.access.key_set import parse_key_set
from formbridge.access.public_key import load_public_key
from formbridge.access.token_verifier import TokenVerifier
from formbridge.runtime import clock
from tests.support.handlers import issuer
from tests.support.handlers.issuer import PATTERN, signed_token

if TYPE_CHECKING:
    from collections.abc import Mapping

    from formbridge.access.handshake import Identity
    from tests.support.handlers.clock import Clock

UUID: Final = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
TENANT: Final = "72f988bf-86f1-41af-91ab-2d7cd011db47"


@dataclass(frozen=True)
class Stack:
    """The settings of a stack."""

    issuer: str
    audience: str = "client-1"
    claim: str = "tenant_id"
    pattern: str = PATTERN
    others: tuple[str, ...] = ()
    """`additionalAudiences`."""
    tolerance: int = 30


COGNITO = Stack("https://cognito-idp.us-east-1.amazonaws.com/us-east-1_EXAMPLE", claim="custom:tenant_id")
AUTH0 = Stack("https://tenant.eu.auth0.com/", claim="org_id", pattern="org_[A-Za-z0-9]+")
OKTA = Stack("https://dev-1.okta.com/oauth2/default", "0oa1example")
ENTRA = Stack(f"https://login.microsoftonline.com/{TENANT}/v2.0", "6cb04018-a3f5-46a7-b995-940c78f5aef3", "tid", UUID)
KEYCLOAK = Stack("https://id.example.com/realms/acme", "dashboards", "/organization", "[a-z]+")
GOOGLE = Stack("https://accounts.google.com", "1-a.apps.googleusercontent.com", "hd", r"[a-z0-9.\-]+")
ORG_OF_ZITADEL = "urn:zitadel:iam:user:resourceowner:id"
ZITADEL = Stack("https://acme-1.zitadel.cloud", "3001@acme", ORG_OF_ZITADEL, r"\d+")
CLERK = Stack("https://clerk.example.com", "dashboards", "/o/id", "org_[A-Za-z0-9]+", ("https://app.example.com",))
WORKOS = Stack("https://acme.authkit.app", "client_01JP", "org_id", "org_[A-Z0-9]+")
SUPABASE = Stack("https://ref.supabase.co/auth/v1", "authenticated", "/app_metadata/tenant_id")

SECONDS: Final = ("iat", "exp", "nbf", "auth_time")
TIMES: Final = {"iat": 0, "exp": 3_600}
STANDARD: Final[Mapping[str, Mapping[str, Any]]] = {
    COGNITO.issuer: {
        "aud": "client-1",
        "token_use": "id",
        "auth_time": 0,
        "origin_jti": "o-1",
        "jti": "j-1",
        "cognito:username": "ada",
        "event_id": "e-1",
        "email_verified": True,
        "custom:tenant_id": "t_acme",
    },
    AUTH0.issuer: {
        "aud": "client-1",
        "sub": "auth0|602c0dcab993d10073daf680",
        "exp": 36_000,
        "sid": "s-1",
        "nonce": "n",
        "org_id": "org_9ybsU1dN2dKfDkBi",
        "https://marketplace/roles": ["admin"],
    },
    OKTA.issuer: {
        "aud": "0oa1example",
        "sub": "00u1example",
        "ver": 1,
        "jti": "ID.x",
        "amr": ["pwd"],
        "idp": "00o1",
        "auth_time": -30,
        "at_hash": "h",
        "groups": ["Everyone", "t_acme"],
        "tenant_id": "t_acme",
    },
    ENTRA.issuer: {
        "aud": ENTRA.audience,
        "ver": "2.0",
        "iat": -300,
        "nbf": -300,
        "exp": 3_600,
        "aio": "Df2!x",
        "rh": "0.",
        "sub": "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ",
        "oid": "o",
        "tid": TENANT,
        "uti": "u",
    },
    KEYCLOAK.issuer: {
        "aud": "dashboards",
        "azp": "dashboards",
        "typ": "ID",
        "sid": "s-1",
        "acr": "1",
        "exp": 300,
        "jti": "j",
        "auth_time": -10,
        "at_hash": "h",
        "organization": {"acme": {}},
        "realm_access": {"roles": ["t_acme"]},
    },
    GOOGLE.issuer: {
        "aud": GOOGLE.audience,
        "azp": GOOGLE.audience,
        "sub": "10769150350006150715113082367",
        "at_hash": "h",
        "hd": "example.com",
        "email": "a@example.com",
        "email_verified": True,
        "nonce": "n",
    },
    ZITADEL.issuer: {
        "aud": ["3001@acme", "3000@acme", "3000"],
        "azp": "3001@acme",
        "client_id": "3001@acme",
        "amr": ["pwd"],
        "sub": "165617850692654601",
        "exp": 43_200,
        "auth_time": -5,
        ORG_OF_ZITADEL: "165617850692654600",
    },
    CLERK.issuer: {
        "aud": "dashboards",
        "azp": "https://app.example.com",
        "sub": "user_1",
        "nbf": -10,
        "exp": 60,
        "v": 2,
        "sid": "sess_1",
        "fva": [7, -1],
        "sts": "active",
        "o": {"id": "org_2abc", "rol": "admin", "slg": "acme"},
    },
    WORKOS.issuer: {
        "aud": "client_01JP",
        "client_id": "client_01JP",
        "sub": "user_01HB",
        "sid": "app_consent_1",
        "jti": "j",
        "org_id": "org_01HRDMC6CM357W30QMHMQ96Q0S",
        "exp": 300,
    },
    SUPABASE.issuer: {
        "aud": "authenticated",
        "role": "authenticated",
        "aal": "aal1",
        "session_id": "s",
        "is_anonymous": False,
        "amr": [{"method": "password", "timestamp": 1_735_815_600}],
        "app_metadata": {"tenant_id": "t_acme"},
    },
}
"""The claims of a usual token by issuer, in addition to `iss`, `sub` and `TIMES`. Times are seconds from now."""

GROUPS: Final = [f"{number:08x}-86f1-41af-91ab-2d7cd011db47" for number in range(180)]
"""As many groups as Entra writes into a token, or nearly."""


@dataclass(frozen=True)
class Shape:
    """A row of the table: a token, a stack, and the verdict."""

    name: str
    stack: Stack
    verdict: str
    """The tenant, several tenants separated by spaces, or the check that fails and its setting."""
    changes: Mapping[str, object] = field(default_factory=dict[str, object])
    """Changes of the usual claims. None leaves a claim out."""
    algorithm: str = "RS256"
    key: str = "rsa-1"
    header: Mapping[str, object] = field(default_factory=lambda: {"kid": "key-1"})

    def build(self) -> str:
        """Sign the token."""
        changed = {"iss": self.stack.issuer, "sub": "user-1", **TIMES, **STANDARD[self.stack.issuer], **self.changes}
        now = clock.now_ms() // 1000
        claims = {
            name: now + value if name in SECONDS and isinstance(value, int) else value
            for name, value in changed.items()
            if value is not None
        }
        return signed_token(self.algorithm, self.key, claims, header=self.header)

    def verify(self) -> Identity:
        """Verify the token with a key set that has one key of its type."""
        stack = self.stack
        published = issuer.jwk("rsa-1" if self.key in ("oct-1", "k256-1") else self.key, kid="key-1", use="sig")
        keys = json.dumps({"keys": [published]}).encode()
        rules = issuer.rules(
            *(stack.audience, *stack.others),
            issuer=stack.issuer,
            tolerance=stack.tolerance,
            claim=stack.claim,
            pattern=stack.pattern,
        )
        cache = KeyCache(lambda: parse_key_set(keys, load_public_key), clock.now_ms)
        return TokenVerifier(rules, cache).verify(self.build())


def change(stack: Stack, **changes: Any) -> Stack:
    return Stack(**{**vars(stack), **changes})


SHAPES: Final = (
    # Cognito
    Shape("an ID token", COGNITO, "t_acme"),
    Shape("an access token", COGNITO, "aud audience", {"token_use": "access", "aud": None, "client_id": "client-1"}),
    Shape("an access token with an audience", COGNITO, "token_use", {"token_use": "access"}),
    Shape("a user without a tenant", COGNITO, "tenant tenantClaim", {"custom:tenant_id": None}),
    Shape("groups", change(COGNITO, claim="cognito:groups"), "t_acme", {"cognito:groups": ["admin", "t_acme"]}),
    # Auth0
    Shape("an organization", AUTH0, "org_9ybsU1dN2dKfDkBi"),
    Shape("an issuer without its slash", change(AUTH0, issuer=AUTH0.issuer), "iss issuer", {"iss": AUTH0.issuer[:-1]}),
    Shape(
        "an organization, with the default pattern",
        change(AUTH0, pattern=PATTERN),
        "tenant tenantIdPattern",
    ),
    Shape("no organization", AUTH0, "tenant tenantClaim", {"org_id": None}),
    Shape(
        "a namespaced claim",
        change(AUTH0, claim="https://example.com/tenant", pattern=PATTERN),
        "t_acme",
        {"https://example.com/tenant": "t_acme"},
    ),
    Shape(
        "a namespaced object",
        change(AUTH0, claim="/https:~1~1example.com/tenants", pattern=PATTERN),
        "t_acme t_globex",
        {"https://example.com": {"tenants": ["t_acme", "t_globex"]}},
    ),
    Shape("PS256", AUTH0, "org_9ybsU1dN2dKfDkBi", algorithm="PS256"),
    Shape("HS256, as applications made long ago have it", AUTH0, "alg", algorithm="HS256", key="oct-1"),
    Shape("an access token", AUTH0, "typ", {}, header={"kid": "key-1", "typ": "at+jwt"}),
    # Okta
    Shape("a custom claim", OKTA, "t_acme"),
    Shape("groups", change(OKTA, claim="groups"), "t_acme"),
    Shape(
        "an access token of the default server", OKTA, "aud audience", {"aud": "api://default", "cid": "0oa1example"}
    ),
    Shape("an API as further audience", change(OKTA, others=("api://default",)), "t_acme", {"aud": "api://default"}),
    Shape("the issuer of the organization", OKTA, "iss issuer", {"iss": "https://dev-1.okta.com"}),
    # Entra
    Shape("a work account, issued five minutes back", ENTRA, TENANT),
    Shape("an account of another directory", ENTRA, "iss issuer", {"iss": ENTRA.issuer.replace("7", "8")}),
    Shape("a token of version 1", ENTRA, "iss issuer", {"iss": f"https://sts.windows.net/{TENANT}/", "ver": "1.0"}),
    Shape("app roles", change(ENTRA, claim="roles", pattern=PATTERN), "t_acme", {"roles": ["t_acme", "Reader"]}),
    Shape("150 groups", change(ENTRA, claim="groups"), " ".join(GROUPS[:150]), {"groups": GROUPS[:150]}),
    Shape("180 groups", change(ENTRA, claim="groups"), "token", {"groups": GROUPS}),
    Shape(
        "more than 200 groups, which are left out",
        change(ENTRA, claim="groups"),
        "tenant tenantClaim",
        {"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "https://graph.example"}}},
    ),
    # Keycloak
    Shape("an organization, as a map", KEYCLOAK, "acme"),
    Shape("an organization with its id", KEYCLOAK, "acme", {"organization": {"acme": {"id": "42c3e46f"}}}),
    Shape("two organizations", KEYCLOAK, "acme globex", {"organization": ["acme", "globex"]}),
    Shape("realm roles", change(KEYCLOAK, claim="/realm_access/roles", pattern=PATTERN), "t_acme"),
    Shape("a path with dots", change(KEYCLOAK, claim="realm_access.roles"), "tenant tenantClaim"),
    Shape("no scope organization", KEYCLOAK, "tenant tenantClaim", {"organization": None}),
    Shape("another client of the realm", KEYCLOAK, "aud audience", {"aud": "account", "azp": "other"}),
    Shape("a token for another client", KEYCLOAK, "azp additionalAudiences", {"aud": ["dashboards"], "azp": "other"}),
    Shape(
        "a token for another client that is trusted",
        change(KEYCLOAK, others=("other",)),
        "acme",
        {"aud": ["other", "account"], "azp": "other"},
    ),
    Shape("ES512", KEYCLOAK, "acme", algorithm="ES512", key="p521-1"),
    Shape("EdDSA", KEYCLOAK, "acme", algorithm="EdDSA", key="ed25519-1"),
    # Google
    Shape("a Workspace account", GOOGLE, "example.com"),
    Shape("a private account", GOOGLE, "tenant tenantClaim", {"hd": None}),
    Shape("a Workspace account, default pattern", change(GOOGLE, pattern=PATTERN), "tenant tenantIdPattern"),
    Shape("the old issuer", GOOGLE, "iss issuer", {"iss": "accounts.google.com"}),
    Shape("the Android app", GOOGLE, "azp additionalAudiences", {"azp": "1-b.apps.googleusercontent.com"}),
    Shape(
        "the Android app that is trusted",
        change(GOOGLE, others=("1-b.apps.googleusercontent.com",)),
        "example.com",
        {"azp": "1-b.apps.googleusercontent.com"},
    ),
    # Zitadel
    Shape("the organization of the user", ZITADEL, "165617850692654600"),
    Shape(
        "the roles of a project",
        change(ZITADEL, claim="urn:zitadel:iam:org:project:roles", pattern=PATTERN),
        "t_acme",
        {"urn:zitadel:iam:org:project:roles": {"t_acme": {"165617850692654600": "acme.example.com"}}},
    ),
    Shape(
        "the organizations of a role",
        change(ZITADEL, claim="/urn:zitadel:iam:org:project:roles/viewer"),
        "165617850692654600",
        {"urn:zitadel:iam:org:project:roles": {"viewer": {"165617850692654600": "acme.example.com"}}},
    ),
    Shape("several audiences without azp", ZITADEL, "azp additionalAudiences", {"azp": None}),
    # Clerk
    Shape("a session token of version 2", CLERK, "org_2abc"),
    Shape("its azp is not set", change(CLERK, others=()), "azp additionalAudiences"),
    Shape("without a template that adds aud", CLERK, "aud audience", {"aud": None}),
    Shape("version 1", change(CLERK, claim="org_id"), "org_1abc", {"org_id": "org_1abc", "o": None}),
    Shape("no active organization", CLERK, "tenant tenantClaim", {"o": None}),
    # WorkOS
    Shape("an organization", WORKOS, "org_01HRDMC6CM357W30QMHMQ96Q0S"),
    Shape("a session token, which has no aud", WORKOS, "aud audience", {"aud": None, "client_id": None}),
    Shape("another application", WORKOS, "client_id additionalAudiences", {"client_id": "client_02"}),
    # Supabase
    Shape("app_metadata", SUPABASE, "t_acme", algorithm="ES256", key="ec-1"),
    Shape(
        "user_metadata, which the user can edit", SUPABASE, "tenant tenantClaim", {"app_metadata": {"provider": "x"}}
    ),
    Shape("an anonymous key", SUPABASE, "aud audience", {"aud": "anon"}),
    Shape("a token for an OAuth client", SUPABASE, "client_id additionalAudiences", {"client_id": "9a8b7c6d"}),
    Shape("a legacy secret", SUPABASE, "alg", algorithm="HS256", key="oct-1"),
    # Any provider
    Shape("no kid with one key", OKTA, "t_acme", header={}),
    Shape("an unknown kid", OKTA, "key jwksUrl", header={"kid": "key-2"}),
    Shape("RS512", OKTA, "t_acme", algorithm="RS512"),
    Shape("ES384", OKTA, "t_acme", algorithm="ES384", key="p384-1"),
    Shape("EdDSA with Ed448", OKTA, "t_acme", algorithm="EdDSA", key="ed448-1"),
    Shape("ES256K", OKTA, "alg", algorithm="ES256K", key="k256-1"),
    Shape("a clock that is 54 seconds ahead", OKTA, "iat clockToleranceSeconds", {"iat": 54}),
    Shape("not valid for another 54 seconds", OKTA, "nbf clockToleranceSeconds", {"nbf": 54}),
    Shape("54 seconds ahead, tolerated", change(OKTA, tolerance=60), "t_acme", {"iat": 54, "nbf": 54}),
    Shape("expired, whatever the tolerance", change(OKTA, tolerance=300), "exp", {"iat": -60, "exp": -1}),
    Shape("a lifetime of two months", OKTA, "exp", {"exp": 60 * 86_400}),
    Shape("a tenant that is a number", OKTA, "tenant tenantClaim", {"tenant_id": 5}),
    Shape("a tenant that is not safe", change(OKTA, pattern="[^q]*"), "tenant tenantIdPattern", {"tenant_id": "a#b"}),
)


def judge(shape: Shape) -> str:
    """The verdict of a token."""
    try:
        identity = shape.verify()
        if not identity.tenants:
            identity.choose_tenant(None)
    except (Unauthorized, WrongTenant) as error:
        return f"{error.check} {error.setting}".rstrip()
    return " ".join(identity.tenants)


def test_the_table_is_long() -> None:
    assert len(SHAPES) >= 50
    assert len({(shape.stack.issuer, shape.name) for shape in SHAPES}) == len(SHAPES)
    assert set(STANDARD) == {shape.stack.issuer for shape in SHAPES}


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{shape.stack.issuer.split('/')[2]}: {shape.name}")
def test_a_token_has_this_verdict(shape: Shape, clock: Clock) -> None:
    assert judge(shape) == shape.verdict
