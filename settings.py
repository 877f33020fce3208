"""The stack's configuration as one typed value; `Pulumi.yaml` describes each key and gives its default."""

from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

import pulumi

from components import _checks, _urls
from components._packaging import check_package_for


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
    alarm_topic: bool
    alarm_email: str | None
    dashboard_site: bool
    api_gateway_log_role: bool
    package_for: str

    @classmethod
    def load(cls) -> "Settings":
        """Read and check this stack's configuration.

        Raises:
            pulumi.ConfigMissingError, pulumi.ConfigTypeError: a key is missing or of another type.
            ValueError: a value is not allowed; the text names key, value and what is.
        """
        config = pulumi.Config()
        settings = cls(
            issuer=config.get("issuer") or None,
            audience=config.get("audience") or None,
            jwks_url=config.get("jwksUrl") or None,
            tenant_claim=config.require("tenantClaim"),
            allowed_origins=_texts("allowedOrigins", config.require_object("allowedOrigins")),
            retention_days=config.require_int("retentionDays"),
            log_retention_days=config.require_int("logRetentionDays"),
            protect_data=config.require_bool("protectData"),
            alarm_topic=config.require_bool("alarmTopic"),
            alarm_email=config.get("alarmEmail") or None,
            dashboard_site=config.require_bool("dashboardSite"),
            api_gateway_log_role=config.require_bool("apiGatewayLogRole"),
            package_for=config.require("packageFor"),
        )
        settings._check()
        return settings

    def _check(self) -> None:
        """The components check their inputs by the same limits; here an error has the key's name."""
        _checks.optional(_urls.https_url, "issuer", self.issuer)
        _checks.optional(_urls.url, "jwksUrl", self.jwks_url)
        _checks.each(_urls.origin, "allowedOrigins", self.allowed_origins)
        _checks.whole_number("retentionDays", self.retention_days, 0)
        _checks.log_retention("logRetentionDays", self.log_retention_days)
        check_package_for("packageFor", self.package_for)
        if not self.tenant_claim:
            raise ValueError("tenantClaim: must be the name of a claim, got ''")
        if self.issuer and not self.audience:
            raise ValueError(f"audience: required with issuer {self.issuer!r}, got nothing")
        if self.audience and not self.issuer:
            raise ValueError(f"audience: goes with an issuer, got {self.audience!r} without one")
        if self.alarm_email and not self.alarm_topic:
            raise ValueError(f"alarmEmail: goes with alarmTopic true, got {self.alarm_email!r} without it")

    @property
    def sign_in_origins(self) -> list[str] | None:
        """Where people sign in, where that is an issuer of one's own."""
        return ["{0.scheme}://{0.netloc}".format(urlsplit(self.issuer))] if self.issuer else None

    @property
    def tags(self) -> dict[str, str]:
        """What every resource of the stack that can be is tagged with."""
        return {"Project": pulumi.get_project(), "Stack": pulumi.get_stack()}


def _texts(key: str, value: Any) -> list[str]:
    if not isinstance(value, list):
        raise ValueError(f"{key}: must be a list, got {value!r}")  # noqa: TRY004 - of configuration, not of code
    return cast("list[str]", value)
