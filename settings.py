"""The stack's configuration as one typed value; `Pulumi.yaml` describes each key and gives its default."""

from dataclasses import dataclass
from urllib.parse import urlsplit

import pulumi

from components import _checks, _urls
from components._gateway_inputs import (
    MAX_FILTER_LENGTH,
    MAX_FRAME_BYTES,
    MAX_MESSAGE_BURST,
    MAX_MESSAGES_PER_SECOND,
    MIN_FRAME_BYTES,
)
from components._packaging import check_package_for
from components._posting import (
    FAILURE_IDENTIFIERS,
    MAX_CONNECTION_SHARDS,
    MAX_FANOUT_CONCURRENCY,
    MIN_FANOUT_CONCURRENCY,
    MIN_FANOUT_THRESHOLD,
    share,
)


@dataclass(frozen=True)
class Settings:
    """What `pulumi config` says, under the same names."""

    issuer: str | None
    audience: str | None
    jwks_url: str | None
    tenant_claim: str
    allowed_origins: list[str]
    connect_sources: list[str]
    token_in_query: bool
    max_connections_per_tenant: int
    messages_per_second: int
    message_burst: int
    max_filter_length: int
    max_frame_bytes: int
    posts_per_second: int
    broadcast_concurrency: int
    fanout_concurrency: int
    fanout_threshold: int
    connection_shards: int
    failure_identifier: str
    retention_days: int
    log_retention_days: int
    protect_data: bool
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
            allowed_origins=config.require_object("allowedOrigins"),
            connect_sources=config.require_object("connectSources"),
            token_in_query=config.require_bool("tokenInQuery"),
            max_connections_per_tenant=config.require_int("maxConnectionsPerTenant"),
            messages_per_second=config.require_int("messagesPerSecond"),
            message_burst=config.require_int("messageBurst"),
            max_filter_length=config.require_int("maxFilterLength"),
            max_frame_bytes=config.require_int("maxFrameBytes"),
            posts_per_second=config.require_int("postsPerSecond"),
            broadcast_concurrency=config.require_int("broadcastConcurrency"),
            fanout_concurrency=config.require_int("fanoutConcurrency"),
            fanout_threshold=config.require_int("fanoutThreshold"),
            connection_shards=config.require_int("connectionShards"),
            failure_identifier=config.require("failureIdentifier"),
            retention_days=config.require_int("retentionDays"),
            log_retention_days=config.require_int("logRetentionDays"),
            protect_data=config.require_bool("protectData"),
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
        _checks.optional(_urls.jwks_url, "jwksUrl", self.jwks_url)
        _checks.text("tenantClaim", self.tenant_claim)
        _checks.optional(_checks.text, "audience", self.audience)
        _checks.optional(_checks.email, "alarmEmail", self.alarm_email)
        _checks.each(_urls.origin, "allowedOrigins", self.allowed_origins)
        _checks.each(_urls.connect_source, "connectSources", self.connect_sources)
        _checks.whole_number("maxConnectionsPerTenant", self.max_connections_per_tenant, 1)
        _checks.whole_number("messagesPerSecond", self.messages_per_second, 1, MAX_MESSAGES_PER_SECOND)
        _checks.whole_number("messageBurst", self.message_burst, 1, MAX_MESSAGE_BURST)
        _checks.whole_number("maxFilterLength", self.max_filter_length, 1, MAX_FILTER_LENGTH)
        _checks.whole_number("maxFrameBytes", self.max_frame_bytes, MIN_FRAME_BYTES, MAX_FRAME_BYTES)
        _checks.whole_number("postsPerSecond", self.posts_per_second, 1)
        _checks.whole_number("broadcastConcurrency", self.broadcast_concurrency, 1)
        _checks.whole_number(
            "fanoutConcurrency", self.fanout_concurrency, MIN_FANOUT_CONCURRENCY, MAX_FANOUT_CONCURRENCY
        )
        share(
            ("postsPerSecond", self.posts_per_second),
            ("broadcastConcurrency", self.broadcast_concurrency),
            ("fanoutConcurrency", self.fanout_concurrency),
        )
        _checks.whole_number("fanoutThreshold", self.fanout_threshold, MIN_FANOUT_THRESHOLD)
        _checks.whole_number("connectionShards", self.connection_shards, 1, MAX_CONNECTION_SHARDS)
        _checks.one_of("failureIdentifier", self.failure_identifier, FAILURE_IDENTIFIERS)
        _checks.whole_number("retentionDays", self.retention_days, 0)
        _checks.log_retention("logRetentionDays", self.log_retention_days)
        check_package_for("packageFor", self.package_for)
        if self.issuer and not self.audience:
            raise ValueError(f"audience: required with issuer {self.issuer!r}, got nothing")
        if self.audience and not self.issuer:
            raise ValueError(f"audience: goes with an issuer, got {self.audience!r} without one")
        if self.connect_sources and not self.issuer:
            raise ValueError(f"connectSources: goes with an issuer, got {self.connect_sources!r} without one")

    @property
    def sign_in_hosts(self) -> list[str] | None:
        """Where people sign in, where that is an issuer of one's own; None: a user pool of this stack."""
        if self.issuer is None:
            return None
        issuer = urlsplit(self.issuer)
        return [f"{issuer.scheme}://{issuer.netloc}", *self.connect_sources]

    @property
    def tags(self) -> dict[str, str]:
        """What every resource of the stack that can be is tagged with."""
        return {"Project": pulumi.get_project(), "Stack": pulumi.get_stack()}
