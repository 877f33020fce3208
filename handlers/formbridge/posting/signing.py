"""AWS Signature Version 4 for requests to @connections, at a tenth of what botocore's costs.

What all requests of one second share is made once in it: the key, which is good for a day, the headers, and all of the
signed text but the path and the payload's hash.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import quote, urlsplit

from botocore.exceptions import NoCredentialsError, NoRegionError

from ..runtime.aws import session

SERVICE: Final = "execute-api"
ALGORITHM: Final = "AWS4-HMAC-SHA256"


class Credentials(NamedTuple):
    """As they are at a moment."""

    access_key: str
    secret_key: str
    token: str | None


@dataclass(frozen=True, slots=True)
class _Second:
    """What the requests that are signed within one second share."""

    at: int
    headers: tuple[str, ...]
    canonical: str
    """The canonical request between its path and its payload's hash."""
    to_sign: str
    """The string to sign, up to the canonical request's hash."""
    key: bytes
    authorization: str
    """That header, up to the signature."""


class Signer:
    """Signs requests to the connections of one gateway, by the credentials that count when they are made."""

    def __init__(
        self,
        endpoint: str,
        region: str,
        credentials: Callable[[], Credentials],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`endpoint` is that of the gateway's stage, without a slash at its end.

        Raises:
            ValueError: it is no http or https URL.
        """
        parts = urlsplit(endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"endpoint: must be https://HOST/STAGE, got {endpoint!r}")
        usual_port = {"http": 80, "https": 443}[parts.scheme]
        # The header that libcurl sends.
        self._host = parts.hostname if parts.port in (None, usual_port) else f"{parts.hostname}:{parts.port}"
        self._path = quote(f"{parts.path}/@connections/", safe="/~")
        self._url = f"{endpoint}/@connections/"
        self._region = region
        self._credentials = credentials
        self._clock = clock
        self._second: _Second | None = None

    @classmethod
    def from_environment(cls, endpoint: str) -> Signer:
        """With the region and the credentials that botocore finds; those that it refreshes are taken up.

        Raises:
            ValueError: `endpoint` is no http or https URL.
            NoRegionError: there is no region.
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
        """The URL of a request about a connection, and the headers that it needs."""
        now = int(self._clock())
        second = self._second
        if second is None or second.at != now:
            second = self._second = self._begin(now)
        # Encoded once where it stands in the URL, and, as for every service but S3, once more where it is signed.
        once = quote(connection_id, safe="")
        twice = once.replace("%", "%25")
        canonical = f"{method}\n{self._path}{twice}{second.canonical}{_sha256(payload)}"
        to_sign = f"{second.to_sign}{hashlib.sha256(canonical.encode()).hexdigest()}"
        signature = hmac.digest(second.key, to_sign.encode(), "sha256").hex()
        return f"{self._url}{once}", [*second.headers, f"{second.authorization}{signature}"]

    def _begin(self, now: int) -> _Second:
        credentials = self._credentials()
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
        day = moment[:8]
        scope = f"{day}/{self._region}/{SERVICE}/aws4_request"
        signed = {"host": self._host, "x-amz-date": moment}
        if credentials.token:
            signed["x-amz-security-token"] = credentials.token
        names = ";".join(signed)
        return _Second(
            at=now,
            headers=tuple(f"{name}: {value}" for name, value in signed.items() if name != "host"),
            canonical="\n\n" + "".join(f"{name}:{value}\n" for name, value in signed.items()) + f"\n{names}\n",
            to_sign=f"{ALGORITHM}\n{moment}\n{scope}\n",
            key=_signing_key(credentials.secret_key, day, self._region),
            authorization=f"Authorization: {ALGORITHM} Credential={credentials.access_key}/{scope}, "
            f"SignedHeaders={names}, Signature=",
        )


@lru_cache(maxsize=2)
def _signing_key(secret: str, day: str, region: str) -> bytes:
    """The key of one day."""
    key = f"AWS4{secret}".encode()
    for part in (day, region, SERVICE, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


# The same frame goes to many connections, and `bytes` hash themselves but once.
@lru_cache(maxsize=128)
def _sha256(payload: bytes) -> str:
    return hashlib.sha256(payload).hexdigest()
