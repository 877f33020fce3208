"""The place where an issuer publishes its keys, and the requests for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from ..runtime import metrics
from ..runtime.logs import log
from .discovery import build_discovery_url, parse_discovery
from .issuer_request import TIME_LIMIT_SECONDS, fetch_document, start_time_limit
from .key_set import KeyFetchFailed, KeySet, parse_key_set
from .public_key import load_public_key

if TYPE_CHECKING:
    from collections.abc import Callable

Parsed = TypeVar("Parsed")

MAX_LOGGED_KEYS: Final = 5
"""Maximum number of unusable keys whose reasons are logged."""


@dataclass(frozen=True, slots=True)
class KeySource:
    """The place where an issuer publishes its keys."""

    issuer: str
    """The issuer, exactly as in the claim `iss`."""
    jwks_url: str | None
    """URL of the key set. None: the issuer's discovery document says where the key set is."""
    seconds: float = TIME_LIMIT_SECONDS
    """Time limit of all requests together."""

    def fetch(self) -> KeySet:
        """Request the key set, count the result and log it.

        Raises:
            KeyFetchFailed: A request failed, or a response is not usable.
        """
        try:
            key_set = self.request()
        except KeyFetchFailed as error:
            log("key fetch failed", {"reason": str(error)})
            metrics.emit({"KeyFetches": 1, "KeyFetchFailures": 1})
            raise
        log("keys fetched", {"keys": len(key_set.keys), "ignored": key_set.ignored[:MAX_LOGGED_KEYS]})
        metrics.emit({"KeyFetches": 1, "KeyFetchFailures": 0})
        return key_set

    def request(self) -> KeySet:
        """Request the key set. The discovery document is requested first, if it is needed.

        Raises:
            KeyFetchFailed: A request failed, or a response is not usable. The message begins with the URL.
        """
        deadline = start_time_limit(self.seconds)
        jwks_url = self.jwks_url
        if jwks_url is None:
            discovery_url = build_discovery_url(self.issuer)
            jwks_url = _get(discovery_url, deadline, lambda document: parse_discovery(document, self.issuer))
        return _get(jwks_url, deadline, lambda document: parse_key_set(document, load_public_key))


def _get(url: str, deadline: float, parse: Callable[[bytes], Parsed]) -> Parsed:
    try:
        return parse(fetch_document(url, deadline))
    except KeyFetchFailed as error:
        raise KeyFetchFailed(f"{url}: {error}") from error
