"""The page in a real browser against a gateway that the test plays by hand."""

from __future__ import annotations

import re
import time
from itertools import count
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.support.browser.fake_gateway import Connection, FakeGateway, FakeSite, Frame, in_seconds, update

HALF_AN_HOUR = 30 * 60 * 1000
REPLY_TIMEOUT = 30 * 1000
NO_VALUE = "\N{EN DASH}"

markers = count(1)


def rows(page: Page) -> Locator:
    return page.locator("#rows tr")


def row(page: Page, submission_id: str) -> Locator:
    return page.locator(f'#rows tr[data-submission-id="{submission_id}"]')


def expect_ids(page: Page, *submission_ids: str) -> None:
    """The list shows exactly these, from top to bottom."""
    expect(page.locator("#rows .submission-id")).to_have_text(list(submission_ids))


def expect_status(page: Page, submission_id: str, status: str) -> None:
    expect(row(page, submission_id).locator(".status")).to_have_text(status)


def expect_state(page: Page, label: str | re.Pattern[str]) -> None:
    expect(page.locator("#connection-label")).to_have_text(label)


def open_page(page: Page, gateway: FakeGateway, *updates: Frame, cursor: str = "c1", **more: Any) -> Connection:
    """The page, live with this snapshot."""
    page.goto("/")
    connection = gateway.accept()
    connection.subscribed(*updates, cursor=cursor, **more)
    expect_state(page, "Live")
    return connection


def settle(page: Page, connection: Connection) -> None:
    """Waits until the page has taken everything that was sent before, and leaves nothing behind."""
    marker = f"marker-{next(markers)}"
    connection.push(update(marker, event="modify"))
    expect(row(page, marker)).to_be_visible()
    connection.push(update(marker, event="remove"))
    expect(row(page, marker)).to_have_count(0)


def freeze(page: Page) -> None:
    """Stops the page's clock a minute ahead: from here on only the test moves it, and nothing is drawn."""
    page.clock.pause_at(page.evaluate("Date.now() / 1000 + 60"))


# Connecting


def test_it_offers_the_protocol_and_a_fresh_token_and_subscribes_first(page: Page, gateway: FakeGateway) -> None:
    page.goto("/")
    connection = gateway.accept()
    assert connection.subprotocols == ["formbridge.v1", "bearer.token-1.t_acme"]
    request = connection.expect("subscribe")
    assert request["snapshot"] == 50
    assert not {"cursor", "filter"} & request.keys()
    assert 0 < len(request["id"]) <= 64
    expect_state(page, "Connecting")
    connection.reply(request)
    expect_state(page, "Live")
    expect(page.locator("#empty-title")).to_have_text("No submissions yet")


def test_it_shows_the_snapshot_newest_first_without_toasts(page: Page, gateway: FakeGateway) -> None:
    old, new = update("sub_old", age=90), update("sub_new", 3, event="modify", status="spam")
    open_page(page, gateway, old, new)
    expect_ids(page, "sub_new", "sub_old")
    expect_status(page, "sub_new", "spam")
    expect(row(page, "sub_old").locator(".form-id")).to_have_text("contact")
    expect(row(page, "sub_old").locator("time")).to_have_text("1 min ago")
    expect(page.locator(".toast")).to_have_count(0)
    expect(page.locator("#latency-last")).to_have_text(NO_VALUE)


def test_the_rest_of_a_snapshot_comes_without_toasts(page: Page, gateway: FakeGateway) -> None:
    page.goto("/")
    connection = gateway.accept()
    connection.subscribed(update("sub_1"), cursor="page-1", complete=False)
    request = connection.expect("sync")
    assert request["cursor"] == "page-1"
    connection.reply(request, update("sub_2", age=60), cursor="page-2", complete=False)
    request = connection.expect("sync")
    assert request["cursor"] == "page-2"
    connection.reply(request, update("sub_3", age=120), cursor="c9")
    expect_ids(page, "sub_1", "sub_2", "sub_3")
    expect(page.locator(".toast")).to_have_count(0)


def test_an_attempt_that_never_opens_is_given_up(page: Page, gateway: FakeGateway) -> None:
    page.add_init_script("""
        const Real = WebSocket;
        globalThis.WebSocket = function (url, protocols) {
            const seen = document.documentElement.dataset;
            if (seen.attempt) return new Real(url, protocols);
            seen.attempt = "pending";
            return { close() { seen.attempt = "given up"; } };
        };
    """)
    page.clock.install()
    page.goto("/")
    attempt = page.locator("html")
    expect(attempt).to_have_attribute("data-attempt", "pending")
    page.clock.fast_forward(REPLY_TIMEOUT)
    expect(attempt).to_have_attribute("data-attempt", "given up")
    gateway.accept().subscribed()
    expect_state(page, "Live")


def test_a_config_that_cannot_be_read_is_said_with_a_way_on(page: Page, gateway: FakeGateway, site: FakeSite) -> None:
    config, site.answers.config = site.answers.config, {}
    page.goto("/")
    expect(page.locator("#notice-text")).to_contain_text("503")
    site.answers.config = config
    page.get_by_role("button", name="Try again").click()
    gateway.accept().subscribed()
    expect_state(page, "Live")


# Updates


def test_a_live_insert_appears_with_a_toast_and_its_latency(page: Page, gateway: FakeGateway) -> None:
    connection = open_page(page, gateway, update("sub_old", age=60))
    connection.push(update("sub_new", form_id="survey"))
    expect_ids(page, "sub_new", "sub_old")
    expect(page.locator(".toast")).to_have_text(re.compile(r"New submission from survey\s*sub_new"))
    expect(page.locator("#latency-last")).to_have_text(re.compile(r"^[\d.]+ m?s$"))
    expect(page.locator("#latency-count")).to_have_text("of 1 live submission")
    page.get_by_role("button", name="Dismiss").click()
    expect(page.locator(".toast")).to_have_count(0)


