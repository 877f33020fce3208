"""A Cognito user pool in memory, as far as the tools use it. moto's needs a package of its own."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Iterator

POOL_ID: Final = "us-east-1_pool"


class UserNotFoundException(ClientError):
    """Cognito has no user of that name."""

    def __init__(self) -> None:
        super().__init__({"Error": {"Code": "UserNotFoundException", "Message": "no such user"}}, "AdminOperation")


@dataclass
class Pool:
    """The client and the pool that it asks."""

    users: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    """Attributes by the name of the user, which is the `sub` where users sign in with an e-mail address."""
    disabled: set[str] = field(default_factory=set[str])
    signed_out: list[str] = field(default_factory=list[str])
    failing: set[str] = field(default_factory=set[str])
    """Users that nobody may sign out."""
    exceptions: Any = field(default_factory=lambda: SimpleNamespace(UserNotFoundException=UserNotFoundException))

    def create(self, tenant_id: str = "t_acme") -> str:
        """A user of a tenant; the `sub`."""
        subject = str(uuid.uuid4())
        self.users[subject] = {"sub": subject, "custom:tenant_id": tenant_id}
        return subject

    def list_users(self, *, UserPoolId: str, Filter: str, Limit: int) -> dict[str, Any]:  # noqa: N803 - Cognito's names
        assert (UserPoolId, Limit) == (POOL_ID, 1)
        matched = re.fullmatch(r'sub = "((?:[^"\\]|\\.)*)"', Filter)
        assert matched is not None, Filter
        return self._page([matched[1]] if matched[1] in self.users else [])

    def get_paginator(self, operation: str) -> Pool:
        assert operation == "list_users"
        return self

    def paginate(self, *, UserPoolId: str, PaginationConfig: dict[str, int]) -> Iterator[dict[str, Any]]:  # noqa: N803 - Cognito's names
        assert (UserPoolId, PaginationConfig) == (POOL_ID, {"PageSize": 60})
        names = list(self.users)
        yield from (self._page(names[first : first + 2]) for first in range(0, len(names), 2))

    def admin_disable_user(self, *, UserPoolId: str, Username: str) -> None:  # noqa: N803 - Cognito's names
        self._check(UserPoolId, Username)
        self.disabled.add(Username)

    def admin_user_global_sign_out(self, *, UserPoolId: str, Username: str) -> None:  # noqa: N803 - Cognito's names
        self._check(UserPoolId, Username)
        self.signed_out.append(Username)

    def _check(self, pool_id: str, username: str) -> None:
        assert pool_id == POOL_ID
        if username not in self.users:
            raise UserNotFoundException
        if username in self.failing:
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "AdminUserGlobalSignOut")

    def _page(self, names: list[str]) -> dict[str, Any]:
        users = [
            {"Username": name, "Attributes": [{"Name": key, "Value": value} for key, value in self.users[name].items()]}
            for name in names
        ]
        return {"Users": users}
