"""Checks of an issuer from the outside: what it publishes, and what it answers to the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from formbridge.access.discovery import build_discovery_url, read_jwks_uri
from formbridge.access.issuer_request import fetch_document, start_time_limit
from formbridge.access.key_set import ALGORITHMS, KeyFetchFailed, KeySet, parse_key_set
from formbridge.access.public_key import load_public_key
from formbridge.runtime import strict_json
from formbridge.runtime.identifiers import quote

from .doctor_check import AT_ISSUER, Check
from .doctor_web import RequestFailed, is_secure, may_connect, read_origin, send

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from .stack_outputs import StackOutputs

Metadata = Mapping[str, object]
"""The content of a discovery document."""

UNKNOWN_CLIENT: Final = ("invalid_client", "unauthorized_client")
"""Error codes with which an issuer says that it does not take the page as a client without a secret."""
INVENTED: Final = {"grant_type": "authorization_code", "code": "doctor", "code_verifier": "doctor" * 8}
"""A request for tokens that every issuer refuses, because nobody has received this code."""


@dataclass(frozen=True, slots=True)
class SignIn:
    """What the outputs of a stack say about the sign-in."""

    issuer: str
    client_id: str
    jwks_url: str
    """URL of the keys. Empty: the discovery document names it."""
    page: str
    """URL of the page, with a slash at the end. Empty: the stack serves no page."""

    @classmethod
    def from_outputs(cls, outputs: StackOutputs) -> SignIn:
        """Read the values from the outputs of a stack.

        Raises:
            UsageError: The stack has no issuer or no client id.
        """
        page = outputs.find("dashboard_url")
        return cls(
            issuer=outputs.get("issuer"),
            client_id=outputs.get("client_id"),
            jwks_url=outputs.find("jwks_url"),
            page=f"{page.rstrip('/')}/" if page else "",
        )

    @property
    def discovery_url(self) -> str:
        """URL of the issuer's discovery document."""
        return build_discovery_url(self.issuer)

    @property
    def discovery_is_used(self) -> bool:
        """Whether the gateway or a page of the stack reads the discovery document."""
        return bool(self.page) or not self.jwks_url


@dataclass(slots=True)
class IssuerCheckup:
    """The checks of one issuer. `run` yields their results, and `keys` holds what the checks of a token need."""

    sign_in: SignIn
    keys: KeySet | None = None
    """The usable keys of the issuer. None: they could not be read."""

    def run(self) -> Iterator[Check]:
        """Check the issuer, and yield the result of each check."""
        metadata: Metadata = {}
        if self.sign_in.discovery_is_used:
            metadata = yield from self._read_discovery()
        else:
            yield Check.noted(
                "jwksUrl", "the discovery document is not used: jwksUrl is set, and the stack has no page"
            )
        if self.sign_in.jwks_url:
            yield from self._read_keys("jwksUrl", self.sign_in.jwks_url)
        if not metadata:
            return
        if not self.sign_in.jwks_url:
            try:
                yield from self._read_keys("issuer", read_jwks_uri(metadata, self.sign_in.issuer))
            except KeyFetchFailed as error:
                yield Check.failed("issuer", str(error))
        yield from check_metadata(metadata)
        if self.sign_in.page:
            yield from check_page(self.sign_in, metadata)
        else:
            yield Check.noted("dashboardSite", "CORS is not checked, because the stack serves no page")

    def _read_discovery(self) -> Generator[Check, None, Metadata]:
        """Read the discovery document. Return it, or an empty one if it cannot be used."""
        url = self.sign_in.discovery_url
        try:
            metadata = strict_json.parse_object(fetch_document(url, start_time_limit()))
        except (KeyFetchFailed, ValueError) as error:
            yield Check.failed("issuer", f"discovery document: must be readable at {url} ({error})")
            return {}
        yield Check.passed("issuer", f"the discovery document is readable: {url}")
        published = metadata.get("issuer")
        if published == self.sign_in.issuer:
            yield Check.passed("issuer", "the discovery document names the same issuer")
        else:
            yield Check.failed(
                "issuer",
                f"issuer: must be {quote(published)} as in the discovery document, got {self.sign_in.issuer!r}",
            )
        return metadata

    def _read_keys(self, setting: str, url: str) -> Iterator[Check]:
        shown = url.partition("?")[0]  # the query of the local run's URL is a secret
        try:
            self.keys = parse_key_set(fetch_document(url, start_time_limit()), load_public_key)
        except KeyFetchFailed as error:
            yield Check.failed(setting, f"keys: must be readable at {shown} ({error})")
            return
        algorithms = ", ".join(dict.fromkeys(name for key in self.keys.keys for name in key.algorithms))
        yield Check.passed(setting, f"the keys are readable: {shown}; usable: {len(self.keys.keys)} ({algorithms})")
        for reason in self.keys.ignored:
            yield Check.noted(AT_ISSUER, f"a key is not used: {reason}")


