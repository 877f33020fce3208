"""Conversion of times to ISO 8601 in UTC with milliseconds. Pure: no I/O, no clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def to_iso(epoch_ms: int) -> str:
    """Return epoch milliseconds as ISO 8601: `1790000000123` becomes `2026-09-21T14:13:20.123Z`."""
    return _format(_EPOCH + timedelta(milliseconds=epoch_ms))


def to_epoch_ms(iso: str) -> int:
    """Return an ISO 8601 time in UTC with milliseconds, as `to_iso` writes it, in epoch milliseconds."""
    return (datetime.fromisoformat(iso) - _EPOCH) // timedelta(milliseconds=1)


def normalise(text: str) -> str:
    """Convert an ISO 8601 time to UTC with milliseconds. A time without an offset is taken as UTC.

    Raises:
        ValueError: `text` is not an ISO 8601 time, or the time is outside the years 1 to 9999 in UTC.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        return _format(moment.astimezone(UTC))
    except OverflowError as error:
        raise ValueError(str(error)) from error


def _format(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
