"""Configuration of the stack as one typed value. `Pulumi.yaml` describes every key and its default."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from typing import Any, cast

import pulumi

from components import GatewayConcurrencyArgs, GatewayLimitsArgs, GatewayPostingArgs, InputError, _checks, _oidc, _urls
from components._discovery import check_discovery
from components._gateway_access import check_audiences, check_clock_tolerance
from components._gateway_concurrency import GatewayConcurrency
from components._gateway_limits import GatewayLimits
from components._gateway_posting import GatewayPosting
from components._packaging import check_package_for
from components.submission_ingest import MAX_CLOCK_SKEW_SECONDS
from components.tenant_identity import MFA_CONFIGURATIONS
from stack_name import STACK_NAME_RULE, is_stack_name


@dataclass(frozen=True)
class Settings:
    """The values of the stack's configuration. A field has the name of its key in snake case."""

    issuer: str | None
    audience: str | None
    additional_audiences: list[str]
    jwks_url: str | None
    scopes: list[str]
    prompt: str | None
    tenant_claim: str
    tenant_id_pattern: str
    clock_tolerance_seconds: int
    allowed_origins: list[str]
    connect_sources: list[str]
    token_in_query: bool
    limits: GatewayLimitsArgs
    posting: GatewayPostingArgs
    concurrency: GatewayConcurrencyArgs
    persist_reserved_concurrency: int | None
    mfa: str
    mail_sender: str | None
    retention_days: int
    max_clock_skew_seconds: int
    log_retention_days: int
    protect_data: bool
    hardened: bool
    web_acl_arn: str | None
    alarm_email: str | None
    dashboard_site: bool
    permissions_boundary_arn: str | None
    api_gateway_log_role: bool
    package_for: str

    @classmethod
    def load(cls) -> "Settings":
        """Read and check this stack's configuration.

        Raises:
            pulumi.ConfigMissingError: A key is missing.
            pulumi.ConfigTypeError: A value has the wrong type.
            InputError: A value is not allowed. The error names the key, the allowed values and the value.
        """
        config = pulumi.Config()
        settings = cls(
            issuer=config.get("issuer") or None,
            audience=config.get("audience") or None,
            additional_audiences=config.require_object("additionalAudiences"),
            jwks_url=config.get("jwksUrl") or None,
            scopes=config.require_object("scopes"),
            prompt=config.get("prompt") or None,
            tenant_claim=config.require("tenantClaim"),
            tenant_id_pattern=config.require("tenantIdPattern"),
            clock_tolerance_seconds=config.require_int("clockToleranceSeconds"),
            allowed_origins=config.require_object("allowedOrigins"),
            connect_sources=config.require_object("connectSources"),
            token_in_query=config.require_bool("tokenInQuery"),
            limits={
                "max_connections_per_tenant": config.require_int("maxConnectionsPerTenant"),
                "max_connections_per_user": config.require_int("maxConnectionsPerUser"),
                "messages_per_second": config.require_int("messagesPerSecond"),
                "message_burst": config.require_int("messageBurst"),
                "tenant_messages_per_second": config.require_int("tenantMessagesPerSecond"),
                "tenant_message_burst": config.require_int("tenantMessageBurst"),
                "tenant_connects_per_second": config.require_int("tenantConnectsPerSecond"),
                "tenant_connect_burst": config.require_int("tenantConnectBurst"),
                "max_filter_length": config.require_int("maxFilterLength"),
                "max_filters_per_tenant": config.require_int("maxFiltersPerTenant"),
                "max_frame_bytes": config.require_int("maxFrameBytes"),
            },
            posting={
                "posts_per_second": config.require_int("postsPerSecond"),
                "broadcast_concurrency": config.require_int("broadcastConcurrency"),
                "fanout_concurrency": config.require_int("fanoutConcurrency"),
                "fanout_threshold": config.require_int("fanoutThreshold"),
                "connection_shards": config.require_int("connectionShards"),
                "failure_identifier": config.require("failureIdentifier"),
            },
            concurrency={
                "authorize_reserved_concurrency": config.require_int("authorizeReservedConcurrency") or None,
                "connect_reserved_concurrency": config.require_int("connectReservedConcurrency") or None,
                "message_reserved_concurrency": config.require_int("messageReservedConcurrency") or None,
                "broadcast_reserved_concurrency": config.require_int("broadcastReservedConcurrency") or None,
            },
            persist_reserved_concurrency=config.require_int("persistReservedConcurrency") or None,
            mfa=config.require("mfa"),
            mail_sender=config.get("mailSender") or None,
            retention_days=config.require_int("retentionDays"),
            max_clock_skew_seconds=config.require_int("maxClockSkewSeconds"),
            log_retention_days=config.require_int("logRetentionDays"),
            protect_data=config.require_bool("protectData"),
            hardened=config.require_bool("hardened"),
            web_acl_arn=config.get("webAclArn") or None,
            alarm_email=config.get("alarmEmail") or None,
            dashboard_site=config.require_bool("dashboardSite"),
            permissions_boundary_arn=config.get("permissionsBoundaryArn") or None,
            api_gateway_log_role=config.require_bool("apiGatewayLogRole"),
            package_for=config.require("packageFor"),
        )
        with _secrets_hidden():
            settings._check_keys()
            settings._check()
        return settings

    def _check_keys(self) -> None:
        """Check that each key in the project's namespace is a setting. Any other key would have no effect."""
        known = [_config_key(name) for name in self._names()]
        namespace = f"{pulumi.get_project()}:"
        for full_key, value in pulumi.runtime.config.CONFIG.get().items():
            key = full_key.removeprefix(namespace)
            if key != full_key and key not in known:
                (nearest,) = get_close_matches(key, known, n=1, cutoff=0)
                raise InputError(
                    key, f"must be one of the settings in Pulumi.yaml, of which {nearest} is the nearest, got {value!r}"
                )

    def _names(self) -> Iterator[str]:
        """Yield the name of each setting. The settings of a group have names of their own."""
        for name, value in asdict(self).items():
            if isinstance(value, dict):
                yield from cast("dict[str, Any]", value)
            else:
                yield name

    def _check(self) -> None:
        """Check all values before any resource exists.

        The components make the same checks, but their errors would name inputs. These errors name configuration keys.
        """
        _check_stack_name(pulumi.get_stack())
        self._check_sign_in()
        self._check_users()
        _checks.check_optional(_checks.policy_arn, "permissionsBoundaryArn", self.permissions_boundary_arn)
        _checks.check_optional(_checks.web_acl_arn, "webAclArn", self.web_acl_arn)
        _checks.check_optional(_checks.email, "alarmEmail", self.alarm_email)
        _checks.check_each(_urls.origin, "allowedOrigins", self.allowed_origins)
        GatewayLimits.check(self.limits, _config_key)
        GatewayPosting.check(self.posting, _config_key)
        GatewayConcurrency.check(
            self.concurrency, _config_key, self.posting.get("broadcast_concurrency", 0), "broadcastConcurrency"
        )
        _checks.check_optional(
            _checks.reserved_concurrency, "persistReservedConcurrency", self.persist_reserved_concurrency
        )
        _checks.integer("retentionDays", self.retention_days, 0)
        _checks.integer("maxClockSkewSeconds", self.max_clock_skew_seconds, 0, MAX_CLOCK_SKEW_SECONDS)
        _checks.log_retention("logRetentionDays", self.log_retention_days)
        check_package_for("packageFor", self.package_for)

    def _check_sign_in(self) -> None:
        """Check the settings about the issuer and its tokens."""
        _checks.check_optional(_urls.issuer, "issuer", self.issuer)
        _checks.check_optional(_checks.word, "audience", self.audience)
        _checks.check_each(_checks.word, "additionalAudiences", self.additional_audiences)
        check_audiences(_config_key, [*filter(None, [self.audience]), *self.additional_audiences])
        _checks.check_optional(_urls.jwks_url, "jwksUrl", self.jwks_url)
        _oidc.scopes("scopes", self.scopes)
        _checks.check_optional(_oidc.prompt, "prompt", self.prompt)
        _oidc.tenant_claim("tenantClaim", self.tenant_claim)
        _oidc.tenant_id_pattern("tenantIdPattern", self.tenant_id_pattern)
        check_clock_tolerance("clockToleranceSeconds", self.clock_tolerance_seconds)
        _checks.check_each(_urls.connect_source, "connectSources", self.connect_sources)
        if self.issuer and not self.audience:
            raise InputError("audience", f"is required with issuer {self.issuer!r}, got None")
        if self.issuer and self.dashboard_site and not _urls.is_allowed(self.issuer, self.sign_in_hosts or []):
            raise InputError(
                "connectSources",
                "must have a wildcard for the host of the issuer, such as 'https://*.example.com', "
                f"because browsers ignore a host with '_' in a page's security policy, got {self.connect_sources!r}",
            )
        # The client of the built-in user pool has fixed scopes, and its sign-in pages ignore `prompt`.
        for key in ("audience", "scopes", "prompt", "connect_sources"):
            value: object = getattr(self, key)
            if value and not self.issuer:
                raise InputError(_config_key(key), f"must be set together with issuer, got {value!r} without an issuer")

    def _check_users(self) -> None:
        """Check the settings about the users of the built-in user pool."""
        _checks.one_of("mfa", self.mfa, MFA_CONFIGURATIONS)
        _checks.check_optional(_checks.mail_sender_arn, "mailSender", self.mail_sender)
        if self.issuer and self.mfa != "off":
            raise InputError("mfa", f"must be off with an issuer of your own, which decides about it, got {self.mfa!r}")
        if self.issuer and self.mail_sender:
            raise InputError("mailSender", f"must not be set together with issuer, got {self.mail_sender!r}")

    def check_issuer(self) -> None:
        """Compare the settings with the discovery document of the issuer, unless this run is a preview.

        The built-in user pool is not checked: its document fits.

        Raises:
            InputError: The document does not fit.
        """
        if self.issuer and not pulumi.runtime.is_dry_run():
            with _secrets_hidden():
                check_discovery(self.issuer, self.jwks_url, self.connect_sources if self.dashboard_site else None)

    @property
    def sign_in_hosts(self) -> list[str] | None:
        """Hosts to which the page connects for the sign-in: the host of the issuer, and `connectSources`.

        Browsers ignore a host with `_`. If the issuer has such a host, a wildcard of `connectSources` includes it.
        None: the stack has its own user pool.
        """
        if self.issuer is None:
            return None
        origin = _urls.get_origin(self.issuer)
        return [*([] if "_" in origin else [origin]), *self.connect_sources]

    @property
    def tags(self) -> dict[str, str]:
        """The tags of every resource of the stack that supports tags."""
        return {"Project": pulumi.get_project(), "Stack": pulumi.get_stack()}


def _check_stack_name(name: str) -> None:
    """Check that the stack may have its name."""
    if not is_stack_name(name):
        raise InputError("stack", f"{STACK_NAME_RULE}, got {name!r}")


@contextmanager
def _secrets_hidden() -> Generator[None]:
    """Remove the value from an error of the block if the setting that the error names is a secret."""
    try:
        yield
    except InputError as error:
        key = f"{pulumi.get_project()}:{error.property_path.partition('[')[0]}"
        if not pulumi.runtime.is_config_secret(key):
            raise
        raise error.without_value() from None


def _config_key(name: str) -> str:
    """Return the configuration key of an input: `maxFrameBytes` for `max_frame_bytes`."""
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))
