from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore import exceptions as botocore_errors
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from hypothesis import given
from hypothesis import strategies as st

from formbridge.posting.signing import Credentials, Signer
from formbridge.runtime import aws

ENDPOINT = "https://abc123.execute-api.us-east-1.amazonaws.com/live"

texts = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=40)
connection_ids = st.one_of(
    st.binary(min_size=1, max_size=20).map(lambda data: base64.b64encode(data).decode()),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20),
)
endpoints = st.sampled_from(
    [
        ENDPOINT,
        "https://abc123.execute-api.eu-central-1.amazonaws.com:443/live",
        "https://ws.example.com",
        "http://127.0.0.1:4566/_aws/execute-api/abc123/live",
        "http://localhost:80/a-b_c.d~e",
    ]
)
moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)).map(lambda at: at.replace(tzinfo=UTC))  # noqa: DTZ001


def signed_by_botocore(
    method: str, url: str, payload: bytes, credentials: Credentials, region: str, at: datetime
) -> dict[str, str]:
    """The headers that botocore gives a request."""
    # Any: what these take and give is not told by botocore's types.
    auth: Any = SigV4Auth(BotocoreCredentials(*credentials), "execute-api", region)
    request: Any = AWSRequest(method, url, {}, payload)
    request.context["timestamp"] = at.strftime("%Y%m%dT%H%M%SZ")
    request.headers["X-Amz-Date"] = request.context["timestamp"]
    if credentials.token:
        request.headers["X-Amz-Security-Token"] = credentials.token
    to_sign = auth.string_to_sign(request, auth.canonical_request(request))
    auth._inject_signature_to_request(request, auth.signature(to_sign, request))  # noqa: SLF001 - no public name
    return {name.lower(): value for name, value in request.headers.items()}


@given(
    endpoint=endpoints,
    method=st.sampled_from(["POST", "DELETE"]),
    connection_id=connection_ids,
    payload=st.binary(max_size=200),
    credentials=st.builds(Credentials, texts, texts, st.none() | texts),
    region=st.sampled_from(["us-east-1", "eu-central-1", "ap-southeast-2"]),
    at=moments,
)
def test_a_request_is_signed_as_botocore_signs_it(
    endpoint: str,
    method: str,
    connection_id: str,
    payload: bytes,
    credentials: Credentials,
    region: str,
    at: datetime,
) -> None:
    signer = Signer(endpoint, region, lambda: credentials, at.timestamp)

    url, headers = signer.sign(method, connection_id, payload)

    assert {name.lower(): value for name, value in (header.split(": ", 1) for header in headers)} == (
        signed_by_botocore(method, url, payload, credentials, region, at)
    )


@pytest.mark.parametrize(
    ("connection_id", "encoded"),
    [("L0SM9cOFvHcCIhw=", "L0SM9cOFvHcCIhw%3D"), ("a/b+c", "a%2Fb%2Bc"), ("a-b_c.d~e", "a-b_c.d~e")],
)
def test_an_id_is_one_part_of_the_path(connection_id: str, encoded: str) -> None:
    signer = Signer(ENDPOINT, "us-east-1", lambda: Credentials("key", "secret", None))

    assert signer.sign("POST", connection_id, b"")[0] == f"{ENDPOINT}/@connections/{encoded}"


def test_what_changes_while_it_is_warm_is_taken_up() -> None:
    now = [1_800_000_000.9]
    held = [Credentials("first", "one", "token")]
    signer = Signer(ENDPOINT, "us-east-1", lambda: held[0], lambda: now[0])

    def headers() -> dict[str, str]:
        _, lines = signer.sign("POST", "one", b"frame")
        return {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}

    def expected() -> dict[str, str]:
        at = datetime.fromtimestamp(int(now[0]), UTC)
        return signed_by_botocore("POST", f"{ENDPOINT}/@connections/one", b"frame", held[0], "us-east-1", at)

    assert headers() == expected()
    for moment, credentials in (
        (0.2, held[0]),
        (1, Credentials("second", "two", "another token")),
        (86_400, Credentials("second", "two", None)),
    ):
        now[0] += moment
        held[0] = credentials
        assert headers() == expected()


@pytest.mark.parametrize("endpoint", ["wss://host/live", "host/live", "https:///live", ""])
def test_what_is_no_url_of_a_stage_is_an_error(endpoint: str) -> None:
    with pytest.raises(ValueError, match=r"^endpoint: must be https://HOST/STAGE, got"):
        Signer(endpoint, "us-east-1", lambda: Credentials("key", "secret", None))


class TestFromTheEnvironment:
    @pytest.fixture(autouse=True)
    def environment(self, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
        for name in ("AWS_PROFILE", "AWS_REGION", "AWS_SESSION_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-3")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "the-key")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        monkeypatch.setattr(aws, "session", aws.session.__wrapped__)
        monkeypatch.setattr("formbridge.posting.signing.session", aws.session)
        return monkeypatch

    @pytest.mark.parametrize("token", [None, "the-token"])
    def test_come_region_and_credentials(self, environment: pytest.MonkeyPatch, token: str | None) -> None:
        if token:
            environment.setenv("AWS_SESSION_TOKEN", token)

        _, headers = Signer.from_environment(ENDPOINT).sign("POST", "one", b"")

        (authorization,) = [header for header in headers if header.startswith("Authorization: ")]
        assert " Credential=the-key/" in authorization
        assert "/eu-west-3/execute-api/aws4_request, " in authorization
        assert (f"x-amz-security-token: {token}" in headers) == (token is not None)

    def test_no_region_is_an_error(self, environment: pytest.MonkeyPatch) -> None:
        environment.delenv("AWS_DEFAULT_REGION")

        with pytest.raises(botocore_errors.NoRegionError):
            Signer.from_environment(ENDPOINT)

    def test_no_credentials_are_an_error_once_they_are_needed(self, environment: pytest.MonkeyPatch) -> None:
        environment.delenv("AWS_ACCESS_KEY_ID")
        environment.delenv("AWS_SECRET_ACCESS_KEY")
        signer = Signer.from_environment(ENDPOINT)

        with pytest.raises(botocore_errors.NoCredentialsError):
            signer.sign("POST", "one", b"")
