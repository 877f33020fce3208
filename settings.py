"""The stack's configuration as one typed value; `Pulumi.yaml` describes each key and gives its default."""

from dataclasses import dataclass

import pulumi


@dataclass(frozen=True)
class Settings:
    """What `pulumi config` says, under the same names."""

    issuer: str | None
    audience: str | None
    jwks_url: str | None
    tenant_claim: str
    allowed_origins: list[str]
    retention_days: int
    log_retention_days: int
    protect_data: bool
    api_gateway_log_role: bool
    package_for: str

    @classmethod
    def load(cls) -> "Settings":
        """Read this stack's configuration.

        Raises:
            pulumi.ConfigMissingError, pulumi.ConfigTypeError: a key is missing or of another type.
        """
        config = pulumi.Config()
        return cls(
            issuer=config.get("issuer") or None,
            audience=config.get("audience") or None,
            jwks_url=config.get("jwksUrl") or None,
            tenant_claim=config.require("tenantClaim"),
            allowed_origins=config.require_object("allowedOrigins"),
            retention_days=config.require_int("retentionDays"),
            log_retention_days=config.require_int("logRetentionDays"),
            protect_data=config.require_bool("protectData"),
            api_gateway_log_role=config.require_bool("apiGatewayLogRole"),
            package_for=config.require("packageFor"),
        )

    @property
    def tags(self) -> dict[str, str]:
        """What every resource of the stack that can be is tagged with."""
        return {"Project": pulumi.get_project(), "Stack": pulumi.get_stack()}