def test_many_arrivals_at_once_share_one_toast(page: Page, gateway: FakeGateway) -> None:
    connection = open_page(page, gateway)
    forms = ["contact", "survey"]
    connection.push(*(update(f"sub_{n}", form_id=forms[n % 2], age=n) for n in range(10)))
    expect(rows(page)).to_have_count(10)
    expect(page.locator(".toast")).to_have_text(re.compile(r"10 new submissions\s*contact 5 · survey 5"))
    expect(page.locator("#latency-count")).to_have_text("of 10 live submissions")


def test_coalesced_updates_are_taken_each_at_its_version(page: Page, gateway: FakeGateway) -> None:
    connection = open_page(page, gateway, update("sub_1"), update("sub_2", 4, age=60))
    connection.push(
        update("sub_1", 3, event="modify", status="completed"),
        update("sub_2", 2, event="modify", status="spam", age=60),
        update("sub_3", age=120),
    )
    expect_ids(page, "sub_1", "sub_2", "sub_3")
    expect_status(page, "sub_1", "completed")
    expect_status(page, "sub_2", "received")


def test_an_older_version_and_a_duplicate_are_ignored(page: Page, gateway: FakeGateway) -> None:
    connection = open_page(page, gateway, update("sub_1", 5, status="completed"))
    connection.push(update("sub_1", 4, event="modify", status="failed"))
    connection.push(update("sub_1", 5, event="modify", status="spam"))
    settle(page, connection)
    expect_status(page, "sub_1", "completed")


@pytest.mark.parametrize("event", ["remove", "leave"])
def test_of_the_same_version_the_end_wins_in_both_orders(page: Page, gateway: FakeGateway, event: str) -> None:
    connection = open_page(page, gateway, update("sub_1", 2), update("sub_2", 2), update("sub_stays", 2))
    connection.push(update("sub_1", 2, event=event))
    connection.push(update("sub_2", 3, event=event))
    connection.push(update("sub_2", 3, event="modify"))
    connection.push(update("sub_stays", 1, event=event))
    settle(page, connection)
    expect_ids(page, "sub_stays")


def test_a_higher_version_brings_back_what_had_left(page: Page, gateway: FakeGateway) -> None:
    connection = open_page(page, gateway, update("sub_1", 1))
    connection.push(update("sub_1", 2, event="leave"))
    connection.push(update("sub_1", 3, event="modify", status="completed"))
    expect_status(page, "sub_1", "completed")


def test_a_deleted_submission_goes_and_a_late_duplicate_does_not_bring_it_back(
    page: Page, gateway: FakeGateway
) -> None:
    connection = open_page(page, gateway, update("sub_1", 1))
    connection.push(update("sub_1", 3, event="modify", status="deleted"))
    connection.push(update("sub_1", 2, event="modify"))
    connection.push(update("sub_1", 3, event="insert"))
    settle(page, connection)
    expect_ids(page)


def test_a_submission_is_dropped_when_it_expires(page: Page, gateway: FakeGateway) -> None:
    page.clock.install()
    now = page.evaluate("Date.now() / 1000")
    gone, going = update("sub_gone", expires_at=now - 1), update("sub_going", 3, expires_at=now + 1800)
    connection = open_page(page, gateway, gone, going, update("sub_stays", age=60))
    expect_ids(page, "sub_going", "sub_stays")
    page.clock.fast_forward(HALF_AN_HOUR)
    connection.reply(connection.expect("sync"))
    expect_ids(page, "sub_stays")
    connection.push(update("sub_going", 3, event="modify", expires_at=now + 1800))
    settle(page, connection)
    expect_ids(page, "sub_stays")
    connection.push(update("sub_late", expires_at=now - 1))
    settle(page, connection)
    expect(page.locator(".toast")).to_have_count(0)


@pytest.mark.parametrize(("event", "status"), [("modify", "deleted"), ("remove", "received"), ("leave", "")])
def test_an_id_that_has_expired_can_be_used_again(page: Page, gateway: FakeGateway, event: str, status: str) -> None:
    page.clock.install()
    soon = page.evaluate("Date.now() / 1000") + 60
    connection = open_page(page, gateway, *(update(f"sub_{n}", 3, age=n, expires_at=soon) for n in (1, 2)))
    expect_ids(page, "sub_1", "sub_2")
    connection.push(update("sub_2", 4, event=event, status=status, expires_at=soon))
    connection.push(update("sub_2", 2, expires_at=soon + 60))
    settle(page, connection)
    expect_ids(page, "sub_1")
    page.clock.fast_forward(60_000)
    connection.push(update("sub_1", 1, status="again"))
    connection.push(update("sub_2", 1, status="again"))
    expect_status(page, "sub_1", "again")
    expect_status(page, "sub_2", "again")


@pytest.mark.parametrize("ahead", [-2, 2])
def test_the_times_of_the_gateway_count_and_not_those_of_the_device(
    page: Page, gateway: FakeGateway, ahead: int
) -> None:
    page.clock.install(time=time.time() + ahead * 3600)
    gone, stays = (update(name, expires_at=in_seconds(left)) for name, left in (("sub_gone", -60), ("sub_stays", 60)))
    connection = open_page(page, gateway, gone, stays)
    expect_ids(page, "sub_stays")
    expect(row(page, "sub_stays").locator("time")).to_have_text("now")
    connection.push(update("sub_new", age=1))
    expect(page.locator("#latency-last")).to_have_text(re.compile(r"^\d(\.\d)? s$|^9\d\d ms$"))


def test_the_time_of_an_update_frame_counts_too(page: Page, gateway: FakeGateway) -> None:
    hour_ago = int((time.time() - 3600) * 1000)
    connection = open_page(page, gateway, update("sub_1", expires_at=in_seconds(-60)), server_time=hour_ago)
    expect_ids(page, "sub_1")
    connection.push(update("sub_2"))
    expect_ids(page, "sub_2")


