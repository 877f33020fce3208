"""User pools of Cognito, with their clients and domains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..resource import CreatedResource, Resource
from ._arguments import pick_arguments, pick_renamed, to_pascal_case
from ._names import choose_name
from ._resource_type import ResourceType, properties

if TYPE_CHECKING:
    from ._aws import Aws

_POOL = (
    *("aliasAttributes", "autoVerifiedAttributes", "usernameAttributes", "usernameConfiguration"),
    *("deletionProtection", "accountRecoverySetting", "userPoolTier", "userPoolAddOns"),
    *("adminCreateUserConfig",),
)
_MFA = ("mfaConfiguration", "softwareTokenMfaConfiguration")
_CLIENT = (
    *("accessTokenValidity", "idTokenValidity", "refreshTokenValidity", "tokenValidityUnits", "authSessionValidity"),
    *("explicitAuthFlows", "generateSecret", "readAttributes", "writeAttributes", "preventUserExistenceErrors"),
    *("enableTokenRevocation", "supportedIdentityProviders", "refreshTokenRotation"),
)
# Property names with acronyms, which the API spells in capital letters.
_CLIENT_ACRONYMS = {
    "allowedOauthFlows": "AllowedOAuthFlows",
    "allowedOauthFlowsUserPoolClient": "AllowedOAuthFlowsUserPoolClient",
    "allowedOauthScopes": "AllowedOAuthScopes",
    "callbackUrls": "CallbackURLs",
    "defaultRedirectUri": "DefaultRedirectURI",
    "logoutUrls": "LogoutURLs",
}


def _create_user_pool(aws: Aws, resource: Resource) -> CreatedResource:
    inputs, name = resource.inputs, choose_name(resource)
    request: dict[str, Any] = pick_arguments(inputs, [*_POOL, "emailConfiguration"])
    if schemas := inputs.get("schemas"):
        request["Schema"] = to_pascal_case(schemas)
    if policy := inputs.get("passwordPolicy"):
        request["Policies"] = {"PasswordPolicy": to_pascal_case(policy)}
    if settings := inputs.get("userAttributeUpdateSettings"):
        request["UserAttributeUpdateSettings"] = pick_renamed(
            settings, {"attributesRequireVerificationBeforeUpdates": "AttributesRequireVerificationBeforeUpdate"}
        )
    cognito = aws.client("cognito-idp")
    pool_id = cognito.create_user_pool(PoolName=name, UserPoolTags=inputs.get("tags", {}), **request)["UserPool"]["Id"]
    if mfa := pick_arguments(inputs, _MFA):
        # CreateUserPool takes no kind of second factor.
        cognito.set_user_pool_mfa_config(UserPoolId=pool_id, **mfa)
    return CreatedResource(
        pool_id,
        {
            "name": name,
            "arn": aws.arn("cognito-idp", f"userpool/{pool_id}"),
            # The value is the same as on AWS, not the address of the emulator, because programs derive the issuer of
            # tokens from it.
            "endpoint": f"cognito-idp.{aws.region}.amazonaws.com/{pool_id}",
            "estimatedNumberOfUsers": 0,
        },
    )


def _create_user_pool_client(aws: Aws, resource: Resource) -> CreatedResource:
    inputs, name = resource.inputs, choose_name(resource)
    client = aws.client("cognito-idp").create_user_pool_client(
        ClientName=name,
        **pick_arguments(inputs, ["userPoolId", *_CLIENT]),
        **pick_renamed(inputs, _CLIENT_ACRONYMS),
    )["UserPoolClient"]
    return CreatedResource(client["ClientId"], {"name": name, "clientSecret": client.get("ClientSecret", "")})


def _create_user_pool_domain(aws: Aws, resource: Resource) -> CreatedResource:
    inputs = resource.inputs
    response = aws.client("cognito-idp").create_user_pool_domain(
        **pick_arguments(inputs, ["domain", "userPoolId", "managedLoginVersion"])
    )
    return CreatedResource(inputs["domain"], {"managedLoginVersion": response["ManagedLoginVersion"]})


TYPES = {
    "aws:cognito/userPool:UserPool": ResourceType(
        _create_user_pool,
        properties(
            *("name", "tags", "schemas", "passwordPolicy", *_POOL, *_MFA),
            "userAttributeUpdateSettings.attributesRequireVerificationBeforeUpdates",
            *("emailConfiguration.emailSendingAccount", "emailConfiguration.sourceArn"),
        ),
    ),
    "aws:cognito/userPoolClient:UserPoolClient": ResourceType(
        _create_user_pool_client, properties("name", "userPoolId", *_CLIENT, *_CLIENT_ACRONYMS)
    ),
    "aws:cognito/userPoolDomain:UserPoolDomain": ResourceType(
        _create_user_pool_domain, properties("domain", "userPoolId", "managedLoginVersion")
    ),
}
