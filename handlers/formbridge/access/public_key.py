"""Public keys that verify signatures.

This is the only module that imports PyJWT. Only the Lambda functions that verify tokens have PyJWT in their archive.
"""

from __future__ import annotations

from typing import Final

import jwt

from .key_set import Jwk, UnusableKey, VerifySignature

MIN_RSA_BITS: Final = 2_048
"""Minimum size of an RSA key in bits. https://www.rfc-editor.org/rfc/rfc7518#section-3.3"""
MAX_RSA_BITS: Final = 8_192
"""Maximum size of an RSA key in bits. A larger key would make each signature slow to verify."""


def load_public_key(jwk: Jwk, algorithm: str) -> VerifySignature:
    """Return the function that verifies signatures with a key.

    Args:
        jwk: An RSA, EC or OKP key in JSON.
        algorithm: One of the algorithms of the key, such as `RS256`.

    Raises:
        UnusableKey: The key is malformed, or it is an RSA key that is too small or too large.
    """
    try:
        loaded = jwt.PyJWK(dict(jwk), algorithm)
    except jwt.PyJWTError as error:
        raise UnusableKey(f"kty: must be a well-formed key ({type(error).__name__})") from error
    if jwk["kty"] == "RSA" and not MIN_RSA_BITS <= loaded.key.key_size <= MAX_RSA_BITS:
        raise UnusableKey(f"n: must have {MIN_RSA_BITS:,} to {MAX_RSA_BITS:,} bits, got {loaded.key.key_size:,}")

    def verify(algorithm: str, signed: bytes, signature: bytes) -> bool:
        return jwt.get_algorithm_by_name(algorithm).verify(signed, loaded.key, signature)

    return verify