def test_counts_by_status_follow(page: Page, gateway: FakeGateway) -> None:
    connection = open_page(page, gateway, update("sub_1"), update("sub_2"), update("sub_3", status="spam"))
    counts = page.locator("#counts li")
    expect(counts).to_have_text(["received 2", "spam 1"])
    connection.push(update("sub_2", 2, event="modify", status="completed"))
    expect(counts).to_have_text(["completed 1", "received 1", "spam 1"])
    connection.push(update("sub_3", 1, event="remove"))
    expect(counts).to_have_text(["completed 1", "received 1"])
    expect(page.locator("#total")).to_have_text("2")


def test_what_it_does_not_know_or_cannot_read_leaves_it_alive(page: Page, gateway: FakeGateway) -> None:
    connection = open_page(page, gateway)
    junk: list[Any] = ["{not json", "null", "[]", "7", '{"message": "Internal server error"}', '{"type": "news"}']
    junk += ['{"type": "submission_updates"}', '{"type": "submission_update", "event": "insert", "data": null}']
    junk += ['{"type": "submission_updates", "updates": [null, {"event": "insert", "data": {"submission_id": 1}}]}']
    for frame in junk:
        connection.send(frame)
    settle(page, connection)
    assert gateway.has_no_more()


def test_text_from_outside_stays_text(page: Page, gateway: FakeGateway) -> None:
    open_page(page, gateway, update("sub_1", form_id="<img src=x onerror=alert(1)>", status="<b>bold</b>"))
    expect(row(page, "sub_1").locator(".form-id")).to_have_text("<img src=x onerror=alert(1)>")
    expect_status(page, "sub_1", "<b>bold</b>")


# Resuming


def test_after_a_drop_it_resumes_from_the_last_complete_cursor(page: Page, gateway: FakeGateway) -> None:
    connection = open_page(page, gateway, update("sub_1", age=540), cursor="complete")
    connection.send({"type": "resync", "reason": "behind"})
    connection.reply(connection.expect("sync"), cursor="incomplete", complete=False)
    connection.expect("sync")
    connection.push(update("sub_2", age=480))
    expect_ids(page, "sub_2", "sub_1")
    connection.drop()
    expect_state(page, re.compile("Reconnecting|Connecting"))
    connection = gateway.accept()
    assert connection.subprotocols[1] != "bearer.token-1.t_acme", "each connection takes a fresh token"
    request = connection.expect("subscribe")
    assert request["cursor"] == "complete"
    expect_ids(page, "sub_2", "sub_1")
    connection.reply(request, update("sub_3"), update("sub_1", 2, event="leave"), cursor="c2")
    expect_ids(page, "sub_3", "sub_2")
    expect(page.locator(".toast").filter(has_text="sub_3")).to_have_count(1)


def test_what_is_reconciled_comes_without_toasts(page: Page, gateway: FakeGateway) -> None:
    page.add_init_script("Math.random = () => 0.999")
    page.clock.install()
    connection = open_page(page, gateway, update("sub_1", 2, incarnation=5), update("sub_2", age=60))
    freeze(page)
    connection.drop()
    expect_state(page, "Reconnecting")
    page.clock.fast_forward(301_000)
    connection = gateway.accept()
    page.clock.resume()
    connection.subscribed()
    request = connection.expect("reconcile")
    assert request["held"] == [["sub_1", 5, 2], ["sub_2", 0, 1]]
    connection.reply(request, update("sub_1", 1, event="remove", incarnation=5), update("sub_old", age=120))
    expect_ids(page, "sub_2", "sub_old")
    expect(page.locator(".toast")).to_have_count(0)


def test_a_push_moves_no_cursor(page: Page, gateway: FakeGateway) -> None:
    connection = open_page(page, gateway, cursor="c1")
    settle(page, connection)
    connection.send({"type": "resync", "reason": "behind"})
    assert connection.expect("sync")["cursor"] == "c1"


def test_a_resume_that_takes_pages_is_resumed_from_the_cursor_before_it(page: Page, gateway: FakeGateway) -> None:
    open_page(page, gateway, cursor="c1").drop()
    connection = gateway.accept()
    connection.subscribed(update("sub_1"), cursor="c2", complete=False)
    assert connection.expect("sync")["cursor"] == "c2"
    connection.drop()
    connection = gateway.accept()
    request = connection.expect("subscribe")
    assert request["cursor"] == "c1"
    connection.reply(request, update("sub_1"), cursor="c3")
    connection.drop()
    assert gateway.accept().expect("subscribe")["cursor"] == "c3"


def test_a_cursor_too_old_starts_a_new_view(page: Page, gateway: FakeGateway) -> None:
    open_page(page, gateway, update("sub_old"), cursor="c1").drop()
    connection = gateway.accept()
    request = connection.expect("subscribe")
    connection.reply(request, update("sub_new"), cursor="c2", complete=False, recovered=False)
    expect_ids(page, "sub_new")
    expect(page.locator(".toast")).to_have_count(0)
    connection.expect("sync")
    connection.drop()
    assert "cursor" not in gateway.accept().expect("subscribe"), "the cursor before the new view is void"


def test_a_sync_from_too_long_ago_starts_a_new_view(page: Page, gateway: FakeGateway) -> None:
    connection = open_page(page, gateway, update("sub_old"))
    connection.send({"type": "resync", "reason": "behind"})
    request = connection.expect("sync")
    connection.push(update("sub_early"))
    expect_ids(page, "sub_early", "sub_old")
    connection.reply(request, update("sub_new", age=540), recovered=False)
    expect_ids(page, "sub_early", "sub_new")


