"""The figures of docs/deploying.md follow from the prices and from the default settings."""

from __future__ import annotations

import re

import pytest

from bench.arithmetic import STREAM_SHARD_WRITES
from bench.cost import LOG_BYTES, SECONDS_PER_MONTH, Load, Prices
from bench.report import DOCS
from components import _gateway_limits as limits
from components.dashboard_page import list_page_files

PAGE = re.sub(r"\s+", " ", (DOCS / "deploying.md").read_text())
PRICES = Prices()
DAY = 24 * 3600
EVENTS = {
    "events": PRICES.bus_event,
    "writes to table and index": 2 * PRICES.write_unit,
    "pipe": PRICES.pipe_event,
    "Lambda requests": PRICES.invocation,
    "logs": LOG_BYTES * PRICES.log_byte,
}


@pytest.mark.parametrize(
    ("sentence", "dollars"),
    [
        ("${} per day: events", 1_000 * DAY * sum(EVENTS.values())),
        *((f"{name} ${{}}", 1_000 * DAY * price) for name, price in EVENTS.items()),
        (
            f"About ${{}} per day and partition, at {STREAM_SHARD_WRITES:,} writes per second",
            STREAM_SHARD_WRITES * DAY * (PRICES.write_unit + PRICES.pipe_event),
        ),
        (
            f"the limit of the tenant, {limits.DEFAULT_TENANT_MESSAGES_PER_SECOND} per second (${{}} per day",
            limits.DEFAULT_TENANT_MESSAGES_PER_SECOND * DAY * PRICES.message,
        ),
        (
            f"{limits.DEFAULT_RATE_LIMIT:,} per second (${{}} per day for messages",
            limits.DEFAULT_RATE_LIMIT * DAY * PRICES.message,
        ),
        ("${} for the same number of Lambda requests", limits.DEFAULT_RATE_LIMIT * DAY * PRICES.invocation),
        (
            f"${{}} per day at the rate of the route `$connect`, {limits.DEFAULT_CONNECT_RATE_LIMIT} per second",
            limits.DEFAULT_CONNECT_RATE_LIMIT * DAY * PRICES.invocation,
        ),
        ("10,000 for a month: ${} for connection minutes", 10_000 * SECONDS_PER_MONTH / 60 * PRICES.connection_minute),
        (
            "${} for heartbeats and tokens",
            2 * Load(10_000, 1).client_messages_per_second * SECONDS_PER_MONTH * PRICES.message,
        ),
        ("500 bytes for each of 1,000 requests per second are ${} per day", 500 * 1_000 * DAY * PRICES.log_byte),
    ],
)
def test_each_cost_of_a_mistake(sentence: str, dollars: float) -> None:
    assert sentence.format(f"{dollars:.0f}") in PAGE


def test_the_size_of_the_page() -> None:
    folder = DOCS.parent / "dashboard"
    size = sum((folder / name).stat().st_size for name in list_page_files(folder) if not name.endswith(".md"))

    assert f"The page has about {round(size, -4) // 1000} KB" in PAGE
