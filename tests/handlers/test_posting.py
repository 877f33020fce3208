from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore import exceptions as botocore_errors
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from formbridge.connection import Outcome
from formbridge.posting import ConnectionPoster

if TYPE_CHECKING:
    from mypy_boto3_apigatewaymanagementapi import ApiGatewayManagementApiClient

ENDPOINT = "http://127.0.0.1:1/live"


@pytest.fixture(scope="module")
def client() -> ApiGatewayManagementApiClient:
    """A client of @connections where nobody listens, that tries once: how botocore retries is botocore's affair."""
    return boto3.client(
        "apigatewaymanagementapi",
        endpoint_url=ENDPOINT,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"mode": "standard", "total_max_attempts": 1}),
    )


@pytest.fixture
def api(client: ApiGatewayManagementApiClient) -> Iterator[Stubber]:
    """@connections, with the answers that a test gives it."""
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def poster(client: ApiGatewayManagementApiClient) -> ConnectionPoster:
    return ConnectionPoster(client)


def answer_post(api: Stubber, frame: str) -> None:
    api.add_response("post_to_connection", {}, {"ConnectionId": "conn-1", "Data": frame.encode()})


def refuse_post(api: Stubber, code: str, status: int) -> None:
    api.add_client_error("post_to_connection", service_error_code=code, http_status_code=status)


def test_frames_are_posted_in_order(api: Stubber, poster: ConnectionPoster) -> None:
    for frame in ["1", "2", "é"]:
        answer_post(api, frame)
    assert poster.post("conn-1", ["1", "2", "é"]) is Outcome.POSTED


@pytest.mark.parametrize(
    ("code", "status", "outcome"),
    [
        ("GoneException", 410, Outcome.GONE),
        ("LimitExceededException", 429, Outcome.BEHIND),
        ("InternalServerError", 500, Outcome.BEHIND),
        ("ServiceUnavailable", 503, Outcome.BEHIND),
    ],
)
def test_the_answer_tells_what_became_of_a_post(
    api: Stubber, poster: ConnectionPoster, code: str, status: int, outcome: Outcome
) -> None:
    refuse_post(api, code, status)
    assert poster.post("conn-1", ["1"]) is outcome


@pytest.mark.parametrize(
    ("code", "status"), [("ForbiddenException", 403), ("PayloadTooLargeException", 413), ("BadRequestException", 400)]
)
def test_any_other_answer_is_raised(api: Stubber, poster: ConnectionPoster, code: str, status: int) -> None:
    refuse_post(api, code, status)
    with pytest.raises(ClientError, match=code):
        poster.post("conn-1", ["1"])


def test_nothing_is_posted_after_a_frame_that_failed(api: Stubber, poster: ConnectionPoster) -> None:
    answer_post(api, "1")
    refuse_post(api, "LimitExceededException", 429)
    assert poster.post("conn-1", ["1", "2", "3"]) is Outcome.BEHIND


def test_an_api_that_cannot_be_reached_is_behind(poster: ConnectionPoster) -> None:
    assert poster.post("conn-1", ["1"]) is Outcome.BEHIND


def test_a_post_that_times_out_is_behind(
    client: ApiGatewayManagementApiClient, poster: ConnectionPoster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def time_out(**_: object) -> None:
        raise botocore_errors.ReadTimeoutError(endpoint_url=ENDPOINT)

    monkeypatch.setattr(client, "post_to_connection", time_out)
    assert poster.post("conn-1", ["1"]) is Outcome.BEHIND


def test_a_connection_is_closed(api: Stubber, poster: ConnectionPoster) -> None:
    api.add_response("delete_connection", {}, {"ConnectionId": "conn-1"})
    assert poster.close("conn-1") is Outcome.POSTED


def test_closing_a_connection_that_is_gone_is_fine(api: Stubber, poster: ConnectionPoster) -> None:
    api.add_client_error("delete_connection", service_error_code="GoneException", http_status_code=410)
    assert poster.close("conn-1") is Outcome.GONE


def test_closing_where_the_stack_does_not_allow_it_is_raised(api: Stubber, poster: ConnectionPoster) -> None:
    api.add_client_error("delete_connection", service_error_code="ForbiddenException", http_status_code=403)
    with pytest.raises(ClientError, match="ForbiddenException"):
        poster.close("conn-1")
