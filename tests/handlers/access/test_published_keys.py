"""Key sets as issuers publish them, with real keys: which tokens each of them verifies."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest

from formbridge.access.key_set import ALGORITHMS, KeyFetchFailed, KeySet, parse_key_set
from formbridge.access.public_key import load_public_key
from formbridge.access.token_checks import check_token
from formbridge.access.unverified_token import parse_token
from formbridge.runtime import clock
from tests.support.handlers import issuer
from tests.support.handlers.issuer import jwk

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SIGNERS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), "rsa-1"),
    "ES256": "ec-1",
    "ES384": "p384-1",
    "ES512": "p521-1",
    "EdDSA": "ed25519-1",
}
"""The key that signs the test's tokens of each algorithm."""
ALL_RSA: Final = "RS256 RS384 RS512 PS256 PS384 PS512"
OTHER: Final = jwk("rsa-2", kid="other")
"""A key with which no token of the test is signed."""
SHARED: Final = {"kty": "oct", "k": issuer.segment(issuer.SHARED_SECRET)}


@dataclass(frozen=True)
class Case:
    """A row of the table: a key set, and the algorithms of the tokens that it verifies."""

    name: str
    keys: Sequence[object]
    verified: str
    """Algorithms of the tokens with the `kid` `a` that verify."""
    without_kid: str = ""
    """Algorithms of the tokens without `kid` that verify."""

    def parse(self) -> KeySet:
        return parse_key_set(json.dumps({"keys": self.keys}).encode(), load_public_key)


def private(name: str, **changes: object) -> dict[str, Any]:
    """A key with a part that must not be published."""
    return {**jwk(name, **changes), "d": "AQAB"}


RSA: Final = jwk("rsa-1", kid="a")
CASES: Final = (
    # RSA
    Case("an RSA key", [RSA], ALL_RSA, ALL_RSA),
    Case("Entra: no alg, and fields of its own", [{**RSA, "use": "sig", "x5t": "x", "issuer": "i"}], ALL_RSA, ALL_RSA),
    Case("Okta: alg and use", [{**RSA, "alg": "RS256", "use": "sig"}], "RS256", "RS256"),
    Case("an RSA key for PS256", [{**RSA, "alg": "PS256"}], "PS256", "PS256"),
    Case("two RSA keys, old and new", [OTHER, RSA], ALL_RSA),
    Case("two RSA keys of two algorithms", [{**OTHER, "alg": "PS256"}, {**RSA, "alg": "RS256"}], "RS256", "RS256"),
    Case("Keycloak: a key for encryption too", [{**OTHER, "use": "enc", "alg": "RSA-OAEP"}, RSA], ALL_RSA, ALL_RSA),
    Case("key_ops", [{**RSA, "key_ops": ["verify"]}], ALL_RSA, ALL_RSA),
    Case("another kid", [jwk("rsa-1", kid="b")], "", ALL_RSA),
    Case("a kid that differs in its case", [jwk("rsa-1", kid="A")], "", ALL_RSA),
    # Curves
    Case("P-256", [jwk("ec-1", kid="a")], "ES256", "ES256"),
    Case("P-384", [jwk("p384-1", kid="a")], "ES384", "ES384"),
    Case("P-521", [jwk("p521-1", kid="a", alg="ES512")], "ES512", "ES512"),
    Case("Ed25519", [jwk("ed25519-1", kid="a", alg="EdDSA")], "EdDSA", "EdDSA"),
    Case("Ed25519 and Ed448", [jwk("ed25519-1", kid="a"), jwk("ed448-1", kid="b")], "EdDSA"),
    Case("oidc-provider: one key of each type", [RSA, jwk("ec-1", kid="b")], ALL_RSA, f"{ALL_RSA} ES256"),
    # Names
    Case("one kid for two types", [RSA, jwk("ec-1", kid="a")], f"{ALL_RSA} ES256", f"{ALL_RSA} ES256"),
    Case(
        "one kid for every type",
        [jwk(key, kid="a") for key in ("rsa-1", "ec-1", "p384-1", "p521-1", "ed25519-1")],
        " ".join(ALGORITHMS),
        " ".join(ALGORITHMS),
    ),
    Case("one kid twice, the first is right", [RSA, {**OTHER, "kid": "a"}], ALL_RSA),
    Case("one kid twice, the second is right", [{**OTHER, "kid": "a"}, RSA], ""),
    Case("one kid twice, the first is too small", [{**OTHER, "kid": "a", "n": "AQAB"}, RSA], ALL_RSA, ALL_RSA),
    Case("a lone key without kid", [jwk("rsa-1")], ALL_RSA, ALL_RSA),
    Case("a key of each type without kid", [jwk("rsa-1"), jwk("ec-1")], f"{ALL_RSA} ES256", f"{ALL_RSA} ES256"),
    Case("two keys without kid", [jwk("rsa-1"), jwk("rsa-2")], ""),
    Case("a key with another kid and one without", [OTHER, jwk("rsa-1")], ""),
    Case("a key without kid that signed nothing", [jwk("rsa-2")], ""),
    # Keys that are never used
    Case("a shared secret beside a key", [{**SHARED, "kid": "a", "alg": "HS256"}, RSA], ALL_RSA, ALL_RSA),
    Case("secp256k1 beside a key", [jwk("k256-1", kid="a", alg="ES256K"), RSA], ALL_RSA, ALL_RSA),
    Case("a private key beside a key", [private("ec-1", kid="a"), RSA], ALL_RSA, ALL_RSA),
    Case("entries that are no keys", [None, "a", [], {}, {"kid": "a"}, RSA], ALL_RSA, ALL_RSA),
    Case("an EC key that is called RSA", [{**jwk("ec-1", kid="a"), "kty": "RSA"}, RSA], ALL_RSA, ALL_RSA),
    Case("a point that is not on its curve", [{**jwk("ec-1", kid="a"), "crv": "P-384"}, RSA], ALL_RSA, ALL_RSA),
    Case("X25519, which encrypts", [{**jwk("ed25519-1", kid="a"), "crv": "X25519"}, RSA], ALL_RSA, ALL_RSA),
)


