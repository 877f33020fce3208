"""A revocation and its target. Pure: no I/O, no clock.

A revocation never becomes weaker, except when it is lifted: of two revocations of the same target, the later time of
each kind counts. So it does not matter in which order, how often and by which clock they are recorded.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple

from ..runtime import keys

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..access.principal import Principal

RETENTION_SECONDS: Final = 400 * 24 * 3600
"""Seconds for which a revocation of earlier sign-ins is kept, unless a longer or shorter time is given. It must not be
shorter than a sign-in can last by refreshing its tokens: 30 days in the built-in user pool, and about a year at most
issuers. A token lasts 30 days at most (`token_checks.MAX_LIFETIME_SECONDS`), and a connection two hours."""
FOREVER: Final = 253_402_300_799
"""The end of the year 9999 in epoch seconds: the time of a block that only a lift ends."""


class Kind(Enum):
    """What a revocation applies to."""

    TENANT = "tenant"
    USER = "user"
    SESSION = "session"
    TOKEN = "token"  # noqa: S105 - a kind, not a secret


class Target(NamedTuple):
    """What a revocation applies to: a tenant, a user, a session or a token."""

    kind: Kind
    id: str
    """The tenant id, or the keyed hash of the user, the session or the token."""
    tenant_id: str = ""
    """The only tenant for which a user is revoked. Empty: the revocation applies for every tenant."""

    @classmethod
    def from_key(cls, key: str) -> Target:
        """Return the target of a partition key that `key` returned."""
        kind, *ids = keys.parse_revocation_partition(key)
        return cls(Kind(kind.lower()), ids[-1], "".join(ids[:-1]))

    @property
    def key(self) -> str:
        """The partition key of the target's items in the revocations table."""
        ids = (self.tenant_id, self.id) if self.tenant_id else (self.id,)
        return keys.revocation_partition(self.kind.name, *ids)


def list_targets(tenant_id: str, principal: Principal) -> list[Target]:
    """Return the targets whose revocation applies to a connection."""
    targets = [Target(Kind.TENANT, tenant_id)]
    if principal.user:
        targets += [Target(Kind.USER, principal.user), Target(Kind.USER, principal.user, tenant_id)]
    if principal.session:
        targets.append(Target(Kind.SESSION, principal.session))
    if principal.token_id:
        targets.append(Target(Kind.TOKEN, principal.token_id))
    return targets


@dataclass(frozen=True, slots=True)
class Revocation:
    """The revocation of a target. All times are epoch seconds; 0 means that the time was never set."""

    signed_in_before: int = 0
    """Sign-ins before this time are refused."""
    revoked_until: int = 0
    """Until when `signed_in_before` holds."""
    blocked_until: int = 0
    """Until when every sign-in is refused."""

    @property
    def expires_at(self) -> int:
        """When the revocation refuses nothing any more."""
        return max(self.revoked_until, self.blocked_until)

    def refuses(self, signed_in_at: int, now: int) -> bool:
        """Return whether the revocation refuses a sign-in.

        Args:
            signed_in_at: When the user signed in, in epoch seconds; 0 if the token does not say when.
            now: The current time in epoch seconds.
        """
        return now < self.blocked_until or (signed_in_at < self.signed_in_before and now < self.revoked_until)

    def merge(self, other: Revocation) -> Revocation:
        """Return a revocation that refuses everything that this one or the other one refuses."""
        return Revocation(
            max(self.signed_in_before, other.signed_in_before),
            max(self.revoked_until, other.revoked_until),
            max(self.blocked_until, other.blocked_until),
        )


@dataclass(frozen=True, slots=True)
class Revocations:
    """The revocations of several targets."""

    by_target: Mapping[Target, Revocation]

    def refuse(self, tenant_id: str, principal: Principal, now: int) -> bool:
        """Return whether one of the revocations refuses a connection.

        Args:
            tenant_id: The tenant of the connection.
            principal: The user, the session and the token behind the connection.
            now: The current time in epoch seconds.
        """
        return any(
            self.by_target[target].refuses(principal.signed_in_at, now)
            for target in list_targets(tenant_id, principal)
            if target in self.by_target
        )
