from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import jwt
import pytest

from formbridge.runtime.tenant_id_pattern import DEFAULT_TENANT_ID_PATTERN
from local import tokens
from local.emulator_client import client
from local.stack import Stack, StackError
from local.tokens import MAX_LIFETIME_SECONDS, TokenError, fetch_jwks, mint
from tests.support.local.stacks import make_stack

if TYPE_CHECKING:
    from pathlib import Path

    from local.emulator import Emulator


@pytest.fixture(scope="module")
def stack(emulator: Emulator) -> Stack:
    """A stack with a user pool; the keys are those that the emulator's Cognito publishes."""
    cognito = client("cognito-idp", emulator)
    pool = cognito.create_user_pool(PoolName="tokens")["UserPool"]["Id"]
    outputs = {
        "issuer": f"https://cognito-idp.{emulator.region}.amazonaws.com/{pool}",
        "client_id": cognito.create_user_pool_client(UserPoolId=pool, ClientName="c")["UserPoolClient"]["ClientId"],
    }
    return make_stack(emulator, outputs=outputs)


@pytest.fixture
def state_dir(emulator: Emulator) -> Path:
    return emulator.directory.parent


def claims(token: str, stack: Stack, *, verify_exp: bool = True) -> dict[str, Any]:
    """What the token says, if it verifies by the pool's published keys, as an authorizer verifies it."""
    header = jwt.get_unverified_header(token)
    keys = jwt.PyJWKSet.from_dict(json.loads(tokens.fetch_jwks(stack)))
    return jwt.decode(
        token,
        keys[header["kid"]],
        algorithms=["RS256"],
        audience=stack.output("client_id"),
        issuer=stack.output("issuer"),
        options={"require": ["exp", "iat", "iss", "aud", "sub"], "verify_exp": verify_exp},
    )


def test_a_token_verifies_by_the_published_keys(stack: Stack, state_dir: Path) -> None:
    before = int(time.time())
    found = claims(mint(stack, state_dir, "t_acme", 60), stack)
    assert found["custom:tenant_id"] == "t_acme"
    assert found["token_use"] == "id"
    assert before + 60 <= found["exp"] <= int(time.time()) + 60
    assert mint(stack, state_dir, "t_acme") != mint(stack, state_dir, "t_acme")


def test_a_lifetime_may_be_negative(stack: Stack, state_dir: Path) -> None:
    token = mint(stack, state_dir, "t_acme", -30)
    with pytest.raises(jwt.ExpiredSignatureError):
        claims(token, stack)
    found = claims(token, stack, verify_exp=False)
    assert found["iat"] < found["exp"] < time.time()


@pytest.mark.parametrize("tenant", ["", "acme", "t_", "t_a b", "T_acme", "t_" + "x" * 65, "t_acme\n"])
def test_a_tenant_must_be_one(stack: Stack, state_dir: Path, tenant: str) -> None:
    strict = make_stack(stack, outputs={**stack.outputs, "tenant_id_pattern": DEFAULT_TENANT_ID_PATTERN})
    with pytest.raises(TokenError, match=r"^tenant_id: must match t_\[") as caught:
        mint(strict, state_dir, tenant)
    assert repr(tenant)[:40] in str(caught.value)


def test_a_lifetime_has_a_limit(stack: Stack, state_dir: Path) -> None:
    with pytest.raises(TokenError, match=f"expires_in: must be at most {MAX_LIFETIME_SECONDS} seconds, got 86401"):
        mint(stack, state_dir, "t_acme", MAX_LIFETIME_SECONDS + 1)


def test_a_stack_without_an_issuer(state_dir: Path) -> None:
    with pytest.raises(StackError, match="issuer"):
        mint(make_stack(), state_dir, "t_acme")


def test_an_emulator_that_has_ended(stack: Stack) -> None:
    ended = make_stack(outputs=stack.outputs)
    with pytest.raises(StackError, match=r"^http://127\.0\.0\.1:1: the emulator does not answer"):
        fetch_jwks(ended)


def test_an_issuer_that_is_not_the_local_one(stack: Stack, state_dir: Path) -> None:
    foreign = make_stack(stack, outputs={**stack.outputs, "issuer": "https://login.example.com"})
    with pytest.raises(
        StackError, match=r"issuer: must be a user pool of the local Cognito, got 'https://login\.example\.com'"
    ):
        mint(foreign, state_dir, "t_acme")