def check_metadata(metadata: Metadata) -> Iterator[Check]:
    """Check the endpoints and the features that a discovery document names."""
    for name in ("authorization_endpoint", "token_endpoint"):
        if is_secure(metadata.get(name)):
            yield Check.passed(AT_ISSUER, f"{name} is published")
        else:
            yield Check.failed(AT_ISSUER, f"{name}: must be an https URL, got {quote(metadata.get(name))}")
    yield _check_optional(
        metadata, "end_session_endpoint", "signing out of the page does not end the session at the issuer"
    )
    yield _check_optional(metadata, "revocation_endpoint", "signing out of the page does not revoke the refresh token")
    if "offline_access" in _strings(metadata, "scopes_supported"):
        yield Check.passed("scopes", "offline_access is offered, and the page asks for it unless scopes is set")
    else:
        yield Check.noted(
            "scopes",
            "offline_access is not offered: if the issuer gives no refresh token without it, the page is loaded anew "
            "to renew a token",
        )
    methods = _strings(metadata, "code_challenge_methods_supported")
    if "S256" in methods:
        yield Check.passed(AT_ISSUER, "PKCE with S256 is offered")
    elif methods:
        yield Check.failed(AT_ISSUER, f"code_challenge_methods_supported: must contain S256, got {quote(methods)}")
    else:
        yield Check.noted(AT_ISSUER, "PKCE is not mentioned in the discovery document; the page uses it with S256")
    yield _check_algorithms(metadata)


def check_page(sign_in: SignIn, metadata: Metadata) -> Iterator[Check]:
    """Check what a browser allows to the page: by CORS at the issuer, and by the page's own policy."""
    origin = read_origin(sign_in.page)
    endpoint = metadata.get("token_endpoint")
    try:
        answer = send("GET", sign_in.discovery_url, origin=origin)
        yield _check_cors("the discovery document", origin, allowed=answer.allows(origin))
        if isinstance(endpoint, str) and is_secure(endpoint):
            form = INVENTED | {"client_id": sign_in.client_id, "redirect_uri": sign_in.page}
            answer = send("POST", endpoint, origin=origin, form=form)
            yield _check_cors("the token endpoint", origin, allowed=answer.allows(origin))
            yield _check_client(sign_in.client_id, answer.error)
    except RequestFailed as error:
        yield Check.failed(AT_ISSUER, f"the issuer: must answer the page ({error})")
    yield from _check_policy(sign_in.page, [sign_in.discovery_url, endpoint, metadata.get("revocation_endpoint")])


def _check_policy(page: str, urls: Sequence[object]) -> Iterator[Check]:
    try:
        policy = send("GET", page).headers.get("content-security-policy", "")
    except RequestFailed as error:
        yield Check.failed("dashboardSite", f"the page: must answer at {page} ({error})")
        return
    for host in dict.fromkeys(read_origin(url) for url in urls if isinstance(url, str) and is_secure(url)):
        if may_connect(policy, host, page):
            yield Check.passed("connectSources", f"the page may connect to {host}")
        else:
            yield Check.failed("connectSources", f"connectSources: must contain {host!r}, an endpoint of the issuer")


def _check_cors(name: str, origin: str, *, allowed: bool) -> Check:
    if allowed:
        return Check.passed(AT_ISSUER, f"CORS: the page can read {name}")
    return Check.failed(AT_ISSUER, f"CORS: {name} must allow the origin {origin}")


def _check_client(client_id: str, error: str) -> Check:
    """Return what the token endpoint says about the page as a client."""
    if error == "invalid_grant":
        return Check.passed("audience", f"the issuer knows the client {client_id!r}, without a secret")
    if error in UNKNOWN_CLIENT:
        return Check.failed(
            "audience", f"audience: must be the id of a client without a secret, got {client_id!r} ({error})"
        )
    said = f"answered {error}" if error else "did not say"
    return Check.noted(
        "audience", f"whether {client_id!r} is a client without a secret is not known: the issuer {said}"
    )


def _check_algorithms(metadata: Metadata) -> Check:
    name = "id_token_signing_alg_values_supported"
    if not isinstance(metadata.get(name), list):
        return Check.noted(AT_ISSUER, f"{name} is not published: a token shows with which algorithm it is signed")
    offered = _strings(metadata, name)
    if usable := [algorithm for algorithm in offered if algorithm in ALGORITHMS]:
        return Check.passed(AT_ISSUER, f"ID tokens can be signed with {', '.join(usable)}")
    return Check.failed(AT_ISSUER, f"{name}: must contain one of {', '.join(ALGORITHMS)}, got {quote(offered)}")


def _check_optional(metadata: Metadata, name: str, consequence: str) -> Check:
    if is_secure(metadata.get(name)):
        return Check.passed(AT_ISSUER, f"{name} is published")
    return Check.noted(AT_ISSUER, f"{name} is not published: {consequence}")


def _strings(metadata: Metadata, name: str) -> list[str]:
    values = metadata.get(name)
    return (
        [value for value in cast("list[object]", values) if isinstance(value, str)] if isinstance(values, list) else []
    )
