"""Whatever a client sends is answered with a frame of a known type, and with nothing that is another tenant's."""

from __future__ import annotations

import base64
import json
from collections import Counter
from dataclasses import replace
from functools import cache
from random import Random
from typing import TYPE_CHECKING, Any, Final, get_args

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import authenticate
import connect
import message
from formbridge.access.handshake import Identity, Unauthorized
from formbridge.access.token_verifier import TokenVerifier
from formbridge.connections.connection import Connection, ConnectionKey
from formbridge.connections.rate_limit import Rate
from formbridge.wire import protocol
from formbridge.wire.cursor import Cursor
from formbridge.wire.protocol import ErrorCode, Frame
from tests.support.handlers import issuer
from tests.support.handlers.builders import NOW, LambdaContext, connect_event, iso, message_event, submission
from tests.support.handlers.issuer import BAD_TOKENS, CLAIM, KeysInMemory, claims, token
from tests.support.handlers.world import EXPIRES_AT, KEY, MAX_MESSAGE_BYTES, World

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from formbridge.session.session import Session
    from formbridge.submissions.submission import Submission
    from tests.support.handlers.clock import Clock
    from tests.support.handlers.region import Region

INPUTS: Final = 100_000
BATCH: Final = 100
"""Inputs that one example sends over one connection. Hypothesis draws no more than a seed, since drawing each choice
would take most of the time; `INPUTS // BATCH` examples make `INPUTS` inputs, which the test counts."""

OTHER: Final = "t_globex"
SECRET: Final = "of-globex-alone"
"""Stands in all that is t_globex's, and in nothing that is sent."""

REPLIES: Final = {"subscribed", "synced", "reconciled", "unsubscribed", "authenticated", "pong"}
ERRORS: Final[set[str]] = set(get_args(ErrorCode)) - {"internal"}


# --- What is sent ---------------------------------------------------------------------------------------------

TEXTS: Final = [
    "",
    " ",
    "1",
    "x" * 64,
    "x" * 65,
    "\x00",
    "\ud800",
    "é",
    "\N{WAVING HAND SIGN}",
    "t_acme",
    OTHER,
    "null",
]
NUMBERS: Final = [0, -1, 1, 50, 200, 201, 1.5, -0.0, 10**18, 10**400, 1e308]
FORGED: Final = [
    "tenant_id",
    "tenant",
    "connection_id",
    "connectionId",
    "PK",
    "SK",
    "GSI1PK",
    "requestContext",
    "authorizer",
    "shard",
]
ACTIONS: Final = ["subscribe", "sync", "reconcile", "unsubscribe", "authenticate", "ping"]
FIELDS: Final = ["form_id", "status", "submission_id"]
OPERATORS: Final = ["prefix", "suffix", "equals-ignore-case", "anything-but", "exists", "numeric", "wildcard", "cidr"]
RAW: Final = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    '"',
    "\\",
    "\\u",
    "\\ud800",
    "NaN",
    "1e999",
    "-",
    "\x00",
    "\ufeff",
    "9" * 5_000,
]
STOLEN: Final = Cursor(OTHER, 0, iso(-3_600_000), NOW).encode()
TENANTS: Final = ["t_acme", OTHER, "t_", "", "T_ACME"]


@pytest.fixture(autouse=True)
def standing(clock: Clock) -> None:
    """Tokens are made and verified by a clock that stands."""


@cache
def tokens() -> Sequence[str]:
    """Good ones for later and later, those of others, and bad ones."""
    tomorrow = NOW // 1000 + issuer.DAY_S
    good = [claims(exp=tomorrow + n) for n in range(20)]
    others = [claims(exp=tomorrow, **{CLAIM: claim}) for claim in (OTHER, [OTHER, "t_acme"], None, 5)]
    return [*map(token, good + others), issuer.ec_token(), *(make() for make in BAD_TOKENS.values())]


