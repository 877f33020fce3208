from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formbridge.access.key_cache import (
    FIRST_RETRY_SECONDS,
    FRESH_SECONDS,
    MAX_RETRY_SECONDS,
    REFETCH_SECONDS,
    STALE_SECONDS,
    KeyCache,
    KeysUnavailable,
)
from formbridge.access.key_set import KeyFetchFailed, KeySet, PublishedKey, parse_key_set

if TYPE_CHECKING:
    from collections.abc import Callable

KEY_IDS = ("a", "b", "c")


@dataclass
class Issuer:
    """An issuer whose keys and health a test sets, a clock, and the cache in front of them."""

    key_ids: tuple[str, ...] | None = KEY_IDS[:1]
    """The published keys. None: the issuer is down. Empty: its document has no usable key."""
    modulus: str = ""
    """What tells two keys without a name apart."""
    seconds: float = 1_000_000
    fetched_at: list[float] = field(default_factory=list[float])
    """When each request was made."""

    def __post_init__(self) -> None:
        self.cache = KeyCache(self.fetch, lambda: round(self.seconds * 1000))

    def fetch(self) -> KeySet:
        self.fetched_at.append(self.seconds)
        if self.key_ids is None:
            raise KeyFetchFailed("down")
        named = [{"kid": key_id} if key_id else {} for key_id in self.key_ids]
        keys = [{**name, "kty": "RSA", "n": self.modulus, "e": ""} for name in named]
        return parse_key_set(
            json.dumps({"keys": keys}).encode(), lambda _jwk, _algorithm: lambda _used, _signed, _signature: True
        )

    def ask(self, key_id: str = "a", verifies: Callable[[PublishedKey], bool] = lambda _key: False) -> str:
        """What becomes of a token that names a key."""
        try:
            return "unknown" if self.cache.find(key_id, "RS256", verifies) is None else "found"
        except KeysUnavailable:
            return "unavailable"

    @property
    def fetches(self) -> int:
        return len(self.fetched_at)


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


def test_keys_are_fetched_once_while_they_are_fresh(issuer: Issuer) -> None:
    assert [issuer.ask() for _ in range(20)] == ["found"] * 20
    issuer.seconds += FRESH_SECONDS - 0.001
    assert (issuer.ask(), issuer.fetches) == ("found", 1)
    issuer.seconds += 0.001
    assert (issuer.ask(), issuer.fetches) == ("found", 2)


def test_a_key_belongs_to_its_algorithm(issuer: Issuer) -> None:
    assert issuer.ask() == "found"
    assert issuer.cache.find("a", "ES256", lambda _key: True) is None


def test_unknown_keys_cause_one_request_a_minute_and_known_keys_none(issuer: Issuer) -> None:
    issuer.ask()
    for second in range(5 * REFETCH_SECONDS):
        issuer.seconds += 1
        assert issuer.ask(f"unknown-{second}") == "unknown"
        assert issuer.ask() == "found"
    assert issuer.fetches == 1 + 5


def test_an_added_key_is_found_after_the_pause_and_a_withdrawn_key_is_not(issuer: Issuer) -> None:
    issuer.ask()
    issuer.key_ids = ("b",)
    assert issuer.ask("b") == "unknown"
    issuer.seconds += REFETCH_SECONDS
    assert issuer.ask() == "found"
    assert issuer.ask("b") == "found"
    assert (issuer.ask(), issuer.fetches) == ("unknown", 2)


@pytest.mark.parametrize("key_ids", [None, ()], ids=["down", "no usable key"])
def test_old_keys_are_used_for_a_day_while_requests_fail(issuer: Issuer, key_ids: tuple[str, ...] | None) -> None:
    issuer.ask()
    issuer.key_ids = key_ids
    start = issuer.seconds
    while issuer.seconds < start + STALE_SECONDS - 1:
        issuer.seconds += 1
        assert issuer.ask() == "found"
    assert issuer.fetches <= 1 + 5 + (STALE_SECONDS - FRESH_SECONDS) / MAX_RETRY_SECONDS
    issuer.seconds += 1
    assert issuer.ask() == "unavailable"


def test_an_unknown_key_is_no_fault_of_the_client_while_requests_fail(issuer: Issuer) -> None:
    issuer.ask()
    issuer.key_ids = None
    issuer.seconds += REFETCH_SECONDS
    assert [issuer.ask("b") for _ in range(20)] == ["unavailable"] * 20
    assert (issuer.ask(), issuer.fetches) == ("found", 2)


def test_the_pause_grows_with_each_failure_and_has_a_bound(issuer: Issuer) -> None:
    issuer.key_ids = None
    for _ in range(400):
        assert issuer.ask() == "unavailable"
        issuer.seconds += 1
    pauses = [later - earlier for earlier, later in pairwise(issuer.fetched_at)]
    assert pauses == [FIRST_RETRY_SECONDS, 10, 20, 40, *[MAX_RETRY_SECONDS] * 5]
    issuer.key_ids = ("a",)
    issuer.seconds += MAX_RETRY_SECONDS
    assert issuer.ask() == "found"
    issuer.key_ids = None
    issuer.seconds += FRESH_SECONDS
    issuer.ask()
    issuer.seconds += FIRST_RETRY_SECONDS
    before = issuer.fetches
    issuer.ask()
    assert issuer.fetches == before + 1


