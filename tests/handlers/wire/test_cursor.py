from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formbridge.runtime import timestamps
from formbridge.runtime.identifiers import SUBMISSION_ID, TENANT_ID
from formbridge.wire.cursor import CONSISTENCY_WINDOW_MS, MAX_AGE_MS, MAX_SKEW_MS, BadCursor, Cursor
from tests.support.handlers.builders import NOW, NOW_ISO, iso
from tests.support.handlers.strategies import ANY_TEXT, JSON

LAST_MS = 253_402_300_799_999
"""The last millisecond of the year 9999."""
AFTER_ALL = LAST_MS - MAX_SKEW_MS
"""A time at which no cursor of `CURSORS` is from the future."""
TIMES = st.integers(0, LAST_MS)
TENANTS = st.from_regex(TENANT_ID, fullmatch=True)
POSITIONS = st.builds(timestamps.to_iso, TIMES) | st.builds(
    "{}#{}".format, st.builds(timestamps.to_iso, TIMES), st.from_regex(SUBMISSION_ID, fullmatch=True)
)
CURSORS = st.builds(Cursor, TENANTS, TIMES, POSITIONS, st.none() | TIMES).filter(
    lambda cursor: cursor.position <= timestamps.to_iso(LAST_MS)
)


def encoded(fields: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(fields).encode()).decode().rstrip("=")


@given(CURSORS)
def test_a_cursor_comes_back_as_it_went(cursor: Cursor) -> None:
    assert Cursor.decode(cursor.encode(), cursor.tenant_id, AFTER_ALL) == cursor


@given(CURSORS)
def test_a_cursor_is_safe_in_a_url(cursor: Cursor) -> None:
    assert set(cursor.encode()) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@given(CURSORS, TENANTS)
def test_another_tenants_cursor_is_refused(cursor: Cursor, tenant_id: str) -> None:
    if tenant_id == cursor.tenant_id:
        return
    with pytest.raises(BadCursor):
        Cursor.decode(cursor.encode(), tenant_id, AFTER_ALL)


def test_a_refusal_does_not_tell_another_tenants_cursor_from_garbage() -> None:
    with pytest.raises(BadCursor) as of_another:
        Cursor.decode(Cursor("t_globex", 0, NOW_ISO).encode(), "t_acme", NOW)
    with pytest.raises(BadCursor) as of_nobody:
        Cursor.decode("garbage", "t_acme", NOW)
    assert str(of_another.value) == str(of_nobody.value)


@given(ANY_TEXT)
def test_any_text_is_a_cursor_or_a_bad_cursor(text: str) -> None:
    with pytest.raises(BadCursor):
        Cursor.decode(text, "t_acme", NOW)


@given(JSON | st.tuples(st.just("t_acme"), JSON | TIMES, JSON | POSITIONS, JSON | TIMES))
def test_any_json_inside_is_a_cursor_of_ours_or_a_bad_cursor(fields: object) -> None:
    try:
        cursor = Cursor.decode(encoded(fields), "t_acme", AFTER_ALL)
    except BadCursor:
        return
    assert cursor.tenant_id == "t_acme"
    cursor.can_resume(cursor.epoch, NOW)
    Cursor.for_complete_reply("t_acme", cursor.epoch, cursor.scan_started_ms or NOW)


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
        base64.urlsafe_b64encode(b'["t_acme",0,"' + b"\xff" + b'",null]').decode(),
        base64.urlsafe_b64encode(b'["t_acme",0,"' + NOW_ISO.encode() + b'",' + b"9" * 5_000 + b"]").decode(),
    ],
    ids=range(10),
)
def test_garbage_is_a_bad_cursor(text: str) -> None:
    with pytest.raises(BadCursor):
        Cursor.decode(text, "t_acme", NOW)


@pytest.mark.parametrize(
    "fields",
    [
        None,
        {},
        [],
        ["t_acme"],
        ["t_acme", 0, NOW_ISO],
        ["t_acme", NOW_ISO, None, None],
        ["t_acme", 0, NOW_ISO, None, None],
        ["t_acme", "0", NOW_ISO, None],
        ["t_acme", None, NOW_ISO, None],
        ["t_acme", 1.5, NOW_ISO, None],
        ["t_acme", -1, NOW_ISO, None],
        ["t_acme", 10**400, NOW_ISO, None],
        ["t_acme", 0, NOW_ISO, "0"],
        ["t_acme", 0, NOW_ISO, 1.5],
        ["t_acme", 0, NOW_ISO, -1],
        ["t_acme", 0, NOW_ISO, -(10**17)],
        ["t_acme", 0, NOW_ISO, 10**17],
        ["t_acme", 0, NOW_ISO, 10**400],
        ["t_acme", 0, NOW, None],
        ["t_acme", 0, "", None],
        ["t_acme", 0, "#s1", None],
        ["t_acme", 0, "now", None],
        ["t_acme", 0, "~", None],
        ["t_acme", 0, "2026-11-22", None],
        ["t_acme", 0, "2026-11-22T20:00:00Z", None],
        ["t_acme", 0, "2026-11-22T22:00:00.000+02:00", None],
        ["t_acme", 0, f"{NOW_ISO}#", None],
        ["t_acme", 0, f"{NOW_ISO}#\ud800", None],
        ["t_acme", 0, f"{NOW_ISO}#{'x' * (1_024 - len(NOW_ISO))}", None],
        ["t_acme", 0, f"{NOW_ISO}#{'é' * 500}", None],
        ["t_acme", 0, f"\u0662{NOW_ISO[1:]}", None],
        [["t_acme"], 0, NOW_ISO, None],
        [None, 0, NOW_ISO, None],
    ],
    ids=lambda fields: str(fields)[:80],
)
def test_what_a_client_made_up_is_a_bad_cursor(fields: object) -> None:
    with pytest.raises(BadCursor):
        Cursor.decode(encoded(fields), "t_acme", NOW)


