"""The cache of an issuer's keys. Pure: the request and the clock are passed in.

Rules, each with its reason in docs/adr/0033-the-key-cache.md:

- Keys are fresh for `FRESH_SECONDS`. No token with the `kid` of a fresh key causes a request.
- After that, the next token causes a request. While requests fail, the old keys verify tokens for `STALE_SECONDS` since
  they were fetched.
- A token with an unknown `kid` causes a request too, because the issuer may have added a key. So does a token without
  `kid`, or whose key has none, if its signature does not verify: the issuer may have replaced the key.
- After each request there is a pause without requests, whatever the tokens are.
- A response without a usable key is a failed request. It never replaces keys.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from .key_set import KeyFetchFailed, KeySet, PublishedKey

if TYPE_CHECKING:
    from collections.abc import Callable


FRESH_SECONDS: Final = 3_600
"""Number of seconds for which fetched keys are used without another request."""
STALE_SECONDS: Final = 86_400
"""Number of seconds after the last successful request for which keys are used while requests fail. Cognito's ID tokens
live at most one day, so each token that was issued before an outage stays valid until it expires. A key that the issuer
withdraws during an outage is accepted for at most this time."""
REFETCH_SECONDS: Final = 60
"""Pause after a successful request."""
FIRST_RETRY_SECONDS: Final = 5
"""Pause after the first failed request. It doubles with each further failure."""
MAX_RETRY_SECONDS: Final = 60
"""Longest pause after a failed request."""


class KeysUnavailable(Exception):
    """The token may be valid, but the issuer's keys cannot be fetched. The client can try again."""


@dataclass(slots=True)
class KeyCache:
    """The keys of one issuer, for one thread. A Lambda processes one event at a time."""

    fetch: Callable[[], KeySet]
    """Requests the issuer's key set. Raises `KeyFetchFailed`."""
    now_ms: Callable[[], int]
    """Returns the current time in epoch milliseconds."""
    _key_set: KeySet | None = field(default=None, init=False)
    _fetched_at: int = field(default=0, init=False)
    _next_fetch_at: int = field(default=0, init=False)
    _failures: int = field(default=0, init=False)
    """Number of failed requests since the last successful one."""

    def find(self, key_id: str, algorithm: str, verifies: Callable[[PublishedKey], bool]) -> PublishedKey | None:
        """Return the issuer's key of a token, or None if the issuer has no such key.

        Args:
            key_id: The `kid` of the token. Empty: the token has none.
            algorithm: The `alg` of the token.
            verifies: Returns whether a key verifies the token. Of keys that the token does not name, only such a key is
                returned.

        Raises:
            KeysUnavailable: The key is unknown or too old, and the last request failed.
        """
        now = self.now_ms()
        key = self._get(key_id, algorithm, verifies)
        if (key is None or now >= self._fetched_at + FRESH_SECONDS * 1000) and now >= self._next_fetch_at:
            self._refresh(now)
            key = self._get(key_id, algorithm, verifies)
        if key is not None and now < self._fetched_at + STALE_SECONDS * 1000:
            return key
        if self._failures:
            raise KeysUnavailable(f"the last {self._failures} requests for the issuer's keys failed")
        return None

    def _get(self, key_id: str, algorithm: str, verifies: Callable[[PublishedKey], bool]) -> PublishedKey | None:
        key = self._key_set.find(key_id, algorithm) if self._key_set is not None else None
        if key is None:
            return None
        is_named = bool(key_id) and key.key_id == key_id
        return key if is_named or verifies(key) else None

    def _refresh(self, now: int) -> None:
        """Request the keys. The pause begins before the request, so that it holds for an unexpected error too."""
        pause = min(FIRST_RETRY_SECONDS * 2**self._failures, MAX_RETRY_SECONDS)
        self._failures += 1
        self._next_fetch_at = now + pause * 1000
        try:
            self._key_set = self.fetch()
        except KeyFetchFailed:
            return  # `fetch` has logged it
        self._failures = 0
        self._fetched_at = now
        self._next_fetch_at = now + REFETCH_SECONDS * 1000
