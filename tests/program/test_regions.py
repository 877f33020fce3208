"""The program works in every region: it takes the region from the resources that exist, and names none itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tests.support.program.whole_program import declare

if TYPE_CHECKING:
    from collections.abc import Iterator

OWN = "ap-southeast-2"
REGION = re.compile(r"\b[a-z]{2}(?:-[a-z]+)?-(?:north|south|east|west|central)(?:east|west)?-\d\b")
CLOUDFRONT = {
    *("dashboard-access-logs", "dashboard-access-logs-policy", "dashboard-log", "dashboard-dst"),
    "dashboard-log-delivery",
}
"""The log of a CloudFront distribution, which is always in us-east-1."""


def test_only_the_log_of_cloudfront_is_in_another_region(packages: None) -> None:
    recording = declare(region=OWN, hardened="true")

    regions = {one.name: set(REGION.findall(" ".join(texts(one.inputs)))) for one in recording.custom()}
    assert any(OWN in found for found in regions.values())
    assert {name: found - {OWN} for name, found in regions.items() if found - {OWN}} == {
        name: {"us-east-1"} for name in CLOUDFRONT
    }
    assert set(REGION.findall(" ".join(texts(recording.exports)))) == {OWN}


def texts(value: Any) -> Iterator[str]:
    """Yield every string in a value, with the texts of policies."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():  # pyright: ignore[reportUnknownVariableType]  # Any, narrowed to dict
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:  # pyright: ignore[reportUnknownVariableType]  # Any, narrowed to list
            yield from texts(item)