def test_a_place_of_a_table_of_someone_elses_is_one_too() -> None:
    """Whose ids are of another shape, as long as a sort key may be."""
    for name in ("a#b", "a b", "é", "\n", "x" * (1_023 - len(NOW_ISO))):
        held = Cursor("t_acme", 0, f"{NOW_ISO}#{name}")
        assert Cursor.decode(held.encode(), "t_acme", NOW) == held


# --- Time -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("latest", "too_late"),
    [
        (Cursor("t_acme", 0, iso(MAX_SKEW_MS)), Cursor("t_acme", 0, iso(MAX_SKEW_MS + 1))),
        (Cursor("t_acme", 0, f"{iso(MAX_SKEW_MS - 1)}#s1"), Cursor("t_acme", 0, f"{iso(MAX_SKEW_MS)}#s1")),
        (Cursor("t_acme", NOW + MAX_SKEW_MS, iso()), Cursor("t_acme", NOW + MAX_SKEW_MS + 1, iso())),
        (Cursor("t_acme", 0, iso(), NOW + MAX_SKEW_MS), Cursor("t_acme", 0, iso(), NOW + MAX_SKEW_MS + 1)),
    ],
    ids=["time", "position", "epoch", "scan"],
)
def test_a_cursor_from_the_future_is_refused_like_garbage(latest: Cursor, too_late: Cursor) -> None:
    assert Cursor.decode(latest.encode(), "t_acme", NOW) == latest
    with pytest.raises(BadCursor, match=r"^cursor: must be a cursor that this server sent for this tenant$"):
        Cursor.decode(too_late.encode(), "t_acme", NOW)


def test_a_complete_cursor_trails_the_clock_by_the_consistency_window() -> None:
    assert Cursor.for_complete_reply("t_acme", 5, NOW) == Cursor("t_acme", 5, iso(-CONSISTENCY_WINDOW_MS))


def test_a_cursor_resumes_for_a_day() -> None:
    assert Cursor("t_acme", 0, iso(-MAX_AGE_MS)).can_resume(0, NOW)
    assert Cursor("t_acme", 0, f"{iso(-MAX_AGE_MS)}#s1").can_resume(0, NOW)
    assert not Cursor("t_acme", 0, iso(-MAX_AGE_MS - 1)).can_resume(0, NOW)
    assert not Cursor("t_acme", 0, f"{iso(-MAX_AGE_MS - 1)}#s1").can_resume(0, NOW)


def test_a_reply_that_was_cut_is_read_on_for_a_day_from_its_position() -> None:
    cut = Cursor("t_acme", 0, f"{iso(-MAX_AGE_MS)}#s1", scan_started_ms=NOW)
    assert cut.can_resume(0, NOW)
    assert not cut.can_resume(0, NOW + 1)


@given(st.integers(0, NOW), st.integers(0, NOW))
def test_a_cursor_of_another_epoch_is_never_resumed_from(made: int, present: int) -> None:
    assert Cursor("t_acme", made, iso()).can_resume(present, NOW) == (made == present)


@pytest.mark.parametrize("read_after_ms", [0, 1, CONSISTENCY_WINDOW_MS - 1])
def test_a_reply_that_was_read_too_soon_after_the_history_was_replaced_is_not_resumed_from(read_after_ms: int) -> None:
    """It may hold what was replaced, or lack what replaced it."""
    epoch = NOW - 60_000
    complete = Cursor.for_complete_reply("t_acme", epoch, epoch + read_after_ms)
    assert not complete.can_resume(epoch, NOW)
    cut = Cursor("t_acme", epoch, f"{iso()}#s1", scan_started_ms=epoch + read_after_ms)
    assert not cut.can_resume(epoch, NOW)


def test_a_reply_that_was_read_once_the_new_history_is_visible_is_resumed_from() -> None:
    epoch = NOW - 60_000
    read_at = epoch + CONSISTENCY_WINDOW_MS
    assert Cursor.for_complete_reply("t_acme", epoch, read_at).can_resume(epoch, NOW)
    # Of a reply that was cut, the position says nothing: it reads changes from before the replacement.
    assert Cursor("t_acme", epoch, f"{iso(-90_000)}#s1", scan_started_ms=read_at).can_resume(epoch, NOW)
