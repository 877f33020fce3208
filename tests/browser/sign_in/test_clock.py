"""Devices whose clock is wrong: the page compares with the time of the server that serves it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.support.browser.fake_gateway import in_seconds
from tests.support.browser.steps import expect_state, go_live, is_the_same, let_pass, open_page, remember, sign_in

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.support.browser.fake_gateway import FakeGateway
    from tests.support.browser.fake_issuer import FakeIssuer

SKEWS = [-3600, -300, -54, 0, 54, 300, 3600]
"""Seconds by which a device is ahead of the server."""


@pytest.mark.parametrize("lifetime", [240, 3600])
@pytest.mark.parametrize("skew", SKEWS)
def test_any_clock_signs_in_and_renews(
    page: Page, gateway: FakeGateway, issuer: FakeIssuer, skew: int, lifetime: int
) -> None:
    issuer.lifetime = lifetime
    issuer.claims["nbf"] = int(time.time())
    page.clock.install(time=time.time() + skew)
    connection = open_page(page, gateway)
    remember(page)
    connection.drop()
    assert gateway.accept().token == connection.token, "a good token is not renewed"
    let_pass(page, issuer, lifetime - 50)
    page.evaluate("window.dispatchEvent(new Event('offline'))")
    page.evaluate("window.dispatchEvent(new Event('online'))")
    again = go_live(page, gateway)
    assert again.token != connection.token
    assert issuer.requests["refresh_token"] == 1
    assert is_the_same(page)


@pytest.mark.parametrize("skew", [-3600, 3600])
def test_any_clock_renews_a_live_connection(page: Page, gateway: FakeGateway, issuer: FakeIssuer, skew: int) -> None:
    issuer.lifetime = 240
    page.clock.install(time=time.time() + skew)
    page.goto("/")
    sign_in(page)
    connection = gateway.accept()
    connection.subscribed(expires_at=in_seconds(240))
    expect_state(page, "Live")
    let_pass(page, issuer, 200)
    request = connection.expect("authenticate")
    assert issuer.admits(request["token"])
    connection.authenticated(request, seconds=440)


def test_a_clock_that_is_set_while_the_page_is_open_is_learned_again(
    page: Page, gateway: FakeGateway, issuer: FakeIssuer
) -> None:
    issuer.lifetime = 240
    page.clock.install(time=time.time() - 3600)
    connection = open_page(page, gateway)
    remember(page)
    page.clock.set_system_time(time.time())
    connection.drop()
    again = go_live(page, gateway)
    assert issuer.requests["refresh_token"] == 1, "an hour has passed, as far as the page knows"
    again.drop()
    assert gateway.accept().token == again.token, "now it knows better"
    assert issuer.requests["refresh_token"] == 1
    assert is_the_same(page)


def test_a_token_is_used_until_its_exp_and_not_for_its_lifetime(
    page: Page, gateway: FakeGateway, issuer: FakeIssuer
) -> None:
    issuer.lifetime = 120
    issuer.issued_ago = 300
    page.clock.install()
    connection = open_page(page, gateway)
    let_pass(page, issuer, 61)
    connection.drop()
    assert gateway.accept().token != connection.token
    assert issuer.requests["refresh_token"] == 1


def test_the_age_of_a_response_from_a_cache_counts(page: Page) -> None:
    page.goto("/style.css")
    ahead = page.evaluate("""async () => {
        const { serverClock } = await import("/clock.js");
        const headers = new Headers({ Date: new Date(Date.now() - 90_000).toUTCString(), Age: "90" });
        serverClock.read({ headers }, Date.now());
        return serverClock.now() - Date.now();
    }""")
    assert -1_000 <= ahead <= 1_000
