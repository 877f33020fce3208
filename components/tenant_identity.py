"""Who signs the dashboards' tokens: an OIDC issuer of one's own, or a Cognito user pool made here."""

from typing import NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from ._oidc import jwks_url_of
from ._tags import Tags

TENANT_ATTRIBUTE = "tenant_id"
MAX_TENANT_ID = 66
"""`t_` and 64 characters."""


class TenantIdentityArgs(TypedDict):
    """What a `TenantIdentity` takes."""

    issuer: NotRequired[str | None]
    """An OIDC issuer's URL, as it stands in `iss`. Default: none, a Cognito user pool is made."""
    audience: NotRequired[str | None]
    """What `aud` of its tokens must be; required with `issuer`, and not known without."""
    jwks_url: NotRequired[str | None]
    """Where its keys are published. Default: `{issuer}/.well-known/jwks.json`."""
    deletion_protection: NotRequired[bool]
    """Whether Cognito refuses to delete the user pool. Default: false."""
    tags: NotRequired[Tags]
    """Tags of the user pool. Default: none."""


class TenantIdentity(pulumi.ComponentResource):
    """The issuer, its keys and the audience that a gateway's authorizer checks tokens against.

    The user pool made here takes no sign-up, and a user can read but not write which tenant is theirs: only an
    administrator sets `custom:tenant_id`.
    """

    issuer: pulumi.Output[str]
    jwks_url: pulumi.Output[str]
    client_id: pulumi.Output[str]
    """The audience of the tokens; for a pool made here, the id of its app client."""

    def __init__(self, name: str, args: TenantIdentityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        issuer, audience = args.get("issuer"), args.get("audience")
        if issuer and not audience:
            raise ValueError(f"audience: required with an issuer of one's own, got {audience!r}")
        if audience and not issuer:
            raise ValueError(f"audience: goes with an issuer of one's own, got {audience!r} without one")
        super().__init__("formbridge:index:TenantIdentity", name, {}, opts)
        if issuer and audience:
            self.issuer = pulumi.Output.from_input(issuer)
            self.client_id = pulumi.Output.from_input(audience)
        else:
            pool, client = self._user_pool(name, args)
            self.issuer = pulumi.Output.concat("https://", pool.endpoint)
            self.client_id = client.id
        jwks_url = args.get("jwks_url")
        self.jwks_url = pulumi.Output.from_input(jwks_url) if jwks_url else jwks_url_of(self.issuer)
        self.register_outputs({"issuer": self.issuer, "jwks_url": self.jwks_url, "client_id": self.client_id})

    def _user_pool(
        self, name: str, args: TenantIdentityArgs
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
            deletion_protection="ACTIVE" if args.get("deletion_protection") else "INACTIVE",
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
            opts=own,
        )
        return pool, client
