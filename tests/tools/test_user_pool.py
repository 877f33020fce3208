from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from tests.support.tools.pool import POOL_ID, Pool
from tools.user_pool import SignOut, UserPool

if TYPE_CHECKING:
    from mypy_boto3_cognito_idp import CognitoIdentityProviderClient


@pytest.fixture
def users() -> Pool:
    return Pool()


@pytest.fixture
def pool(users: Pool) -> UserPool:
    return UserPool(cast("CognitoIdentityProviderClient", users), POOL_ID)


def test_a_user_is_found_by_the_sub(users: Pool, pool: UserPool) -> None:
    ada, _ = users.create(), users.create()
    assert pool.find_subject(ada) == [ada]
    assert pool.find_subject('nobody" or sub = "\\') == []


def test_users_are_found_by_an_attribute_and_counted(users: Pool, pool: UserPool) -> None:
    acme = [users.create() for _ in range(3)]
    users.create("t_globex")
    counted: list[int] = []
    found = list(pool.search(lambda attributes: attributes["custom:tenant_id"] == "t_acme", counted.append))
    assert (found, sum(counted)) == (acme, 4)


def test_a_user_is_signed_out_and_disabled_only_if_asked(users: Pool, pool: UserPool) -> None:
    ada = users.create()
    assert pool.sign_out([ada]) == SignOut(1)
    assert (users.signed_out, users.disabled) == ([ada], set())
    assert pool.sign_out([ada], disable=True) == SignOut(1)
    assert (users.signed_out, users.disabled) == ([ada, ada], {ada})


def test_a_user_who_was_deleted_is_skipped_and_one_who_fails_is_named(users: Pool, pool: UserPool) -> None:
    failing, ada = users.create(), users.create()
    users.failing.add(failing)
    result = pool.sign_out(["deleted", failing, ada])
    assert (result.done, len(result.failures)) == (1, 1)
    assert result.failures[0].startswith(f"user {failing}: not signed out at Cognito: ")
