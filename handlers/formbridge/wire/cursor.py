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

CONSISTENCY_WINDOW_MS: Final = 30_000
"""Milliseconds after which a write is visible wherever it is read: in the index, and in the records of the stream. The
cursor of a complete reply is this much earlier than the time of reading, so the next reply contains the writes that
became visible late.

A write becomes visible late for three reasons. `updated_at` is the time at which the persist Lambda begins to write,
and its timeout is ten seconds. The clocks of two Lambdas differ by less than a second. DynamoDB updates an index within
a second, and within seconds while it splits a partition. The metrics `IndexLag` and `StreamLag` show how much of the
window is used.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html"""

MAX_SKEW_MS: Final = 60_000
"""Milliseconds by which a position in a cursor may be ahead of the clock of the Lambda that reads the cursor. Positions
come from the clocks of other Lambdas."""

MAX_SNAPSHOT: Final = 200
"""Maximum number of submissions in a snapshot."""

MAX_AGE_MS: Final = 24 * 3600 * 1000
"""Maximum age of a cursor in milliseconds. A client with an older cursor gets a fresh snapshot."""

# Clients can send any string as a cursor. These limits keep invalid values out of table keys and date arithmetic.
_POSITION: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z(#[^\ud800-\udfff]+)?", re.ASCII)
_MAX_POSITION_BYTES: Final = 1024  # limit of a DynamoDB sort key
_REFUSAL: Final = "cursor: must be a cursor that this server sent for this tenant"


class BadCursor(ValueError):
    """A cursor that this server did not make for this tenant."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """The point up to which a client has received the submissions of its tenant."""

    tenant_id: str
    """Tenant of the client."""
    epoch: int
    """Epoch of the tenant's history when the cursor was made. A cursor of another epoch cannot be resumed from."""
    position: str
    """Sort key in `GSI1`. Everything at or before it has been sent."""
    scan_started_ms: int | None = None
    """Time at which the first page of the reply was read, in epoch milliseconds; None if the reply is complete. The
    cursor of the last page is computed from this time and not from the last position. The pages may lack a write
    that was committed between two reads, and a cursor at the last position would skip this write."""

    @classmethod
    def for_complete_reply(cls, tenant_id: str, epoch: int, read_at_ms: int) -> Cursor:
        """Return the cursor of a complete reply: the time of reading minus `CONSISTENCY_WINDOW_MS`."""
        return cls(tenant_id, epoch, timestamps.to_iso(read_at_ms - CONSISTENCY_WINDOW_MS))

    def encode(self) -> str:
        """Return the cursor as a string that needs no escaping in JSON or in a URL."""
        fields = [self.tenant_id, self.epoch, self.position, self.scan_started_ms]
        raw = json.dumps(fields, separators=(",", ":"))
        return base64.urlsafe_b64encode(raw.encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str, tenant_id: str, now_ms: int) -> Cursor:
        """Return the cursor that a client of `tenant_id` sent.

        Raises:
            BadCursor: The text is not a cursor of this server, it is a cursor of another tenant, or it is from the
                future. The message is the same in all cases.
        """
        try:
            padded = text.encode("ascii") + b"=" * (-len(text) % 4)
            fields: object = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        except (ValueError, RecursionError, binascii.Error) as error:
            raise BadCursor(_REFUSAL) from error
        latest_ms = now_ms + MAX_SKEW_MS
        match fields:
            case [str(owner), int(epoch), str(position), None | int() as started] if (
                owner == tenant_id
                and _is_position(position)
                and position <= timestamps.to_iso(latest_ms)
                and 0 <= epoch <= latest_ms
                and (started is None or 0 <= started <= latest_ms)
            ):
                return cls(owner, epoch, position, started)
            case _:
                raise BadCursor(_REFUSAL)

    def can_resume(self, epoch: int, now_ms: int) -> bool:
        """Return whether a client can resume from this cursor.

        It cannot if the cursor is older than `MAX_AGE_MS`, or if the tenant's history was replaced since the reply was
        read or at most `CONSISTENCY_WINDOW_MS` before it. In the latter case, the reply may still contain the replaced
        history.

        Args:
            epoch: Current epoch of the tenant's history: the time of its last replacement, in epoch milliseconds.
            now_ms: Current time in epoch milliseconds.
        """
        complete_until = (
            self.position
            if self.scan_started_ms is None
            else timestamps.to_iso(self.scan_started_ms - CONSISTENCY_WINDOW_MS)
        )
        return (
            self.epoch == epoch
            and complete_until >= timestamps.to_iso(epoch)
            and self.position >= timestamps.to_iso(now_ms - MAX_AGE_MS)
        )


def _is_position(text: str) -> bool:
    return _POSITION.fullmatch(text) is not None and len(text.encode()) <= _MAX_POSITION_BYTES
