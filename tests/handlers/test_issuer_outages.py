"""What the authorizer answers while its issuer fails, and how often it asks the issuer: the table in docs/operating.md.

The issuer is a real server on 127.0.0.1. Its time limit is shorter than on AWS, so that the tests need not wait.
"""

from __future__ import annotations

import json
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

import authorize
from formbridge.access import key_source
from formbridge.access.discovery import build_discovery_url
from formbridge.access.issuer_request import fetch_document, start_time_limit
from formbridge.access.key_cache import (
    FRESH_SECONDS,
    MAX_RETRY_SECONDS,
    REFETCH_SECONDS,
    STALE_SECONDS,
    KeysUnavailable,
)
from tests.support.handlers import issuer
from tests.support.handlers.builders import HOUR_S, NOW, LambdaContext, authorizer_event
from tests.support.handlers.issuer import DAY_S, ISSUER, claims, token
from tests.support.handlers.principals import USER_HASH_KEY
from tests.support.handlers.raw_server import Respond, answering, dripping, http_response, sending, silent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.support.handlers.clock import Clock

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "operating.md"
PATIENCE: Final = 0.1
"""Time limit of a request in seconds."""
DOWN: Final = "http://127.0.0.1:1/jwks.json"
"""A URL at which no server listens."""
JWKS_URI: Final = "https://keys.example/jwks.json"


def discovery(**fields: object) -> bytes:
    return json.dumps({"issuer": ISSUER, "jwks_uri": JWKS_URI, **fields}).encode()


@dataclass
class Stage:
    """An authorizer that has just started, its clock, and its issuer."""

    clock: Clock
    running: ExitStack
    discovery_up: str
    """URL of a server that sends the discovery document."""
    discovery_url: str = DOWN
    url: str = DOWN
    requests: int = 0
    """Number of requests for the discovery document. If it is good, the request for the keys follows."""
    patience: float = 10.0

    def fetch(self, url: str, _deadline: float) -> bytes:
        if url == build_discovery_url(ISSUER):
            self.requests += 1
            return fetch_document(self.discovery_url, start_time_limit(self.patience))
        assert url == JWKS_URI
        return fetch_document(self.url, start_time_limit(self.patience))

    def publish(self, *names: str) -> None:
        """Let the issuer publish these keys."""
        self.answer(json.dumps(issuer.published(*names)).encode())

    def answer(self, body: bytes, status: str = "200 OK", *headers: str) -> None:
        """Let the issuer send this response."""
        self.respond(sending(http_response(body, status, *headers)), patience=10.0)

    def respond(self, respond: Respond, patience: float = PATIENCE) -> None:
        """Let the issuer respond so."""
        self.discovery_url = self.discovery_up
        self.url = self.running.enter_context(answering(respond))
        self.patience = patience

    def discover(self, body: bytes, status: str = "200 OK", *headers: str) -> None:
        """Let the issuer send this response in place of the discovery document."""
        self.discovery_url = self.running.enter_context(answering(sending(http_response(body, status, *headers))))

    def fail(self) -> None:
        """Let the issuer be down."""
        self.url = self.discovery_url = DOWN

    def fail_keys(self) -> None:
        """Let the server of the keys be down, but not that of the discovery document."""
        self.url = DOWN

    def wait(self, seconds: float) -> None:
        self.clock.advance(int(seconds * 1000))

    def send(self, bearer: str) -> str:
        """The status of a handshake with a token."""
        event = authorizer_event({"Authorization": f"Bearer {bearer}"})
        try:
            authorize.handler(event, LambdaContext())
        except KeysUnavailable:
            return "500"
        except Exception as error:
            if error.args != ("Unauthorized",):
                raise
            return "401"
        return "101"

    def send_many(self, bearers: Sequence[str], every: float = 0) -> str:
        """The status of each handshake with these tokens, in short."""
        statuses: list[str] = []
        for bearer in bearers:
            statuses.append(self.send(bearer))
            self.wait(every)
        return ", ".join(sorted(Counter(statuses)))


