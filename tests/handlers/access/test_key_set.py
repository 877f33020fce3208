from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formbridge.access.key_set import PRIVATE_FIELDS, Jwk, KeyFetchFailed, KeySet, UnusableKey, parse_key_set
from tests.support.handlers.strategies import JSON

if TYPE_CHECKING:
    from formbridge.access.key_set import VerifySignature

RSA = {"kty": "RSA", "kid": "rsa-1", "n": "AQAB", "e": "AQAB"}
EC = {"kty": "EC", "kid": "ec-1", "crv": "P-256", "x": "AA", "y": "AA"}


def load(jwk: Jwk, algorithm: str) -> VerifySignature:
    """A key that takes its own id as a signature. A modulus `tiny` is no key."""
    if jwk.get("n") == "tiny":
        raise UnusableKey("n: must not be tiny")
    return lambda _signed, signature: signature.decode() == f"{jwk['kid']} {jwk.get('n')} {algorithm}"


def parse(*keys: object) -> KeySet:
    return parse_key_set(json.dumps({"keys": keys}).encode(), load)


def test_keys_have_the_algorithm_of_their_type() -> None:
    assert set(parse(RSA, EC).keys) == {("rsa-1", "RS256"), ("ec-1", "ES256")}


@pytest.mark.parametrize(
    "fields",
    [
        {"use": "sig"},
        {"alg": "RS256"},
        {"key_ops": ["verify"]},
        {"key_ops": ["sign", "verify"], "ext": True},
        {"x5c": ["TUlJQw=="], "x5t": "AA", "anything": {"else": 1}},
    ],
    ids=str,
)
def test_a_key_that_is_used(fields: dict[str, Any]) -> None:
    assert set(parse({**RSA, **fields}).keys) == {("rsa-1", "RS256")}


UNUSABLE: list[tuple[object, str]] = [
    ("rsa-1", "must be an object, got string"),
    (None, "must be an object, got None"),
    ([RSA], "must be an object, got list"),
    ({**RSA, "kid": None}, "kid: must be a string"),
    ({**RSA, "kid": ""}, "kid: must be a string"),
    ({**RSA, "kid": 1}, "kid: must be a string"),
    ({"kty": "RSA", "n": "AQAB", "e": "AQAB"}, "kid: must be a string"),
    *[({**RSA, name: "AA"}, f"{name}: must be absent from a public key") for name in sorted(PRIVATE_FIELDS)],
    ({**EC, "d": "AA"}, "d: must be absent from a public key"),
    ({**RSA, "use": "enc"}, "use: must be sig"),
    ({**RSA, "use": None}, "use: must be sig"),
    ({**RSA, "key_ops": ["sign"]}, "key_ops: must contain verify"),
    ({**RSA, "key_ops": "verify"}, "key_ops: must contain verify"),
    ({**RSA, "key_ops": []}, "key_ops: must contain verify"),
    ({**RSA, "alg": "PS256"}, "alg: must be RS256 for this key"),
    ({**RSA, "alg": "RS512"}, "alg: must be RS256 for this key"),
    ({**RSA, "alg": "ES256"}, "alg: must be RS256 for this key"),
    ({**RSA, "alg": None}, "alg: must be RS256 for this key"),
    ({**EC, "alg": "ES384"}, "alg: must be ES256 for this key"),
    ({**EC, "crv": "P-384"}, "kty: must be RSA, or EC with the curve P-256"),
    ({**EC, "crv": "secp256k1"}, "kty: must be RSA, or EC with the curve P-256"),
    ({**EC, "crv": None}, "kty: must be RSA, or EC with the curve P-256"),
    ({**EC, "y": 5}, "kty: must be RSA, or EC with the curve P-256"),
    ({**RSA, "n": None}, "kty: must be RSA, or EC with the curve P-256"),
    ({**RSA, "kty": "oct"}, "kty: must be RSA, or EC with the curve P-256"),
    ({**RSA, "kty": "rsa"}, "kty: must be RSA, or EC with the curve P-256"),
    ({"kty": "OKP", "crv": "Ed25519", "x": "AA", "kid": "okp"}, "kty: must be RSA, or EC with the curve P-256"),
    ({"kid": "rsa-1"}, "kty: must be RSA, or EC with the curve P-256"),
    ({**RSA, "n": "tiny"}, "n: must not be tiny"),
]


@pytest.mark.parametrize(("key", "reason"), UNUSABLE, ids=str)
def test_a_key_that_is_not_used_is_left_out_with_its_reason(key: object, reason: str) -> None:
    key_set = parse(EC, key)
    assert set(key_set.keys) == {("ec-1", "ES256")}
    assert key_set.ignored == [f"keys[1]: {reason}"]
    with pytest.raises(KeyFetchFailed) as failed:
        parse(key)
    assert str(failed.value) == f"the key set has no usable key: keys[0]: {reason}"


def test_the_first_of_two_keys_with_one_id_counts() -> None:
    (verify,) = parse({**RSA, "n": "tiny"}, {**RSA, "n": "first"}, {**RSA, "n": "second"}).keys.values()
    assert verify(b"", b"rsa-1 first RS256")
    assert not verify(b"", b"rsa-1 second RS256")


def test_keys_of_two_types_may_share_an_id() -> None:
    assert set(parse(RSA, {**EC, "kid": "rsa-1"}).keys) == {("rsa-1", "RS256"), ("rsa-1", "ES256")}


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"<html>The service is down.</html>",
        b"[]",
        b"{}",
        b'{"message": "not found"}',
        b'{"keys": null}',
        b'{"keys": {}}',
        b'{"keys": "rsa-1"}',
        b'{"keys": []}',
        b'{"keys": [[]]}',
        b'{"keys": [], "keys": []}',
        b'{"keys": ' + b"[" * 100_000,
        b"\xff\xfe",
    ],
    ids=lambda document: repr(document[:24]),
)
def test_a_document_without_keys_is_a_failure(document: bytes) -> None:
    with pytest.raises(KeyFetchFailed):
        parse_key_set(document, load)


@given(st.lists(JSON | st.dictionaries(st.sampled_from([*RSA, *EC, "use", "alg", "d"]), JSON)))
def test_any_entry_is_used_or_left_out(entries: list[object]) -> None:
    document = json.dumps({"keys": [RSA, *entries]})
    if "Infinity" not in document:
        key_set = parse_key_set(document.encode(), load)
        assert ("rsa-1", "RS256") in key_set.keys
        assert len(key_set.keys) + len(key_set.ignored) <= 1 + len(entries)
