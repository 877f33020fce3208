"""Tokens that the running gateway accepts: ID tokens of the local Cognito user pool, signed with the pool's own key."""

from __future__ import annotations

import base64
import hashlib
import http.client
import time
import uuid
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from formbridge.runtime.identifiers import TENANT_ID, quote

from .emulator import cognito_keys
from .stack import StackError

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    from .stack import Stack

MAX_LIFETIME_SECONDS: Final = 86_400
"""A day, the longest that Cognito lets an ID token live."""


class TokenError(ValueError):
    """A token that cannot be made; the message names the field and the value."""


def jwks(stack: Stack) -> bytes:
    """The user pool's public keys as JSON, which MiniStack serves under the pool's own path.

    Raises:
        StackError: the program exports no issuer, the issuer is not the local Cognito, or the emulator has ended.
    """
    issuer = stack.output("issuer")
    connection = http.client.HTTPConnection(urlsplit(stack.endpoint_url).netloc, timeout=10)
    try:
        connection.request("GET", f"/{_pool_id(issuer)}/.well-known/jwks.json")
        response = connection.getresponse()
        body = response.read()
    except OSError as error:
        raise StackError(f"{stack.endpoint_url}: the emulator does not answer: {error}") from error
    finally:
        connection.close()
    if response.status != HTTPStatus.OK:
        raise StackError(f"issuer: the local Cognito has no keys of {issuer!r} (HTTP {response.status})")
    return body


def mint(stack: Stack, state_dir: Path, tenant: str, expires_in: int = 3600) -> str:
    """An ID token for `tenant` that expires in `expires_in` seconds; a negative number gives one that has expired.

    `state_dir` is that of `up`. The pool's key is read from its files rather than Cognito asked, which issues no
    token that has expired already.

    Raises:
        TokenError: a bad tenant or lifetime.
        StackError: the program exports no issuer or client, or the issuer is not the local Cognito.
    """
    if not TENANT_ID.fullmatch(tenant):
        raise TokenError(f"tenant_id: must match ^{TENANT_ID.pattern}$, got {quote(tenant)}")
    if expires_in > MAX_LIFETIME_SECONDS:
        raise TokenError(f"expires_in: at most {MAX_LIFETIME_SECONDS} seconds, not {expires_in}")
    issuer = stack.output("issuer")
    path = cognito_keys(state_dir) / f"{_pool_id(issuer)}-id.pem"
    if not path.exists():
        # MiniStack makes the keys when they are first asked for.
        jwks(stack)
    key = cast("RSAPrivateKey", load_pem_private_key(path.read_bytes(), password=None))
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    now = int(time.time())
    # One that has expired was issued before it did.
    issued = min(now, now + expires_in - 1)
    subject = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{issuer}/{tenant}"))
    claims = {
        "iss": issuer,
        "aud": stack.output("client_id"),
        "sub": subject,
        "cognito:username": subject,
        "token_use": "id",
        "auth_time": issued,
        "iat": issued,
        "exp": now + expires_in,
        "jti": str(uuid.uuid4()),
        "custom:tenant_id": tenant,
    }
    key_id = base64.b64encode(hashlib.sha256(public).digest()).decode()
    return jwt.encode(claims, key, algorithm="RS256", headers={"kid": key_id})


def _pool_id(issuer: str) -> str:
    return issuer.rsplit("/", 1)[-1]
