"""Export of all submissions of one tenant as JSON Lines."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from boto3.dynamodb.types import TypeDeserializer

from formbridge.runtime import keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from formbridge.submissions.table import Item

    from .tenant_rows import TenantRows

FIELDS: Final = {
    "tenant_id": "tenant_id",
    "submission_id": "submission_id",
    "form_id": "form_id",
    "status": "status",
    "version": "version",
    "submitted_at": "submitted_at",
    "updated_at": "updated_at",
    "ttl": "expires_at",
    "payload": "payload",
}
"""Fields of a line, by the attribute of the row."""


class Export:
    """An export of the submissions of one tenant.

    Args:
        rows: The rows of the tenant.
        after: Cursor of an earlier export. Only submissions that changed after it are exported.
    """

    def __init__(self, rows: TenantRows, after: str | None = None) -> None:
        self.cursor = after
        """Cursor of the last page that was written; None if no page was written."""
        self.count = 0
        """Number of submissions that were written."""
        self._rows = rows

    def pages(self, advance: Callable[[int], object]) -> Iterator[bytes]:
        """Yield the lines page by page, from the submission that changed first to the one that changed last.

        `cursor` and `count` include a page when the next page is requested. If the caller fails to write a page, the
        cursor is therefore before that page.

        A submission that changes during the export can have several lines. The last one is the newest.

        Args:
            advance: Function that is called with the number of submissions after each page.

        Raises:
            BotoCoreError, ClientError: The table cannot be read.
        """
        for indexed in self._rows.list_pages(self.cursor):
            items = self._rows.read(indexed)
            yield b"".join(map(build_line, items))
            self.cursor = indexed[-1][keys.SUBMISSIONS_INDEX_SORT_KEY].get("S")
            self.count += len(items)
            advance(len(items))


def build_line(row: Item) -> bytes:
    """Return a row as one JSON object on a line. Fields that the row lacks are left out.

    If another program wrote a payload that is not JSON, the line has it as a string.
    """
    read = TypeDeserializer().deserialize
    line: dict[str, Any] = {field: read(row[name]) for name, field in FIELDS.items() if name in row}
    if isinstance(line.get("payload"), str):
        with suppress(ValueError):
            line["payload"] = json.loads(line["payload"])
    return json.dumps(line, default=_encode).encode() + b"\n"


def _encode(value: object) -> object:
    """Return a number of DynamoDB for JSON, and any other value of an unexpected type as a string."""
    if isinstance(value, Decimal) and value == value.to_integral_value():
        return int(value)
    return str(value)


def write_file(pages: Iterator[bytes], path: Path, *, resume: bool) -> None:
    """Write pages to a file that only its owner can read. If that fails, the file ends after the last complete page.

    Args:
        pages: The pages.
        path: Path of the file.
        resume: Whether to append to the file. Otherwise it must not exist.

    Raises:
        OSError: The file cannot be created or written.
    """
    flags = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if resume else os.O_EXCL)
    with os.fdopen(os.open(path, flags, 0o600), "ab" if resume else "wb", buffering=0) as file:
        end = file.tell()
        try:
            for page in pages:
                remaining = memoryview(page)
                while remaining:
                    remaining = remaining[file.write(remaining) :]
                end = file.tell()
        except BaseException:
            file.truncate(end)
            raise


def write_stream(pages: Iterator[bytes], stream: BinaryIO) -> None:
    """Write pages to a stream such as stdout.

    Raises:
        OSError: The stream cannot be written.
    """
    for page in pages:
        stream.write(page)
        stream.flush()
