from __future__ import annotations

from formbridge.access.check import Check


def test_a_check_without_a_problem_passes() -> None:
    assert Check("iss", setting="issuer").passes
    assert not Check("iss", "must be the configured issuer").passes


def test_the_reason_names_what_was_checked() -> None:
    assert Check("iss", "must be the configured issuer", "issuer").reason == "iss: must be the configured issuer"