def test_a_push_that_overtakes_the_snapshot_is_kept(page: Page, gateway: FakeGateway) -> None:
    page.goto("/")
    connection = gateway.accept()
    request = connection.expect("subscribe")
    connection.push(update("sub_early"))
    connection.reply(request, update("sub_snapshot", age=60))
    expect_ids(page, "sub_early", "sub_snapshot")


def test_a_cursor_that_cannot_be_read_starts_a_new_view(page: Page, gateway: FakeGateway) -> None:
    open_page(page, gateway, update("sub_old"), cursor="broken").drop()
    connection = gateway.accept()
    connection.refuse(connection.expect("subscribe"), "bad_cursor")
    request = connection.expect("subscribe")
    assert "cursor" not in request
    connection.reply(request, update("sub_new"))
    expect_ids(page, "sub_new")


def test_a_bad_cursor_in_a_sync_starts_a_new_view_on_the_same_connection(page: Page, gateway: FakeGateway) -> None:
    connection = open_page(page, gateway, update("sub_old"))
    connection.send({"type": "resync", "reason": "behind"})
    connection.refuse(connection.expect("sync"), "bad_cursor")
    connection.subscribed(update("sub_new"))
    expect_ids(page, "sub_new")
    assert gateway.has_no_more()


def test_a_resync_during_a_request_is_followed_by_another_sync(page: Page, gateway: FakeGateway) -> None:
    connection = open_page(page, gateway)
    connection.send({"type": "resync", "reason": "behind"})
    request = connection.expect("sync")
    connection.send({"type": "resync", "reason": "behind"})
    settle(page, connection)
    assert connection.is_quiet(), "one request at a time"
    connection.reply(request, cursor="c2")
    request = connection.expect("sync")
    assert request["cursor"] == "c2"
    connection.reply(request, cursor="c3")
    settle(page, connection)
    assert connection.is_quiet(), "once is enough"


# When to sync


def test_it_syncs_after_a_heartbeat_of_silence(page: Page, gateway: FakeGateway) -> None:
    page.clock.install()
    connection = open_page(page, gateway, cursor="c1")
    page.clock.fast_forward(240 * 1000)
    settle(page, connection)
    page.clock.fast_forward(240 * 1000)
    connection.send({"type": "news"})
    connection.push(update("sub_1"))
    expect(row(page, "sub_1")).to_be_visible()
    assert connection.is_quiet(), "any frame restarts the timer"
    page.clock.fast_forward(300 * 1000)
    assert connection.expect("sync")["cursor"] == "c1"


def test_it_syncs_half_an_hour_after_the_last_reply_however_busy(page: Page, gateway: FakeGateway) -> None:
    page.clock.install()
    connection = open_page(page, gateway)
    for minutes in range(0, 29, 4):
        page.clock.fast_forward(4 * 60 * 1000 if minutes < 28 else 30 * 1000)
        connection.push(update("sub_busy", minutes + 1, event="modify", status=f"minute-{minutes}"))
        expect_status(page, "sub_busy", f"minute-{minutes}")
    assert connection.is_quiet()
    page.clock.fast_forward(HALF_AN_HOUR - (28 * 60 + 30) * 1000)
    connection.expect("sync")


def test_it_syncs_on_waking_up(page: Page, gateway: FakeGateway) -> None:
    connection = open_page(page, gateway)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    connection.reply(connection.expect("sync"), update("sub_missed"))
    expect_ids(page, "sub_missed")
    expect(page.locator("#latency-last")).to_have_text(NO_VALUE)


def test_a_reply_that_never_comes_means_a_new_connection(page: Page, gateway: FakeGateway) -> None:
    page.clock.install()
    connection = open_page(page, gateway)
    connection.send({"type": "resync", "reason": "behind"})
    connection.expect("sync")
    page.clock.fast_forward(REPLY_TIMEOUT)
    gateway.accept().subscribed()
    expect_state(page, "Live")


# Reconnecting


def test_it_goes_on_trying_and_tells_when(page: Page, gateway: FakeGateway, site: FakeSite) -> None:
    page.add_init_script("Math.random = () => 0.999")
    page.clock.install()
    connection = open_page(page, gateway, update("sub_1"))
    expect_ids(page, "sub_1")
    freeze(page)
    answer = site.answers.token
    site.answers.token = lambda body, number: (500, {"error": "no tokens today"})
    connection.drop()
    expect_state(page, "Reconnecting")
    for attempt in range(8):
        seconds = min(30, 2**attempt)
        expect(page.locator("#connection-countdown")).to_have_text(f"in {seconds} s")
        page.clock.fast_forward(seconds * 1000)
    # The last attempt has failed: it must not get the token that the next one gets.
    expect(page.locator("#connection-countdown")).to_have_text("in 30 s")
    expect_ids(page, "sub_1")
    expect(page.locator("#notice-text")).to_contain_text("Not connected (no tokens today)")
    site.answers.token = answer
    page.get_by_role("button", name="Reconnect now").click()
    gateway.accept().subscribed()
    expect_state(page, "Live")
    expect(page.locator("#notice-text")).to_have_text("")


@pytest.mark.parametrize(
    "event", ["window.dispatchEvent(new Event('online'))", "document.dispatchEvent(new Event('visibilitychange'))"]
)
def test_it_reconnects_at_once_on_waking_up(page: Page, gateway: FakeGateway, event: str) -> None:
    page.add_init_script("Math.random = () => 0.999")
    page.clock.install()
    connection = open_page(page, gateway)
    freeze(page)
    connection.drop()
    expect_state(page, "Reconnecting")
    page.evaluate(event)
    gateway.accept().subscribed()
    expect_state(page, "Live")


def test_without_a_network_it_is_offline_until_there_is_one(page: Page, gateway: FakeGateway) -> None:
    connection = open_page(page, gateway, update("sub_1"))
    page.context.set_offline(True)
    expect_state(page, "Offline")
    expect_ids(page, "sub_1")
    assert connection.closed.wait(15)
    page.context.set_offline(False)
    gateway.accept().subscribed()
    expect_state(page, "Live")


