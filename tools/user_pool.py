"""The users of a Cognito user pool: who they are, and their sign-out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from mypy_boto3_cognito_idp import CognitoIdentityProviderClient
    from mypy_boto3_cognito_idp.type_defs import AttributeTypeTypeDef

TENANT_ATTRIBUTE: Final = "custom:tenant_id"
"""Attribute with the tenant of a user."""
PAGE_SIZE: Final = 60
"""Maximum number of users that Cognito lists at once.
https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_ListUsers.html"""

Attributes = dict[str, str]
"""Attributes of a user by name."""


@dataclass(slots=True)
class SignOut:
    """Result of the sign-out of users."""

    done: int = 0
    """Number of users that were signed out."""
    failures: list[str] = field(default_factory=list[str])
    """A message for each user that could not be signed out."""


@dataclass(frozen=True, slots=True)
class UserPool:
    """A user pool."""

    client: CognitoIdentityProviderClient
    pool_id: str

    def find_subject(self, subject: str) -> list[str]:
        """Return the names of the users with a `sub`: one name, or none."""
        escaped = subject.replace("\\", "\\\\").replace('"', '\\"')
        users = self.client.list_users(UserPoolId=self.pool_id, Filter=f'sub = "{escaped}"', Limit=1)["Users"]
        return [user.get("Username", "") for user in users]

    def search(self, matches: Callable[[Attributes], bool], advance: Callable[[int], object]) -> Iterator[str]:
        """Yield the names of the users whose attributes match. Cognito cannot filter by an own attribute.

        Args:
            matches: Returns whether a user matches.
            advance: Function that is called with the number of users after each page.
        """
        pages = self.client.get_paginator("list_users").paginate(
            UserPoolId=self.pool_id, PaginationConfig={"PageSize": PAGE_SIZE}
        )
        for page in pages:
            for user in page["Users"]:
                if matches(_read_attributes(user.get("Attributes", []))):
                    yield user.get("Username", "")
            advance(len(page["Users"]))

    def sign_out(self, usernames: Iterable[str], *, disable: bool = False) -> SignOut:
        """End the refresh tokens of users, so that they must sign in again. A user who was deleted is skipped.

        Args:
            usernames: Names of the users.
            disable: Whether to disable the users too. They then cannot sign in until an administrator enables them.
        """
        result = SignOut()
        for username in usernames:
            try:
                if disable:
                    self.client.admin_disable_user(UserPoolId=self.pool_id, Username=username)
                self.client.admin_user_global_sign_out(UserPoolId=self.pool_id, Username=username)
            except self.client.exceptions.UserNotFoundException:
                continue
            except ClientError as error:
                result.failures.append(f"user {username}: not signed out at Cognito: {error}")
            else:
                result.done += 1
        return result


def _read_attributes(attributes: Iterable[AttributeTypeTypeDef]) -> Attributes:
    read: Mapping[str, str] = {attribute["Name"]: attribute.get("Value", "") for attribute in attributes}
    return dict(read)
