from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from formbridge.access.key_set import UnusableKey
from formbridge.access.public_key import load_public_key
from tests.support.handlers import issuer

if TYPE_CHECKING:
    from formbridge.access.key_set import Jwk


def rsa_jwk(bits: int) -> dict[str, Any]:
    return dict(RSAAlgorithm.to_jwk(rsa.generate_private_key(65_537, bits).public_key(), as_dict=True))


def test_an_rsa_key_verifies_its_own_signatures_alone() -> None:
    (jwk,) = issuer.published("rsa-1")["keys"]
    verify = load_public_key(jwk, "RS256")
    assert verify("RS256", b"signed", issuer.rs256(b"signed"))
    assert not verify("RS256", b"signed", issuer.rs256(b"signed", "rsa-2"))
    assert not verify("RS256", b"signed!", issuer.rs256(b"signed"))
    assert not verify("RS256", b"signed", b"")


KEYS = {
    "rsa-1": "RS256 RS384 RS512 PS256 PS384 PS512",
    "ec-1": "ES256",
    "p384-1": "ES384",
    "p521-1": "ES512",
    "ed25519-1": "EdDSA",
    "ed448-1": "EdDSA",
}
SIGNED = [(name, algorithm) for name, algorithms in KEYS.items() for algorithm in algorithms.split()]


@pytest.mark.parametrize(("name", "algorithm"), SIGNED)
def test_a_key_verifies_each_of_its_algorithms_and_no_other(name: str, algorithm: str) -> None:
    signed, _, signature = issuer.signed_token(algorithm, name).rpartition(".")
    decoded = base64.urlsafe_b64decode(signature + "==")
    verify = load_public_key(issuer.jwk(name), KEYS[name].split()[0])
    verified = [other for other in KEYS[name].split() if verify(other, signed.encode(), decoded)]
    assert verified == [algorithm]
    assert not verify(algorithm, signed.encode(), decoded[:-1] + bytes([decoded[-1] ^ 1]))


@pytest.mark.parametrize("signature", [b"", b"\x00" * 64, b"\x00" * 63, b"\xff" * 64, b"s" * 65])
def test_an_ec_key_takes_no_signature_of_zeros_or_of_another_length(signature: bytes) -> None:
    (jwk,) = issuer.published("ec-1")["keys"]
    assert not load_public_key(jwk, "ES256")("ES256", b"signed", signature)


@pytest.mark.parametrize("bits", [1_024, 2_047])
def test_an_rsa_key_that_is_too_small_is_not_used(bits: int) -> None:
    with pytest.raises(UnusableKey, match=f"^n: must have 2,048 to 8,192 bits, got {bits:,}$"):
        load_public_key(rsa_jwk(bits), "RS256")


def test_an_rsa_key_that_is_too_large_is_not_used() -> None:
    modulus = issuer.segment(b"\xff" * 1_025)
    with pytest.raises(UnusableKey, match=r"^n: must have 2,048 to 8,192 bits, got 8,200$"):
        load_public_key({"kty": "RSA", "n": modulus, "e": "AQAB"}, "RS256")


POINT: Jwk = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key(), as_dict=True)


@pytest.mark.parametrize(
    ("jwk", "algorithm"),
    [
        ({"kty": "RSA", "n": "", "e": "AQAB"}, "RS256"),
        ({"kty": "RSA", "n": "é", "e": "AQAB"}, "RS256"),
        ({**rsa_jwk(2_048), "e": "AQ"}, "RS256"),
        ({**rsa_jwk(2_048), "e": "Ag"}, "RS256"),
        ({**POINT, "x": POINT["y"]}, "ES256"),
        ({**POINT, "x": ""}, "ES256"),
        ({**POINT, "y": "AA"}, "ES256"),
        ({**POINT, "crv": "P-384"}, "ES384"),
        ({"kty": "OKP", "crv": "Ed25519", "x": "AA"}, "EdDSA"),
        ({"kty": "OKP", "crv": "Ed448", "x": issuer.jwk("ed25519-1")["x"]}, "EdDSA"),
    ],
    ids=[
        "no modulus",
        "not base64url",
        "exponent 1",
        "exponent 2",
        "not on the curve",
        "no x",
        "short y",
        "another curve",
        "short x",
        "a point of another curve",
    ],
)
def test_a_malformed_key_is_not_used(jwk: Jwk, algorithm: str) -> None:
    with pytest.raises(UnusableKey, match=r"^kty: must be a well-formed key \("):
        load_public_key(jwk, algorithm)
