from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formbridge.access.handshake import Unauthorized
from formbridge.access.unverified_token import MAX_HEADER_BYTES, MAX_TOKEN_LENGTH, parse_token
from tests.support.handlers import issuer
from tests.support.handlers.issuer import handmade, token
from tests.support.handlers.strategies import ANY_TEXT, JSON


def test_a_token_is_taken_apart() -> None:
    bearer = token(issuer.claims(sub="user-2"))
    parsed = parse_token(bearer)
    assert (parsed.algorithm, parsed.key_id, parsed.claims["sub"]) == ("RS256", "rsa-1", "user-2")
    assert parsed.signed.decode() == bearer.rpartition(".")[0]
    assert issuer.segment(parsed.signature) == bearer.rpartition(".")[2]


@pytest.mark.parametrize("header", [{}, {"alg": None, "kid": None}, {"alg": 5, "kid": ["a"]}], ids=str)
def test_what_is_no_string_is_no_algorithm_and_no_key(header: dict[str, object]) -> None:
    parsed = parse_token(handmade(header))
    assert (parsed.algorithm, parsed.key_id) == ("", "")


@pytest.mark.parametrize(
    ("bad", "check"),
    [
        ("a.b", "token"),
        (f"{issuer.segment(b'[]')}.e30.", "header"),
        ("e30.e.", "claims"),
        ("e30.e30.a=", "signature"),
    ],
)
def test_a_token_that_is_malformed_fails_a_check(bad: str, check: str) -> None:
    with pytest.raises(Unauthorized) as refused:
        parse_token(bad)
    assert (refused.value.check, refused.value.setting) == (check, "")


def test_a_token_has_a_longest_length() -> None:
    def padded(length: int) -> str:
        return handmade(
            {"alg": "RS256", "kid": "rsa-1"}, sign=lambda signed: b"s" * ((length - len(signed) - 1) * 3 // 4)
        )

    longest = padded(MAX_TOKEN_LENGTH)
    assert len(longest) == MAX_TOKEN_LENGTH
    assert parse_token(longest).key_id == "rsa-1"
    with pytest.raises(Unauthorized) as refused:
        parse_token(padded(MAX_TOKEN_LENGTH + 4))
    assert str(refused.value) == (
        "token: must be at most 9,000 characters, because API Gateway accepts at most 10,240 bytes of headers, "
        "got 9,004 characters"
    )


def test_the_longest_token_leaves_room_for_the_other_headers_of_a_browser() -> None:
    """The headers that Chromium sent to a WebSocket of API Gateway, and the longest request line of the page."""
    headers = {
        "Host": f"{'a' * 10}.execute-api.ap-southeast-1.amazonaws.com",
        "Connection": "Upgrade",
        "Pragma": "no-cache",
        "Cache-Control": "no-cache",
        "User-Agent": "u" * 160,
        "Upgrade": "websocket",
        "Origin": f"https://{'d' * 63}.cloudfront.net",
        "Sec-WebSocket-Version": "13",
        "Accept-Encoding": "gzip, deflate, br, zstd",
        "Accept-Language": "en-US,en;q=0.9,de;q=0.8,fr;q=0.7",
        "Sec-WebSocket-Key": "k" * 24,
        "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits",
        "Sec-WebSocket-Protocol": f"formbridge.v1, bearer.{'t' * MAX_TOKEN_LENGTH}",
    }
    request = f"GET /live?refusal=frame&tenant_id={'t' * 66} HTTP/1.1"
    lines = [request, *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    assert len("\r\n".join(lines)) < MAX_HEADER_BYTES


@given(ANY_TEXT | st.lists(ANY_TEXT, min_size=3, max_size=3).map(".".join))
def test_any_text_is_refused(text: str) -> None:
    with pytest.raises(Unauthorized):
        parse_token(text)


@given(JSON, JSON)
def test_any_header_and_claims_are_read_or_refused(header: object, claims: object) -> None:
    with suppress(Unauthorized):
        parse_token(handmade(header, claims))


@given(st.binary(max_size=8))
def test_a_part_has_one_encoding(signature: bytes) -> None:
    """A token whose text can be changed without its meaning would have several hashes."""
    bearer = handmade({"alg": "RS256", "kid": "rsa-1"}, {}, lambda _: signature)
    assert parse_token(bearer).signature == signature
    for letter in "AZaz09-_=+/ \n":
        other = bearer[:-1] + letter
        if other != bearer and signature:
            with suppress(Unauthorized):
                assert parse_token(other).signature != signature