@pytest.mark.parametrize("code", ["token_expired", "revoked"])
def test_a_disconnect_with_reconnect_comes_back_with_a_fresh_token(page: Page, gateway: FakeGateway, code: str) -> None:
    connection = open_page(page, gateway, cursor="c1")
    connection.disconnect(code, reconnect=True)
    connection = gateway.accept()
    assert connection.subprotocols == ["formbridge.v1", "bearer.token-2.t_acme"]
    assert connection.subscribed()["cursor"] == "c1"
    expect_state(page, "Live")


@pytest.mark.parametrize("code", ["too_many_connections", "too_many_connections_of_user"])
def test_whoever_has_too_many_dashboards_is_told_and_tried_again(page: Page, gateway: FakeGateway, code: str) -> None:
    page.goto("/")
    for _ in range(2):
        connection = gateway.accept()
        assert connection.query["refusal"] == "frame"
        connection.expect("subscribe")
        connection.disconnect(code, reconnect=True)
        expect(page.locator("#notice-text")).to_contain_text("as soon as there is room")
    gateway.accept().subscribed()
    expect_state(page, "Live")


def test_after_a_wrong_tenant_reconnecting_asks_for_a_fresh_token(page: Page, gateway: FakeGateway) -> None:
    open_page(page, gateway).disconnect("forbidden", reconnect=False)
    expect_state(page, "Disconnected")
    page.get_by_role("button", name="Reconnect").click()
    assert gateway.accept().subprotocols == ["formbridge.v1", "bearer.token-2.t_acme"]


@pytest.mark.parametrize(
    ("code", "label", "advice"),
    [
        ("token_expired", "Signed out", "Sign in again"),
        ("revoked", "Signed out", "Access to this tenant was revoked"),
        ("too_many_connections", "Disconnected", "Close one of them"),
        ("too_many_connections_of_user", "Disconnected", "You have too many dashboards open"),
        ("protocol_error", "Disconnected", "Reload"),
        ("server_shutdown", "Disconnected", "server_shutdown"),
        ("forbidden", "Disconnected", "has no access to this tenant"),
        ("too_many_filters", "Disconnected", "too many different filters"),
    ],
)
def test_a_disconnect_for_good_says_what_to_do(
    page: Page, gateway: FakeGateway, code: str, label: str, advice: str
) -> None:
    page.clock.install()
    open_page(page, gateway).disconnect(code, reconnect=False)
    expect_state(page, label)
    expect(page.locator("#notice-text")).to_contain_text(advice)
    page.clock.fast_forward(HALF_AN_HOUR)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect_state(page, label)
    assert gateway.has_no_more()
    page.locator("#notice-action").click()
    gateway.accept().subscribed()
    expect_state(page, "Live")


def test_a_token_that_is_refused_to_the_user_signs_out(page: Page, gateway: FakeGateway, site: FakeSite) -> None:
    answer = site.answers.token
    site.answers.token = lambda body, number: (401, {"error": "no session"})
    page.goto("/")
    expect_state(page, "Signed out")
    assert gateway.has_no_more()
    site.answers.token = answer
    page.get_by_role("button", name="Sign in again").click()
    gateway.accept().subscribed()
    expect_state(page, "Live")


# Renewing the token


def open_page_for_ten_minutes(page: Page, gateway: FakeGateway) -> Connection:
    """The page, live, with a clock that the test can move on. It renews its token within the first nine minutes."""
    page.clock.install()
    return open_page(page, gateway, expires_at=in_seconds(600), heartbeat_seconds=1800)


def test_a_token_is_renewed_in_place_again_and_again(page: Page, gateway: FakeGateway) -> None:
    connection = open_page_for_ten_minutes(page, gateway)
    page.clock.fast_forward(540_000)
    request = connection.expect("authenticate")
    assert request["token"] == "token-2.t_acme"
    connection.authenticated(request, seconds=1200)
    settle(page, connection)
    assert connection.is_quiet()
    page.clock.fast_forward(600_000)
    assert connection.expect("authenticate")["token"] == "token-3.t_acme"
    expect_state(page, "Live")
    assert gateway.has_no_more()


@pytest.mark.parametrize(
    ("code", "more"),
    [
        ("unauthorized", {}),
        ("rate_limited", {"retryable": True, "retry_after_ms": 5000}),
        ("internal", {"retryable": True}),
    ],
)
def test_a_renewal_that_is_refused_is_tried_again_and_nothing_else_is_touched(
    page: Page, gateway: FakeGateway, code: str, more: dict[str, Any]
) -> None:
    connection = open_page_for_ten_minutes(page, gateway)
    page.clock.fast_forward(540_000)
    renewal = connection.expect("authenticate")
    sync = connection.resync()
    connection.refuse(renewal, code, **more)
    settle(page, connection)
    connection.reply(sync, cursor="c2")
    page.clock.fast_forward(5000)
    again = connection.expect("authenticate")
    assert again["token"] == "token-3.t_acme"
    connection.authenticated(again, seconds=1200)
    assert connection.resync()["cursor"] == "c2"
    expect_state(page, "Live")
    assert gateway.has_no_more()


@pytest.mark.parametrize(
    ("code", "more"),
    [("unknown_action", {}), ("internal", {"retryable": True, "retry_after_ms": 60_000})],
    ids=["for good", "until it is too late"],
)
def test_a_renewal_that_can_help_no_more_is_not_tried_again(
    page: Page, gateway: FakeGateway, code: str, more: dict[str, Any]
) -> None:
    connection = open_page_for_ten_minutes(page, gateway)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.fast_forward(545_000)
    connection.refuse(connection.expect("authenticate"), code, **more)
    settle(page, connection)
    page.clock.fast_forward(60_000)
    connection.reply(connection.resync())
    settle(page, connection)
    assert len(asked) == 1
    assert connection.is_quiet()
    assert gateway.has_no_more()


