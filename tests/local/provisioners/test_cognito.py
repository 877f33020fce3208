from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.local.conftest import REGION
from tests.support.local.programs import by_name
from tests.support.local.provisioning import outputs

if TYPE_CHECKING:
    from local.monitor import Monitor


def test_user_pool_and_client(made: Monitor, call: Any) -> None:
    pool_id, client_id = by_name(made, "pool").id, by_name(made, "client").id
    pool = call("cognito-idp", "describe_user_pool", UserPoolId=pool_id)["UserPool"]
    own = outputs(made, "pool")
    assert (pool["Name"], pool["Arn"]) == (own["name"], own["arn"])
    assert own["endpoint"] == f"cognito-idp.{REGION}.amazonaws.com/{pool_id}"
    attributes = {attribute["Name"]: attribute for attribute in pool["SchemaAttributes"]}
    assert attributes["custom:tenant_id"]["StringAttributeConstraints"] == {"MinLength": "1", "MaxLength": "66"}
    assert pool["Policies"]["PasswordPolicy"]["MinimumLength"] == 14
    assert pool["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"] is True
    assert pool["UserAttributeUpdateSettings"] == {"AttributesRequireVerificationBeforeUpdate": ["email"]}
    assert pool["UsernameConfiguration"] == {"CaseSensitive": False}
    assert pool["EmailConfiguration"] == {
        "EmailSendingAccount": "DEVELOPER",
        "SourceArn": "arn:aws:ses:us-east-1:123456789012:identity/no-reply@example.com",
    }
    mfa = call("cognito-idp", "get_user_pool_mfa_config", UserPoolId=pool_id)
    assert (mfa["MfaConfiguration"], mfa["SoftwareTokenMfaConfiguration"]) == ("OPTIONAL", {"Enabled": True})
    assert pool["UserPoolTags"] == {"team": "forms"}
    client = call("cognito-idp", "describe_user_pool_client", UserPoolId=pool_id, ClientId=client_id)["UserPoolClient"]
    assert client["ClientSecret"] == outputs(made, "client")["clientSecret"]
    assert (client["IdTokenValidity"], client["TokenValidityUnits"]["IdToken"]) == (15, "minutes")
    assert (client["CallbackURLs"], client["AllowedOAuthFlows"]) == (["https://example.com"], ["code"])
    assert client["ReadAttributes"] == ["custom:tenant_id"]


def test_a_user_pools_domain(site: Monitor, client: Any) -> None:
    domain = client("cognito-idp").describe_user_pool_domain(Domain="a1b2c3")["DomainDescription"]

    assert (domain["UserPoolId"], domain["ManagedLoginVersion"]) == (by_name(site, "pool").id, 2)
    assert by_name(site, "domain").id == "a1b2c3"
