"""Keyed hashes, which stand for users, sessions and tokens in rows and logs. Pure: no I/O, no clock.

A reader of the rows and logs sees which lines belong to one user. Without the key, nobody can find the user's id from
the hash or test a guess (docs/adr/0031).
"""

from __future__ import annotations

import hmac
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from .principal import Principal

if TYPE_CHECKING:
    from .handshake import Identity

HASH_BYTES: Final = 16
"""Length of a hash in bytes: HMAC-SHA256, shortened to 128 bits. Two of a trillion users have the same hash with a
probability of less than one in 10^14."""
HASH: Final = re.compile(f"[0-9a-f]{{{2 * HASH_BYTES}}}")
"""Pattern of a hash."""
_KEY: Final = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class KeyedHash:
    """Hashes of the users, sessions and tokens of one issuer. The same id in two kinds has two different hashes."""

    key: bytes = field(repr=False)
    """The secret key of the gateway."""
    issuer: str
    """The issuer of the ids. It is a part of what is hashed, because an id is unique only for its issuer."""

    @classmethod
    def from_hex(cls, key: str, issuer: str) -> KeyedHash:
        """Return the hashes for a key that is written as 64 lower-case hexadecimal digits.

        Raises:
            ValueError: The key is not of that form. The message does not contain the key.
        """
        if not _KEY.fullmatch(key):
            raise ValueError(f"key: must be 64 lower-case hexadecimal digits, got {len(key)} other characters")
        return cls(bytes.fromhex(key), issuer)

    def hash_user(self, subject: str) -> str:
        """Return the hash of a user, whom the claim `sub` identifies."""
        return self._hash("user", subject)

    def hash_session(self, session_id: str) -> str:
        """Return the hash of a session, which the claim `sid` or `origin_jti` identifies."""
        return self._hash("session", session_id)

    def hash_token_id(self, token_id: str) -> str:
        """Return the hash of a token, which the claim `jti` identifies."""
        return self._hash("token", token_id)

    def identify(self, identity: Identity) -> Principal:
        """Return the principal of a verified token."""
        return Principal(
            user=self.hash_user(identity.subject),
            session=self.hash_session(identity.session_id) if identity.session_id else "",
            token_id=self.hash_token_id(identity.token_id) if identity.token_id else "",
            signed_in_at=identity.signed_in_at,
        )

    def _hash(self, kind: str, value: str) -> str:
        # JSON keeps the parts apart, and it can encode every string that a token can contain.
        message = json.dumps([kind, self.issuer, value]).encode()
        return hmac.digest(self.key, message, "sha256")[:HASH_BYTES].hex()
