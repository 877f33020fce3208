"""The result of one check of a token. Pure: no I/O, no clock."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """One check of a token and its result. No field quotes a part of the token."""

    name: str
    """Name of the checked part: a part of the token, a field of its header, or a claim."""
    problem: str = ""
    """The rule that the token breaks. Empty: the check passes."""
    setting: str = ""
    """The stack's setting with which the token is compared. Empty: the check depends on no setting."""

    @property
    def passes(self) -> bool:
        """Whether the token passes the check."""
        return not self.problem

    @property
    def reason(self) -> str:
        """The error message of a check that failed."""
        return f"{self.name}: {self.problem}"
