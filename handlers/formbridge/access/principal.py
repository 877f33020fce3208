"""The user, the session and the token behind a connection, without their names. Pure: no I/O, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Principal:
    """The user, the session and the token behind a connection. `KeyedHash` makes the hashes."""

    user: str = ""
    """Keyed hash of the user. Empty: the connection belongs to no user."""
    session: str = ""
    """Keyed hash of the session in which the token was issued. Empty: the token names no session."""
    token_id: str = ""
    """Keyed hash of the token's id. Empty: the token has no id."""
    signed_in_at: int = 0
    """When the user signed in, in epoch seconds. 0: the token does not say when."""

    @classmethod
    def from_context(cls, authorizer: Mapping[str, str]) -> Principal:
        """Read the principal from the context that the authorizer returned when the connection was opened."""
        return cls(
            user=authorizer.get("user", ""),
            session=authorizer.get("session", ""),
            token_id=authorizer.get("token_id", ""),
            signed_in_at=int(authorizer.get("signed_in_at", 0)),
        )

    @property
    def hashes(self) -> dict[str, str]:
        """The hashes by name, without those that are empty."""
        named = {"user": self.user, "session": self.session, "token_id": self.token_id}
        return {name: value for name, value in named.items() if value}

    @property
    def context(self) -> dict[str, str]:
        """The part of the authorizer's context that `from_context` reads."""
        return {**self.hashes, "signed_in_at": str(self.signed_in_at)}


UNKNOWN_PRINCIPAL: Final = Principal()
"""Principal of a connection that belongs to no user."""
