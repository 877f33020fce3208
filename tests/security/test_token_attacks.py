"""Attacks with tokens on the authorizer, whose issuer is a real server on 127.0.0.1 that it finds by discovery."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import authorize
from formbridge.access.discovery import DISCOVERY_PATH
from formbridge.access.key_cache import REFETCH_SECONDS, KeysUnavailable
from tests.support.handlers import issuer
from tests.support.handlers.builders import LambdaContext, authorizer_event
from tests.support.handlers.clock import Clock
from tests.support.handlers.issuer import handmade, jwk, rs256, signed_token
from tests.support.handlers.principals import USER_HASH_KEY
from tests.support.handlers.raw_server import answering, http_response, read_request

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator
    from threading import Event

JWKS_PATH: Final = "/keys"
OWN_PATHS: Final = [DISCOVERY_PATH, JWKS_PATH]


@dataclass
class Server:
    """A server that remembers which paths were requested."""

    url: str = ""
    paths: list[str] = field(default_factory=list[str])
    documents: dict[str, bytes] = field(default_factory=dict[str, bytes])
    """The response to each path, 404 to every other."""

    def respond(self, connection: socket.socket, _stopped: Event) -> None:
        path = read_request(connection).split(" ")[1]
        self.paths.append(path)
        connection.sendall(self.documents.get(path, http_response(b"", "404 Not Found")))

    def publish(self, issuer_url: str, *keys: dict[str, Any], **fields: object) -> None:
        """Serve a discovery document and a key set."""
        discovery = {"issuer": issuer_url, "jwks_uri": self.url + JWKS_PATH, **fields}
        self.documents[DISCOVERY_PATH] = http_response(json.dumps(discovery).encode())
        self.documents[JWKS_PATH] = http_response(json.dumps({"keys": keys}).encode())


@dataclass
class Scene:
    """The authorizer, its issuer, and the attacker's server."""

    issuer: Server
    attacker: Server
    clock: Clock

    def claims(self, **changes: object) -> dict[str, Any]:
        return issuer.claims(**{"iss": self.issuer.url, **changes})

    def connect(self, bearer: str) -> str:
        """The status of a handshake."""
        try:
            answer = authorize.handler(authorizer_event({"Authorization": f"Bearer {bearer}"}), LambdaContext())
        except KeysUnavailable:
            return "500"
        except Exception as error:
            if error.args != ("Unauthorized",):
                raise
            return "401"
        return "101" if answer["context"].get("tenant_id") else "403"


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    own, attacker, clock = Server(), Server(), Clock()
    with answering(own.respond) as own.url, answering(attacker.respond) as attacker.url:
        monkeypatch.setattr("formbridge.runtime.clock.time", clock)
        environment = {
            **issuer.ENVIRONMENT,
            "ISSUER": own.url,
            "ALLOWED_ORIGINS": "",
            "TOKEN_IN_QUERY": "false",
            "CONNECTION_SHARDS": "1",
            "USER_HASH_KEY": USER_HASH_KEY,
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("JWKS_URL", raising=False)
        own.publish(own.url, jwk("rsa-1", kid="rsa-1"), jwk("ec-1", kid="ec-1"), jwk("ed25519-1", kid="ed25519-1"))
        attacker.publish(attacker.url, jwk("rsa-2", kid="rsa-1"))
        for cached in (authorize.verifier, authorize.hashes):
            cached.cache_clear()
        yield Scene(own, attacker, clock)
        for cached in (authorize.verifier, authorize.hashes):
            cached.cache_clear()


def test_without_an_attack_the_token_is_accepted(scene: Scene) -> None:
    assert scene.connect(signed_token("RS256", "rsa-1", scene.claims(), header={"kid": "rsa-1"})) == "101"
    assert (scene.issuer.paths, scene.attacker.paths) == (OWN_PATHS, [])


def unsigned(_signed: bytes) -> bytes:
    return b""


def rs256_of_another(signed: bytes) -> bytes:
    """Sign with a key that the issuer has not published."""
    return rs256(signed, "rsa-2")


# --- Algorithms -----------------------------------------------------------------------------------------------


def public_bytes(key: str, encoding: Encoding) -> bytes:
    public = issuer.private_key(key).public_key()
    if encoding is Encoding.Raw:
        return public.public_bytes(encoding, PublicFormat.Raw)
    return public.public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)


