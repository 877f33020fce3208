"""Tokens that say what a test wants, signed with the key of the stack's user pool."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import jwt
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from local import tokens
from local.emulator import get_cognito_keys_directory

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    from local.stack import Stack


@dataclass(frozen=True)
class Issuer:
    """The stack's user pool, which signs whatever it is asked to."""

    stack: Stack
    state_dir: Path

    @cached_property
    def key(self) -> RSAPrivateKey:
        """The private key."""
        tokens.fetch_jwks(self.stack)  # MiniStack creates the keys on the first request
        pool_id = self.stack.output("issuer").rsplit("/", 1)[-1]
        path = get_cognito_keys_directory(self.state_dir) / f"{pool_id}-id.pem"
        return cast("RSAPrivateKey", load_pem_private_key(path.read_bytes(), password=None))

    @cached_property
    def key_id(self) -> str:
        """What the key is published as."""
        return jwt.get_unverified_header(tokens.mint(self.stack, self.state_dir, "t_any"))["kid"]

    def claims(self, tenant_id: object, **changes: object) -> dict[str, Any]:
        """What a token says that is good for an hour, with changes."""
        good = jwt.decode(tokens.mint(self.stack, self.state_dir, "t_any"), options={"verify_signature": False})
        return {**good, "custom:tenant_id": tenant_id, **changes}

    def token(
        self, tenant_id: object, *, algorithm: str = "RS256", key: RSAPrivateKey | None = None, **changes: object
    ) -> str:
        """A token for a tenant, a list of them, or whatever else the claim is to be."""
        claims = self.claims(tenant_id, **changes)
        return jwt.encode(claims, key or self.key, algorithm=algorithm, headers={"kid": self.key_id})