class Vandal:
    """Makes frames: good ones, and such as are nearly good."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.cursors: list[str] = []
        """What was given to it, and may be brought back."""
        self.filter_ids: list[str | None] = []

    def learn(self, frame: Frame) -> None:
        """Keep of a reply what may be brought back."""
        self.cursors += [frame["cursor"]] if "cursor" in frame else []
        self.filter_ids += [frame.get("filter_id")] if frame["type"] == "subscribed" else []

    def frame(self) -> str:
        chance = self.random.random()
        if chance < 0.5:
            return json.dumps(self.request())
        if chance < 0.75:
            return self.spell(self.spoil(self.request()))
        if chance < 0.9:
            return self.scribble(self.spell(self.request()))
        if chance < 0.97:
            return self.noise()
        return self.flood()

    def pick(self, *makers: Callable[[], Any]) -> Any:
        return self.random.choice(makers)()

    def request(self) -> dict[str, Any]:
        """A request with every field that its action knows, or without some."""
        action = self.random.choice([*ACTIONS, "subscribe", "subscribe", "sync", "sync"])
        fields: dict[str, Callable[[], Any]] = {
            "id": lambda: str(self.random.randrange(100)),
            "filter": self.filter,
            "cursor": self.cursor,
            "snapshot": lambda: self.random.randrange(201),
            "token": lambda: self.random.choice(tokens()),
            "filter_id": self.filter_id,
            "held": self.held,
        }
        known = {
            "subscribe": ["id", "filter", "cursor", "snapshot"],
            "sync": ["id", "cursor", "filter_id"] if self.random.random() < 0.5 else ["id", "cursor"],
            "reconcile": ["id", "held", "snapshot"],
            "authenticate": ["token"],
        }
        return {"action": action} | {
            name: fields[name]() for name in known.get(action, ["id"]) if self.random.random() < 0.8
        }

    def junk(self, depth: int = 3) -> Any:
        """Any value of JSON, and some that are none."""
        makers: list[Callable[[], Any]] = [
            lambda: self.random.choice([None, True, False]),
            lambda: self.random.choice(NUMBERS),
            lambda: self.random.choice(TEXTS),
            lambda: self.random.choice(TENANTS),
            self.cursor,
            lambda: self.random.choice([*ACTIONS, *FIELDS, *OPERATORS]),
        ]
        if depth:
            makers += [
                lambda: [self.junk(depth - 1) for _ in range(self.random.randrange(3))],
                lambda: {self.name(): self.junk(depth - 1) for _ in range(self.random.randrange(3))},
                self.filter,
            ]
        return self.pick(*makers)

    def name(self) -> str:
        return self.random.choice([*FIELDS, *OPERATORS, *FORGED, "$or", "action", "id", "S", *TEXTS])

    def filter(self, depth: int = 2) -> Any:
        if depth == 2 and self.random.random() < 0.3:
            return None
        rules: dict[str, Any] = {
            self.random.choice(FIELDS) if self.random.random() < 0.97 else self.name(): self.alternatives()
            for _ in range(self.random.randrange(1, 3))
        }
        if depth and self.random.random() < 0.2:
            rules["$or"] = [self.filter(depth - 1) for _ in range(self.random.choice([2, 2, 3, 1, 0]))]
        return rules

    def alternatives(self) -> Any:
        if self.random.random() < 0.05:
            return self.junk()
        count = 60 if self.random.random() < 0.02 else self.random.randrange(1, 4)
        return [self.alternative() for _ in range(count)]

    def alternative(self) -> Any:
        text = self.random.choice(["contact", "survey", "open", "s", "", *TEXTS])
        return self.pick(
            lambda: text,
            lambda: {"prefix": text},
            lambda: {"suffix": {"equals-ignore-case": text}},
            lambda: {"anything-but": [text]},
            lambda: {"exists": self.random.random() < 0.9},
            lambda: {self.random.choice(OPERATORS): self.junk(1)} if self.random.random() < 0.3 else text,
        )

    def cursor(self) -> Any:
        made_up = [
            self.random.choice(TENANTS),
            self.random.choice([0, 0, NOW, -1, True, None, 10**400]),
            self.random.choice(
                [iso(), iso(-3_600_000), f"{iso(5)}#s5", iso(-(10**9)), "~", f"{iso()}#\ud800", "x" * 2_000]
            ),
            self.random.choice([None, None, NOW, 0, -1, True, 10**400]),
        ]
        if self.random.random() < 0.7:
            return self.random.choice(
                [*self.cursors[-5:], Cursor("t_acme", 0, iso(self.random.randrange(-(10**8), 10))).encode()]
            )
        return self.pick(
            lambda: STOLEN,
            lambda: base64.urlsafe_b64encode(json.dumps(made_up[: self.random.randrange(5)]).encode()).decode(),
            lambda: base64.urlsafe_b64encode(json.dumps(made_up).encode()).decode().rstrip("="),
            lambda: base64.urlsafe_b64encode(self.random.randbytes(30)).decode(),
        )

    def filter_id(self) -> Any:
        return self.random.choice([*self.filter_ids[-1:] * 5, None, self.random.choice(TEXTS)])

    def held(self) -> Any:
        """Submissions that a client may hold, and some that it cannot."""
        count = 101 if self.random.random() < 0.05 else self.random.randrange(6)
        return [self.junk(1) if self.random.random() < 0.05 else self.holding() for _ in range(count)]

    def holding(self) -> list[Any]:
        name = self.random.choice([*(f"s{n}" for n in range(8)), *TEXTS])
        return [name, self.random.choice([NOW, NOW, 0, 10**18]), self.random.choice([1, 1, 2, 10**18])]

    def spoil(self, request: dict[str, Any]) -> Any:
        """The request with fields gone, of another type, forged, or inside something else."""
        for _ in range(self.random.randrange(1, 4)):
            name = self.random.choice([*request, self.random.choice(FORGED), self.random.choice(FORGED)])
            if self.random.random() < 0.2:
                request.pop(name, None)
            else:
                request[name] = self.junk()
        return self.pick(*[lambda: request] * 8, lambda: [request], lambda: {"action": request})

    def spell(self, value: Any) -> str:
        """The value as JSON, which may be written in more than one way, and say a name twice."""
        text = json.dumps(value, ensure_ascii=self.random.random() < 0.5, indent=self.random.choice([None, None, 1]))
        if self.random.random() < 0.2 and text.startswith("{") and len(text) > 2:
            again = f"{json.dumps(self.random.choice([*ACTIONS, 'action', 'id', 'filter']))}:{json.dumps(self.junk())}"
            return f"{text[:-1]},{again}}}" if self.random.random() < 0.5 else f"{{{again},{text[1:]}"
        return text

    def scribble(self, text: str) -> str:
        """The text with something missing, more, or twice."""
        for _ in range(self.random.randrange(1, 4)):
            start, end = sorted(self.random.randrange(len(text) + 1) for _ in range(2))
            end = min(end, start + 12)
            text = self.random.choice(
                [
                    text[:start] + text[end:],
                    text[:end] + text[start:],
                    text[:start] + self.random.choice(RAW) + text[start:],
                    text[:start] + self.random.choice([*TEXTS, *TENANTS]) + text[end:],
                    text[:start] + chr(self.random.randrange(0x3000)) + text[end:],
                ]
            )
        return text

    def noise(self) -> str:
        raw = self.random.randbytes(self.random.randrange(40))
        return self.pick(
            lambda: raw.decode("latin-1"), lambda: raw.decode("utf-8", "replace"), lambda: json.dumps(self.junk())
        )

    def flood(self) -> str:
        """Much of something, in a frame that is too large or nearly so."""
        some = self.random.choice([2, 60, 900, 5_000, 30_000, 40_000])
        character = self.random.choice(["x", "\x7f", "é", "\N{WAVING HAND SIGN}"])
        long = character * (some // len(character.encode()))
        deep = some // 12
        return self.pick(
            lambda: "[" * some,
            lambda: '{"action":' * deep,
            lambda: '{"action":"subscribe","filter":' + '{"form_id":' * deep + "1" + "}" * deep + "}",
            lambda: json.dumps({"action": long}, ensure_ascii=False),
            lambda: json.dumps({"action": "ping", "padding": long}, ensure_ascii=False),
            lambda: json.dumps({"action": "subscribe", "filter": {long: ["x"]}}, ensure_ascii=False),
            lambda: json.dumps({"action": "subscribe", "filter": {"status": [{long: 1}]}}, ensure_ascii=False),
            lambda: json.dumps({"action": "subscribe", "filter": {"status": [long]}}, ensure_ascii=False),
            lambda: json.dumps({"action": "sync", "cursor": "W" * some}),
            lambda: json.dumps({"action": "authenticate", "token": issuer.handmade(b'{"a":' * deep)}),
            lambda: '{"action":"ping","id":' + "9" * some + "}",
        )


# --- What comes back ------------------------------------------------------------------------------------------


def told(body: str, frame: Frame) -> str:
    """The kind of a frame, whose `code` it is where it is an error, once it holds nothing that it must not."""
    text = protocol.encode(frame)
    assert len(text) <= MAX_MESSAGE_BYTES
    assert text.isascii()
    assert SECRET not in text
    # A refusal quotes what the client itself said.
    assert OTHER not in text or OTHER in body
    assert {update["data"]["tenant_id"] for update in frame.get("updates", ())} <= {"t_acme"}
    if "cursor" in frame:
        Cursor.decode(frame["cursor"], "t_acme", 2 * NOW)
    if frame["type"] == "error":
        assert frame["code"] in ERRORS
        return frame["code"]
    assert frame["type"] in REPLIES
    if STOLEN in body and frame["type"] in ("subscribed", "synced"):
        assert json.loads(body).get("cursor") != STOLEN
    return frame["type"]


def held_by(tenant_id: str, count: int, **fields: str) -> list[Submission]:
    mark = SECRET if tenant_id == OTHER else "s"
    form = SECRET if tenant_id == OTHER else "contact"
    return [
        submission(
            f"{mark}{n}", tenant_id=tenant_id, updated_at=iso(-n), **{"form_id": form, "status": "open", **fields}
        )
        for n in range(count)
    ]


def furnished(random: Random) -> World:
    """A world in which two tenants have submissions and connections, and t_acme's client has any kind of session."""
    world = World()
    world.submissions.put(*held_by("t_acme", random.choice([0, 5, 60])), *held_by(OTHER, 20))
    if random.random() < 0.05:
        world.submissions.put(*held_by("t_acme", 300, form_id="f" * 1_000))
    for tenant_id, connection_id, shard in ((OTHER, "conn-1", 0), (OTHER, "conn-2", 0), ("t_acme", "conn-1", 1)):
        world.connections.put(Connection(ConnectionKey(tenant_id, connection_id, shard), NOW, EXPIRES_AT))
    chance = random.random()
    if chance < 0.1:
        world.session = replace(world.session, submissions=None)
    elif chance < 0.2:
        world.session = replace(world.session, rate=Rate(2, 5))
    elif chance < 0.4:
        world.session = replace(world.session, limits=replace(world.session.limits, max_filters_per_tenant=1))
    if random.random() < 0.1:
        world.submissions.has_other_keys = True
    return world