def test_a_renewal_without_a_reply_is_tried_again_and_a_late_reply_does_no_harm(
    page: Page, gateway: FakeGateway
) -> None:
    connection = open_page_for_ten_minutes(page, gateway)
    page.clock.fast_forward(540_000)
    first = connection.expect("authenticate")
    page.clock.fast_forward(REPLY_TIMEOUT)
    page.clock.fast_forward(1000)
    second = connection.expect("authenticate")
    assert second["id"] != first["id"]
    connection.refuse(first, "unauthorized")
    settle(page, connection)
    connection.authenticated(second, seconds=1200)
    settle(page, connection)
    page.clock.fast_forward(30_000)
    connection.resync()
    assert gateway.has_no_more()


def test_a_token_that_cannot_be_had_just_now_is_asked_for_again(
    page: Page, gateway: FakeGateway, site: FakeSite
) -> None:
    connection = open_page_for_ten_minutes(page, gateway)
    answer = site.answers.token
    site.answers.token = lambda body, number: (500, {"error": "no tokens today"})
    with page.expect_response("**/api/token"):
        page.clock.fast_forward(540_000)
    settle(page, connection)
    site.answers.token = answer
    page.clock.fast_forward(30_000)
    connection.authenticated(connection.expect("authenticate"), seconds=1200)
    expect_state(page, "Live")
    assert gateway.has_no_more()


def test_who_must_sign_in_again_keeps_the_connection_until_it_ends(
    page: Page, gateway: FakeGateway, site: FakeSite
) -> None:
    connection = open_page_for_ten_minutes(page, gateway)
    site.answers.token = lambda body, number: (401, {"error": "no session"})
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    with page.expect_response("**/api/token"):
        page.clock.fast_forward(540_000)
    settle(page, connection)
    page.clock.fast_forward(30_000)
    connection.reply(connection.resync())
    settle(page, connection)
    assert len(asked) == 1
    expect_state(page, "Live")
    connection.disconnect("token_expired", reconnect=True)
    expect_state(page, "Signed out")
    assert gateway.has_no_more()


def test_for_a_connection_that_is_gone_no_token_is_renewed(page: Page, gateway: FakeGateway) -> None:
    connection = open_page_for_ten_minutes(page, gateway)
    connection.drop()
    again = gateway.accept()
    again.subscribed(heartbeat_seconds=1800)
    settle(page, again)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.fast_forward(545_000)
    again.reply(again.resync())
    settle(page, again)
    assert asked == []


# Errors


def test_an_unauthorized_sync_takes_a_fresh_token_and_a_refused_fresh_token_signs_out(
    page: Page, gateway: FakeGateway
) -> None:
    connection = open_page(page, gateway)
    connection.send({"type": "resync", "reason": "behind"})
    connection.refuse(connection.expect("sync"), "unauthorized")
    connection = gateway.accept()
    assert connection.subprotocols[1] == "bearer.token-2.t_acme"
    connection.refuse(connection.expect("subscribe"), "unauthorized")
    expect_state(page, "Signed out")


@pytest.mark.parametrize("action", ["subscribe", "sync"])
def test_a_request_refused_for_the_moment_is_repeated_when_asked_to(
    page: Page, gateway: FakeGateway, action: str
) -> None:
    page.clock.install()
    page.goto("about:blank")
    freeze(page)
    page.goto("/")
    connection = gateway.accept()
    if action == "sync":
        connection.subscribed(cursor="c1")
        connection.send({"type": "resync", "reason": "behind"})
    request = connection.expect(action)
    connection.refuse(request, "rate_limited", retryable=True, retry_after_ms=5000)
    connection.push(update("sub_1"))
    if action == "sync":
        expect(page.locator(".toast")).to_have_count(1)
    page.clock.run_for(4999)
    assert connection.is_quiet()
    page.clock.run_for(1)
    again = connection.expect(action)
    assert again["id"] != request["id"]
    assert again.get("cursor") == request.get("cursor")
    page.clock.resume()
    connection.reply(again)
    expect_state(page, "Live")
    expect_ids(page, "sub_1")
    assert gateway.has_no_more()


@pytest.mark.parametrize(("code", "reason"), [("bad_request", "bad_request"), ("too_large", "it is too large")])
def test_a_subscription_refused_for_good_stops_and_says_why(
    page: Page, gateway: FakeGateway, code: str, reason: str
) -> None:
    page.clock.install()
    page.goto("/")
    connection = gateway.accept()
    connection.refuse(connection.expect("subscribe"), code)
    expect_state(page, "Disconnected")
    expect(page.locator("#notice-text")).to_contain_text(reason)
    page.clock.fast_forward(HALF_AN_HOUR)
    expect_state(page, "Disconnected")
    assert gateway.has_no_more()


def test_a_sync_refused_for_good_means_a_new_connection(page: Page, gateway: FakeGateway) -> None:
    connection = open_page(page, gateway, cursor="c1")
    connection.send({"type": "resync", "reason": "behind"})
    connection.refuse(connection.expect("sync"), "bad_request")
    assert gateway.accept().subscribed()["cursor"] == "c1"
    expect_state(page, "Live")


# The page


def test_another_tenant_clears_the_list_and_takes_a_token_of_its_own(page: Page, gateway: FakeGateway) -> None:
    acme = open_page(page, gateway, update("sub_acme"), cursor="acme")
    page.get_by_label("Tenant").select_option("t_globex")
    expect(rows(page)).to_have_count(0)
    expect(page.locator("#total")).to_have_text("0")
    assert acme.closed.wait(15)
    globex = gateway.accept()
    assert globex.subprotocols[1].endswith(".t_globex")
    request = globex.expect("subscribe")
    assert "cursor" not in request
    globex.reply(request, update("sub_globex"))
    expect_ids(page, "sub_globex")
    page.reload()
    assert gateway.accept().subprotocols[1].endswith(".t_globex")


