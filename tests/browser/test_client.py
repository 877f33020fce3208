"""The protocol's client in a real browser, without the page: what no control of the page leads to yet."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser.fake_gateway import PATIENCE, Connection, FakeGateway, FakeSite, Frame, update

CONTACT = {"form_id": ["contact"]}
SURVEY = {"form_id": [{"prefix": "survey"}]}

OPEN = """async ([url, filter]) => {
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
        onUpdates: (updates, origin) => {
            if (origin === "snapshot") store.clear();
            for (const update of updates) store.apply(update, Date.now());
            said.held = store.newestFirst().map(({ submission_id }) => submission_id).join(" ");
            said.origins += ` ${origin}`;
            globalThis.onNext?.();
            globalThis.onNext = undefined;
        },
    });
    client.connect();
}"""


def open_client(page: Page, gateway: FakeGateway, wanted: Frame) -> Connection:
    """A client that connects, on a document that shows what it says."""
    page.goto("/style.css")
    page.evaluate(OPEN, [gateway.url, wanted])
    return gateway.accept()


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


@pytest.mark.parametrize("under_way", [True, False], ids=["with a request under way", "with none"])
def test_what_is_pushed_before_the_new_view_stands_is_not_taken_but_asked_for(
    page: Page, gateway: FakeGateway, *, under_way: bool
) -> None:
    connection = open_client(page, gateway, CONTACT)
    connection.subscribed()
    expect_said(page, "state", "live")
    if under_way:
        request = connection.resync()
        set_filter(page, SURVEY)
        connection.push(update("sub_former"))
        connection.reply(request)
        request = connection.expect("subscribe")
    else:
        set_filter(page, SURVEY)
        request = connection.expect("subscribe")
        connection.push(update("sub_former"))
    connection.reply(request, update("sub_1", 2), update("sub_2", 2, age=60), cursor="survey")
    sync = connection.expect("sync")
    assert sync["cursor"] == "survey"
    connection.reply(sync, update("sub_1", 2, event="leave"), update("sub_3"))
    expect_said(page, "held", "sub_3 sub_2")
    connection.push(update("sub_4", age=120))
    expect_said(page, "held", "sub_3 sub_2 sub_4")
    expect_said(page, "origins", " snapshot snapshot repair push")


def test_what_is_pushed_through_the_former_filter_later_is_not_taken_but_asked_for(
    page: Page, gateway: FakeGateway
) -> None:
    connection = open_client(page, gateway, CONTACT)
    connection.subscribed(filter_id="contact")
    connection.push(update("sub_1"), filter_id="contact")
    expect_said(page, "held", "sub_1")
    set_filter(page, SURVEY)
    connection.subscribed(update("sub_2", 3), cursor="survey", filter_id="survey")
    connection.push(update("sub_2", 3, event="leave"), update("sub_3"), filter_id="contact")
    sync = connection.expect("sync")
    assert sync["cursor"] == "survey"
    connection.push(update("sub_3"))
    connection.reply(sync, cursor="c2")
    connection.reply(connection.expect("sync"), filter_id="survey")
    connection.push(update("sub_4", age=60), filter_id="survey")
    expect_said(page, "held", "sub_2 sub_4")
    expect_said(page, "origins", " snapshot push snapshot repair repair push")


def test_a_filter_can_be_set_by_whoever_is_told_of_a_reply(page: Page, gateway: FakeGateway) -> None:
    connection = open_client(page, gateway, CONTACT)
    page.evaluate("wanted => { globalThis.onNext = () => client.setFilter(wanted); }", SURVEY)
    connection.subscribed(cursor="contact")
    assert connection.expect("subscribe")["filter"] == SURVEY
    connection.drop()
    assert "cursor" not in gateway.accept().expect("subscribe")


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
    expect_said(page, "origins", " snapshot push more more repair")


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
                url: "",
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