def authenticator(world: World) -> Session:
    """The session of the `authenticate` route, with a verifier of real tokens."""
    session = world.authenticator
    assert session.authentication is not None
    verifier = TokenVerifier(issuer.rules(), KeysInMemory())
    return replace(session, authentication=session.authentication._replace(verifier=verifier))


def route(vandal: Vandal, world: World, body: str) -> Session:
    """The session that API Gateway chooses, and sometimes the other."""
    authenticates = '"authenticate"' in body
    return authenticator(world) if authenticates != (vandal.random.random() < 0.05) else world.session


def send(vandal: Vandal, world: World) -> str:
    """One input: the kind of what comes back."""
    world.clock.advance(vandal.random.choice([0, 1, 100, 1_000]))
    if vandal.random.random() < 0.01:
        world.connections.epochs["t_acme"] = world.clock.ms
    order = world.next_order() if vandal.random.random() < 0.95 else f"{vandal.random.randrange(100):013}#late"
    body = vandal.frame()
    try:
        frame = route(vandal, world, body).reply(body, order)
        assert frame is not None
        kind = told(body, frame)
    except Exception as error:
        error.add_note(f"the frame was {body!r}")
        raise
    vandal.learn(frame)
    return kind


@pytest.mark.no_cover
def test_whatever_a_client_sends_gets_a_known_answer_and_nothing_of_another_tenant() -> None:
    seen: Counter[str] = Counter()

    # A failing seed is a batch of its own: there is nothing to shrink.
    @settings(max_examples=INPUTS // BATCH, phases=[Phase.reuse, Phase.generate])
    @given(st.integers(0, 2**64 - 1))
    def attack(seed: int) -> None:
        vandal = Vandal(seed)
        world = furnished(vandal.random)
        others = {key: row for key, row in world.connections.rows.items() if key != KEY}
        for _ in range(BATCH):
            seen[send(vandal, world)] += 1
        assert world.submissions.tenants <= {"t_acme"}
        assert {key: row for key, row in world.connections.rows.items() if key in others} == others
        assert world.poster.closed == []

    attack()
    assert seen.total() >= INPUTS
    assert set(seen) == REPLIES | ERRORS
    assert min(seen.values()) >= INPUTS // 1_000, seen


# --- The same through the Lambdas -----------------------------------------------------------------------------


def test_the_lambdas_answer_all_that_too(
    region: Region,
    clock: Clock,
    trusted_issuer: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("MESSAGES_PER_SECOND", "1000")
    monkeypatch.setenv("MAX_FILTERS_PER_TENANT", "5")
    region.put(*held_by("t_acme", 5), *held_by(OTHER, 5))
    for tenant_id in ("t_acme", OTHER):
        connect.handler(connect_event(tenant_id, "conn-1", expires_at=EXPIRES_AT), LambdaContext())
    others = region.connection(OTHER, "conn-1")
    vandal = Vandal(4)
    seen: Counter[str] = Counter()
    for _ in range(400):
        clock.advance(1_000)
        body = vandal.frame()
        lambda_ = vandal.random.choice([message, message, message, authenticate])
        received_at = clock.ms - vandal.random.choice([0, 0, 0, 100_000])
        asked = message_event(body, "t_acme", "conn-1", expires_at=EXPIRES_AT, at=received_at)
        answer = lambda_.handler(asked, LambdaContext())
        frame = json.loads(answer["body"])
        seen[told(body, frame)] += 1
        vandal.learn(frame)
    assert set(seen) >= (REPLIES | ERRORS) - {"rate_limited", "too_large"}
    assert region.connection(OTHER, "conn-1") == others
    assert SECRET not in caplog.text
    assert [line for line in caplog.records if line.levelname == "ERROR"] == []


# --- Tokens ---------------------------------------------------------------------------------------------------


def spoilt_token(vandal: Vandal) -> str:
    """A token with some of its three parts changed, as text or as what it says."""
    random = vandal.random
    parts = random.choice(tokens()).split(".")
    for _ in range(random.randrange(3)):
        at = random.randrange(len(parts))
        header = {
            "alg": random.choice(["RS256", "ES256", "none", "HS256"]),
            "kid": "rsa-1",
            vandal.name(): vandal.junk(),
        }
        said = claims(**{random.choice(["exp", "nbf", "aud", "iss", "sub"]): vandal.junk()})
        parts[at] = random.choice(
            [
                vandal.scribble(parts[at]),
                issuer.segment(random.randbytes(random.randrange(40))),
                issuer.segment(json.dumps(header).encode()),
                issuer.segment(json.dumps(said).encode()),
                issuer.segment(vandal.noise().encode("utf-8", "surrogatepass")),
            ]
        )
    return random.choice([".", ".", ".", "..", ""]).join(parts)


def test_whatever_a_client_brings_as_a_token_is_an_identity_or_unauthorized() -> None:
    verifier = TokenVerifier(issuer.rules(), KeysInMemory())
    seen: Counter[str] = Counter()

    @settings(max_examples=50, phases=[Phase.reuse, Phase.generate])
    @given(st.integers(0, 2**64 - 1))
    def attack(seed: int) -> None:
        vandal = Vandal(seed)
        for _ in range(BATCH):
            bad = spoilt_token(vandal)
            try:
                identity = verifier.verify(bad)
            except Unauthorized:
                seen["unauthorized"] += 1
            except Exception as error:
                error.add_note(f"the token was {bad!r}")
                raise
            else:
                assert isinstance(identity, Identity)
                # Only what was good from the start.
                assert bad in tokens()
                seen["identity"] += 1

    attack()
    assert seen.total() >= 5_000
    assert min(seen.values()) > 100
