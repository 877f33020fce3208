"""AWS Signature Version 4 for requests to @connections, at a tenth of botocore's cost.

All requests of one second share most of their headers and most of the strings to sign. These shared parts are built
once per second. Only the method, the path and the hash of the payload differ. The signing key is valid for one day and
is cached.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote, urlsplit

from botocore.exceptions import NoCredentialsError, NoRegionError

from ..runtime.aws import session

if TYPE_CHECKING:
    from collections.abc import Callable

SERVICE: Final = "execute-api"
ALGORITHM: Final = "AWS4-HMAC-SHA256"
DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class Credentials(NamedTuple):
    """AWS credentials at one point in time."""

    access_key: str
    secret_key: str
    token: str | None
    """Session token of temporary credentials. None: the credentials are permanent."""


@dataclass(frozen=True, slots=True)
class _SharedParts:
    """The parts of a signature that all requests of one second share."""

    second: int
    """The second, counted from the epoch."""
    headers: tuple[str, ...]
    """The request's headers, except `Host` and `Authorization`."""
    canonical_suffix: str
    """The part of the canonical request between the path and the hash of the payload."""
    string_to_sign_prefix: str
    """The part of the string to sign that precedes the hash of the canonical request."""
    key: bytes
    """The signing key."""
    authorization_prefix: str
    """The part of the `Authorization` header that precedes the signature."""


class Signer:
    """A signer of requests to the connections of one gateway.

    It reads the current credentials when it signs a request, at most once per second.
    """

    def __init__(
        self,
        endpoint: str,
        region: str,
        credentials: Callable[[], Credentials],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Prepare the parts of a signature that never change.

        Args:
            endpoint: URL of the gateway's stage, without a slash at the end.
            region: AWS region of the gateway.
            credentials: Returns the current credentials. Called when a request is signed, at most once per second.
            clock: Returns the time in epoch seconds.

        Raises:
            ValueError: `endpoint` is not a valid http or https URL.
        """
        parts = urlsplit(endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"endpoint: must be https://HOST/STAGE, got {endpoint!r}")
        # This must be the value of the `Host` header that libcurl sends, because the header is signed.
        self._host = (
            parts.hostname if parts.port in (None, DEFAULT_PORTS[parts.scheme]) else f"{parts.hostname}:{parts.port}"
        )
        self._path = quote(f"{parts.path}/@connections/", safe="/~")
        self._url = f"{endpoint}/@connections/"
        self._region = region
        self._credentials = credentials
        self._clock = clock
        self._shared: _SharedParts | None = None

    @classmethod
    def from_environment(cls, endpoint: str) -> Signer:
        """Return a signer with the region and the credentials that botocore finds and refreshes.

        Raises:
            ValueError: `endpoint` is not a valid http or https URL.
            NoRegionError: No region is configured.
        """
        region: str | None = session().get_config_variable("region")
        if region is None:
            raise NoRegionError

        def credentials() -> Credentials:
            found = session().get_credentials()
            frozen = found and found.get_frozen_credentials()
            if not frozen or not frozen.access_key or not frozen.secret_key:
                raise NoCredentialsError
            return Credentials(frozen.access_key, frozen.secret_key, frozen.token)

        return cls(endpoint, region, credentials)

    def sign(self, method: str, connection_id: str, payload: bytes) -> tuple[str, list[str]]:
        """Sign a request about a connection.

        Args:
            method: HTTP method of the request.
            connection_id: The connection.
            payload: Body of the request.

        Returns:
            The URL of the request, and its headers except `Host`.
        """
        now = int(self._clock())
        shared = self._shared
        if shared is None or shared.second != now:
            shared = self._shared = self._build_shared_parts(now)
        # In the URL, the id is percent-encoded once. In the signed path, it is encoded twice: AWS requires this for
        # every service except S3.
        encoded_id = quote(connection_id, safe="")
        signed_id = encoded_id.replace("%", "%25")
        canonical_request = f"{method}\n{self._path}{signed_id}{shared.canonical_suffix}{_sha256(payload)}"
        string_to_sign = f"{shared.string_to_sign_prefix}{hashlib.sha256(canonical_request.encode()).hexdigest()}"
        signature = hmac.digest(shared.key, string_to_sign.encode(), "sha256").hex()
        return f"{self._url}{encoded_id}", [*shared.headers, f"{shared.authorization_prefix}{signature}"]

    def _build_shared_parts(self, now: int) -> _SharedParts:
        credentials = self._credentials()
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
        day = moment[:8]
        scope = f"{day}/{self._region}/{SERVICE}/aws4_request"
        signed = {"host": self._host, "x-amz-date": moment}
        if credentials.token:
            signed["x-amz-security-token"] = credentials.token
        names = ";".join(signed)
        return _SharedParts(
            second=now,
            headers=tuple(f"{name}: {value}" for name, value in signed.items() if name != "host"),
            canonical_suffix="\n\n" + "".join(f"{name}:{value}\n" for name, value in signed.items()) + f"\n{names}\n",
            string_to_sign_prefix=f"{ALGORITHM}\n{moment}\n{scope}\n",
            key=_derive_signing_key(credentials.secret_key, day, self._region),
            authorization_prefix=f"Authorization: {ALGORITHM} Credential={credentials.access_key}/{scope}, "
            f"SignedHeaders={names}, Signature=",
        )


@lru_cache(maxsize=2)
def _derive_signing_key(secret: str, day: str, region: str) -> bytes:
    """Return the signing key of one day."""
    key = f"AWS4{secret}".encode()
    for part in (day, region, SERVICE, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


# The result is cached because the same frame is posted to many connections. A lookup in the cache is cheap, because a
# `bytes` object computes its `hash()` only once.
@lru_cache(maxsize=128)
def _sha256(payload: bytes) -> str:
    return hashlib.sha256(payload).hexdigest()
