"""An issuer of tokens: real keys, made for the test, and the JWKS that publishes them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import math
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, Final, cast

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from formbridge.access.key_cache import KeyCache
from formbridge.access.key_set import ALGORITHMS, KeySet, parse_key_set
from formbridge.access.public_key import load_public_key
from formbridge.access.tenant_claim import TenantClaim
from formbridge.access.token_checks import TokenRules
from formbridge.runtime import clock
from tests.support.handlers.principals import ISSUER, SUBJECT

AUDIENCE: Final = "client-1"
CLAIM: Final = "custom:tenant_id"
PATTERN: Final = "t_[A-Za-z0-9_-]{1,64}"
ENVIRONMENT: Final = {
    "ISSUER": ISSUER,
    "AUDIENCES": AUDIENCE,
    "CLOCK_TOLERANCE_SECONDS": "30",
    "TENANT_CLAIM": CLAIM,
    "TENANT_ID_PATTERN": PATTERN,
}
"""Environment variables of the Lambdas that verify tokens of this issuer."""


def rules(
    *audiences: str, issuer: str = ISSUER, tolerance: int = 30, claim: str = CLAIM, pattern: str = PATTERN
) -> TokenRules:
    """The rules of a stack that trusts this issuer."""
    return TokenRules(issuer, audiences or (AUDIENCE,), tolerance, TenantClaim.parse(claim, pattern))


SHARED_SECRET: Final = b"a secret that is long enough, and no secret"
DAY_S: Final = 86_400


def _now() -> int:
    return clock.now_ms() // 1000


@cache
def rsa_key(name: str) -> rsa.RSAPrivateKey:
    """An RSA key of that name: making one takes a while."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


CURVES: Final[Mapping[str, Callable[[], ec.EllipticCurve]]] = {
    "ec": ec.SECP256R1,
    "p384": ec.SECP384R1,
    "p521": ec.SECP521R1,
    "k256": ec.SECP256K1,
}


@cache
def ec_key(name: str) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(CURVES[name.partition("-")[0]]())


@cache
def okp_key(name: str) -> ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey:
    return ed448.Ed448PrivateKey.generate() if name.startswith("ed448") else ed25519.Ed25519PrivateKey.generate()


def private_key(name: str) -> Any:
    """The key of that name, of the type that the name begins with."""
    kind = name.partition("-")[0]
    return rsa_key(name) if kind == "rsa" else ec_key(name) if kind in CURVES else okp_key(name)


def signed_token(
    algorithm: str, key: str, said: Mapping[str, Any] | None = None, *, header: Mapping[str, Any] | None = None
) -> str:
    """A token of any algorithm. Its header has no `kid`, unless `header` says so."""
    secret = SHARED_SECRET if key == "oct-1" else private_key(key)
    return jwt.encode(dict(said or claims()), secret, algorithm=algorithm, headers=dict(header or {}))


def claims(**changes: object) -> dict[str, Any]:
    """What a good token says, by the handlers' clock. A change replaces a claim; None leaves it out."""
    now = _now()
    good: dict[str, Any] = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": SUBJECT,
        "iat": now,
        "exp": now + 3600,
        CLAIM: "t_acme",
    }
    return {name: value for name, value in (good | changes).items() if value is not None}


def token(said: Mapping[str, Any] | None = None, *, kid: str | None = "rsa-1", key: str = "rsa-1") -> str:
    """A token signed RS256 with the RSA key `key`, that names the published key `kid`."""
    headers = {"kid": kid} if kid is not None else {}
    return jwt.encode(dict(said or claims()), rsa_key(key), algorithm="RS256", headers=headers)


def ec_token(said: Mapping[str, Any] | None = None, *, kid: str = "ec-1") -> str:
    return jwt.encode(dict(said or claims()), ec_key("ec-1"), algorithm="ES256", headers={"kid": kid})


Sign = Callable[[bytes], bytes]


def handmade(header: object, said: object = None, sign: Sign = lambda _: b"") -> str:
    """A token that no library would make: any header and claims, as JSON or as bytes, any signature or none."""
    parts = [header, claims() if said is None else said]
    signed = ".".join(segment(part if isinstance(part, bytes) else json.dumps(part).encode()) for part in parts)
    return f"{signed}.{segment(sign(signed.encode()))}"


def rs256(signed: bytes, key: str = "rsa-1") -> bytes:
    return rsa_key(key).sign(signed, PKCS1v15(), SHA256())


def unsigned_token(kid: str = "rsa-1", alg: str = "none") -> str:
    return handmade({"alg": alg, "typ": "JWT", "kid": kid})