def test_the_form_is_sent_from_the_keyboard(page: Page, gateway: FakeGateway, site: FakeSite) -> None:
    connection = open_page(page, gateway)
    page.get_by_label("Form", exact=True).focus()
    for text in ["survey", "Ada", "ada@example.com", "Hello"]:
        page.keyboard.type(text)
        page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Submit")).to_be_focused()
    page.keyboard.press("Enter")
    posted = site.posted()
    assert posted.path == "/api/submissions"
    payload = {"name": "Ada", "email": "ada@example.com", "message": "Hello"}
    assert posted.body == {"tenant_id": "t_acme", "form_id": "survey", "payload": payload}
    expect(page.locator("#compose-result")).to_have_text(re.compile("^Sent as sub_"))
    expect(page.get_by_role("button", name="Submit")).to_be_focused()
    connection.push(update("sub_2", form_id="survey"))
    expect_ids(page, "sub_2")


def test_a_form_that_is_refused_says_so_and_keeps_what_was_typed(
    page: Page, gateway: FakeGateway, site: FakeSite
) -> None:
    site.answers.submit = lambda body, number: (400, {"error": "form_id 'survey' is closed"})
    open_page(page, gateway)
    page.get_by_label("Name").fill("Ada")
    page.get_by_label("Email").fill("ada@example.com")
    page.get_by_label("Message").fill("Hello")
    page.get_by_label("Message").press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#compose-result")).to_have_text("Not sent. form_id 'survey' is closed")
    expect(page.get_by_label("Message")).to_have_value("Hello")


def test_a_status_is_changed_from_the_keyboard(page: Page, gateway: FakeGateway, site: FakeSite) -> None:
    given = update("sub_1", form_id="survey")
    connection = open_page(page, gateway, given)
    button = page.get_by_role("button", name="Status of sub_1: received. Change it")
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("menuitemradio", name="received")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    posted = site.posted()
    assert posted.path == "/api/submissions/sub_1"
    submitted_at = given["data"]["submitted_at"]
    assert posted.body == {
        "tenant_id": "t_acme", "form_id": "survey", "status": "completed", "submitted_at": submitted_at,
    }  # fmt: skip
    expect_status(page, "sub_1", "received")
    connection.push(update("sub_1", 2, event="modify", status="completed", form_id="survey"))
    expect_status(page, "sub_1", "completed")
    expect(page.locator("#rows .status")).to_be_focused()
    expect(page.locator(".toast")).to_have_count(0)


def test_deleting_takes_the_row_and_keeps_the_place_of_the_keyboard(
    page: Page, gateway: FakeGateway, site: FakeSite
) -> None:
    connection = open_page(page, gateway, update("sub_1"))
    page.locator("#rows .status").press("Enter")
    # Once it is open, the menu takes the keyboard to its first item: before that, no other would keep it.
    expect(page.get_by_role("menuitemradio", name="received")).to_be_focused()
    page.get_by_role("menuitemradio", name="Delete").press("Enter")
    assert site.posted().body["status"] == "deleted"
    connection.push(update("sub_1", 2, event="modify", status="deleted"))
    expect_ids(page)
    expect(page.locator("#submissions")).to_be_focused()


def test_a_status_that_is_refused_is_told(page: Page, gateway: FakeGateway, site: FakeSite) -> None:
    site.answers.change = lambda body, number: (409, {"error": "status 'spam' is not allowed"})
    open_page(page, gateway, update("sub_1"))
    page.locator("#rows .status").click()
    page.get_by_role("menuitemradio", name="spam").click()
    expect(page.locator(".toast")).to_contain_text("status 'spam' is not allowed")


def test_a_new_row_takes_nothing_from_the_row_in_use(page: Page, gateway: FakeGateway) -> None:
    connection = open_page(page, gateway, update("sub_1", age=60))
    page.locator("#rows .status").focus()
    page.evaluate("globalThis.kept = document.activeElement")
    connection.push(update("sub_2"))
    expect_ids(page, "sub_2", "sub_1")
    assert page.evaluate("globalThis.kept === document.activeElement")


def test_what_a_screen_reader_needs_is_there(page: Page, gateway: FakeGateway) -> None:
    open_page(page, gateway, update("sub_1"))
    expect(page.get_by_role("status").filter(has_text="Live")).to_have_text(re.compile(r"Connection:\s+Live"))
    expect(page.locator("#toasts")).to_have_attribute("aria-live", "polite")
    expect(page.get_by_role("table", name="Submissions")).to_be_visible()
    expect(page.get_by_role("rowheader", name="contact")).to_be_visible()
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the submissions")
    expect(skip).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#submissions")).to_be_focused()


def test_a_long_list_is_shown_in_parts(page: Page, gateway: FakeGateway) -> None:
    connection = open_page(page, gateway)
    connection.push(*(update(f"sub_{n:03}", age=n) for n in range(501)))
    expect(page.locator("#total")).to_have_text("501")
    expect(rows(page)).to_have_count(500)
    page.get_by_role("button", name="Show more (1 submission below)").click()
    expect(rows(page)).to_have_count(501)


# The pure modules


