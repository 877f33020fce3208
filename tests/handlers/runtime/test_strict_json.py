from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formbridge.runtime.strict_json import parse_object
from tests.support.handlers.strategies import JSON


@given(st.dictionaries(st.text(), JSON))
def test_an_object_is_read_as_it_was_written(written: dict[str, Any]) -> None:
    document = json.dumps(written)
    if "Infinity" not in document:
        assert parse_object(document.encode()) == written


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"{",
        b"null",
        b"5",
        b'"{}"',
        b"[]",
        b"[{}]",
        b"{} {}",
        b'{"a": NaN}',
        b'{"a": [Infinity]}',
        b'{"a": -Infinity}',
        b'{"a": 1, "a": 1}',
        b'{"a": {"b": 1, "\\u0062": 2}}',
        b'{"a": ' + b"9" * 5_000 + b"}",
        b'{"a": ' * 3_000,
        b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b"\xff",
        b"\xef\xbb\xbf{}",
        '{"a": "secret"}'.encode("utf-16"),
    ],
    ids=lambda document: repr(document[:24]),
)
def test_what_others_may_read_differently_is_refused_and_not_quoted(document: bytes) -> None:
    with pytest.raises(ValueError, match=r"^must be one JSON object in UTF-8, with each field once$"):
        parse_object(document)


@given(st.binary())
def test_any_bytes_are_an_object_or_refused(document: bytes) -> None:
    with suppress(ValueError):
        assert type(parse_object(document)) is dict