def confused_token(kid: str = "rsa-1", encoding: Encoding = Encoding.PEM) -> str:
    """HS256 with the published key as the secret."""
    key = ec_key(kid) if kid.startswith("ec") else rsa_key(kid)
    secret = key.public_key().public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)
    header = {"alg": "HS256", "typ": "JWT", "kid": kid}
    return handmade(header, sign=lambda signed: hmac.digest(secret, signed, hashlib.sha256))


def segment(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def shared_secret_token() -> str:
    """HS256 with a secret that the issuer, of all things, publishes."""
    return jwt.encode(claims(), SHARED_SECRET, algorithm="HS256", headers={"kid": "oct-1"})


def published(*names: str) -> dict[str, Any]:
    """The JWKS with these keys; `rsa-…`, `ec-…` and `oct-…` are both names and key ids. Default: one of each."""
    return {"keys": [_jwk(name) for name in names or ("rsa-1", "ec-1", "oct-1")]}


def _jwk(name: str) -> dict[str, Any]:
    if name.startswith("oct"):
        return {"kty": "oct", "k": segment(SHARED_SECRET), "kid": name, "alg": "HS256"}
    return {**jwk(name), "kid": name, "alg": "ES256" if name.startswith("ec") else "RS256"}


def jwk(name: str, **changes: object) -> dict[str, Any]:
    """The public key of that name, without `kid` and `alg` unless `changes` has them."""
    public = private_key(name).public_key()
    kind = name.partition("-")[0]
    if kind == "rsa":
        return {**RSAAlgorithm.to_jwk(public, as_dict=True), **changes}
    algorithm = ECAlgorithm if kind in CURVES else OKPAlgorithm
    return {**algorithm.to_jwk(public, as_dict=True), **changes}


# --- Tokens that say nothing ----------------------------------------------------------------------------------


def _signed(algorithm: str, key: Any = None, kid: str = "rsa-1") -> str:
    return jwt.encode(claims(), key or rsa_key("rsa-1"), algorithm=algorithm, headers={"kid": kid})


def _with_header(**header: object) -> str:
    """Signed as the header says, RS256 with the published key, whatever else the header says."""
    return handmade({"alg": "RS256", "kid": "rsa-1", **header}, sign=rs256)


def _with_claims(said: object) -> str:
    return handmade({"alg": "RS256", "kid": "rsa-1"}, said, rs256)


def _by_a_key_it_names(**header: object) -> str:
    """Signed with a key that nobody published, which the header tells where to find."""
    return handmade({"alg": "RS256", "kid": "rsa-1", **header}, sign=lambda signed: rs256(signed, "rsa-2"))


def _parts(*changes: Callable[[str], str]) -> str:
    """A good token with its header, claims and signature changed."""
    return ".".join(change(part) for change, part in zip(changes, token().split("."), strict=True))


def _next_letter(letter: str) -> str:
    """The letter after this one in base64url, which differs in the last bit: a spare one at the end of RS256."""
    return {"A": "B", "Q": "R", "g": "h", "w": "x"}[letter]


def _same(part: str) -> str:
    return part


ELSEWHERE: Final = "http://127.0.0.1:1/jwks.json"
DEEP: Final = b'{"a":' * 3_000

BAD_TOKENS: Final[Mapping[str, Callable[[], str]]] = {
    # No tokens.
    "empty": lambda: "",
    "white space": lambda: "   ",
    "no dots": lambda: "garbage",
    "two dots": lambda: "..",
    "three parts of garbage": lambda: "a.b.c",
    "four parts": lambda: f"{token()}.AAAA",
    "not ASCII": lambda: "é.é.é",
    "half a character": lambda: "\ud800.\ud800.\ud800",
    "8 KB of garbage": lambda: "x" * 8_192,
    "8 KB of claims": lambda: token(claims(padding="x" * 8_192), key="rsa-2"),
    "a header that is no JSON": lambda: handmade(b"alg: RS256", sign=rs256),
    "a header that is a list": lambda: handmade(["RS256"], sign=rs256),
    "claims that are no JSON": lambda: _with_claims(b"sub: user-1"),
    "claims that are a list": lambda: _with_claims([]),
    "a header without an end": lambda: handmade(DEEP, sign=rs256),
    "claims without an end": lambda: _with_claims(DEEP),
    # Algorithms.
    "alg none": unsigned_token,
    "alg NONE": lambda: unsigned_token(alg="NONE"),
    "alg nOnE": lambda: unsigned_token(alg="nOnE"),
    "alg none, signed": lambda: handmade({"alg": "none", "kid": "rsa-1"}, sign=rs256),
    "no alg": lambda: handmade({"kid": "rsa-1"}, sign=rs256),
    "alg of another type": lambda: handmade({"alg": ["RS256"], "kid": "rsa-1"}, sign=rs256),
    "HS256 with the RSA key's PEM as the secret": confused_token,
    "HS256 with the RSA key's DER as the secret": lambda: confused_token(encoding=Encoding.DER),
    "HS256 with the EC key's PEM as the secret": lambda: confused_token("ec-1"),
    "HS256 with a secret that is published": shared_secret_token,
    "RS256 that names the EC key": lambda: token(kid="ec-1"),
    "ES256 that names the RSA key": lambda: ec_token(kid="rsa-1"),
    "RS512": lambda: _signed("RS512"),
    "PS256": lambda: _signed("PS256"),
    "ES384": lambda: _signed("ES384", ec.generate_private_key(ec.SECP384R1()), "ec-1"),
    # Keys.
    "another key": lambda: token(key="rsa-2"),
    "an unknown kid": lambda: token(kid="rsa-9"),
    "an empty kid": lambda: token(kid=""),
    "a kid that is a number": lambda: _with_header(kid=1),
    "a kid that is a list": lambda: _with_header(kid=["rsa-1"]),
    "a key of its own in jwk": lambda: _by_a_key_it_names(jwk=_jwk("rsa-2")),
    "keys of its own at jku": lambda: _by_a_key_it_names(jku=ELSEWHERE),
    "a certificate of its own at x5u": lambda: _by_a_key_it_names(x5u=ELSEWHERE),
    "a certificate of its own in x5c": lambda: _by_a_key_it_names(x5c=["TUlJQw=="]),
    "something critical": lambda: _with_header(crit=["tenant"], tenant="t_acme"),
    "nothing critical": lambda: _with_header(crit=[]),
    "claims that are not encoded": lambda: _with_header(crit=["b64"], b64=False),
    "claims that are not encoded, and not critical": lambda: _with_header(b64=False),
    "a kid that is too long": lambda: _with_header(kid="k" * 257),
    # Types.
    "an access token by its type": lambda: _with_header(typ="at+jwt"),
    "an access token by its media type": lambda: _with_header(typ="application/at+jwt"),
    "a logout token": lambda: _with_header(typ="logout+jwt"),
    "a logout token in capitals": lambda: _with_header(typ="LOGOUT+JWT"),
    "a token of no type": lambda: _with_header(typ=""),
    "a type that is null": lambda: _with_header(typ=None),
    "a type that is a list": lambda: _with_header(typ=["at+jwt"]),
    "a proof of possession": lambda: _with_header(typ="dpop+jwt"),
    # JSON that others may read differently.
    "two algorithms": lambda: handmade(b'{"alg":"none","alg":"RS256","kid":"rsa-1"}', sign=rs256),
    "two subjects": lambda: _with_claims(json.dumps(claims()).encode()[:-1] + b', "sub": "user-2"}'),
    "two tenants": lambda: _with_claims(json.dumps(claims()).encode()[:-1] + b', "custom:tenant_id": "t_globex"}'),
    "a claim that is not a number": lambda: _with_claims(claims(other=math.nan)),
    "claims in UTF-16": lambda: _with_claims(json.dumps(claims()).encode("utf-16")),
    "claims after a byte order mark": lambda: _with_claims(b"\xef\xbb\xbf" + json.dumps(claims()).encode()),
    # Encodings of the same token that RFC 7515 does not allow.
    "padding": lambda: _parts(_same, _same, lambda signature: f"{signature}=="),
    "spare bits": lambda: _parts(_same, _same, lambda signature: signature[:-1] + _next_letter(signature[-1])),
    "white space in a part": lambda: _parts(_same, lambda said: f"{said[:8]} {said[8:]}", _same),
    "the alphabet of base64": lambda: _parts(_same, _same, lambda signature: f"+/{signature[2:]}"),
    "too long": lambda: token(claims(padding="x" * 10_240)),
    # Signatures.
    "claims of another token": lambda: _parts(_same, lambda _: token(claims(sub="user-2")).split(".")[1], _same),
    "signature cut off": lambda: _parts(_same, _same, lambda _: ""),
    "signature cut short": lambda: _parts(_same, _same, lambda signature: signature[:-8]),
    "signature changed": lambda: _parts(_same, _same, lambda signature: signature[::-1]),
    "signature of another token": lambda: _parts(_same, _same, lambda _: ec_token().split(".")[2]),
    # Times.
    "expired": lambda: token(claims(exp=_now() - 3_600)),
    "expired within the leeway": lambda: token(claims(exp=_now() - 1)),
    "expires this second": lambda: token(claims(exp=_now())),
    "no expiry": lambda: token(claims(exp=None)),
    "an expiry that is no number": lambda: token(claims(exp="soon")),
    "an expiry beyond all numbers": lambda: token(claims(exp=math.inf)),
    "an expiry in geological time": lambda: token(claims(exp=10**60)),
    "an expiry of 5,000 digits": lambda: _with_claims(
        json.dumps(claims()).encode().replace(b'"exp": ', b'"exp": ' + b"9" * 5_000)
    ),
    "an expiry that overflows": lambda: _with_claims(json.dumps(claims(exp="E")).encode().replace(b'"E"', b"1e999")),
    "an expiry that is true": lambda: token(claims(exp=True)),
    "an expiry that is a list": lambda: _with_claims(claims(exp=[_now() + 60])),
    "a lifetime of a month and a second": lambda: token(claims(exp=_now() + 30 * DAY_S + 1)),
    "issued a month and an hour ago": lambda: token(claims(iat=_now() - 30 * DAY_S)),
    "issued in the future": lambda: token(claims(iat=_now() + 60)),
    "issued in geological time": lambda: token(claims(iat=10**60)),
    "issued after its expiry": lambda: token(claims(iat=_now() + 20, exp=_now() + 10)),
    "issued at its expiry": lambda: token(claims(iat=_now() + 20, exp=_now() + 20)),
    "issued at a time that is no number": lambda: token(claims(iat="then")),
    "issued at no time": lambda: token(claims(iat=None)),
    "issued at null": lambda: _with_claims({**claims(), "iat": None}),
    "not good before geological time": lambda: token(claims(nbf=10**60)),
    "not good before null": lambda: _with_claims({**claims(), "nbf": None}),
    "not good before tomorrow": lambda: token(claims(nbf=_now() + 86_400)),
    "not good before text": lambda: token(claims(nbf="tomorrow")),
    # By whom, for whom, for what.
    "another issuer": lambda: token(claims(iss="https://issuer.example/pool-2")),
    "the issuer with a slash": lambda: token(claims(iss=f"{ISSUER}/")),
    "several issuers": lambda: _with_claims(claims(iss=[ISSUER])),
    "no issuer": lambda: token(claims(iss=None)),
    "another audience": lambda: token(claims(aud="client-2")),
    "several other audiences": lambda: token(claims(aud=["client-2", "client-3"])),
    "an audience that is a number": lambda: token(claims(aud=1)),
    "no audience": lambda: token(claims(aud=None)),
    "an audience in a list in a list": lambda: _with_claims(claims(aud=[[AUDIENCE]])),
    "an audience that contains ours": lambda: token(claims(aud=f"{AUDIENCE}-2")),
    "an audience that is an object": lambda: _with_claims(claims(aud={AUDIENCE: True})),
    "several audiences for nobody in particular": lambda: token(claims(aud=[AUDIENCE, "client-2"])),
    "for another party": lambda: token(claims(azp="client-2")),
    "for another party among several audiences": lambda: token(claims(aud=[AUDIENCE, "client-2"], azp="client-2")),
    "for a party that is null": lambda: _with_claims({**claims(), "azp": None}),
    "for a list of parties": lambda: _with_claims(claims(azp=[AUDIENCE])),
    "another client": lambda: token(claims(client_id="client-2")),
    "no subject": lambda: token(claims(sub=None)),
    "a subject that is a number": lambda: _with_claims(claims(sub=5)),
    "an empty subject": lambda: token(claims(sub="")),
    "a subject that is too long": lambda: token(claims(sub="u" * 256)),
    "a subject in two lines": lambda: token(claims(sub="user-1\nuser-2")),
    "a subject that is not ASCII": lambda: token(claims(sub="usér-1")),
    "a subject of half a character": lambda: _with_claims(claims(sub="user-\ud800")),
    "a subject that is a list": lambda: _with_claims(claims(sub=["user-1"])),
    "an access token": lambda: token(claims(token_use="access")),
    "a token for no use": lambda: token(claims(token_use="")),
    "a token whose use is null": lambda: _with_claims({**claims(), "token_use": None}),
}
"""By what is wrong with it. Made when it is used: it may be a matter of time."""


def words(bad: str) -> set[str]:
    """What of a token must be in no log: its parts, and each text that these say."""
    parts = bad.split(".")
    found = {bad, *parts}
    for part in parts[:2]:
        try:
            found.update(_texts(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))))
        except (ValueError, RecursionError):
            continue
    # The use of a key and the algorithms, which our own messages may say.
    return {word for word in found if len(word.strip()) >= 3} - {"sig", "verify", *ALGORITHMS}


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for inner in cast("list[object]", value):
            yield from _texts(inner)
    elif isinstance(value, dict):
        yield from _texts([*cast("dict[str, object]", value).values()])


class KeysInMemory(KeyCache):
    """The issuer's published keys, without a network."""

    def __init__(self) -> None:
        super().__init__(fetch=read_published, now_ms=clock.now_ms)


def read_published() -> KeySet:
    """The key set of the default keys."""
    return parse_key_set(json.dumps(published()).encode(), load_public_key)