SECRETS: Final[dict[str, Callable[[], bytes]]] = {
    "PEM of the RSA key": lambda: public_bytes("rsa-1", Encoding.PEM),
    "PEM of the RSA key without its last line break": lambda: public_bytes("rsa-1", Encoding.PEM).strip(),
    "DER of the RSA key": lambda: public_bytes("rsa-1", Encoding.DER),
    "JWK of the RSA key": lambda: json.dumps(jwk("rsa-1", kid="rsa-1")).encode(),
    "modulus of the RSA key": lambda: jwk("rsa-1")["n"].encode(),
    "PEM of the EC key": lambda: public_bytes("ec-1", Encoding.PEM),
    "raw Ed25519 key": lambda: public_bytes("ed25519-1", Encoding.Raw),
    "empty secret": lambda: b"",
}


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS.keys())
@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
@pytest.mark.parametrize("kid", ["rsa-1", "ec-1", None])
def test_no_public_key_is_a_shared_secret(
    secret: Callable[[], bytes], algorithm: str, kid: str | None, scene: Scene
) -> None:
    digest = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}[algorithm]
    header = {"alg": algorithm, "typ": "JWT", **({"kid": kid} if kid else {})}
    bad = handmade(header, scene.claims(), lambda signed: hmac.digest(secret(), signed, digest))
    assert (scene.connect(bad), scene.issuer.paths) == ("401", [])


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", "", "null", None])
@pytest.mark.parametrize("sign", [unsigned, rs256], ids=["unsigned", "signed"])
def test_a_token_without_an_algorithm_is_refused(
    algorithm: str | None, sign: Callable[[bytes], bytes], scene: Scene
) -> None:
    bad = handmade({"alg": algorithm, "kid": "rsa-1"}, scene.claims(), sign)
    assert (scene.connect(bad), scene.issuer.paths) == ("401", [])


@pytest.mark.parametrize(
    ("algorithm", "key", "kid"),
    [
        ("RS256", "rsa-1", "ec-1"),
        ("PS256", "rsa-1", "ec-1"),
        ("ES256", "ec-1", "rsa-1"),
        ("ES256", "ec-1", "ed25519-1"),
        ("EdDSA", "ed25519-1", "rsa-1"),
        ("ES384", "p384-1", "ec-1"),
        ("ES512", "p521-1", "ec-1"),
        ("EdDSA", "ed448-1", "ed25519-1"),
        ("ES256K", "k256-1", "ec-1"),
    ],
)
def test_a_key_of_another_type_does_not_verify(algorithm: str, key: str, kid: str, scene: Scene) -> None:
    assert scene.connect(signed_token(algorithm, key, scene.claims(), header={"kid": kid})) == "401"


def test_the_header_of_one_algorithm_is_not_signed_with_another(scene: Scene) -> None:
    """A signature of PKCS #1 does not pass as one of PSS, nor one of a shorter hash as one of a longer."""
    for algorithm in ("PS256", "RS384", "RS512", "ES256", "EdDSA"):
        assert scene.connect(handmade({"alg": algorithm, "kid": "rsa-1"}, scene.claims(), rs256)) == "401"


@pytest.mark.parametrize(
    "signature", [b"", b"\x00" * 64, b"\x00" * 256, b"\xff" * 256, b"\x30\x06\x02\x01\x00\x02\x01\x00"]
)
@pytest.mark.parametrize(("algorithm", "kid"), [("ES256", "ec-1"), ("RS256", "rsa-1"), ("EdDSA", "ed25519-1")])
def test_an_empty_signature_does_not_verify(signature: bytes, algorithm: str, kid: str, scene: Scene) -> None:
    assert scene.connect(handmade({"alg": algorithm, "kid": kid}, scene.claims(), lambda _: signature)) == "401"


# --- Keys that the token brings or names ----------------------------------------------------------------------

KEY_IDS: Final = [
    "../../../../../../dev/null",
    "/dev/null",
    "../keys/rsa-1",
    "rsa-1\x00",
    "rsa-1 ",
    "RSA-1",
    "rsa-1' OR '1'='1",
    "rsa-1; ls",
    "|ls",
    "$(ls)",
    "%72%73%61-1",
    "ATTACKER/keys",
    "ATTACKER/keys#rsa-1",
    "file:///etc/passwd",
    "__proto__",
    "*",
    "rsa-*",
    "0",
]


@pytest.mark.parametrize("kid", KEY_IDS)
def test_a_kid_is_only_compared(kid: str, scene: Scene) -> None:
    header = {"alg": "RS256", "kid": kid.replace("ATTACKER", scene.attacker.url)}
    for sign in (unsigned, rs256, rs256_of_another):
        assert scene.connect(handmade(header, scene.claims(), sign)) == "401"
    assert (scene.issuer.paths, scene.attacker.paths) == (OWN_PATHS, [])


