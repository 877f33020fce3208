"""Tokens that the gateway refuses at the handshake or at the first frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.support.browser.fake_gateway import PATIENCE, FakeGateway
from tests.support.browser.steps import (
    choose,
    expect_notice,
    expect_rest,
    expect_state,
    go_live,
    is_the_same,
    let_pass,
    open_page,
    remember,
    sign_in,
)

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.support.browser.fake_issuer import FakeIssuer


def test_a_token_that_the_gateway_refuses_leads_to_a_fresh_one(
    page: Page, gateway: FakeGateway, issuer: FakeIssuer
) -> None:
    connection = open_page(page, gateway)
    remember(page)
    for times in (1, 2):
        void = connection.token
        gateway.admits = lambda token, void=void: token != void
        connection.drop()
        connection = gateway.accept()
        connection.subscribed()
        expect_state(page, "Live")
        assert gateway.refused.get_nowait() == void
        assert issuer.requests["refresh_token"] == times
    assert is_the_same(page)


@pytest.mark.parametrize("gives", [True, False], ids=["refresh token", "no refresh token"])
def test_a_gateway_that_refuses_every_token_is_said_and_asked_once_a_minute(
    page: Page, gateway: FakeGateway, issuer: FakeIssuer, *, gives: bool
) -> None:
    issuer.gives_refresh_tokens = gives
    gateway.admits = lambda token: False
    page.add_init_script("Math.random = () => 0")
    page.clock.install()
    page.goto("/")
    sign_in(page)
    page.clock.run_for(1_000)
    refused = [gateway.refused.get(timeout=PATIENCE) for _ in range(4)]
    assert len(set(refused)) == (2 if gives else 1), "one fresh token is enough"
    expect_notice(page, "The gateway can be reached, but it refuses the connection, even with a fresh token.")
    expect_notice(page, "tools doctor --token")
    assert gateway.probes.get(timeout=PATIENCE) == "/live", "without the token and the tenant"
    page.clock.run_for(44_000)
    assert gateway.refused.empty()
    page.clock.run_for(2_000)
    assert gateway.refused.get(timeout=PATIENCE) == refused[-1]
    expect_notice(page, "refuses the connection")
    assert issuer.requests["refresh_token"] == (1 if gives else 0)
    assert issuer.requests["authorize"] == 1
    gateway.admits = issuer.admits
    choose(page, "Reconnect now")
    go_live(page, gateway)


def test_a_gateway_that_cannot_be_reached_is_tried_as_usual(
    page: Page, gateway: FakeGateway, issuer: FakeIssuer
) -> None:
    page.route(f"{gateway.url.replace('ws:', 'http:')}/**", lambda route: route.abort())
    gateway.admits = lambda token: False
    page.add_init_script("Math.random = () => 0")
    page.goto("/")
    sign_in(page)
    for _ in range(5):
        gateway.refused.get(timeout=PATIENCE)
    expect_notice(page, "the connection was closed")
    gateway.admits = issuer.admits
    go_live(page, gateway)


def test_a_token_refused_later_signs_in_again_once_where_there_is_no_other_way(
    page: Page, gateway: FakeGateway, issuer: FakeIssuer
) -> None:
    issuer.gives_refresh_tokens = False
    page.add_init_script("Math.random = () => 0")
    page.clock.install()
    connection = open_page(page, gateway)
    let_pass(page, issuer, 61)
    gateway.admits = lambda token: False
    connection.drop()
    expect_notice(page, "even with a fresh token")
    refused = [gateway.refused.get(timeout=PATIENCE) for _ in range(5)]
    assert refused[0] == connection.token
    assert refused[1:] == refused[1:2] * 4
    assert issuer.requests["authorize"] == 2


def test_a_fresh_token_refused_by_the_protocol_waits_for_the_user(
    page: Page, gateway: FakeGateway, issuer: FakeIssuer
) -> None:
    page.clock.install()
    page.goto("/")
    sign_in(page)
    first = gateway.accept()
    first.refuse(first.expect("subscribe"), "unauthorized")
    fresh = gateway.accept()
    assert fresh.token != first.token
    fresh.refuse(fresh.expect("subscribe"), "unauthorized")
    expect_state(page, "Signed out")
    expect_rest(page, issuer, sign_ins=1)
    page.get_by_role("button", name="Sign in again").click()
    gateway.accept().subscribed()
    expect_state(page, "Live")
    assert issuer.requests["authorize"] == 2


def test_signing_in_again_that_does_not_work_is_said(page: Page, gateway: FakeGateway, issuer: FakeIssuer) -> None:
    open_page(page, gateway).disconnect("revoked", reconnect=False)
    expect_state(page, "Signed out")
    page.route(f"{issuer.origin}/**", lambda route: route.abort())
    page.get_by_role("button", name="Sign in again").click()
    expect_notice(page, "cannot be reached")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
    page.unroute(f"{issuer.origin}/**")
    gateway.accept().subscribed()
    expect_state(page, "Live")
    assert gateway.has_no_more()
