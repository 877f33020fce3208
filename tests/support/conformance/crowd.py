"""A tenant with many submissions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from formbridge.wire.cursor import Cursor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from formbridge.submissions.submission import Submission


@dataclass(frozen=True)
class Crowd:
    """A tenant, and its submissions from the oldest to the newest."""

    SIZE: ClassVar = 2_050
    RARE: ClassVar = 3
    """The oldest are of another status than all others."""

    tenant_id: str
    submissions: Sequence[Submission]

    def ids(self) -> list[str]:
        return [one.submission_id for one in self.submissions]

    def cursor(self, number: int) -> str:
        """That of a client which has seen all before the submission of this number."""
        return Cursor(self.tenant_id, 0, self.submissions[number - 1].position).encode()
