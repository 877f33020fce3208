from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formbridge.runtime import timestamps
from formbridge.runtime.identifiers import SUBMISSION_ID, TENANT_ID
from formbridge.wire.cursor import MAX_AGE_MS, MAX_SNAPSHOT, OVERLAP_MS, BadCursor, Cursor
from tests.support.handlers.builders import NOW, NOW_ISO, iso
from tests.support.handlers.strategies import ANY_TEXT, JSON

EPOCH_MS = st.integers(0, 253_402_300_799_999)
TENANTS = st.from_regex(TENANT_ID, fullmatch=True)
POSITIONS = st.builds(timestamps.to_iso, EPOCH_MS) | st.builds(
    "{}#{}".format, st.builds(timestamps.to_iso, EPOCH_MS), st.from_regex(SUBMISSION_ID, fullmatch=True)
)
CURSORS = st.builds(Cursor, TENANTS, POSITIONS, st.none() | EPOCH_MS) | st.builds(
    Cursor, TENANTS, POSITIONS, EPOCH_MS, st.integers(1, MAX_SNAPSHOT)
)


def encoded(fields: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(fields).encode()).decode().rstrip("=")


@given(CURSORS)
def test_a_cursor_comes_back_as_it_went(cursor: Cursor) -> None:
    assert Cursor.decode(cursor.encode(), cursor.tenant_id) == cursor


@given(CURSORS)
def test_a_cursor_is_safe_in_a_url(cursor: Cursor) -> None:
    assert set(cursor.encode()) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@given(CURSORS, TENANTS)
def test_another_tenants_cursor_is_refused(cursor: Cursor, tenant_id: str) -> None:
    if tenant_id == cursor.tenant_id:
        return
    with pytest.raises(BadCursor):
        Cursor.decode(cursor.encode(), tenant_id)


def test_a_refusal_does_not_tell_another_tenants_cursor_from_garbage() -> None:
    with pytest.raises(BadCursor) as of_another:
        Cursor.decode(Cursor("t_globex", NOW_ISO).encode(), "t_acme")
    with pytest.raises(BadCursor) as of_nobody:
        Cursor.decode("garbage", "t_acme")
    assert str(of_another.value) == str(of_nobody.value)


@given(ANY_TEXT)
def test_any_text_is_a_cursor_or_a_bad_cursor(text: str) -> None:
    with pytest.raises(BadCursor):
        Cursor.decode(text, "t_acme")


@given(JSON | st.tuples(st.just("t_acme"), JSON | POSITIONS, JSON | EPOCH_MS, JSON | st.integers(0, 300)))
def test_any_json_inside_is_a_cursor_of_ours_or_a_bad_cursor(fields: object) -> None:
    try:
        cursor = Cursor.decode(encoded(fields), "t_acme")
    except BadCursor:
        return
    assert cursor.tenant_id == "t_acme"
    cursor.is_too_old(NOW)
    Cursor.for_complete_reply("t_acme", cursor.scan_started_ms or NOW)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "=",
        "é",
        "\ud800",
        "a",
        "AAAA",
        "W" * 200_000,
        base64.urlsafe_b64encode(b"[" * 100_000).decode(),
        base64.urlsafe_b64encode(b'["t_acme","' + b"\xff" + b'",null]').decode(),
        base64.urlsafe_b64encode(b'["t_acme","' + NOW_ISO.encode() + b'",' + b"9" * 5_000 + b"]").decode(),
    ],
    ids=range(10),
)
def test_garbage_is_a_bad_cursor(text: str) -> None:
    with pytest.raises(BadCursor):
        Cursor.decode(text, "t_acme")


@pytest.mark.parametrize(
    "fields",
    [
        None,
        {},
        [],
        ["t_acme"],
        ["t_acme", NOW_ISO],
        ["t_acme", NOW_ISO, None],
        ["t_acme", NOW_ISO, None, None, None],
        ["t_acme", NOW_ISO, "0", None],
        ["t_acme", NOW_ISO, 1.5, None],
        ["t_acme", NOW_ISO, -1, None],
        ["t_acme", NOW_ISO, -(10**17), None],
        ["t_acme", NOW_ISO, 10**17, None],
        ["t_acme", NOW_ISO, 10**400, None],
        ["t_acme", NOW_ISO, NOW, "50"],
        ["t_acme", NOW_ISO, NOW, 1.5],
        ["t_acme", NOW_ISO, NOW, -1],
        ["t_acme", NOW_ISO, NOW, 0],
        ["t_acme", NOW_ISO, NOW, MAX_SNAPSHOT + 1],
        ["t_acme", NOW_ISO, NOW, 10**400],
        ["t_acme", NOW_ISO, None, 50],
        ["t_acme", NOW, None, None],
        ["t_acme", "", None, None],
        ["t_acme", "#s1", None, None],
        ["t_acme", "now", None, None],
        ["t_acme", "~", None, None],
        ["t_acme", "2026-11-22", None, None],
        ["t_acme", "2026-11-22T20:00:00Z", None, None],
        ["t_acme", "2026-11-22T22:00:00.000+02:00", None, None],
        ["t_acme", f"{NOW_ISO}#", None, None],
        ["t_acme", f"{NOW_ISO}#\ud800", None, None],
        ["t_acme", f"{NOW_ISO}#{'x' * (1_024 - len(NOW_ISO))}", None, None],
        ["t_acme", f"{NOW_ISO}#{'é' * 500}", None, None],
        ["t_acme", f"\u0662{NOW_ISO[1:]}", None, None],
        [["t_acme"], NOW_ISO, None, None],
        [None, NOW_ISO, None, None],
    ],
    ids=lambda fields: str(fields)[:80],
)
def test_what_a_client_made_up_is_a_bad_cursor(fields: object) -> None:
    with pytest.raises(BadCursor):
        Cursor.decode(encoded(fields), "t_acme")


def test_a_place_of_a_table_of_someone_elses_is_one_too() -> None:
    """Whose ids are of another shape, as long as a sort key may be."""
    for name in ("a#b", "a b", "é", "\n", "x" * (1_023 - len(NOW_ISO))):
        held = Cursor("t_acme", f"{NOW_ISO}#{name}")
        assert Cursor.decode(held.encode(), "t_acme") == held


def test_a_complete_cursor_trails_the_clock_by_the_overlap() -> None:
    assert Cursor.for_complete_reply("t_acme", NOW) == Cursor("t_acme", iso(-OVERLAP_MS))


def test_a_cursor_resumes_for_a_day() -> None:
    assert not Cursor("t_acme", iso(-MAX_AGE_MS)).is_too_old(NOW)
    assert not Cursor("t_acme", f"{iso(-MAX_AGE_MS)}#s1").is_too_old(NOW)
    assert Cursor("t_acme", iso(-MAX_AGE_MS - 1)).is_too_old(NOW)
    assert Cursor("t_acme", f"{iso(-MAX_AGE_MS - 1)}#s1").is_too_old(NOW)


def test_a_snapshot_that_was_cut_is_read_on_for_a_day_from_its_start() -> None:
    """It reads backwards: how old the place is that it has got to says nothing."""
    cut = Cursor("t_acme", "2020-01-01T00:00:00.000Z#s1", scan_started_ms=NOW, snapshot_left=1)
    assert not cut.is_too_old(NOW + MAX_AGE_MS)
    assert cut.is_too_old(NOW + MAX_AGE_MS + 1)
