from __future__ import annotations

import hashlib
import hmac
import json

import pytest
from hypothesis import given

from formbridge.access.handshake import Identity
from formbridge.access.keyed_hash import HASH, KeyedHash
from formbridge.access.principal import Principal
from tests.support.handlers.strategies import ANY_TEXT

KEY = "0123456789abcdef" * 4
HASHES = KeyedHash.from_hex(KEY, "https://issuer.example")


def test_a_hash_is_an_hmac_of_kind_issuer_and_id_of_128_bits() -> None:
    message = json.dumps(["user", "https://issuer.example", "user-1"]).encode()
    expected = hmac.new(bytes.fromhex(KEY), message, hashlib.sha256).hexdigest()[:32]

    assert HASHES.hash_user("user-1") == expected
    assert HASH.fullmatch(expected)


def test_the_same_id_has_another_hash_as_another_kind() -> None:
    assert len({HASHES.hash_user("1"), HASHES.hash_session("1"), HASHES.hash_token_id("1")}) == 3


@pytest.mark.parametrize(
    "other",
    [KeyedHash.from_hex("f" * 64, "https://issuer.example"), KeyedHash.from_hex(KEY, "https://issuer.example/")],
    ids=["key", "issuer"],
)
def test_another_key_or_issuer_gives_another_hash(other: KeyedHash) -> None:
    assert other.hash_user("user-1") != HASHES.hash_user("user-1")


@given(ANY_TEXT, ANY_TEXT)
def test_any_id_has_a_hash_of_its_own(one: str, other: str) -> None:
    assert HASH.fullmatch(HASHES.hash_user(one))
    assert (HASHES.hash_user(one) == HASHES.hash_user(other)) == (one == other)


def test_a_principal_has_the_hashes_of_what_its_token_names() -> None:
    named = Identity("user-1", ("t_acme",), 2_000, 1_000, "session-1", "token-1")
    unnamed = Identity("user-1", ("t_acme",), 2_000, 0)

    user = HASHES.hash_user("user-1")
    assert HASHES.identify(named) == Principal(
        user, HASHES.hash_session("session-1"), HASHES.hash_token_id("token-1"), signed_in_at=1_000
    )
    assert HASHES.identify(unnamed) == Principal(user)


@pytest.mark.parametrize("key", ["", "f" * 63, "f" * 65, "F" * 64, "g" * 64, f"{'f' * 64}\n"])
def test_a_key_of_another_form_is_an_error_that_does_not_tell_it(key: str) -> None:
    with pytest.raises(ValueError, match=r"^key: must be 64 lower-case hexadecimal digits, got ") as refused:
        KeyedHash.from_hex(key, "https://issuer.example")
    assert not key or key not in str(refused.value)


def test_the_key_is_in_no_repr() -> None:
    assert KEY not in repr(HASHES)
    assert repr(bytes.fromhex(KEY)) not in repr(HASHES)
