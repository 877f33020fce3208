"""The page in a real browser on the running stack: a submission on the bus appears on the screen."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.e2e.conftest import ROOT, local
from tests.support.e2e.client import PATIENCE, Producer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from local.stack import Stack

# What the page does is the same whatever the Lambdas' roles allow.
pytestmark = pytest.mark.parametrize("enforce_iam", [False], ids=["iam-off"], indirect=True)

TENANTS = ("t_acme", "t_globex")


@pytest.fixture
def page(browser: Browser, stack: Stack) -> Iterator[Page]:
    """The dashboard, live."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(PATIENCE * 1000)
    page = context.new_page()
    page.goto(stack.page_url)
    live(page)
    yield page
    context.close()


def live(page: Page) -> None:
    expect(page.locator("#connection-label")).to_have_text("Live", timeout=PATIENCE * 1000)


def row(page: Page, submission_id: str) -> Locator:
    return page.locator(f'#rows tr[data-submission-id="{submission_id}"]')


def appears(page: Page, submission_id: str) -> None:
    expect(row(page, submission_id)).to_be_visible(timeout=PATIENCE * 1000)


def test_a_submission_made_by_the_form_appears_with_its_latency(page: Page) -> None:
    before = page.locator("#rows tr").count()
    page.get_by_label("Name").fill("Ada Lovelace")
    page.get_by_label("Email").fill("ada@example.com")
    page.get_by_label("Message").fill("Could you send me the price list?")
    page.get_by_label("Message").press("Tab")
    page.keyboard.press("Enter")

    expect(page.locator("#rows tr")).to_have_count(before + 1, timeout=PATIENCE * 1000)
    expect(page.locator(".toast")).to_be_visible()
    expect(page.locator("#latency-last")).to_contain_text("s")


def test_a_submission_put_on_the_bus_appears_and_its_status_can_be_changed(page: Page, producer: Producer) -> None:
    submission_id = producer.received(TENANTS[0])
    appears(page, submission_id)
    row(page, submission_id).locator(".status").click()
    page.get_by_role("menuitemradio", name="completed").click()

    expect(row(page, submission_id).locator(".status")).to_have_text("completed", timeout=PATIENCE * 1000)


def test_submissions_of_the_submit_command_appear(page: Page, state_dir: Path) -> None:
    before = page.locator("#rows tr").count()
    command = local("submit", "--tenant", TENANTS[0], "--form", "survey", "--count", "3", "--state-dir", str(state_dir))
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)

    expect(page.locator("#rows tr")).to_have_count(before + 3, timeout=PATIENCE * 1000)


def test_another_tenant_chosen_is_another_list(page: Page, producer: Producer) -> None:
    mine, theirs = producer.received(TENANTS[0]), producer.received(TENANTS[1])
    appears(page, mine)
    expect(row(page, theirs)).to_have_count(0)
    page.get_by_label("Tenant").select_option(TENANTS[1])
    live(page)

    appears(page, theirs)
    expect(row(page, mine)).to_have_count(0)
