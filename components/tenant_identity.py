"""Issuer of the dashboards' tokens: an existing OIDC issuer, or a new Cognito user pool.

Example:
    from components import TenantIdentity

    identity = TenantIdentity("identity", {"callback_urls": ["https://dashboard.example.com/"]})
"""

import hashlib
from collections.abc import Sequence
from typing import NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from . import _checks, _urls
from ._input_error import InputError
from ._naming import MAX_USER_POOL_NAME, check_name
from ._tags import Tags

TENANT_ATTRIBUTE = "tenant_id"
"""Name of the user attribute that holds the tenant id, without the prefix `custom:` that Cognito adds."""
MAX_TENANT_ID = 66
"""Maximum length of a tenant id in characters, whatever pattern the tenant ids of a stack match."""
MAX_CALLBACK_URLS = 100
"""Maximum number of callback URLs of an app client.
https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_CreateUserPoolClient.html"""
ROTATION_GRACE_SECONDS = 60
"""Seconds for which a refresh token stays valid after its use, the maximum of Cognito.

A page whose network fails before the response arrives can then send the same refresh token again.
https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_RefreshTokenRotationType.html"""
MFA_CONFIGURATIONS = {"off": "OFF", "optional": "OPTIONAL", "required": "ON"}
"""Cognito's values of the input `mfa`.
https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_SetUserPoolMfaConfig.html"""
HOSTED_UI_CLASSIC = 1
"""Number of the classic version of Cognito's hosted sign-in pages. The newer version shows a page only if the app
client has a branding style.
https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_CreateUserPoolDomain.html"""


class TenantIdentityArgs(TypedDict):
    """The inputs of a `TenantIdentity`."""

    issuer: NotRequired[pulumi.Input[str] | None]
    """The https URL of an existing OIDC issuer, exactly as in the `iss` claim. Default: none. The component then
    creates a Cognito user pool, which is the issuer."""
    audience: NotRequired[pulumi.Input[str] | None]
    """The value of the `aud` claim in the issuer's tokens. This input is required with `issuer`, and not allowed
    without `issuer`. Default: none."""
    callback_urls: NotRequired[Sequence[pulumi.Input[str]] | None]
    """URLs of the pages to which the browser returns from the hosted sign-in page of the user pool; at most 100. Each
    is an https URL, or an http URL of localhost or 127.0.0.1, without a fragment and with at most 1,024 characters.
    This input is not allowed with `issuer`. Default: none. The user pool then has no hosted sign-in page."""
    mfa: NotRequired[pulumi.Input[str]]
    """Whether users sign in with a one-time password of an authenticator app (TOTP) in addition to their password:
    `off`, `optional` or `required`. With `required`, the hosted sign-in page asks each user to register an app at the
    first sign-in. With `optional`, your own page must offer that, because the hosted sign-in page does not. This input
    has no effect with `issuer`. Default: `off`."""
    mail_sender: NotRequired[pulumi.Input[str] | None]
    """The ARN of the e-mail address in Amazon SES from which the user pool sends invitations and codes, such as
    `arn:aws:ses:eu-west-1:123456789012:identity/no-reply@example.com`. The address or its domain must be verified in
    SES. This input is not allowed with `issuer`. Default: Cognito's own sender, which sends at most 50 mails per day
    for all user pools of an account."""
    deletion_protection: NotRequired[bool]
    """Whether Pulumi and Cognito refuse to delete the user pool. Pulumi then refuses a replacement in the preview.
    Default: false."""
    tags: NotRequired[Tags]
    """Tags of the user pool. Default: none."""


