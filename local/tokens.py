"""Tokens that the running gateway accepts: ID tokens of the local Cognito user pool."""

from __future__ import annotations

import base64
import hashlib
import time
import uuid
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, cast

import jwt
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from .emulator import get_cognito_keys_directory
from .emulator_client import get_signed
from .stack import StackError

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    from .stack import Stack

MAX_LIFETIME_SECONDS: Final = 86_400
"""The maximum lifetime of an ID token in Cognito, one day."""
DEFAULT_LIFETIME_SECONDS: Final = 3600
TIMEOUT_SECONDS: Final = 10
"""How long to wait for the emulator's answer."""


class TokenError(ValueError):
    """The tenant or the lifetime of a token is invalid. The message names the field and the value."""


def fetch_jwks(stack: Stack) -> bytes:
    """Fetch the public keys of the local user pool from MiniStack and return them as JSON.

    Raises:
        StackError: The program does not export `issuer`, the issuer is not the local Cognito, or the emulator does not
            answer.
    """
    issuer = stack.output("issuer")
    try:
        status, body = get_signed(stack, f"/{_get_pool_id(issuer)}/.well-known/jwks.json", TIMEOUT_SECONDS)
    except OSError as error:
        raise StackError(f"{stack.endpoint_url}: the emulator does not answer: {error}") from error
    if status != HTTPStatus.OK:
        raise StackError(
            f"issuer: must be a user pool of the local Cognito, got {issuer!r} (HTTP {status}); "
            "sign in at another issuer to get its tokens"
        )
    return body


def mint(
    stack: Stack,
    state_dir: Path,
    tenant: str,
    expires_in: int = DEFAULT_LIFETIME_SECONDS,
    *,
    user: str | None = None,
) -> str:
    """Create an ID token for `tenant`.

    The function signs the token itself, with the pool's key from the emulator's files. It does not call Cognito's API,
    because the API cannot issue an expired token.

    Args:
        stack: The running local stack.
        state_dir: The state directory of `python -m local up`.
        tenant: The tenant id, such as `t_acme`.
        expires_in: The lifetime in seconds, at most `MAX_LIFETIME_SECONDS`; a negative number makes an expired token.
        user: Any name of the user, from which the claim `sub` is made. None: one user per tenant. The gateway limits
            the connections of a user.

    Raises:
        TokenError: The tenant or the lifetime is invalid.
        StackError: The program does not export `issuer` or `client_id`, or the issuer is not the local Cognito.
    """
    if mismatch := stack.tenant_ids.describe_mismatch("tenant_id", tenant):
        raise TokenError(mismatch)
    if expires_in > MAX_LIFETIME_SECONDS:
        raise TokenError(f"expires_in: must be at most {MAX_LIFETIME_SECONDS} seconds, got {expires_in}")
    issuer = stack.output("issuer")
    path = get_cognito_keys_directory(state_dir) / f"{_get_pool_id(issuer)}-id.pem"
    if not path.exists():
        # MiniStack creates the keys on the first request for them.
        fetch_jwks(stack)
    key = cast("RSAPrivateKey", load_pem_private_key(path.read_bytes(), password=None))
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    now = int(time.time())
    # An expired token must have been issued before it expired.
    issued = min(now, now + expires_in - 1)
    subject = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{issuer}/{user or tenant}"))
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


def expires_at(token: str) -> int:
    """Return the time at which a token expires, in epoch seconds, without verifying the token."""
    return jwt.decode(token, options={"verify_signature": False})["exp"]


def _get_pool_id(issuer: str) -> str:
    return issuer.rsplit("/", 1)[-1]
