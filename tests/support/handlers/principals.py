"""Who is behind the connections of the tests: the hashes of the test issuer's users."""

from __future__ import annotations

from typing import Final

from formbridge.access.keyed_hash import KeyedHash

ISSUER: Final = "https://issuer.example/pool-1"
USER_HASH_KEY: Final = "6b" * 32
HASHES: Final = KeyedHash.from_hex(USER_HASH_KEY, ISSUER)
SUBJECT: Final = "user-1"
USER: Final = HASHES.hash_user(SUBJECT)
"""Hash of the user that every token is issued to unless it says another."""
OTHER_USER: Final = HASHES.hash_user("user-2")
