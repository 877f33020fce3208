"""An issuer of tokens: real keys, made for the test, and the JWKS that publishes them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt import PyJWKClient
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

ISSUER: Final = "https://issuer.example/pool-1"
AUDIENCE: Final = "client-1"
CLAIM: Final = "custom:tenant_id"
SHARED_SECRET: Final = b"a secret that is long enough, and no secret"


@cache
def rsa_key(name: str) -> rsa.RSAPrivateKey:
    """An RSA key of that name: making one takes a while."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def ec_key(name: str) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def claims(**changes: object) -> dict[str, Any]:
    """What a good token says. A change replaces a claim; None leaves it out."""
    now = int(time.time())
    good: dict[str, Any] = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "user-1",
        "iat": now,
        "exp": now + 3600,
        CLAIM: "t_acme",
    }
    return {name: value for name, value in (good | changes).items() if value is not None}


def token(said: Mapping[str, Any] | None = None, *, kid: str | None = "rsa-1", key: str = "rsa-1") -> str:
    """A token signed RS256 with the RSA key `key`, that names the published key `kid`."""
    headers = {"kid": kid} if kid is not None else {}
    return jwt.encode(dict(said or claims()), rsa_key(key), algorithm="RS256", headers=headers)


def ec_token(said: Mapping[str, Any] | None = None, *, kid: str = "ec-1") -> str:
    return jwt.encode(dict(said or claims()), ec_key("ec-1"), algorithm="ES256", headers={"kid": kid})


def unsigned_token(kid: str = "rsa-1") -> str:
    return jwt.encode(claims(), "", algorithm="none", headers={"kid": kid})


def confused_token(kid: str = "rsa-1") -> str:
    """HS256 with the published key's PEM as the secret: PyJWT refuses to make one, so it is made by hand."""
    secret = rsa_key("rsa-1").public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    header = {"alg": "HS256", "typ": "JWT", "kid": kid}
    signed = f"{_segment(json.dumps(header).encode())}.{_segment(json.dumps(claims()).encode())}"
    return f"{signed}.{_segment(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


def _segment(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def shared_secret_token() -> str:
    """HS256 with a secret that the issuer, of all things, publishes."""
    return jwt.encode(claims(), SHARED_SECRET, algorithm="HS256", headers={"kid": "oct-1"})


def published(*names: str) -> dict[str, Any]:
    """The JWKS with these keys; `rsa-…`, `ec-…` and `oct-…` are both names and key ids. Default: one of each."""
    return {"keys": [_jwk(name) for name in names or ("rsa-1", "ec-1", "oct-1")]}


def _jwk(name: str) -> dict[str, Any]:
    if name.startswith("oct"):
        return {"kty": "oct", "k": _segment(SHARED_SECRET), "kid": name, "alg": "HS256"}
    if name.startswith("ec"):
        return {**ECAlgorithm.to_jwk(ec_key(name).public_key(), as_dict=True), "kid": name, "alg": "ES256"}
    return {**RSAAlgorithm.to_jwk(rsa_key(name).public_key(), as_dict=True), "kid": name, "alg": "RS256"}


class KeysInMemory(PyJWKClient):
    """The issuer's published keys, without a network."""

    def __init__(self) -> None:
        super().__init__(f"{ISSUER}/.well-known/jwks.json")

    def fetch_data(self) -> dict[str, Any]:
        return published()