class TenantIdentity(pulumi.ComponentResource):
    """The issuer and the audience with which the authorizer of a `WebSocketGateway` verifies tokens.

    Without the input `issuer`, the component creates a user pool. The user pool allows no sign-up: an administrator
    creates each user and sets the user's attribute `custom:tenant_id`. The user can read this attribute but not write
    it. Capital letters in an e-mail address make no difference. With the input `callback_urls`, the user pool has a
    hosted sign-in page. The page uses the authorization code flow with the scopes `openid`, `email` and `profile`.
    Without the scope `profile`, an ID token would not contain the tenant.

    Each use of a refresh token returns a new one, and a sign-out can revoke it. A new e-mail address of a user counts
    only after the user has confirmed it.
    """

    issuer: pulumi.Output[str]
    """The URL of the issuer, exactly as in the `iss` claim."""
    client_id: pulumi.Output[str]
    """The audience of the tokens: the input `audience`, or the id of the user pool's app client."""
    user_pool_id: pulumi.Output[str]
    """The id of the user pool. Empty with the input `issuer`, because the component then creates no user pool."""

    def __init__(self, name: str, args: TenantIdentityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_name(name, "-dashboard", MAX_USER_POOL_NAME)  # the limit of an app client's name is the same
        _checks.check_fields(args, TenantIdentityArgs)
        issuer = _checks.check_optional(_urls.issuer, "issuer", args.get("issuer"))
        audience = _checks.check_optional(_checks.word, "audience", args.get("audience"))
        urls = args.get("callback_urls") or []
        _checks.check_list("callback_urls", urls)
        if issuer is not None and audience is None:
            raise InputError("audience", "is required with issuer, got None")
        if audience is not None and issuer is None:
            raise InputError(
                "audience", f"must be set together with issuer, got {args.get('audience')!r} without an issuer"
            )
        if issuer is not None and urls:
            raise InputError("callback_urls", f"must not be set together with issuer, got {urls!r}")
        if len(urls) > MAX_CALLBACK_URLS:
            raise InputError("callback_urls", f"must have at most {MAX_CALLBACK_URLS} URLs, got {len(urls)}")
        mfa = _checks.one_of("mfa", args.get("mfa", "off"), MFA_CONFIGURATIONS)
        mail_sender = _checks.check_optional(_checks.mail_sender_arn, "mail_sender", args.get("mail_sender"))
        if issuer is not None and mail_sender is not None:
            raise InputError("mail_sender", f"must not be set together with issuer, got {args.get('mail_sender')!r}")
        is_protected = _checks.plain_boolean("deletion_protection", args.get("deletion_protection", False))
        callback_urls = [_urls.callback_url(f"callback_urls[{index}]", url) for index, url in enumerate(urls)]
        super().__init__("formbridge:index:TenantIdentity", name, {}, opts)
        if issuer is not None and audience is not None:
            self.issuer = issuer
            self.client_id = audience
            self.user_pool_id = pulumi.Output.from_input("")
        else:
            pool, client = self._create_user_pool(
                name, args, callback_urls, mfa, mail_sender, is_protected=is_protected
            )
            self.issuer = pulumi.Output.concat("https://", pool.endpoint)
            self.client_id = client.id
            self.user_pool_id = pool.id
        self.register_outputs(
            {
                "issuer": self.issuer,
                "client_id": self.client_id,
                "user_pool_id": self.user_pool_id,
            }
        )

    def _create_user_pool(
        self,
        name: str,
        args: TenantIdentityArgs,
        callback_urls: Sequence[pulumi.Output[str]],
        mfa: pulumi.Output[str],
        mail_sender: pulumi.Output[str] | None,
        *,
        is_protected: bool,
    ) -> tuple[aws.cognito.UserPool, aws.cognito.UserPoolClient]:
        """Create the user pool and its app client. If there are callback URLs, create its sign-in domain too."""
        child_options = pulumi.ResourceOptions(parent=self)
        pool = aws.cognito.UserPool(
            f"{name}-users",
            username_attributes=["email"],
            # Otherwise A@example.com and a@example.com would be two users. A later change would replace the user pool.
            username_configuration={"case_sensitive": False},
            auto_verified_attributes=["email"],
            # A user can change the e-mail address. Until the user has confirmed the new one, the old one stays in use.
            user_attribute_update_settings={"attributes_require_verification_before_updates": ["email"]},
            mfa_configuration=mfa.apply(MFA_CONFIGURATIONS.__getitem__),
            software_token_mfa_configuration=mfa.apply(_build_second_factor),
            email_configuration=(
                None if mail_sender is None else {"email_sending_account": "DEVELOPER", "source_arn": mail_sender}
            ),
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
            deletion_protection="ACTIVE" if is_protected else "INACTIVE",
            tags=args.get("tags"),
            # Not False, which would undo the `protect` of the component.
            opts=pulumi.ResourceOptions(parent=self, protect=is_protected or None),
        )
        client = aws.cognito.UserPoolClient(
            f"{name}-dashboard",
            user_pool_id=pool.id,
            generate_secret=False,
            # Cognito does not allow the flow `ALLOW_REFRESH_TOKEN_AUTH` together with rotation. An app refreshes its
            # tokens at the token endpoint, or with `GetTokensFromRefreshToken`.
            explicit_auth_flows=["ALLOW_USER_SRP_AUTH"],
            refresh_token_rotation={"feature": "ENABLED", "retry_grace_period_seconds": ROTATION_GRACE_SECONDS},
            prevent_user_existence_errors="ENABLED",
            enable_token_revocation=True,
            # The app client can read the tenant but not write it. Otherwise, a user could choose any tenant.
            read_attributes=["email", f"custom:{TENANT_ATTRIBUTE}"],
            write_attributes=["email"],
            id_token_validity=60,
            access_token_validity=60,
            refresh_token_validity=30,
            token_validity_units={"id_token": "minutes", "access_token": "minutes", "refresh_token": "days"},
            allowed_oauth_flows_user_pool_client=True if callback_urls else None,
            allowed_oauth_flows=["code"] if callback_urls else None,
            # An ID token contains the tenant only with the scope `profile`. With the scopes `openid` and `email` alone,
            # it contains the e-mail address but not the tenant.
            # https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-define-resource-servers.html
            allowed_oauth_scopes=["openid", "email", "profile"] if callback_urls else None,
            supported_identity_providers=["COGNITO"] if callback_urls else None,
            callback_urls=callback_urls or None,
            logout_urls=callback_urls or None,
            opts=child_options,
        )
        if callback_urls:
            aws.cognito.UserPoolDomain(
                f"{name}-domain",
                user_pool_id=pool.id,
                domain=pool.id.apply(_build_domain_prefix),
                managed_login_version=HOSTED_UI_CLASSIC,
                opts=child_options,
            )
        return pool, client


def _build_second_factor(mfa: str) -> aws.cognito.UserPoolSoftwareTokenMfaConfigurationArgsDict | None:
    """Return the kind of the second factor. Cognito needs one unless MFA is off."""
    return None if mfa == "off" else {"enabled": True}


def _build_domain_prefix(user_pool_id: str) -> str:
    """Return a domain prefix that is unique among the user pools of all accounts in the region.

    The prefix is a hash of the user pool's id, in hexadecimal digits. The id itself is not used: it may contain `aws`,
    `amazon` or `cognito`, and Cognito rejects a prefix that contains one of these words.
    https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-assign-domain-prefix.html
    """
    return hashlib.sha256(user_pool_id.encode()).hexdigest()[:20]
