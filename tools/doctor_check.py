"""The result of one check of `python -m tools doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

AT_ISSUER: Final = "at the issuer"
"""Stands for a setting in checks of what the issuer's administrator configures."""


class Outcome(StrEnum):
    """What a check found."""

    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"
    """The sign-in or the connection does not work."""
    NOTE = "note"
    """The sign-in works, with a consequence that the text names, or the check was not possible."""


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check."""

    outcome: Outcome
    setting: str
    """The setting of the stack that the check belongs to, or `AT_ISSUER`."""
    text: str
    """What was checked; for a failure, what must change."""

    @classmethod
    def passed(cls, setting: str, text: str) -> Check:
        """Return a check that passed."""
        return cls(Outcome.PASS, setting, text)

    @classmethod
    def failed(cls, setting: str, text: str) -> Check:
        """Return a check that failed."""
        return cls(Outcome.FAIL, setting, text)

    @classmethod
    def noted(cls, setting: str, text: str) -> Check:
        """Return a check whose result has a consequence, but breaks nothing."""
        return cls(Outcome.NOTE, setting, text)
