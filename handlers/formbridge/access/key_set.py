"""The key set that an issuer publishes, a JWKS, and the choice of its usable keys. Pure: no I/O, no clock.

https://www.rfc-editor.org/rfc/rfc7517
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from ..runtime import strict_json
from ..runtime.identifiers import describe_type

if TYPE_CHECKING:
    from collections.abc import Sequence

VerifySignature = Callable[[bytes, bytes], bool]
"""(signed bytes, signature) -> whether the signature is that of the key."""

Jwk = Mapping[str, object]
"""One JSON Web Key."""

LoadKey = Callable[[Jwk, str], VerifySignature]
"""(JWK, algorithm) -> the function that verifies with this key. Raises `UnusableKey`."""

PRIVATE_FIELDS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
"""Fields of private and shared keys. A key that an issuer publishes by mistake together with one of them is not used,
because everyone can sign with it."""


class KeyFetchFailed(Exception):
    """The issuer's key set could not be fetched, or it has no usable key."""


class UnusableKey(ValueError):
    """A key of the key set is not used. The message is the reason."""


@dataclass(frozen=True, slots=True)
class KeySet:
    """The usable keys of an issuer."""

    keys: Mapping[tuple[str, str], VerifySignature]
    """By `kid` and algorithm. A token names both."""
    ignored: Sequence[str] = ()
    """Why each other key of the document is not used, for the log."""


def parse_key_set(document: bytes, load: LoadKey) -> KeySet:
    """Return the usable keys of a JWKS.

    A key that is not usable is left out. If two usable keys have the same `kid` and algorithm, the first one counts.

    Args:
        document: The body of the issuer's response.
        load: Creates the function that verifies with a key.

    Raises:
        KeyFetchFailed: The document is not a JWKS, or none of its keys is usable.
    """
    try:
        entries = strict_json.parse_object(document).get("keys")
    except ValueError as error:
        raise KeyFetchFailed(f"key set: {error}") from error
    if not isinstance(entries, list):
        raise KeyFetchFailed(f"keys: must be a list, got {describe_type(entries)}")
    keys: dict[tuple[str, str], VerifySignature] = {}
    ignored: list[str] = []
    for number, entry in enumerate(cast("list[object]", entries)):
        try:
            key_id, algorithm, jwk = _check_key(entry)
            verify = load(jwk, algorithm)
        except UnusableKey as error:
            ignored.append(f"keys[{number}]: {error}")
        else:
            keys.setdefault((key_id, algorithm), verify)
    if not keys:
        reason = ignored[0] if ignored else "keys: must not be empty"
        raise KeyFetchFailed(f"the key set has no usable key: {reason}")
    return KeySet(keys, ignored)


def _check_key(entry: object) -> tuple[str, str, Jwk]:
    """Return `kid`, algorithm and JWK of an entry of the key set.

    Raises:
        UnusableKey: The entry is not a public key for signatures of an accepted algorithm.
    """
    if not isinstance(entry, dict):
        raise UnusableKey(f"must be an object, got {describe_type(entry)}")
    jwk = cast("Jwk", entry)
    key_id = jwk.get("kid")
    if not isinstance(key_id, str) or not key_id:
        raise UnusableKey("kid: must be a string")
    if found := sorted(PRIVATE_FIELDS & jwk.keys()):
        raise UnusableKey(f"{found[0]}: must be absent from a public key")
    if jwk.get("use", "sig") != "sig":
        raise UnusableKey("use: must be sig")
    operations = jwk.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        raise UnusableKey("key_ops: must contain verify")
    algorithm = _choose_algorithm(jwk)
    if jwk.get("alg", algorithm) != algorithm:
        raise UnusableKey(f"alg: must be {algorithm} for this key")
    return key_id, algorithm, jwk


def _choose_algorithm(jwk: Jwk) -> str:
    match jwk:
        case {"kty": "RSA", "n": str(), "e": str()}:
            return "RS256"
        case {"kty": "EC", "crv": "P-256", "x": str(), "y": str()}:
            return "ES256"
        case _:
            raise UnusableKey("kty: must be RSA, or EC with the curve P-256")