def long_lived(kid: str = "rsa-1") -> str:
    """A token that outlives its test."""
    return token(claims(exp=NOW // 1000 + 20 * DAY_S), kid=kid, key=kid)


GARBAGE: Final = [
    "garbage",
    "a.b.c",
    *(issuer.handmade({"alg": "RS256", "kid": f"rsa-{number}"}, {}) for number in range(18)),
]


def unknown(count: int) -> list[str]:
    """Tokens with good claims, each with an invented `kid`, signed by nobody."""
    said = claims(exp=NOW // 1000 + DAY_S)
    return [issuer.handmade({"alg": "RS256", "kid": f"invented-{number}"}, said) for number in range(count)]


# --- The cases ------------------------------------------------------------------------------------------------
# Each returns the answers to the client. The requests that it causes are counted from the start, or from where the
# case resets the count.


def garbage(stage: Stage) -> str:
    return stage.send_many(GARBAGE)


def first_invented(stage: Stage) -> str:
    stage.publish()
    return stage.send_many(unknown(20))


def later_invented(stage: Stage) -> str:
    with_keys(stage)
    stage.wait(REFETCH_SECONDS)
    return stage.send_many(unknown(600), every=1)


def first_invented_while_down(stage: Stage) -> str:
    return stage.send_many(unknown(20))


def first_valid_while_down(stage: Stage) -> str:
    return stage.send_many([long_lived()] * 20)


def hour_without_keys(stage: Stage) -> str:
    return stage.send_many([long_lived()] * HOUR_S, every=1)


def recovery(stage: Stage) -> str:
    bearer = long_lived()
    while_down = stage.send_many([bearer] * 300, every=1)
    stage.publish()
    stage.requests = 0
    stage.wait(MAX_RETRY_SECONDS)
    return f"{while_down}, then {stage.send_many([bearer] * 20)}"


def fresh(stage: Stage) -> str:
    with_keys(stage)
    stage.fail()
    stage.requests = 0
    return stage.send_many([long_lived()] * 60, every=FRESH_SECONDS / 60)


def day_with_keys(fail: Callable[[Stage], None]) -> Callable[[Stage], str]:
    def run(stage: Stage) -> str:
        with_keys(stage)
        fail(stage)
        stage.wait(FRESH_SECONDS)
        stage.requests = 0
        minutes = (STALE_SECONDS - FRESH_SECONDS) // 60
        return stage.send_many([long_lived()] * minutes, every=60)

    return run


def invented_with_keys(stage: Stage) -> str:
    with_keys(stage)
    stage.fail()
    stage.wait(REFETCH_SECONDS)
    stage.requests = 0
    return stage.send_many(unknown(20))


def after_a_day(stage: Stage) -> str:
    with_keys(stage)
    stage.fail()
    stage.wait(STALE_SECONDS)
    stage.requests = 0
    return stage.send_many([long_lived()] * 20)


def slow(respond: Respond) -> Callable[[Stage], str]:
    def run(stage: Stage) -> str:
        with_keys(stage)
        stage.respond(respond)
        stage.wait(FRESH_SECONDS)
        stage.requests = 0
        return stage.send_many([long_lived()] * 20)

    return run


def slow_without_keys(stage: Stage) -> str:
    stage.respond(silent)
    return stage.send_many([long_lived()] * 20)


def added_key(stage: Stage) -> str:
    with_keys(stage)
    stage.publish("rsa-1", "rsa-2")
    stage.requests = 0
    before = stage.send_many([long_lived("rsa-2")] * 20)
    stage.wait(REFETCH_SECONDS)
    return f"{before}, then {stage.send_many([long_lived('rsa-2'), long_lived()] * 20)}"


def withdrawn_key(stage: Stage) -> str:
    with_keys(stage)
    stage.publish("rsa-2")
    stage.requests = 0
    before = stage.send_many([long_lived()] * 60, every=FRESH_SECONDS / 60)
    return f"{before}, then {stage.send_many([long_lived()] * 20)}"


def withdrawn_key_while_down(stage: Stage) -> str:
    with_keys(stage)
    stage.fail()
    stage.requests = 0
    before = stage.send_many([long_lived()] * (STALE_SECONDS // 600), every=600)
    return f"{before}, then {stage.send_many([long_lived()] * 20)}"


def poisoned(body: bytes, status: str = "200 OK") -> Callable[[Stage], str]:
    def run(stage: Stage) -> str:
        with_keys(stage)
        stage.answer(body, status, f"Location: {DOWN}")
        stage.wait(FRESH_SECONDS)
        stage.requests = 0
        return stage.send_many([long_lived()] * 20)

    return run


def poisoned_discovery(body: bytes, status: str = "200 OK") -> Callable[[Stage], str]:
    def run(stage: Stage) -> str:
        with_keys(stage)
        stage.discover(body, status, f"Location: {stage.discovery_up}")
        stage.wait(FRESH_SECONDS)
        stage.requests = 0
        return stage.send_many([long_lived()] * 20)

    return run


def poisoned_discovery_from_the_start(stage: Stage) -> str:
    stage.publish("rsa-1")
    stage.discover(discovery(issuer="https://other.example"))
    return stage.send_many([long_lived()] * 20)


def poisoned_from_the_start(stage: Stage) -> str:
    stage.answer(b'{"keys": []}')
    return stage.send_many([long_lived()] * 20)


def partly_poisoned(stage: Stage) -> str:
    document = issuer.published("rsa-1")
    document["keys"] = [weak_key("rsa-1"), None, {"kty": "oct", "k": "AA", "kid": "rsa-1"}, *document["keys"]]
    stage.answer(json.dumps(document).encode())
    return stage.send_many([long_lived()] * 20)


def with_keys(stage: Stage) -> None:
    """Let the authorizer fetch the issuer's key."""
    stage.publish("rsa-1")
    assert stage.send(long_lived()) == "101"


def weak_key(kid: str) -> dict[str, object]:
    """An RSA key of 1,024 bits."""
    public = rsa.generate_private_key(65_537, 1_024).public_key()
    return {**RSAAlgorithm.to_jwk(public, as_dict=True), "kid": kid}


def leaked_key() -> dict[str, object]:
    """A key with its private part."""
    return {**RSAAlgorithm.to_jwk(issuer.rsa_key("rsa-1"), as_dict=True), "kid": "rsa-1"}


def document(*keys: object) -> bytes:
    return json.dumps({"keys": keys}).encode()


SLOW_BODY: Final = http_response(document(*issuer.published("rsa-1")["keys"]))


@dataclass(frozen=True)
class Case:
    """A row of the table."""

    issuer: str
    keys: str
    handshakes: str
    answer: str
    requests: int
    run: Callable[[Stage], str]

    @property
    def row(self) -> str:
        return f"| {self.issuer} | {self.keys} | {self.handshakes} | {self.answer} | {self.requests:,} |"


NONE, LESS_THAN_AN_HOUR, AN_HOUR = "none", "less than 1 hour old", "1 hour old"
AT_ONCE: Final = "20 valid tokens at once"
CASES: Final = (
    Case("any", NONE, "20 tokens that fail a check before the signature", "401", 0, garbage),
    Case("up", NONE, "20 tokens with invented `kid`s at once", "401", 1, first_invented),
    Case("up", "fresh", "a token with an invented `kid` per second, for 10 minutes", "401", 11, later_invented),
    Case("down", NONE, "20 tokens with invented `kid`s at once", "500", 1, first_invented_while_down),
    Case("down", NONE, AT_ONCE, "500", 1, first_valid_while_down),
    Case("down", NONE, "a valid token per second, for 1 hour", "500", 63, hour_without_keys),
    Case("down for 5 minutes, then up", NONE, "20 valid tokens, 60 seconds later", "500, then 101", 1, recovery),
    Case("down", LESS_THAN_AN_HOUR, "a valid token per minute, for 1 hour", "101", 0, fresh),
    Case(
        "down", "1 to 24 hours old", "a valid token per minute, for 23 hours", "101", 1_380, day_with_keys(Stage.fail)
    ),
    Case(
        "is up, but its keys are not",
        "1 to 24 hours old",
        "a valid token per minute, for 23 hours",
        "101",
        1_380,
        day_with_keys(Stage.fail_keys),
    ),
    Case("down", LESS_THAN_AN_HOUR, "20 tokens with invented `kid`s at once", "500", 1, invented_with_keys),
    Case("down", "24 hours old", AT_ONCE, "500", 1, after_a_day),
    Case("accepts connections and never answers", NONE, AT_ONCE, "500", 1, slow_without_keys),
    Case("accepts connections and never answers", AN_HOUR, AT_ONCE, "101", 1, slow(silent)),
    Case("sends its header byte by byte", AN_HOUR, AT_ONCE, "101", 1, slow(dripping(SLOW_BODY, at_once=0))),
    Case("sends its key set byte by byte", AN_HOUR, AT_ONCE, "101", 1, slow(dripping(SLOW_BODY, at_once=60))),
    Case(
        "has added a key",
        LESS_THAN_AN_HOUR,
        "20 tokens of the new key, and 60 seconds later 20 of each key",
        "401, then 101",
        1,
        added_key,
    ),
    Case(
        "has withdrawn a key",
        LESS_THAN_AN_HOUR,
        "a token of the old key per minute, for 1 hour, then 20 at once",
        "101, then 401",
        1,
        withdrawn_key,
    ),
    Case(
        "has withdrawn a key and is down",
        LESS_THAN_AN_HOUR,
        "a token of the old key per 10 minutes, for 24 hours, then 20 at once",
        "101, then 500",
        139,
        withdrawn_key_while_down,
    ),
    Case("sends an error page with status 200", AN_HOUR, AT_ONCE, "101", 1, poisoned(b"<html>Sorry</html>")),
    Case("sends status 503", AN_HOUR, AT_ONCE, "101", 1, poisoned(document(), "503 Busy")),
    Case("redirects", AN_HOUR, AT_ONCE, "101", 1, poisoned(b"", "302 Found")),
    Case("has no discovery document", AN_HOUR, AT_ONCE, "101", 1, poisoned_discovery(b"", "404 Not Found")),
    Case("redirects its discovery document", AN_HOUR, AT_ONCE, "101", 1, poisoned_discovery(b"", "302 Found")),
    Case(
        "names another issuer in its discovery document",
        AN_HOUR,
        AT_ONCE,
        "101",
        1,
        poisoned_discovery(discovery(issuer=f"{ISSUER}/")),
    ),
    Case("names another issuer in its discovery document", NONE, AT_ONCE, "500", 1, poisoned_discovery_from_the_start),
    Case(
        "names keys that are not at an https URL",
        AN_HOUR,
        AT_ONCE,
        "101",
        1,
        poisoned_discovery(discovery(jwks_uri=DOWN)),
    ),
    Case("sends no key", AN_HOUR, AT_ONCE, "101", 1, poisoned(document())),
    Case("sends no key", NONE, AT_ONCE, "500", 1, poisoned_from_the_start),
    Case("sends an object that is not a key set", AN_HOUR, AT_ONCE, "101", 1, poisoned(b'{"error": "not found"}')),
    Case("sends half of a key set", AN_HOUR, AT_ONCE, "101", 1, poisoned(SLOW_BODY[60:-20])),
    Case("sends 100,000 nested lists", AN_HOUR, AT_ONCE, "101", 1, poisoned(b'{"keys": ' + b"[" * 100_000)),
    Case("sends more than 256 KB", AN_HOUR, AT_ONCE, "101", 1, poisoned(document("x" * 300_000))),
    Case("sends only a 1,024-bit key", AN_HOUR, AT_ONCE, "101", 1, poisoned(document(weak_key("rsa-1")))),
    Case("sends only a private key", AN_HOUR, AT_ONCE, "101", 1, poisoned(document(leaked_key()))),
    Case("sends a good key among unusable ones", NONE, AT_ONCE, "101", 1, partly_poisoned),
)


@pytest.fixture
def stage(clock: Clock, forgetful_handlers: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    environment = {
        **issuer.ENVIRONMENT,
        "ALLOWED_ORIGINS": "",
        "TOKEN_IN_QUERY": "false",
        "CONNECTION_SHARDS": "1",
        "USER_HASH_KEY": USER_HASH_KEY,
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with ExitStack() as running:
        stage = Stage(clock, running, running.enter_context(answering(sending(http_response(discovery())))))
        monkeypatch.setattr(key_source, "fetch_document", stage.fetch)
        yield stage


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.issuer}, keys {case.keys}, {case.handshakes}")
def test_a_case(case: Case, stage: Stage) -> None:
    assert (case.run(stage), stage.requests) == (case.answer, case.requests)


def test_the_page_has_these_cases() -> None:
    header = ["| The issuer | Keys in memory | Handshakes | Answer | Requests |", "|---|---|---|---|--:|"]
    assert "\n".join([*header, *(case.row for case in CASES)]) in PAGE.read_text()
