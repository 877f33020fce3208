"""Who gets a connection: the handshake's status, with real tokens on a real socket."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from tests.support.e2e.client import PATIENCE, aws, dashboard

if TYPE_CHECKING:
    from mypy_boto3_cognito_idp import CognitoIdentityProviderClient

    from local.stack import Stack

Mint = Callable[..., str]


def handshake_status(stack: Stack, *, token: str | None = None, query: str = "", header: bool = False) -> int:
    """101 where the handshake succeeds, else the status it was refused with."""
    subprotocols = [Subprotocol("formbridge.v1")]
    if token is not None and not header:
        subprotocols.append(Subprotocol(f"bearer.{token}"))
    headers = {"Authorization": f"Bearer {token}"} if header else None
    try:
        with connect(
            stack.output("websocket_url") + query,
            subprotocols=subprotocols,
            additional_headers=headers,
            open_timeout=PATIENCE,
            close_timeout=1,
        ) as socket:
            assert socket.subprotocol == "formbridge.v1"
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


def test_a_token_opens_a_connection_as_subprotocol_or_as_header(stack: Stack, token: Mint, tenant: str) -> None:
    assert handshake_status(stack, token=token(tenant)) == 101
    assert handshake_status(stack, token=token(tenant), header=True) == 101


def test_without_a_token_it_is_401(stack: Stack) -> None:
    assert handshake_status(stack) == 401


def test_an_expired_token_is_401(stack: Stack, token: Mint, tenant: str) -> None:
    assert handshake_status(stack, token=token(tenant, expires_in=-1)) == 401


def test_a_token_signed_with_another_key_is_401(stack: Stack, token: Mint, tenant: str) -> None:
    genuine = token(tenant)
    claims = jwt.decode(genuine, options={"verify_signature": False})
    forger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    forged = jwt.encode(claims, forger, algorithm="RS256", headers={"kid": jwt.get_unverified_header(genuine)["kid"]})

    assert handshake_status(stack, token=forged) == 401


def test_a_token_without_a_signature_is_401(stack: Stack, token: Mint, tenant: str) -> None:
    genuine = token(tenant)
    header = {**jwt.get_unverified_header(genuine), "alg": "none"}
    encoded = base64.urlsafe_b64encode(json.dumps(header).encode()).decode().rstrip("=")

    assert handshake_status(stack, token=f"{encoded}.{genuine.split('.')[1]}.") == 401


def test_a_token_whose_tenant_was_changed_is_401(stack: Stack, token: Mint, tenant: str) -> None:
    head, _, signature = token(tenant).split(".")
    claims = jwt.decode(token(tenant), options={"verify_signature": False})
    body = base64.urlsafe_b64encode(json.dumps({**claims, "custom:tenant_id": "t_other"}).encode()).decode().rstrip("=")

    assert handshake_status(stack, token=f"{head}.{body}.{signature}") == 401


@pytest.mark.parametrize(("wanted", "status"), [("t_other", 403), ("", 403)])
def test_asking_for_a_tenant_that_the_token_does_not_grant_is_403(
    stack: Stack, token: Mint, tenant: str, wanted: str, status: int
) -> None:
    assert handshake_status(stack, token=token(tenant), query=f"?tenant_id={wanted}") == status


def test_asking_for_the_tokens_own_tenant_is_fine(stack: Stack, token: Mint, tenant: str) -> None:
    assert handshake_status(stack, token=token(tenant), query=f"?tenant_id={tenant}") == 101


def test_a_user_of_the_cognito_pool_signs_in_and_connects(stack: Stack, tenant: str) -> None:
    cognito: CognitoIdentityProviderClient = aws(stack, "cognito-idp")
    pool_id, client_id = stack.output("issuer").rsplit("/", 1)[-1], stack.output("client_id")
    email, password = f"{uuid.uuid4().hex}@example.com", "Correct-horse-7"
    cognito.admin_create_user(
        UserPoolId=pool_id,
        Username=email,
        UserAttributes=[{"Name": "email", "Value": email}, {"Name": "custom:tenant_id", "Value": tenant}],
        MessageAction="SUPPRESS",
    )
    cognito.admin_set_user_password(UserPoolId=pool_id, Username=email, Password=password, Permanent=True)
    # The dashboard's app client signs people in by SRP; an administrator's way in keeps this test short.
    cognito.update_user_pool_client(
        UserPoolId=pool_id, ClientId=client_id, ExplicitAuthFlows=["ALLOW_ADMIN_USER_PASSWORD_AUTH"]
    )
    answer = cognito.admin_initiate_auth(
        UserPoolId=pool_id,
        ClientId=client_id,
        AuthFlow="ADMIN_USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": email, "PASSWORD": password},
    )
    tokens = answer.get("AuthenticationResult", {})

    assert handshake_status(stack, token=tokens.get("IdToken"), query=f"?tenant_id={tenant}") == 101
    assert handshake_status(stack, token=tokens.get("AccessToken")) == 401


def test_a_reply_tells_when_the_token_expires(stack: Stack, token: Mint, tenant: str) -> None:
    mine = token(tenant)
    with dashboard(stack, mine, subscribe=False) as client:
        reply = client.ask("subscribe")

    assert reply["expires_at"] == jwt.decode(mine, options={"verify_signature": False})["exp"]
