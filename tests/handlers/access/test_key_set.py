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
    return lambda used, _signed, signature: signature.decode() == f"{jwk.get('kid')} {jwk.get('n')} {used}"


def parse(*keys: object) -> KeySet:
    return parse_key_set(json.dumps({"keys": keys}).encode(), load)


def usable(key_set: KeySet) -> dict[str, str]:
    """The algorithms of each usable key."""
    return {key.key_id: " ".join(key.algorithms) for key in key_set.keys}


ALL_RSA = "RS256 RS384 RS512 PS256 PS384 PS512"


def okp(curve: str) -> dict[str, object]:
    return {"kty": "OKP", "kid": curve, "crv": curve, "x": "AA"}


def test_keys_have_the_algorithms_of_their_type() -> None:
    curves = [{**EC, "kid": curve, "crv": curve} for curve in ("P-256", "P-384", "P-521")]
    assert usable(parse(RSA, *curves, okp("Ed25519"), okp("Ed448"))) == {
        "rsa-1": ALL_RSA,
        "P-256": "ES256",
        "P-384": "ES384",
        "P-521": "ES512",
        "Ed25519": "EdDSA",
        "Ed448": "EdDSA",
    }


@pytest.mark.parametrize("algorithm", ALL_RSA.split())
def test_an_rsa_key_may_have_one_algorithm_alone(algorithm: str) -> None:
    assert usable(parse({**RSA, "alg": algorithm})) == {"rsa-1": algorithm}


@pytest.mark.parametrize(
    "fields",
    [
        {"use": "sig"},
        {"key_ops": ["verify"]},
        {"key_ops": ["sign", "verify"], "ext": True},
        {"x5c": ["TUlJQw=="], "x5t": "AA", "anything": {"else": 1}},
    ],
    ids=str,
)
def test_a_key_that_is_used(fields: dict[str, Any]) -> None:
    assert usable(parse({**RSA, **fields})) == {"rsa-1": ALL_RSA}


OTHER_TYPE = "kty: must be RSA, EC with the curve P-256, P-384 or P-521, or OKP with Ed25519 or Ed448"
OTHER_ALGORITHM = "alg: must be absent, or an accepted algorithm of this type of key"
UNUSABLE: list[tuple[object, str]] = [
    ("rsa-1", "must be an object, got string"),
    (None, "must be an object, got None"),
    ([RSA], "must be an object, got list"),
    ({**RSA, "kid": None}, "kid: must be absent or a string"),
    ({**RSA, "kid": ""}, "kid: must be absent or a string"),
    ({**RSA, "kid": 1}, "kid: must be absent or a string"),
    *[({**RSA, name: "AA"}, f"{name}: must be absent from a public key") for name in sorted(PRIVATE_FIELDS)],
    ({**EC, "d": "AA"}, "d: must be absent from a public key"),
    ({**RSA, "use": "enc"}, "use: must be sig"),
    ({**RSA, "use": None}, "use: must be sig"),
    ({**RSA, "key_ops": ["sign"]}, "key_ops: must contain verify"),
    ({**RSA, "key_ops": "verify"}, "key_ops: must contain verify"),
    ({**RSA, "key_ops": []}, "key_ops: must contain verify"),
    *[({**RSA, "alg": alg}, OTHER_ALGORITHM) for alg in ("ES256", "HS256", "none", "RSA-OAEP", "", None, ["RS256"])],
    *[({**EC, "alg": alg}, OTHER_ALGORITHM) for alg in ("ES384", "RS256", "ECDH-ES", "ES256K", "EdDSA")],
    ({**okp("Ed25519"), "alg": "ES256"}, OTHER_ALGORITHM),
    *[({**EC, "crv": curve}, OTHER_TYPE) for curve in ("secp256k1", "P-192", "Ed25519", "p-256", "", None, 5)],
    *[(okp(curve), OTHER_TYPE) for curve in ("X25519", "X448", "P-256", "ed25519")],
    ({**okp("Ed25519"), "x": None}, OTHER_TYPE),
    ({**EC, "y": 5}, OTHER_TYPE),
    ({**RSA, "n": None}, OTHER_TYPE),
    ({**RSA, "kty": "oct"}, OTHER_TYPE),
    ({**RSA, "kty": "rsa"}, OTHER_TYPE),
    ({**RSA, "kty": "EC"}, OTHER_TYPE),
    ({"kid": "rsa-1"}, OTHER_TYPE),
    ({**RSA, "n": "tiny"}, "n: must not be tiny"),
]


