"""The opaque mark of how far a client has seen its tenant's submissions.

A position is a value of GSI1's sort key, `{updated_at}#{submission_id}`, or the time part alone. The tenant stands in
the cursor, so that one carried to another tenant is refused rather than read.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from typing import Final

from ..runtime import timestamps

OVERLAP_MS: Final = 15_000
"""How far a complete reply's cursor trails the clock: what commits late, or is indexed late, still lies after it.
More than persist's Lambda may run, since `updated_at` is the time at which it began to write."""

MAX_SNAPSHOT: Final = 200
"""How many submissions a snapshot may hold."""

MAX_AGE_MS: Final = 24 * 3600 * 1000
"""How far back a cursor resumes; beyond it the client gets a fresh snapshot."""

# A client can make up what it likes: nothing else may reach the table's keys, or the calendar.
_POSITION: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z(#[^\ud800-\udfff]+)?", re.ASCII)
_MAX_POSITION_BYTES: Final = 1024  # of a sort key
_LAST_MS: Final = 253_402_300_799_999  # 9999-12-31T23:59:59.999Z


class BadCursor(ValueError):
    """A cursor that this server did not make for this tenant."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a client of `tenant_id` has seen."""

    tenant_id: str
    position: str
    """Everything at or before this value of GSI1's sort key has been sent."""
    scan_started_ms: int | None = None
    """Where a reply was cut into pages: when the first was read, in epoch milliseconds. The last page's cursor trails
    that moment, since what committed while the pages were read may lie before the pages' end."""
    snapshot_left: int | None = None
    """Where it was a snapshot that was cut: how many submissions it still wants. It reads from the newest to the
    oldest, so everything at or after `position` has been sent."""

    @classmethod
    def for_complete_reply(cls, tenant_id: str, read_at_ms: int) -> Cursor:
        """The cursor of a reply that held everything up to the moment it was read at, less the overlap."""
        return cls(tenant_id, timestamps.to_iso(read_at_ms - OVERLAP_MS))

    def encode(self) -> str:
        """As text that is safe in JSON and in a URL."""
        fields = [self.tenant_id, self.position, self.scan_started_ms, self.snapshot_left]
        raw = json.dumps(fields, separators=(",", ":"))
        return base64.urlsafe_b64encode(raw.encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str, tenant_id: str) -> Cursor:
        """Read a cursor that a client of `tenant_id` brought.

        Raises:
            BadCursor: it is not one of ours, or another tenant's; which of the two is not told.
        """
        try:
            padded = text.encode("ascii") + b"=" * (-len(text) % 4)
            fields: object = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        except (ValueError, RecursionError, binascii.Error) as error:
            raise BadCursor("cursor: not one of this server's") from error
        match fields:
            case [str(owner), str(position), None as started, None as left]:
                pass
            case [str(owner), str(position), int(started), None | int() as left] if 0 <= started <= _LAST_MS:
                pass
            case _:
                raise BadCursor("cursor: not one of this server's")
        if owner != tenant_id or not _is_position(position) or not (left is None or 1 <= left <= MAX_SNAPSHOT):
            raise BadCursor("cursor: not one of this server's")
        return cls(owner, position, started, left)

    def is_too_old(self, now_ms: int) -> bool:
        """Whether what changed since can no longer be told for sure."""
        since = (
            timestamps.to_iso(self.scan_started_ms) if self.snapshot_left and self.scan_started_ms else self.position
        )
        return since < timestamps.to_iso(now_ms - MAX_AGE_MS)


def _is_position(text: str) -> bool:
    return _POSITION.fullmatch(text) is not None and len(text.encode()) <= _MAX_POSITION_BYTES
