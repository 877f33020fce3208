"""Claims of ID tokens and the tenants that they grant. The gateway and the page must read each of them alike."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final, NotRequired, TypedDict


class Case(TypedDict):
    """The settings, the claims of a token, and either the tenants that they grant or the reason why there is none."""

    claim: str
    pattern: str
    claims: dict[str, object]
    tenants: NotRequired[list[str]]
    problem: NotRequired[str]
    """`missing`, `empty`, `form` (values, but no id) or `type` (a value that cannot hold an id)."""


CASES: Final[list[Case]] = json.loads(Path(__file__).with_suffix(".json").read_text())