@pytest.mark.parametrize(("key", "reason"), UNUSABLE, ids=str)
def test_a_key_that_is_not_used_is_left_out_with_its_reason(key: object, reason: str) -> None:
    key_set = parse(EC, key)
    assert usable(key_set) == {"ec-1": "ES256"}
    assert key_set.ignored == [f"keys[1]: {reason}"]
    with pytest.raises(KeyFetchFailed) as failed:
        parse(key)
    assert str(failed.value) == f"the key set has no usable key: keys[0]: {reason}"


def verifies(key_set: KeySet, key_id: str, algorithm: str, signature: str) -> bool | None:
    """Whether the key of a token verifies a signature. None: there is no such key."""
    key = key_set.find(key_id, algorithm)
    return key.verify(algorithm, b"", signature.encode()) if key is not None else None


def test_the_first_of_two_keys_with_one_id_counts() -> None:
    key_set = parse({**RSA, "n": "tiny"}, {**RSA, "n": "first"}, {**RSA, "n": "second"})
    assert verifies(key_set, "rsa-1", "RS256", "rsa-1 first RS256")
    assert not verifies(key_set, "rsa-1", "RS256", "rsa-1 second RS256")


def test_a_key_verifies_with_the_algorithm_of_the_token() -> None:
    assert verifies(parse(RSA), "rsa-1", "PS512", "rsa-1 AQAB PS512")


def test_keys_of_two_types_may_share_an_id() -> None:
    key_set = parse(RSA, {**EC, "kid": "rsa-1"})
    assert verifies(key_set, "rsa-1", "RS256", "rsa-1 AQAB RS256")
    assert verifies(key_set, "rsa-1", "ES256", "rsa-1 None ES256")
    assert verifies(key_set, "rsa-1", "ES384", "rsa-1 None ES384") is None


# --- Keys without a name --------------------------------------------------------------------------------------


def nameless(jwk: Jwk) -> dict[str, object]:
    return {name: value for name, value in jwk.items() if name != "kid"}


@pytest.mark.parametrize("key_id", ["", "invented"])
@pytest.mark.parametrize("others", [[], [EC], [EC, okp("Ed25519")], [{**RSA, "alg": "PS256"}]], ids=len)
def test_the_only_key_of_an_algorithm_needs_no_name(key_id: str, others: list[object]) -> None:
    key_set = parse(*others, {**nameless(RSA), "alg": "RS256"})
    assert verifies(key_set, key_id, "RS256", "None AQAB RS256")


def test_a_token_needs_no_kid_where_one_key_fits() -> None:
    assert verifies(parse(RSA, EC), "", "RS256", "rsa-1 AQAB RS256")
    assert verifies(parse(RSA, EC), "", "ES256", "ec-1 None ES256")


@pytest.mark.parametrize(
    ("keys", "key_id", "algorithm"),
    [
        ([RSA, {**RSA, "kid": "rsa-2"}], "", "RS256"),
        ([RSA, nameless(RSA)], "", "RS256"),
        ([RSA, nameless(RSA)], "invented", "RS256"),
        ([nameless(RSA), nameless(RSA)], "", "RS256"),
        ([nameless(RSA), nameless(RSA)], "invented", "RS256"),
        ([RSA], "invented", "RS256"),
        ([RSA], "", "ES256"),
        ([{**RSA, "alg": "RS256"}], "", "PS256"),
        ([okp("Ed25519"), okp("Ed448")], "", "EdDSA"),
        ([RSA], "rsa-1", "HS256"),
        ([nameless(RSA)], "", "none"),
    ],
    ids=str,
)
def test_no_key_is_guessed(keys: list[object], key_id: str, algorithm: str) -> None:
    assert parse(*keys).find(key_id, algorithm) is None


def test_a_key_with_the_name_comes_before_one_without() -> None:
    assert verifies(parse(nameless(RSA), RSA), "rsa-1", "RS256", "rsa-1 AQAB RS256")


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
        assert key_set.find("rsa-1", "RS256") is not None
        assert len(key_set.keys) + len(key_set.ignored) <= 1 + len(entries)