HEADERS: Final[dict[str, Callable[[str], object]]] = {
    "jku": lambda url: f"{url}/keys",
    "x5u": lambda url: f"{url}/certificate.pem",
    "jwk": lambda _: jwk("rsa-2", kid="rsa-1"),
    "x5c": lambda _: ["TUlJQw=="],
    "x5t": lambda _: "x",
    "x5t#S256": lambda _: "x",
    "iss": lambda url: url,
    "issuer": lambda url: url,
    "jwks_uri": lambda url: f"{url}/keys",
    "url": lambda url: url,
    "zip": lambda _: "DEF",
}


@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.parametrize("kid", ["rsa-1", "rsa-9", None])
def test_a_header_brings_no_key(name: str, kid: str | None, scene: Scene) -> None:
    header = {"alg": "RS256", name: HEADERS[name](scene.attacker.url), **({"kid": kid} if kid else {})}
    bad = handmade(header, scene.claims(), rs256_of_another)
    assert scene.connect(bad) == "401"
    assert (scene.issuer.paths, scene.attacker.paths) == (OWN_PATHS, [])


CLAIMS: Final = ["iss", "jwks_uri", "sub", "azp", "tenant_id", "custom:tenant_id", "picture", "_claim_sources"]


@pytest.mark.parametrize("name", CLAIMS)
def test_nothing_that_a_claim_names_is_requested(name: str, scene: Scene) -> None:
    said = scene.claims(**{name: scene.attacker.url})
    for key in ("rsa-1", "rsa-2"):
        assert scene.connect(signed_token("RS256", key, said, header={"kid": "rsa-1"})) != "500"
    assert scene.attacker.paths == []


def test_tokens_with_invented_kids_cause_one_request_per_pause(scene: Scene) -> None:
    for number in range(50):
        assert scene.connect(handmade({"alg": "RS256", "kid": f"kid-{number}"}, scene.claims())) == "401"
    assert scene.issuer.paths == OWN_PATHS
    scene.clock.advance(REFETCH_SECONDS * 1000)
    said = scene.claims()
    for _ in range(50):
        assert scene.connect(handmade({"alg": "RS256"}, said)) == "401"
    assert scene.issuer.paths == OWN_PATHS * 2


# --- Foreign issuers ------------------------------------------------------------------------------------------


def forged(scene: Scene) -> str:
    """A token with the right issuer that the attacker signed."""
    return signed_token("RS256", "rsa-2", scene.claims(), header={"kid": "rsa-1"})


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
@pytest.mark.parametrize("path", OWN_PATHS)
def test_no_redirect_leads_to_another_issuer(status: str, path: str, scene: Scene) -> None:
    scene.issuer.documents[path] = http_response(b"", status, f"Location: {scene.attacker.url}{path}")
    assert scene.connect(forged(scene)) == "500"
    assert scene.attacker.paths == []


def test_a_discovery_document_of_another_issuer_is_not_used(scene: Scene) -> None:
    scene.issuer.publish(scene.attacker.url, jwks_uri=scene.attacker.url + JWKS_PATH)
    assert scene.connect(forged(scene)) == "500"
    assert (scene.issuer.paths, scene.attacker.paths) == ([DISCOVERY_PATH], [])


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://localhost.attacker.example/keys",
        "http://127.0.0.1@attacker.example/keys",
        "file:///proc/self/environ",
        "gopher://127.0.0.1/keys",
    ],
)
def test_an_issuer_cannot_make_the_lambda_request_this(url: str, scene: Scene) -> None:
    scene.issuer.publish(scene.issuer.url, jwks_uri=url)
    assert scene.connect(forged(scene)) == "500"
    assert scene.issuer.paths == [DISCOVERY_PATH]


def test_a_response_cannot_put_a_key_into_the_cache_of_good_ones(scene: Scene) -> None:
    long_lived = scene.claims(exp=scene.clock.ms // 1000 + 9_000)
    good = signed_token("RS256", "rsa-1", long_lived, header={"kid": "rsa-1"})
    assert scene.connect(good) == "101"
    scene.issuer.publish(scene.attacker.url, jwks_uri=scene.attacker.url + JWKS_PATH)
    scene.clock.advance(3_600_000)
    later = scene.claims(exp=scene.clock.ms // 1000 + 60)
    assert scene.connect(signed_token("RS256", "rsa-2", later, header={"kid": "rsa-1"})) == "401"
    assert scene.connect(good) == "101"
    assert scene.attacker.paths == []
