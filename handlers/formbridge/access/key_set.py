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

RSA_ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
"""Algorithms of an RSA key."""
CURVE_ALGORITHMS: Final[Mapping[tuple[str, str], str]] = {
    ("EC", "P-256"): "ES256",
    ("EC", "P-384"): "ES384",
    ("EC", "P-521"): "ES512",
    ("OKP", "Ed25519"): "EdDSA",
    ("OKP", "Ed448"): "EdDSA",
}
"""The one algorithm of a key of another type, by type and curve."""
ALGORITHMS: Final = (*RSA_ALGORITHMS, *dict.fromkeys(CURVE_ALGORITHMS.values()))
"""Accepted signature algorithms. All use a public key: shared secrets and unsigned tokens are never accepted."""

VerifySignature = Callable[[str, bytes, bytes], bool]
"""(algorithm, signed bytes, signature) -> whether the signature is that of the key."""

Jwk = Mapping[str, object]
"""One JSON Web Key."""

LoadKey = Callable[[Jwk, str], VerifySignature]
"""(JWK, one of its algorithms) -> the function that verifies with this key. Raises `UnusableKey`."""

PRIVATE_FIELDS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
"""Fields of private and shared keys. A key that an issuer publishes by mistake together with one of them is not used,
because everyone can sign with it."""


class KeyFetchFailed(Exception):
    """The issuer's key set could not be fetched, or it has no usable key."""


class UnusableKey(ValueError):
    """A key of the key set is not used. The message is the reason."""


@dataclass(frozen=True, slots=True)
class PublishedKey:
    """A usable key of an issuer."""

    key_id: str
    """The `kid`. Empty: the key has none."""
    algorithms: Sequence[str]
    """The algorithms with which the key may sign."""
    verify: VerifySignature
    """Verifies signatures of these algorithms."""


@dataclass(frozen=True, slots=True)
class KeySet:
    """The usable keys of an issuer."""

    keys: Sequence[PublishedKey]
    ignored: Sequence[str] = ()
    """Why each other key of the document is not used, for the log."""

    def find(self, key_id: str, algorithm: str) -> PublishedKey | None:
        """Return the key of a token, or None if no key or no single key can be it.

        If no key has the `kid` of the token, or the token has none, the one key that fits the algorithm is returned.
        A key that has another `kid` than the token does not count.

        Args:
            key_id: The `kid` of the token. Empty: the token has none.
            algorithm: The `alg` of the token.
        """
        fitting = [key for key in self.keys if algorithm in key.algorithms]
        if key_id:
            for key in fitting:
                if key.key_id == key_id:
                    return key
        match fitting:
            case [only] if not key_id or not only.key_id:
                return only
            case _:
                return None


def parse_key_set(document: bytes, load: LoadKey) -> KeySet:
    """Return the usable keys of a JWKS.

    A key that is not usable is left out. If two usable keys have the same `kid` and a common algorithm, the first one
    counts for tokens with this `kid`.

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
    keys: list[PublishedKey] = []
    ignored: list[str] = []
    for number, entry in enumerate(cast("list[object]", entries)):
        try:
            key_id, algorithms, jwk = _check_key(entry)
            keys.append(PublishedKey(key_id, algorithms, load(jwk, algorithms[0])))
        except UnusableKey as error:
            ignored.append(f"keys[{number}]: {error}")
    if not keys:
        reason = ignored[0] if ignored else "keys: must not be empty"
        raise KeyFetchFailed(f"the key set has no usable key: {reason}")
    return KeySet(keys, ignored)


def _check_key(entry: object) -> tuple[str, Sequence[str], Jwk]:
    """Return `kid`, algorithms and JWK of an entry of the key set.

    Raises:
        UnusableKey: The entry is not a public key for signatures of an accepted algorithm.
    """
    if not isinstance(entry, dict):
        raise UnusableKey(f"must be an object, got {describe_type(entry)}")
    jwk = cast("Jwk", entry)
    key_id = jwk.get("kid", "")
    if not isinstance(key_id, str) or ("kid" in jwk and not key_id):
        raise UnusableKey("kid: must be absent or a string")
    if found := sorted(PRIVATE_FIELDS & jwk.keys()):
        raise UnusableKey(f"{found[0]}: must be absent from a public key")
    if jwk.get("use", "sig") != "sig":
        raise UnusableKey("use: must be sig")
    operations = jwk.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        raise UnusableKey("key_ops: must contain verify")
    algorithms = _list_algorithms(jwk)
    if "alg" in jwk:
        algorithms = [algorithm for algorithm in algorithms if algorithm == jwk["alg"]]
    if not algorithms:
        raise UnusableKey("alg: must be absent, or an accepted algorithm of this type of key")
    return key_id, algorithms, jwk


def _list_algorithms(jwk: Jwk) -> Sequence[str]:
    """Return the algorithms of a key by its type. No key serves an algorithm of another type."""
    match jwk:
        case {"kty": "RSA", "n": str(), "e": str()}:
            return RSA_ALGORITHMS
        case {"kty": "EC", "crv": str(curve), "x": str(), "y": str()} if ("EC", curve) in CURVE_ALGORITHMS:
            return [CURVE_ALGORITHMS["EC", curve]]
        case {"kty": "OKP", "crv": str(curve), "x": str()} if ("OKP", curve) in CURVE_ALGORITHMS:
            return [CURVE_ALGORITHMS["OKP", curve]]
        case _:
            raise UnusableKey("kty: must be RSA, EC with the curve P-256, P-384 or P-521, or OKP with Ed25519 or Ed448")