def test_the_pause_holds_for_an_unexpected_error_too(issuer: Issuer) -> None:
    def fail() -> KeySet:
        issuer.fetched_at.append(issuer.seconds)
        raise LookupError("a bug")

    issuer.cache.fetch = fail
    with pytest.raises(LookupError):
        issuer.ask()
    assert [issuer.ask() for _ in range(20)] == ["unavailable"] * 20
    assert issuer.fetches == 1


# --- Keys and tokens without a name ---------------------------------------------------------------------------


@pytest.mark.parametrize(("published", "named"), [("", ""), ("", "a"), ("a", "")])
def test_a_key_that_a_token_does_not_name_is_found_by_its_signature(issuer: Issuer, published: str, named: str) -> None:
    issuer.key_ids = (published,)
    assert issuer.ask(named, lambda _key: True) == "found"
    assert issuer.ask(named, lambda _key: False) == "unknown"
    assert issuer.fetches == 1


def test_a_key_without_a_name_that_was_replaced_is_found_after_the_pause(issuer: Issuer) -> None:
    issuer.key_ids = ("",)
    issuer.cache.fetch = lambda: replace_verify(issuer.fetch(), issuer.modulus)

    def old(key: PublishedKey) -> bool:
        return key.verify("RS256", b"", b"old")

    def new(key: PublishedKey) -> bool:
        return key.verify("RS256", b"", b"new")

    issuer.modulus = "old"
    assert issuer.ask("", old) == "found"
    issuer.modulus = "new"
    assert [issuer.ask("", new) for _ in range(20)] == ["unknown"] * 20
    issuer.seconds += REFETCH_SECONDS
    assert [issuer.ask("", new) for _ in range(20)] == ["found"] * 20
    assert issuer.fetches == 2
    assert issuer.ask("", old) == "unknown"


def replace_verify(key_set: KeySet, signature: str) -> KeySet:
    """A key set whose keys accept one signature."""
    keys = [
        PublishedKey(key.key_id, key.algorithms, lambda _used, _signed, given: given == signature.encode())
        for key in key_set.keys
    ]
    return KeySet(keys)


HISTORIES = st.lists(
    st.tuples(
        st.sampled_from([0, 0.001, 1, 4, 5, 59, 60, 61, 600, 3_599, 3_600, 40_000, 86_399, 86_400]),
        st.none() | st.sets(st.sampled_from(KEY_IDS)).map(lambda ids: tuple(sorted(ids))),
        st.sampled_from([*KEY_IDS, "unknown"]),
    ),
    max_size=60,
)
"""Steps: seconds that pass, the state of the issuer, the key that the next token names."""


@given(HISTORIES)
def test_the_law_of_the_cache(history: list[tuple[float, tuple[str, ...] | None, str]]) -> None:
    issuer = Issuer()
    last_good: tuple[str, ...] = ()
    last_good_at = -float("inf")
    last_failed = False
    for seconds, key_ids, asked in history:
        issuer.seconds += seconds
        issuer.key_ids = key_ids
        before = issuer.fetches
        answer = issuer.ask(asked)
        if issuer.fetches > before:
            last_failed = not key_ids
            if key_ids:
                last_good, last_good_at = key_ids, issuer.seconds
        # The last good document decides, until it is too old.
        age = round(issuer.seconds - last_good_at, 3)
        if asked in last_good and age < STALE_SECONDS:
            assert answer == "found"
        else:
            assert answer == ("unavailable" if last_failed else "unknown")
        # A token whose key is fresh causes no request.
        if asked in last_good and 0 < age < FRESH_SECONDS:
            assert issuer.fetches == before
        # One token causes at most one request.
        assert issuer.fetches <= before + 1
    pauses = [later - earlier for earlier, later in pairwise(issuer.fetched_at)]
    assert all(pause >= FIRST_RETRY_SECONDS for pause in pauses)


@given(HISTORIES)
def test_all_tokens_together_cause_one_request_per_pause(
    history: list[tuple[float, tuple[str, ...] | None, str]],
) -> None:
    issuer = Issuer()
    pauses: list[tuple[float, float]] = []
    failures = 0
    for seconds, key_ids, asked in history:
        issuer.seconds += seconds
        issuer.key_ids = key_ids
        before = issuer.fetches
        for key_id in (asked, "unknown", *KEY_IDS):
            issuer.ask(key_id)
        if issuer.fetches > before:
            assert issuer.fetches == before + 1
            failures = 0 if key_ids else failures + 1
            pause = min(FIRST_RETRY_SECONDS * 2 ** (failures - 1), MAX_RETRY_SECONDS) if failures else REFETCH_SECONDS
            pauses.append((issuer.seconds, issuer.seconds + pause))
    assert all(end <= start for (_, end), (start, _) in pairwise(pauses))