def test_whatever_the_order_the_store_converges(page: Page, site: FakeSite) -> None:
    """Every order of the updates, each delivered twice, leaves what the highest versions say, and then nothing."""
    page.goto("/")
    held = page.evaluate("""async () => {
        const { SubmissionStore } = await import("/client/store.js");
        const row = (id, version, event, expires_at, status) => ({
            event, data: { submission_id: id, version, status, expires_at, submitted_at: "2026-11-22T20:00:00.000Z" },
        });
        const updates = [
            row("a", 1, "insert", 8, "received"), row("a", 2, "modify", 9, "completed"),
            row("b", 1, "insert", 4, "received"), row("b", 3, "modify", 9, "received"), row("b", 3, "leave"),
            row("c", 4, "modify", 9, "deleted"), row("d", 5, "remove", 9, "received"),
        ];
        const orders = (rest) => rest.length < 2 ? [rest] :
            rest.flatMap((one, i) => orders(rest.toSpliced(i, 1)).map((others) => [one, ...others]));
        const held = (store) => store.newestFirst().map((s) => `${s.submission_id} ${s.version} ${s.status}`).join();
        return orders(updates).map((order) => {
            const store = new SubmissionStore();
            for (const update of [...order, ...order]) store.apply(update, 5_000);
            const before = held(store);
            store.expire(9_000);
            for (const update of order) if (update.event !== "leave") store.apply(update, 9_000);
            const after = held(store);
            for (const id of ["a", "b", "c", "d"]) store.apply(row(id, 1, "insert", 20, "new"), 9_000);
            return [before, after, held(store)].join("; ");
        });
    }""")
    assert len(held) == 5040
    assert set(held) == {"a 2 completed; ; a 1 new,b 1 new,c 1 new,d 1 new"}


def test_an_incarnation_counts_more_than_a_version(page: Page, site: FakeSite) -> None:
    """Every order of the updates leaves the newest incarnation, for as long as its own updates say."""
    page.goto("/")
    held = page.evaluate("""async () => {
        const { SubmissionStore } = await import("/client/store.js");
        const row = (id, incarnation, version, event, expires_at) => ({
            event, data: { submission_id: id, incarnation, version, expires_at, submitted_at: "" },
        });
        const updates = [
            row("a", 1, 9, "insert", 6), row("a", 1, 9, "remove"), row("a", 2, 1, "insert"),
            row("b", undefined, 9, "insert"), row("b", 1, 1, "insert", 6), row("b", 2, 1, "remove"),
        ];
        const orders = (rest) => rest.length < 2 ? [rest] :
            rest.flatMap((one, i) => orders(rest.toSpliced(i, 1)).map((others) => [one, ...others]));
        const held = (store, now) => JSON.stringify(store.listHeld(now));
        return orders(updates).map((order) => {
            const store = new SubmissionStore();
            for (const update of order) store.apply(update, 5_000);
            const before = held(store, 5_000);
            for (const update of order) if (update.event !== "remove") store.apply(update, 7_000);
            return `${before} ${held(store, 7_000)}`;
        });
    }""")
    assert len(held) == 720
    assert set(held) == {'[["a",2,1]] [["a",2,1]]'}


def test_a_reconciled_update_replaces_exactly_what_was_sent(page: Page, site: FakeSite) -> None:
    page.goto("/")
    outcomes = page.evaluate("""async () => {
        const { SubmissionStore } = await import("/client/store.js");
        const row = (incarnation, version, event = "modify") =>
            ({ event, data: { submission_id: "a", incarnation, version, expires_at: 9 } });
        const take = (held, update, sent) => {
            const store = new SubmissionStore();
            store.apply(held, 5_000);
            return [store.apply(update, 5_000, new Map([[sent[0], sent]])), ...store.listHeld(5_000).flat()].join(" ");
        };
        const sent = ["a", 2, 5];
        return [
            take(row(2, 5), row(2, 4), sent), take(row(2, 5), row(1, 9), sent),
            take(row(2, 5), row(2, 4, "leave"), sent),
            take(row(2, 6), row(2, 4), sent), take(row(3, 5), row(2, 4), sent), take(row(2, 6), row(2, 7), sent),
            take(row(2, 5, "leave"), row(2, 4), sent), take(row(2, 5), row(2, 4), ["b", 2, 5]),
        ];
    }""")
    assert outcomes == [
        "changed a 2 4", "changed a 1 9", "dropped",
        "ignored a 2 6", "ignored a 3 5", "changed a 2 7",
        "ignored", "ignored a 2 5",
    ]  # fmt: skip


def test_what_arrives_expired_does_nothing_to_a_later_life_of_its_id(page: Page, site: FakeSite) -> None:
    page.goto("/")
    outcomes = page.evaluate("""async () => {
        const { SubmissionStore } = await import("/client/store.js");
        const store = new SubmissionStore();
        const take = (version, event, expires_at) =>
            store.apply({ event, data: { submission_id: "a", version, expires_at } }, 5_000);
        const early = [take(2, "remove", 4), take(1, "insert", 9)];
        return [...early, take(1, "remove", 4), take(3, "modify", 4), take(2, "modify")];
    }""")
    assert outcomes == ["ignored", "added", "ignored", "ignored", "changed"]


def test_backoff_is_full_jitter_without_an_end(page: Page, site: FakeSite) -> None:
    page.goto("/")
    waits = page.evaluate("""async () => {
        const { fullJitter } = await import("/client/backoff.js");
        return [0, 1, 2, 5, 9, 5000].map((n) => [0, 0.5].map((random) => fullJitter(n, () => random)));
    }""")
    assert waits == [[0, 500], [0, 1000], [0, 2000], [0, 15000], [0, 15000], [0, 15000]]


def test_latency_says_only_what_was_measured(page: Page, site: FakeSite) -> None:
    page.goto("/")
    seen = page.evaluate("""async () => {
        const { Latency } = await import("/latency.js");
        const latency = new Latency();
        const seen = [[latency.count, latency.last, latency.median]];
        for (const sample of [30, NaN, -5, 10, 20, 100]) {
            latency.add(sample);
            seen.push([latency.count, latency.last, latency.median]);
        }
        return seen;
    }""")
    assert seen == [
        [0, None, None], [1, 30, 30], [1, 30, 30], [1, 30, 30], [2, 10, 20], [3, 20, 20], [4, 100, 25],
    ]  # fmt: skip
