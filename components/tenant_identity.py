"""Who signs the dashboards' tokens: an OIDC issuer of one's own, or a Cognito user pool made here."""

import hashlib
from collections.abc import Sequence
from typing import NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from . import _checks, _urls
from ._naming import MAX_USER_POOL_NAME, check_name
from ._oidc import jwks_url_of
from ._tags import Tags

TENANT_ATTRIBUTE = "tenant_id"
MAX_TENANT_ID = 66
"""`t_` and 64 characters."""
MAX_CALLBACK_URLS = 100
"""https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_CreateUserPoolClient.html"""
HOSTED_UI_CLASSIC = 1
"""The sign-in pages that need no branding of the app client.
https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_CreateUserPoolDomain.html"""


class TenantIdentityArgs(TypedDict):
    """What a `TenantIdentity` takes."""

    issuer: NotRequired[pulumi.Input[str] | None]
    """An OIDC issuer's https URL, as it stands in `iss`. Default: none, a Cognito user pool is made."""
    audience: NotRequired[pulumi.Input[str] | None]
    """What `aud` of its tokens must be; required with `issuer`, and not known without. Default: none."""
    jwks_url: NotRequired[pulumi.Input[str] | None]
    """Where its keys are published. Default: `{issuer}/.well-known/jwks.json`."""
    callback_urls: NotRequired[Sequence[pulumi.Input[str]] | None]
    """The pages that a hosted sign-in of the user pool returns to, at most 100: https, or http of localhost or
    127.0.0.1, without a fragment. Default: none, and no hosted sign-in. Not for an `issuer` of your own."""
    deletion_protection: NotRequired[pulumi.Input[bool]]
    """Whether Cognito refuses to delete the user pool. Default: false."""
    tags: NotRequired[Tags]
    """Tags of the user pool. Default: none."""


class TenantIdentity(pulumi.ComponentResource):
    """The issuer, its keys and the audience that a gateway's authorizer checks tokens against.

    The user pool made here takes no sign-up, and a user can read but not write which tenant is theirs: only an
    administrator sets `custom:tenant_id`. With `callback_urls` it has a hosted sign-in, by authorization code, for the
    scopes `openid`, `email` and `profile`; without `profile` an ID token may not say the tenant.
    """

    issuer: pulumi.Output[str]
    """The issuer's URL, as it stands in `iss`."""
    jwks_url: pulumi.Output[str]
    """Where its keys are published."""
    client_id: pulumi.Output[str]
    """The audience of the tokens; for a pool made here, the id of its app client."""

    def __init__(self, name: str, args: TenantIdentityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_name(name, "-dashboard", MAX_USER_POOL_NAME)  # an app client's name may be as long as a pool's
        _checks.fields(args, TenantIdentityArgs)
        issuer = _checks.optional(_urls.https_url, "issuer", args.get("issuer"))
        audience = _checks.optional(_checks.word, "audience", args.get("audience"))
        jwks_url = _checks.optional(_urls.jwks_url, "jwks_url", args.get("jwks_url"))
        urls = args.get("callback_urls") or []
        _checks.check_list("callback_urls", urls)
        if issuer is not None and audience is None:
            raise ValueError("audience: is required with an issuer of one's own, got nothing")
        if audience is not None and issuer is None:
            raise ValueError(f"audience: goes with an issuer of one's own, got {args.get('audience')!r} without one")
        if issuer is not None and urls:
            raise ValueError(f"callback_urls: are of a user pool made here, got {urls!r} with an issuer of one's own")
        if len(urls) > MAX_CALLBACK_URLS:
            raise ValueError(f"callback_urls: must be at most {MAX_CALLBACK_URLS}, got {len(urls)}")
        returns_to = [_urls.callback_url(f"callback_urls[{index}]", one) for index, one in enumerate(urls)]
        super().__init__("formbridge:index:TenantIdentity", name, {}, opts)
        if issuer is not None and audience is not None:
            self.issuer = issuer
            self.client_id = audience
        else:
            pool, client = self._user_pool(name, args, returns_to)
            self.issuer = pulumi.Output.concat("https://", pool.endpoint)
            self.client_id = client.id
        self.jwks_url = jwks_url if jwks_url is not None else jwks_url_of(self.issuer)
        self.register_outputs({"issuer": self.issuer, "jwks_url": self.jwks_url, "client_id": self.client_id})

    def _user_pool(
        self, name: str, args: TenantIdentityArgs, returns_to: Sequence[pulumi.Output[str]]
    ) -> tuple[aws.cognito.UserPool, aws.cognito.UserPoolClient]:
        own = pulumi.ResourceOptions(parent=self)
        pool = aws.cognito.UserPool(
            f"{name}-users",
            username_attributes=["email"],
            auto_verified_attributes=["email"],
            admin_create_user_config={"allow_admin_create_user_only": True},
            password_policy={
                "minimum_length": 12,
                "require_lowercase": True,
                "require_numbers": True,
                "require_symbols": False,
                "require_uppercase": True,
                "temporary_password_validity_days": 7,
            },
            schemas=[
                {
                    "name": TENANT_ATTRIBUTE,
                    "attribute_data_type": "String",
                    "mutable": True,
                    "required": False,
                    "developer_only_attribute": False,
                    "string_attribute_constraints": {"min_length": "1", "max_length": str(MAX_TENANT_ID)},
                }
            ],
            deletion_protection=pulumi.Output.from_input(args.get("deletion_protection", False)).apply(
                lambda protected: "ACTIVE" if protected else "INACTIVE"
            ),
            tags=args.get("tags"),
            opts=own,
        )
        client = aws.cognito.UserPoolClient(
            f"{name}-dashboard",
            user_pool_id=pool.id,
            generate_secret=False,
            explicit_auth_flows=["ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
            prevent_user_existence_errors="ENABLED",
            enable_token_revocation=True,
            # Whoever may write the tenant chooses it: the app may only read it.
            read_attributes=["email", f"custom:{TENANT_ATTRIBUTE}"],
            write_attributes=["email"],
            id_token_validity=60,
            access_token_validity=60,
            refresh_token_validity=30,
            token_validity_units={"id_token": "minutes", "access_token": "minutes", "refresh_token": "days"},
            allowed_oauth_flows_user_pool_client=True if returns_to else None,
            allowed_oauth_flows=["code"] if returns_to else None,
            # It is `profile` that lets an ID token say the tenant: for `openid email` it says no more than the address.
            # https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-define-resource-servers.html
            allowed_oauth_scopes=["openid", "email", "profile"] if returns_to else None,
            supported_identity_providers=["COGNITO"] if returns_to else None,
            callback_urls=returns_to or None,
            logout_urls=returns_to or None,
            opts=own,
        )
        if returns_to:
            aws.cognito.UserPoolDomain(
                f"{name}-domain",
                user_pool_id=pool.id,
                domain=pool.id.apply(_domain_prefix),
                managed_login_version=HOSTED_UI_CLASSIC,
                opts=own,
            )
        return pool, client


def _domain_prefix(user_pool_id: str) -> str:
    """A prefix that no other pool of the region has, of any account.

    Hexadecimal digits, for Cognito takes none with `aws`, `amazon` or `cognito` in it, and a pool's own id may have.
    https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-assign-domain-prefix.html
    """
    return hashlib.sha256(user_pool_id.encode()).hexdigest()[:20]
