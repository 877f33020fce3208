"""The pattern of a stack's tenant ids: its syntax, and the check of an id. Pure: no I/O, no environment."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Final, Self

from .identifiers import TENANT_ID, quote

DEFAULT_TENANT_ID_PATTERN: Final = "t_[A-Za-z0-9_-]{1,64}"
"""Pattern of a stack whose configuration names none."""
MAX_PATTERN_LENGTH: Final = 256
"""Maximum number of characters of a pattern. It is one of several environment variables of a Lambda, which together
may have 4 KB. https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""

MAX_CHOICES: Final = 4
"""Maximum number of repetitions without a fixed number, and of `|`. A match tries each way to divide the id among the
repetitions. With four, that takes 8 ms for the longest id. With six, it would take a second."""

_CLASS_ITEM: Final = r"[A-Za-z0-9]-[A-Za-z0-9]|[A-Za-z0-9_.:]|\\[dw.-]"
_TOKEN: Final = re.compile(
    rf"""
    (?P<atom> [A-Za-z0-9_:-] | \\[dw.] | \[\^?(?: - | -?(?:{_CLASS_ITEM})+-? )\] )
    | (?P<repeat> [?*+] | \{{\d{{1,3}}(?:,(?:\d{{1,3}})?)?\}} )
    | (?P<open> \((?!\?) )
    | (?P<close> \) )
    | (?P<or> \| )
    """,
    re.VERBOSE | re.ASCII,
)
_FIXED_NUMBER: Final = re.compile(r"\{\d+\}")
"""A repetition with a fixed number."""

_SYNTAX: Final = (
    "a regular expression of letters, digits, '_', ':', '-', '\\.', classes, '\\d', '\\w', groups, '|', '?', '*', '+' "
    "and '{m,n}', without anchors"
)


@dataclass(frozen=True, slots=True)
class TenantIdPattern:
    """The tenant ids of a stack. They match the stack's pattern, and the form `TENANT_ID` that is safe in every key.

    Python and the browsers read a pattern alike, because its syntax has only what both have in common.
    """

    text: str
    """The pattern as it was configured."""
    _regex: re.Pattern[str] = field(repr=False)

    @classmethod
    def parse(cls, name: str, text: str) -> Self:
        """Check a pattern and compile it.

        Args:
            name: Name of the setting or variable. The error begins with this name.
            text: The pattern. It stands for the whole id.

        Raises:
            ValueError: The pattern is empty, too long, has syntax that is not allowed, or could take long to match.
        """
        if not 0 < len(text) <= MAX_PATTERN_LENGTH:
            raise ValueError(f"{name}: must have 1 to {MAX_PATTERN_LENGTH} characters, got {quote(text)}")
        _check_syntax(name, text)
        try:
            return cls(text, re.compile(text, re.ASCII))
        except re.error as error:  # a range or a repetition whose end is before its start
            raise ValueError(f"{name}: must be {_SYNTAX} ({error.msg}), got {quote(text)}") from error

    def matches(self, value: object) -> bool:
        """Return whether a value is the id of a tenant."""
        return isinstance(value, str) and bool(TENANT_ID.fullmatch(value)) and bool(self._regex.fullmatch(value))

    def describe_mismatch(self, name: str, value: object) -> str | None:
        """Return an error message if `value` is not the id of a tenant, else None. It begins with `name`."""
        if self.matches(value):
            return None
        if isinstance(value, str) and self._regex.fullmatch(value):
            return f"{name}: must match {TENANT_ID.pattern}, the form of all tenant ids, got {quote(value)}"
        return f"{name}: must match {self.text}, got {quote(value)}"


def _check_syntax(name: str, text: str) -> None:
    """Check that a pattern has only allowed syntax, and that a match takes little time.

    A repeated group that can match the same text in several ways could take exponential time.

    Raises:
        ValueError: The pattern has other syntax, or such a group.
    """
    position, previous, was_variable = 0, "", False
    choices = Counter[str]()
    groups = [False]  # of the pattern and of each open group: whether it can match in several ways
    while position < len(text):
        token = _TOKEN.match(text, position)
        kind = (token.lastgroup if token else None) or ""
        repeats = kind == "repeat"
        if token is None or (repeats and previous not in ("atom", "close")) or (kind == "close" and len(groups) == 1):
            raise ValueError(f"{name}: must be {_SYNTAX}, got {quote(text)} (at {quote(text[position:])})")
        if repeats and previous == "close" and was_variable and token.group() != "?":
            raise ValueError(
                f"{name}: must not repeat a group that contains '|', '?', '*', '+' or '{{m,n}}', because a match could "
                f"take very long, got {quote(text)}"
            )
        if kind == "open":
            groups.append(False)
        elif kind == "close":
            was_variable = groups.pop()
            groups[-1] |= was_variable
        elif kind == "or" or (repeats and not _FIXED_NUMBER.fullmatch(token.group())):
            groups[-1] = True
            choices[kind] += 1
        position, previous = token.end(), kind
    if max(choices.values(), default=0) > MAX_CHOICES:
        raise ValueError(
            f"{name}: must have at most {MAX_CHOICES} of '?', '*', '+' and '{{m,n}}', and at most {MAX_CHOICES} of "
            f"'|', because a match could take very long, got {quote(text)}"
        )
    if len(groups) > 1:
        raise ValueError(f"{name}: must be {_SYNTAX}, got {quote(text)} (a group is not closed)")
