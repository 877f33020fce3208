"""The protocol's client in a real browser, without the page: what no control of the page leads to yet."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser.fake_gateway import (
    PATIENCE,
    Connection,
    FakeGateway,
    FakeSite,
    Frame,
    in_seconds,
    update,
)

CONTACT = {"form_id": ["contact"]}
SURVEY = {"form_id": [{"prefix": "survey"}]}
SETTLE_SECONDS = 30
MINUTE_MS = 60 * 1000
HEARTBEAT_MS = 5 * MINUTE_MS
DAY_MS = 24 * 3600 * 1000

OPEN = """async ([url, filter, reconciles]) => {
    const { RealtimeClient } = await import("/client/client.js");
    const { SubmissionStore } = await import("/client/store.js");
    const store = new SubmissionStore();
    const said = document.documentElement.dataset;
    said.origins = "";
    globalThis.client = new RealtimeClient({
        url,
        filter,
        getToken: async () => "a-token",
        onState: ({ name, reason }) => { said.state = reason ? `${name}: ${reason}` : name; },
        getHeld: reconciles ? () => store.listHeld(client.serverTime()) : undefined,
        onError: ({ message }) => { said.error = message; },
        onUpdates: (updates, origin, sent) => {
            if (origin === "snapshot") store.clear();
            for (const update of updates) store.apply(update, client.serverTime(), sent);
            said.held = store.newestFirst().map(({ submission_id }) => submission_id).join(" ");
            said.origins += ` ${origin}`;
            globalThis.onNext?.();
            globalThis.onNext = undefined;
        },
    });
    client.connect();
}"""


def open_client(
    page: Page, gateway: FakeGateway, wanted: Frame | None = None, *, reconciles: bool = False
) -> Connection:
    """A client that connects, on a document that shows what it says."""
    page.goto("/style.css")
    page.evaluate(OPEN, [gateway.url, wanted, reconciles])
    return gateway.accept()


def settle(page: Page, connection: Connection) -> None:
    """Waits until the client has taken everything that was sent before."""
    marker = page.evaluate("String(performance.now())")
    connection.send({"type": "error", "code": "marker", "message": marker})
    expect_said(page, "error", marker)


def reconnect_after(page: Page, gateway: FakeGateway, connection: Connection, milliseconds: int) -> Connection:
    """Lets the client connect again after a gap. Its clock must be installed, and stands still only in the gap."""
    page.evaluate("Math.random = () => 0.999")
    page.clock.pause_at(page.evaluate("Date.now() / 1000 + 1"))
    connection.drop()
    expect_said(page, "state", "reconnecting: the connection was closed")
    page.clock.fast_forward(milliseconds)
    again = gateway.accept()
    page.clock.resume()
    return again


def set_filter(page: Page, wanted: Frame | None) -> None:
    page.evaluate("wanted => client.setFilter(wanted)", wanted)


def expect_said(page: Page, name: str, value: str) -> None:
    expect(page.locator("html")).to_have_attribute(f"data-{name}", value)


# Filters


def test_the_filter_goes_with_each_subscribe(page: Page, gateway: FakeGateway) -> None:
    connection = open_client(page, gateway, CONTACT)
    assert connection.subscribed()["filter"] == CONTACT
    assert "filter" not in connection.resync()
    connection.drop()
    request = gateway.accept().expect("subscribe")
    assert request["filter"] == CONTACT
    assert request["cursor"] == "c1"


def test_another_filter_starts_a_new_view_on_the_same_connection(page: Page, gateway: FakeGateway) -> None:
    connection = open_client(page, gateway, CONTACT)
    connection.subscribed(update("sub_contact"), cursor="contact")
    expect_said(page, "held", "sub_contact")
    for wanted, name in ((SURVEY, "survey"), (None, "everything")):
        set_filter(page, wanted)
        request = connection.expect("subscribe")
        assert request.get("filter") == wanted
        assert "cursor" not in request
        connection.reply(request, update(f"sub_{name}"), cursor=name)
        expect_said(page, "held", f"sub_{name}")
        sync = connection.resync()
        assert sync["cursor"] == name
        connection.reply(sync, cursor=name)


def test_a_new_view_that_was_not_answered_is_asked_for_again(page: Page, gateway: FakeGateway) -> None:
    connection = open_client(page, gateway, CONTACT)
    connection.subscribed()
    expect_said(page, "state", "live")
    set_filter(page, SURVEY)
    connection.expect("subscribe")
    connection.drop()
    request = gateway.accept().expect("subscribe")
    assert request["filter"] == SURVEY
    assert "cursor" not in request


def test_a_filter_that_is_set_without_a_connection_holds_for_the_next(page: Page, gateway: FakeGateway) -> None:
    connection = open_client(page, gateway, CONTACT)
    connection.subscribed()
    gateway.admits = lambda token: False
    connection.drop()
    gateway.refused.get(timeout=PATIENCE)
    set_filter(page, SURVEY)
    gateway.admits = lambda token: True
    request = gateway.accept().expect("subscribe")
    assert request["filter"] == SURVEY
    assert "cursor" not in request


@pytest.mark.parametrize(
    ("code", "more"),
    [
        ("", {}),
        ("", {"complete": False}),
        ("rate_limited", {"retryable": True, "retry_after_ms": 1}),
        ("bad_filter", {}),
        ("bad_cursor", {}),
    ],
)
@pytest.mark.parametrize("action", ["subscribe", "sync"])
def test_what_answers_a_request_of_the_former_view_is_not_taken(
    page: Page, gateway: FakeGateway, action: str, code: str, more: Frame
) -> None:
    connection = open_client(page, gateway, CONTACT)
    if action == "sync":
        connection.subscribed()
        request = connection.resync()
    else:
        request = connection.expect("subscribe")
    set_filter(page, SURVEY)
    assert connection.is_quiet(), "one request at a time"
    if code:
        connection.refuse(request, code, **more)
    else:
        connection.reply(request, update("sub_former"), **more)
    request = connection.expect("subscribe")
    assert request["filter"] == SURVEY
    assert "cursor" not in request
    connection.reply(request, update("sub_survey"), cursor="survey")
    expect_said(page, "held", "sub_survey")
    assert connection.resync()["cursor"] == "survey"
    expect_said(page, "origins", " snapshot snapshot" if action == "sync" else " snapshot")
    assert gateway.has_no_more()


def test_the_view_goes_on_until_the_new_one_stands(page: Page, gateway: FakeGateway) -> None:
    connection = open_client(page, gateway, CONTACT)
    connection.subscribed(update("sub_1"), filter_id="contact")
    expect_said(page, "held", "sub_1")
    request = connection.resync()
    set_filter(page, SURVEY)
    connection.push(update("sub_2", age=60), filter_id="contact")
    expect_said(page, "held", "sub_1 sub_2")
    connection.reply(request, filter_id="contact")
    request = connection.expect("subscribe")
    settle(page, connection)
    expect_said(page, "held", "sub_1 sub_2")
    connection.reply(request, update("sub_3"), filter_id="survey")
    expect_said(page, "held", "sub_3")


def test_what_overtakes_the_reply_to_subscribe_is_taken_after_it(page: Page, gateway: FakeGateway) -> None:
    connection = open_client(page, gateway, CONTACT)
    connection.subscribed(update("sub_1"), filter_id="contact")
    expect_said(page, "held", "sub_1")
    set_filter(page, SURVEY)
    request = connection.expect("subscribe")
    connection.push(update("sub_2", 2, event="leave"), update("sub_former"), filter_id="contact")
    connection.push(update("sub_2", 3, event="modify"), update("sub_early", age=60), filter_id="survey")
    settle(page, connection)
    expect_said(page, "held", "sub_1")
    connection.reply(request, update("sub_2", 2), cursor="survey", filter_id="survey")
    expect_said(page, "held", "sub_2 sub_early")
    assert connection.resync()["cursor"] == "survey", "nothing was missed"
    expect_said(page, "origins", " snapshot snapshot")


def test_what_overtakes_the_reply_to_a_resume_is_taken_after_it(page: Page, gateway: FakeGateway) -> None:
    connection = open_client(page, gateway, CONTACT)
    connection.subscribed(update("sub_1"), filter_id="contact")
    expect_said(page, "held", "sub_1")
    connection.drop()
    connection = gateway.accept()
    request = connection.expect("subscribe")
    connection.push(update("sub_former"), filter_id="another")
    connection.push(update("sub_1", 2, event="leave"), update("sub_2"), filter_id="contact")
    settle(page, connection)
    expect_said(page, "origins", " snapshot")
    connection.reply(request, update("sub_3", age=60), filter_id="contact")
    expect_said(page, "held", "sub_2 sub_3")
    expect_said(page, "origins", " snapshot repair live")


def test_what_was_posted_through_the_former_filter_is_dropped(page: Page, gateway: FakeGateway) -> None:
    connection = open_client(page, gateway, CONTACT)
    connection.subscribed(filter_id="contact")
    connection.push(update("sub_1"), filter_id="contact")
    expect_said(page, "held", "sub_1")
    set_filter(page, SURVEY)
    connection.subscribed(update("sub_2", 3), cursor="survey", filter_id="survey")
    connection.push(update("sub_2", 3, event="leave"), update("sub_3"), filter_id="contact")
    connection.push(update("sub_3"))
    connection.push(update("sub_4", age=60), filter_id="survey")
    expect_said(page, "held", "sub_2 sub_4")
    expect_said(page, "origins", " snapshot live snapshot live")
    assert connection.is_quiet()


def test_a_sync_names_the_filter_of_the_subscription(page: Page, gateway: FakeGateway) -> None:
    connection = open_client(page, gateway, CONTACT)
    connection.subscribed(filter_id="contact")
    sync = connection.resync()
    assert sync["filter_id"] == "contact"
    connection.reply(sync, filter_id="contact")
    settle(page, connection)
    set_filter(page, None)
    connection.subscribed()
    sync = connection.resync()
    assert "filter_id" in sync
    assert sync["filter_id"] is None


@pytest.mark.parametrize("action", ["subscribe", "sync"])
def test_whose_request_was_superseded_subscribes_again_from_its_cursor(
    page: Page, gateway: FakeGateway, action: str
) -> None:
    connection = open_client(page, gateway, CONTACT)
    connection.subscribed(update("sub_1"), cursor="c1", filter_id="contact")
    expect_said(page, "held", "sub_1")
    if action == "sync":
        request = connection.resync()
    else:
        connection.drop()
        connection = gateway.accept()
        request = connection.expect("subscribe")
    connection.push(update("sub_2", age=60), filter_id="contact")
    connection.refuse(request, "superseded")
    request = connection.expect("subscribe")
    assert request["filter"] == CONTACT
    assert request["cursor"] == "c1"
    connection.reply(request, update("sub_3", age=120), filter_id="contact")
    expect_said(page, "held", "sub_1 sub_2 sub_3")
    assert gateway.has_no_more()


def test_a_former_request_that_was_superseded_is_of_no_interest(page: Page, gateway: FakeGateway) -> None:
    connection = open_client(page, gateway, CONTACT)
    connection.subscribed()
    former = connection.resync()
    connection.reply(former)
    sync = connection.resync()
    connection.refuse(former, "superseded")
    settle(page, connection)
    assert connection.is_quiet()
    connection.reply(sync, update("sub_1"))
    expect_said(page, "held", "sub_1")


def test_a_filter_can_be_set_by_whoever_is_told_of_a_reply(page: Page, gateway: FakeGateway) -> None:
    connection = open_client(page, gateway, CONTACT)
    page.evaluate("wanted => { globalThis.onNext = () => client.setFilter(wanted); }", SURVEY)
    connection.subscribed(cursor="contact")
    assert connection.expect("subscribe")["filter"] == SURVEY
    connection.drop()
    assert "cursor" not in gateway.accept().expect("subscribe")


def test_whoever_is_told_of_a_reply_can_close_the_client(page: Page, gateway: FakeGateway) -> None:
    connection = open_client(page, gateway, CONTACT)
    page.evaluate("() => { globalThis.onNext = () => client.close(); }")
    connection.subscribed()
    assert connection.closed.wait(PATIENCE)
    expect_said(page, "origins", " snapshot")
    expect_said(page, "state", "idle")


def test_a_bad_filter_stops_and_says_why_and_another_can_go_on(page: Page, gateway: FakeGateway) -> None:
    connection = open_client(page, gateway, CONTACT)
    connection.subscribed()
    expect_said(page, "state", "live")
    set_filter(page, {"form_id": "survey"})
    connection.refuse(connection.expect("subscribe"), "bad_filter")
    expect_said(page, "state", "stopped: bad_filter")
    set_filter(page, SURVEY)
    page.evaluate("client.connect()")
    request = gateway.accept().expect("subscribe")
    assert request["filter"] == SURVEY
    assert "cursor" not in request
    assert gateway.has_no_more()


def test_a_snapshot_that_takes_pages_is_one_view(page: Page, gateway: FakeGateway) -> None:
    connection = open_client(page, gateway, CONTACT)
    connection.subscribed(cursor="page-1", complete=False)
    sync = connection.expect("sync")
    assert sync["cursor"] == "page-1"
    connection.send({"type": "resync", "reason": "behind"})
    connection.push(update("sub_1"))
    expect_said(page, "held", "sub_1")
    connection.reply(sync, cursor="page-2", complete=False)
    sync = connection.expect("sync")
    assert sync["cursor"] == "page-2"
    connection.reply(sync, update("sub_2", age=60), cursor="c1")
    sync = connection.expect("sync")
    assert sync["cursor"] == "c1", "what it was told to is not forgotten over the pages"
    connection.reply(sync)
    expect_said(page, "held", "sub_1 sub_2")
    expect_said(page, "origins", " snapshot live more more repair")


# Writes that settle late


@pytest.mark.parametrize("after", ["subscribed", "a resume", "a resync", "a sync in pages", "a new view"])
def test_it_syncs_once_more_when_the_writes_have_settled(page: Page, gateway: FakeGateway, after: str) -> None:
    page.clock.install()
    connection = open_client(page, gateway)
    request = connection.expect("subscribe")
    connection.reply(request, settle_seconds=SETTLE_SECONDS if after == "subscribed" else 0)
    expect_said(page, "state", "live")
    if after == "a resume":
        connection.drop()
        connection = gateway.accept()
        connection.subscribed(settle_seconds=SETTLE_SECONDS)
    elif after == "a resync":
        connection.reply(connection.resync(), settle_seconds=SETTLE_SECONDS)
    elif after == "a sync in pages":
        connection.reply(connection.resync(), cursor="page", complete=False, settle_seconds=SETTLE_SECONDS)
        connection.reply(connection.expect("sync"), settle_seconds=SETTLE_SECONDS)
    elif after == "a new view":
        page.evaluate("client.wake()")
        connection.reply(connection.expect("sync"), recovered=False, settle_seconds=SETTLE_SECONDS)
    settle(page, connection)
    page.clock.fast_forward((SETTLE_SECONDS - 5) * 1000)
    settle(page, connection)
    assert connection.is_quiet()
    page.clock.fast_forward(5 * 1000)
    connection.reply(connection.expect("sync"), update("sub_late"), settle_seconds=SETTLE_SECONDS)
    expect_said(page, "held", "sub_late")
    page.clock.fast_forward(2 * SETTLE_SECONDS * 1000)
    settle(page, connection)
    assert connection.is_quiet(), "once is enough"


def test_what_settles_during_a_request_is_asked_for_after_it(page: Page, gateway: FakeGateway) -> None:
    page.clock.install()
    connection = open_client(page, gateway)
    connection.subscribed(settle_seconds=SETTLE_SECONDS)
    expect_said(page, "state", "live")
    page.clock.fast_forward((SETTLE_SECONDS - 5) * 1000)
    page.evaluate("client.wake()")
    sync = connection.expect("sync")
    page.clock.fast_forward(5 * 1000)
    settle(page, connection)
    assert connection.is_quiet(), "one request at a time"
    connection.reply(sync, cursor="c2")
    assert connection.expect("sync")["cursor"] == "c2"


# A history that is replaced


def test_what_belongs_to_a_replaced_history_is_dropped(page: Page, gateway: FakeGateway) -> None:
    connection = open_client(page, gateway)
    connection.subscribed(update("sub_1"), epoch=2)
    connection.push(update("sub_1", 2, event="remove"), update("sub_2"), epoch=1)
    connection.push(update("sub_2"))
    connection.push(update("sub_3", age=60), epoch=2)
    expect_said(page, "held", "sub_1 sub_3")
    expect_said(page, "origins", " snapshot live")
    assert connection.is_quiet()


def test_what_belongs_to_a_newer_history_is_taken_and_leads_to_a_sync(page: Page, gateway: FakeGateway) -> None:
    connection = open_client(page, gateway)
    connection.subscribed(update("sub_1"), cursor="c1")
    connection.push(update("sub_2", age=60), epoch=1)
    expect_said(page, "held", "sub_1 sub_2")
    sync = connection.expect("sync")
    assert sync["cursor"] == "c1"
    connection.push(update("sub_3", age=90))
    connection.push(update("sub_4", age=120), epoch=1)
    expect_said(page, "held", "sub_1 sub_2 sub_3 sub_4")
    connection.reply(sync, update("sub_5"), cursor="c2", recovered=False, epoch=1)
    expect_said(page, "held", "sub_5 sub_4")
    sync = connection.expect("sync")
    assert sync["cursor"] == "c2", "the reply may have been read before the last frame was posted"
    connection.reply(sync, epoch=1)
    connection.push(update("sub_3", age=90), epoch=0)
    settle(page, connection)
    expect_said(page, "held", "sub_5 sub_4")
    assert connection.is_quiet()


def test_what_overtakes_a_reply_with_a_newer_history_is_dropped(page: Page, gateway: FakeGateway) -> None:
    connection = open_client(page, gateway)
    request = connection.expect("subscribe")
    connection.push(update("sub_1"), epoch=1)
    connection.reply(request, update("sub_2"), epoch=2)
    connection.expect("sync")
    expect_said(page, "held", "sub_2")


# Reconciling


def expect_reconcile(connection: Connection, *held: list[Any], snapshot: int = 50) -> Frame:
    request = connection.expect("reconcile")
    assert request["held"] == list(held)
    assert request["snapshot"] == snapshot
    return request


def test_it_reconciles_after_a_long_gap(page: Page, gateway: FakeGateway) -> None:
    page.clock.install()
    connection = open_client(page, gateway, reconciles=True)
    connection.subscribed(update("sub_1", 2), update("sub_2", incarnation=7, age=60))
    expect_said(page, "state", "live")
    connection = reconnect_after(page, gateway, connection, HEARTBEAT_MS + 1000)
    connection.subscribed(update("sub_3", age=120), cursor="c2")
    request = expect_reconcile(connection, ["sub_1", 0, 2], ["sub_2", 7, 1], ["sub_3", 0, 1])
    connection.reply(request, update("sub_1", 1, event="remove"), update("sub_4", age=180))
    expect_said(page, "held", "sub_2 sub_3 sub_4")
    expect_said(page, "origins", " snapshot repair reconciled")
    sync = connection.resync()
    assert sync["cursor"] == "c2"
    connection.reply(sync)
    connection = reconnect_after(page, gateway, connection, HEARTBEAT_MS - 10_000)
    connection.subscribed()
    connection.reply(connection.resync(), update("sub_5"))
    expect_said(page, "held", "sub_5 sub_2 sub_3 sub_4")
    assert connection.is_quiet(), "the gap was short"


def test_it_reconciles_once_a_day(page: Page, gateway: FakeGateway) -> None:
    page.clock.install()
    connection = open_client(page, gateway, reconciles=True)
    connection.subscribed(update("sub_1"), expires_at=in_seconds(30 * DAY_MS / 1000))
    for day in range(2):
        expect_said(page, "state", "live")
        settle(page, connection)
        page.clock.fast_forward(DAY_MS - MINUTE_MS)
        connection.reply(connection.expect("sync"))
        settle(page, connection)
        assert connection.is_quiet()
        page.clock.fast_forward(MINUTE_MS)
        connection.reply(expect_reconcile(connection, ["sub_1", 0, day + 1]), update("sub_1", day + 2, event="modify"))
        expect_said(page, "origins", " snapshot" + (day + 1) * " repair reconciled")


def test_it_reconciles_in_pages_also_when_the_connection_ends_in_between(page: Page, gateway: FakeGateway) -> None:
    page.clock.install()
    connection = open_client(page, gateway, reconciles=True)
    connection.subscribed(*(update(f"sub_{n:03}", age=n) for n in range(201)))
    expect_said(page, "state", "live")
    held = [[f"sub_{n:03}", 0, 1] for n in range(201)]
    connection = reconnect_after(page, gateway, connection, HEARTBEAT_MS + 1000)
    connection.subscribed(cursor="c1")
    request = expect_reconcile(connection, *held[:100])
    connection.send({"type": "resync", "reason": "behind"})
    settle(page, connection)
    connection.reply(request)
    connection.reply(connection.expect("sync"))
    expect_reconcile(connection, *held[100:200], snapshot=0)
    connection.drop()
    connection = gateway.accept()
    connection.subscribed()
    connection.reply(expect_reconcile(connection, *held[200:], snapshot=0))
    settle(page, connection)
    assert connection.is_quiet()


def test_it_reconciles_in_pages_that_fit_a_frame(page: Page, gateway: FakeGateway) -> None:
    page.clock.install()
    connection = open_client(page, gateway, reconciles=True)
    names = [f"{n:03}" + "水" * 250 for n in range(60)]
    connection.subscribed(*(update(name, age=n) for n, name in enumerate(names)))
    expect_said(page, "state", "live")
    connection = reconnect_after(page, gateway, connection, HEARTBEAT_MS + 1000)
    connection.subscribed(cursor="c1")
    compared: list[str] = []
    while len(compared) < len(names):
        request = connection.expect("reconcile")
        assert len(json.dumps(request, ensure_ascii=False).encode()) <= 32 * 1024
        compared += [name for name, *_ in request["held"]]
        connection.reply(request)

    assert compared == names


def test_what_is_reconciled_replaces_what_was_sent_unless_it_has_changed(page: Page, gateway: FakeGateway) -> None:
    page.clock.install()
    connection = open_client(page, gateway, reconciles=True)
    connection.subscribed(update("sub_1", 5), update("sub_2", 5, age=60), update("sub_3", 5, age=120))
    expect_said(page, "state", "live")
    connection = reconnect_after(page, gateway, connection, HEARTBEAT_MS + 1000)
    connection.subscribed()
    request = expect_reconcile(connection, *([f"sub_{n}", 0, 5] for n in (1, 2, 3)))
    connection.push(update("sub_2", 6, event="modify"))
    gone = [update(f"sub_{n}", 4, event="leave") for n in (1, 2)]
    connection.reply(request, *gone, update("sub_3", 3, event="modify", status="deleted"))
    expect_said(page, "held", "sub_2")


def test_a_reconciliation_that_cannot_be_done_starts_a_new_view(page: Page, gateway: FakeGateway) -> None:
    page.clock.install()
    connection = open_client(page, gateway, reconciles=True)
    connection.subscribed(*(update(f"sub_{n:03}", age=n) for n in range(101)))
    expect_said(page, "state", "live")
    connection = reconnect_after(page, gateway, connection, HEARTBEAT_MS + 1000)
    connection.subscribed()
    request = connection.expect("reconcile")
    connection.reply(request, update("sub_new"), cursor="c2", recovered=False, settle_seconds=SETTLE_SECONDS)
    expect_said(page, "held", "sub_new")
    page.clock.fast_forward(SETTLE_SECONDS * 1000)
    assert connection.expect("sync")["cursor"] == "c2"


def test_a_reconciliation_that_meets_another_history_is_followed_by_a_sync(page: Page, gateway: FakeGateway) -> None:
    page.clock.install()
    connection = open_client(page, gateway, reconciles=True)
    connection.subscribed(epoch=1)
    expect_said(page, "state", "live")
    connection = reconnect_after(page, gateway, connection, HEARTBEAT_MS + 1000)
    connection.subscribed(epoch=1, cursor="c2")
    connection.reply(expect_reconcile(connection), epoch=2)
    assert connection.expect("sync")["cursor"] == "c2"


def test_a_reconciliation_that_is_refused_waits_for_the_next_day(page: Page, gateway: FakeGateway) -> None:
    page.clock.install()
    connection = open_client(page, gateway, reconciles=True)
    connection.subscribed()
    expect_said(page, "state", "live")
    connection = reconnect_after(page, gateway, connection, HEARTBEAT_MS + 1000)
    connection.subscribed()
    connection.refuse(connection.expect("reconcile"), "unknown_action")
    connection = gateway.accept()
    connection.subscribed()
    connection.reply(connection.resync())
    settle(page, connection)
    assert connection.is_quiet()


def test_who_holds_nothing_does_not_reconcile(page: Page, gateway: FakeGateway) -> None:
    page.clock.install()
    connection = open_client(page, gateway)
    connection.subscribed()
    expect_said(page, "state", "live")
    connection = reconnect_after(page, gateway, connection, HEARTBEAT_MS + 1000)
    connection.subscribed()
    connection.reply(connection.resync())
    settle(page, connection)
    assert connection.is_quiet()


# The gateway's URL


def test_a_token_goes_to_another_machine_over_tls_alone(page: Page, site: FakeSite) -> None:
    page.goto("/style.css")
    taken = page.evaluate("""async () => {
        const { RealtimeClient } = await import("/client/client.js");
        const urls = [
            "wss://gateway.example/live", "ws://127.0.0.1:4566/live", "ws://localhost/live", "ws://[::1]/live",
            "ws://gateway.example/live", "ws://127.0.0.1.example/live", "ws://localhost@gateway.example/live",
            "https://gateway.example/live", "/live",
        ];
        return urls.filter((url) => {
            try {
                return new RealtimeClient({ url, getToken: async () => "", onState: () => {}, onUpdates: () => {} });
            } catch {
                return false;
            }
        });
    }""")
    assert taken == [
        "wss://gateway.example/live",
        "ws://127.0.0.1:4566/live",
        "ws://localhost/live",
        "ws://[::1]/live",
    ]


# Renewing the token


def test_it_plans_to_renew_the_token_in_good_time(page: Page, site: FakeSite) -> None:
    """At most two minutes before the end, at least one, and never before half of the time has passed."""
    page.goto("/style.css")
    planned = page.evaluate("""async () => {
        const { RealtimeClient } = await import("/client/client.js");
        const plan = async (seconds, random, serverAheadMs) => {
            const timers = [];
            let socket, need;
            const client = new RealtimeClient({
                url: "wss://gateway.example/live",
                getToken: async (needed) => { need = needed; return ""; },
                onState: () => {},
                onUpdates: () => {},
                now: () => 1_790_000_000_000,
                random: () => random,
                setTimeout: (callback, milliseconds) => timers.push({ callback, milliseconds }),
                clearTimeout: () => {},
                WebSocket: class {
                    constructor() { socket = this; }
                    send() {}
                    close() {}
                },
            });
            client.connect();
            await null;
            socket.onopen();
            timers.length = 0;
            const server_time = 1_790_000_000_000 + serverAheadMs;
            const expires_at = server_time / 1_000 + seconds;
            const reply = { type: "subscribed", id: "1", cursor: "", updates: [], complete: true };
            socket.onmessage({ data: JSON.stringify({ ...reply, expires_at, server_time }) });
            const renews = ({ callback }) => { callback(); return need === "later"; };
            return timers.find(renews)?.milliseconds / 1_000;
        };
        const plans = [];
        for (const seconds of [3600, 120, 10])
            for (const random of [0, 0.5]) plans.push(await plan(seconds, random, 0));
        const day = 24 * 3600 * 1_000;
        plans.push(await plan(3600, 0, day), await plan(3600, 0, -day), await plan(40 * 24 * 3600, 0, 0));
        return plans;
    }""")
    longest = (2**31 - 1) / 1000
    assert planned == [3480, 3510, 60, 75, 5, 6.25, 3480, 3480, longest]


# Refused handshakes


def refuse_all(page: Page, gateway: FakeGateway) -> list[str]:
    """A client whose every token is refused: the tokens of its first four attempts. Its clock must be installed."""
    gateway.admits = lambda token: False
    page.goto("/style.css")
    page.evaluate("Math.random = () => 0")
    page.evaluate(OPEN, [gateway.url, None, False])
    page.clock.run_for(1_000)
    return [gateway.refused.get(timeout=PATIENCE) for _ in range(4)]


def test_a_token_that_a_gateway_within_reach_refuses_is_tried_once_a_minute(page: Page, gateway: FakeGateway) -> None:
    page.clock.install()
    refuse_all(page, gateway)
    expect_said(page, "state", "reconnecting: token_refused")
    assert gateway.probes.get(timeout=PATIENCE) == "/"
    page.clock.run_for(44_000)
    assert gateway.refused.empty()
    page.clock.run_for(2_000)
    gateway.refused.get(timeout=PATIENCE)
    expect_said(page, "state", "reconnecting: token_refused")
    gateway.admits = lambda token: True
    page.clock.run_for(46_000)
    gateway.accept().subscribed()
    expect_said(page, "state", "live")


def test_after_an_accepted_handshake_refusals_are_counted_anew(page: Page, gateway: FakeGateway) -> None:
    page.clock.install()
    refuse_all(page, gateway)
    expect_said(page, "state", "reconnecting: token_refused")
    gateway.admits = lambda token: True
    page.evaluate("client.wake()")
    connection = gateway.accept()
    connection.subscribed()
    expect_said(page, "state", "live")
    gateway.admits = lambda token: False
    connection.drop()
    for _ in range(3):
        page.clock.run_for(1_000)
        gateway.refused.get(timeout=PATIENCE)


def test_refusals_by_a_gateway_out_of_reach_do_not_slow_the_client(page: Page, gateway: FakeGateway) -> None:
    page.route(f"{gateway.url.replace('ws:', 'http:')}/**", lambda route: route.abort())
    page.clock.install()
    refuse_all(page, gateway)
    for _ in range(6):
        page.clock.run_for(1_000)
        gateway.refused.get(timeout=PATIENCE)
