"""The explanation of a token: each check of the gateway with its result, and the tenants that the token grants.

The gateway's own code makes the checks. No text has a part of the token, except for the tenants that it grants and the
names of claims.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from formbridge.access.handshake import Unauthorized
from formbridge.access.key_cache import KeyCache, KeysUnavailable
from formbridge.access.key_set import KeyFetchFailed
from formbridge.access.tenant_claim import TenantClaim
from formbridge.access.token_checks import TokenRules, check_token
from formbridge.access.unverified_token import parse_token
from formbridge.runtime import clock

from .console import UsageError
from .doctor_check import AT_ISSUER, Check

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from formbridge.access.check import Check as TokenCheck
    from formbridge.access.key_set import KeySet, PublishedKey
    from formbridge.access.unverified_token import UnverifiedToken

    from .stack_outputs import StackOutputs

PROTOCOL_CLAIMS: Final = frozenset(
    (
        *("iss", "sub", "aud", "exp", "nbf", "iat", "jti", "auth_time", "nonce", "acr", "amr", "azp", "client_id"),
        *("at_hash", "c_hash", "s_hash", "sid", "origin_jti", "event_id", "token_use", "typ", "ver", "session_state"),
        *("email", "email_verified", "name", "given_name", "family_name", "middle_name", "nickname", "profile"),
        *("preferred_username", "cognito:username", "picture", "website", "gender", "birthdate", "zoneinfo", "locale"),
        *("phone_number", "phone_number_verified", "address", "updated_at"),
    )
)
"""Claims that hold no tenant, because a standard or a provider gives them another meaning.
https://www.iana.org/assignments/jwt/jwt.xhtml"""
MAX_NAME_LENGTH: Final = 100
"""Maximum length of a printed name in characters."""


def read_rules(outputs: StackOutputs) -> TokenRules:
    """Return the rules of the gateway for tokens, from the outputs of a stack.

    Raises:
        UsageError: The stack has not all of these outputs, or one is malformed.
    """
    try:
        claim = TenantClaim.parse(outputs.get("tenant_claim"), outputs.get("tenant_id_pattern"))
    except ValueError as error:
        raise UsageError(f"--outputs {outputs.source}: {error}") from None
    return TokenRules(
        issuer=outputs.get("issuer"),
        audiences=outputs.get_strings("audiences"),
        clock_tolerance_seconds=outputs.get_integer("clock_tolerance_seconds"),
        tenant_claim=claim,
    )


@dataclass(frozen=True, slots=True)
class TokenCheckup:
    """The checks of one token."""

    rules: TokenRules
    keys: KeySet | None
    """The usable keys of the issuer. None: they could not be read."""

    def run(self, text: str) -> Iterator[Check]:
        """Check a token, and yield the result of each check. It goes on after a failure."""
        try:
            token = parse_token(text)
        except Unauthorized as error:
            yield Check.failed(error.setting or AT_ISSUER, str(error))
            return
        yield Check.passed(AT_ISSUER, "the token is well-formed")
        try:
            for check in check_token(token, self.rules, clock.now_ms() // 1000, self._find_key):
                yield self._convert(check, token)
        except KeysUnavailable:
            yield Check.failed("issuer", "signature: not checked, because the issuer's keys could not be read")
        yield from self._explain_tenants(token.claims)

    def _find_key(self, token: UnverifiedToken) -> PublishedKey | None:
        return KeyCache(self._get_keys, clock.now_ms).find(
            token.key_id, token.algorithm, lambda key: key.verify(token.algorithm, token.signed, token.signature)
        )

    def _get_keys(self) -> KeySet:
        if self.keys is None:
            raise KeyFetchFailed("the keys could not be read")
        return self.keys

    def _convert(self, check: TokenCheck, token: UnverifiedToken) -> Check:
        setting = check.setting or AT_ISSUER
        if check.passes:
            return Check.passed(setting, check.name)
        issuer = token.claims.get("iss")
        is_slash = isinstance(issuer, str) and issuer.rstrip("/") == self.rules.issuer.rstrip("/")
        hint = "; only a slash at the end differs" if check.name == "iss" and is_slash else ""
        return Check.failed(setting, check.reason + hint)

    def _explain_tenants(self, claims: Mapping[str, object]) -> Iterator[Check]:
        check = self.rules.tenant_claim.check(claims)
        if check.passes:
            granted = ", ".join(self.rules.tenant_claim.read(claims))
            yield Check.passed(check.setting, f"the claim grants: {granted}")
            return
        yield Check.failed(check.setting, check.reason)
        names = [describe_name(name) for name in list_candidates(claims)]
        found = ", ".join(names) or "none"
        yield Check.noted("tenantClaim", f"claims of the token that could hold a tenant: {found}")


def list_candidates(claims: Mapping[str, object]) -> Iterator[str]:
    """Yield the names of the claims that could hold a tenant, as the setting `tenantClaim` has them.

    Nested names are JSON Pointers. They end at the second level, because deeper names are often values, such as the
    names of a user's organizations.
    """
    for name, value in claims.items():
        if name in PROTOCOL_CLAIMS:
            continue
        if _holds_names(value):
            yield name if not name.startswith("/") else build_pointer(name)
        if isinstance(value, dict):
            fields = cast("Mapping[str, object]", value)
            yield from (build_pointer(name, inner) for inner, held in fields.items() if _is_text(held))


def build_pointer(*names: str) -> str:
    """Return a JSON Pointer: https://www.rfc-editor.org/rfc/rfc6901."""
    return "".join(f"/{name.replace('~', '~0').replace('/', '~1')}" for name in names)


def describe_name(name: str) -> str:
    """Return a name for the terminal: without control characters, and shortened if it is long."""
    shown = name if name.isprintable() else ascii(name)[1:-1]
    return shown if len(shown) <= MAX_NAME_LENGTH else f"{shown[:MAX_NAME_LENGTH]}…"


def _is_text(value: object) -> bool:
    """Return whether a value is a string or a list with one."""
    if isinstance(value, list):
        return any(isinstance(item, str) for item in cast("list[object]", value))
    return isinstance(value, str)


def _holds_names(value: object) -> bool:
    """Return whether a value is a string, a list with one, or an object whose keys may be tenants."""
    if isinstance(value, dict):
        held = cast("Mapping[str, object]", value).values()
        return any(isinstance(one, dict) or one is True for one in held) or not any(map(_is_text, held))
    return _is_text(value)
