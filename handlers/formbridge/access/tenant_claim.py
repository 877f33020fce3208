"""The claim that names the tenants of a user. Pure: no I/O, no clock."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from ..runtime.identifiers import quote
from ..runtime.tenant_id_pattern import TenantIdPattern
from .check import Check

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_POINTER: Final = re.compile("(/([^~/]|~0|~1)*)+")
"""https://www.rfc-editor.org/rfc/rfc6901#section-3"""

_MISSING: Final = object()
"""Stands for a claim that the token does not have. A claim that is null is empty."""

CLAIM_SETTING: Final = "tenantClaim"
PATTERN_SETTING: Final = "tenantIdPattern"


@dataclass(frozen=True, slots=True)
class TenantClaim:
    """The claim that names the tenants of a user, and the form of their ids."""

    path: tuple[str, ...]
    """The name of the claim, and the names of the fields within it."""
    pattern: TenantIdPattern
    """The pattern of a tenant id."""

    @classmethod
    def parse(cls, claim: str, pattern: str) -> TenantClaim:
        """Return the tenant claim that the settings describe.

        Args:
            claim: The setting `tenantClaim`: the name of a claim, or a JSON Pointer (RFC 6901) if it begins with `/`.
            pattern: The setting `tenantIdPattern`: a regular expression for the whole id.

        Raises:
            ValueError: A setting is malformed.
        """
        if claim.startswith("/") and not _POINTER.fullmatch(claim):
            raise ValueError(f"{CLAIM_SETTING}: must be a JSON Pointer with ~0 for ~ and ~1 for /, got {quote(claim)}")
        path = _parse_pointer(claim) if claim.startswith("/") else (claim,)
        return cls(path, TenantIdPattern.parse(PATTERN_SETTING, pattern))

    def read(self, claims: Mapping[str, object]) -> tuple[str, ...]:
        """Return the tenant ids that the claim names, each once. Values that are no tenant ids are left out."""
        values = _list_values(self._find(claims))
        return tuple(dict.fromkeys(value for value in values if self.pattern.matches(value)))

    def check(self, claims: Mapping[str, object]) -> Check:
        """Check that the claim names at least one tenant."""
        if self.read(claims):
            return Check("tenant", setting=CLAIM_SETTING)
        value = self._find(claims)
        if value is _MISSING:
            return Check("tenant", "claim missing, must be in the ID token", CLAIM_SETTING)
        named = _list_values(value)
        if value in (None, "", []) or (isinstance(value, dict) and not named):
            return Check("tenant", "claim empty, must name a tenant", CLAIM_SETTING)
        if named:
            return Check("tenant", "shape, must match the pattern of a tenant id", PATTERN_SETTING)
        return Check("tenant", "shape, must be a string, a list of strings, or an object", CLAIM_SETTING)

    def _find(self, claims: Mapping[str, object]) -> object:
        """Return the value of the claim, or `_MISSING`."""
        found: object = claims
        for name in self.path:
            found = cast("Mapping[str, object]", found).get(name, _MISSING) if isinstance(found, dict) else _MISSING
        return found


def _parse_pointer(pointer: str) -> tuple[str, ...]:
    """Return the names in a JSON Pointer. `~01` stands for `~1`, so `~1` is replaced first."""
    return tuple(name.replace("~1", "/").replace("~0", "~") for name in pointer[1:].split("/"))


def _list_values(value: object) -> Sequence[str]:
    """Return what may be tenant ids: a string, the strings of a list, or the keys of an object that are not off.

    A key is off if its value is false or null.
    """
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return [item for item in cast("list[object]", value) if isinstance(item, str)]
    if isinstance(value, dict):
        fields = cast("Mapping[str, object]", value)
        return [name for name, held in fields.items() if held is not None and held is not False]
    return []