def is_verified(key_set: KeySet, algorithm: str, header: Mapping[str, object]) -> bool:
    """Whether a key set verifies a token of an algorithm."""
    token = parse_token(issuer.signed_token(algorithm, SIGNERS[algorithm], header=header))
    checks = check_token(
        token,
        issuer.rules(),
        clock.now_ms() // 1000,
        lambda token: key_set.find(token.key_id, token.algorithm),
    )
    return all(check.passes for check in checks)


def test_there_are_enough_key_sets() -> None:
    assert len(CASES) >= 30


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_key_set_verifies_these_tokens(case: Case) -> None:
    key_set = case.parse()
    for header, verified in (({"kid": "a"}, case.verified), ({}, case.without_kid)):
        assert [each for each in ALGORITHMS if is_verified(key_set, each, header)] == verified.split()


@pytest.mark.parametrize(
    "keys",
    [
        [],
        [{**SHARED, "kid": "a", "alg": "HS256"}],
        [{**SHARED, "kid": "a", "alg": "RS256"}],
        [{**SHARED, "kid": "a", "kty": "RSA"}],
        [private("rsa-1", kid="a")],
        [jwk("k256-1", kid="a", alg="ES256")],
        [{**RSA, "use": "enc"}],
        [{**RSA, "alg": "HS256"}],
        [{**RSA, "alg": "none"}],
    ],
    ids=[
        "no key",
        "a shared secret",
        "a shared secret for RS256",
        "a shared secret in an RSA key",
        "a private key",
        "another curve",
        "for encryption",
        "for HS256",
        "for no algorithm",
    ],
)
def test_a_key_set_without_a_usable_key_is_a_failure(keys: Sequence[object]) -> None:
    with pytest.raises(KeyFetchFailed, match=r"^the key set has no usable key: "):
        Case("", keys, "").parse()
