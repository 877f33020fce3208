"""Cursors: opaque strings for the point up to which a client has received its tenant's submissions.

The position in a cursor is a sort key of `GSI1`, `{updated_at}#{submission_id}`, or only `{updated_at}`. The cursor
also contains the tenant id, so that the server can refuse a cursor of another tenant.
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
"""Number of milliseconds by which the cursor of a complete reply is earlier than the time of reading. The reading may
miss a write whose `updated_at` is earlier, if the write is committed or indexed late. Such a write is still after the
cursor, so the next reply contains it. The value is larger than the timeout of the persist Lambda function, because
`updated_at` is the time at which that function starts to write."""

MAX_SNAPSHOT: Final = 200
"""Maximum number of submissions in a snapshot."""

MAX_AGE_MS: Final = 24 * 3600 * 1000
"""Maximum age of a cursor in milliseconds. A client with an older cursor gets a fresh snapshot."""

# Clients can send any string as a cursor. These limits keep invalid values out of table keys and date arithmetic.
_POSITION: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z(#[^\ud800-\udfff]+)?", re.ASCII)
_MAX_POSITION_BYTES: Final = 1024  # limit of a DynamoDB sort key
_LAST_MS: Final = 253_402_300_799_999  # 9999-12-31T23:59:59.999Z
_REFUSAL: Final = "cursor: must be a cursor that this server sent for this tenant"


class BadCursor(ValueError):
    """A cursor that this server did not make for this tenant."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """The point up to which a client has received the submissions of its tenant."""

    tenant_id: str
    """Tenant of the client."""
    position: str
    """Sort key in `GSI1`. Everything at or before it has been sent. If `snapshot_left` is set, everything at or after
    it has been sent."""
    scan_started_ms: int | None = None
    """Time at which the first page of the reply was read, in epoch milliseconds; None if the reply is complete. The
    cursor of the last page is computed from this time and not from the last position. The pages may lack a write
    that was committed between two reads, and a cursor at the last position would skip this write."""
    snapshot_left: int | None = None
    """Number of submissions that the further pages of a snapshot must send; None if no pages of a snapshot are left. A
    snapshot is read from the newest submission to the oldest."""

    @classmethod
    def for_complete_reply(cls, tenant_id: str, read_at_ms: int) -> Cursor:
        """Return the cursor of a complete reply: the time of reading minus `OVERLAP_MS`."""
        return cls(tenant_id, timestamps.to_iso(read_at_ms - OVERLAP_MS))

    def encode(self) -> str:
        """Return the cursor as a string that needs no escaping in JSON or in a URL."""
        fields = [self.tenant_id, self.position, self.scan_started_ms, self.snapshot_left]
        raw = json.dumps(fields, separators=(",", ":"))
        return base64.urlsafe_b64encode(raw.encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str, tenant_id: str) -> Cursor:
        """Return the cursor that a client of `tenant_id` sent.

        Raises:
            BadCursor: The text is not a cursor of this server, or it is a cursor of another tenant. The message is the
                same in both cases.
        """
        try:
            padded = text.encode("ascii") + b"=" * (-len(text) % 4)
            fields: object = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        except (ValueError, RecursionError, binascii.Error) as error:
            raise BadCursor(_REFUSAL) from error
        match fields:
            case [str(owner), str(position), None as started, None as left]:
                pass
            case [str(owner), str(position), int(started), None | int() as left] if 0 <= started <= _LAST_MS:
                pass
            case _:
                raise BadCursor(_REFUSAL)
        if owner != tenant_id or not _is_position(position) or not (left is None or 1 <= left <= MAX_SNAPSHOT):
            raise BadCursor(_REFUSAL)
        return cls(owner, position, started, left)

    def is_too_old(self, now_ms: int) -> bool:
        """Return whether the cursor is older than `MAX_AGE_MS`, so that a client cannot resume from it.

        The age of a snapshot's cursor is counted from the time at which its first page was read.
        """
        since = (
            timestamps.to_iso(self.scan_started_ms) if self.snapshot_left and self.scan_started_ms else self.position
        )
        return since < timestamps.to_iso(now_ms - MAX_AGE_MS)


def _is_position(text: str) -> bool:
    return _POSITION.fullmatch(text) is not None and len(text.encode()) <= _MAX_POSITION_BYTES
