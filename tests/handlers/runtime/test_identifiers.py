from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given

from formbridge.runtime.identifiers import FORM_ID, STATUS, SUBMISSION_ID, TENANT_ID, describe_type, quote
from tests.support.handlers.strategies import JSON

if TYPE_CHECKING:
    from re import Pattern


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        (TENANT_ID, "t_A-z_09"),
        (TENANT_ID, "a"),
        (TENANT_ID, "org_2aB.c:d"),
        (TENANT_ID, "0b5d3c1e-7a0f-4a55-9d0e-3f1b1f2c9a77"),
        (TENANT_ID, "x" * 66),
        (SUBMISSION_ID, "a"),
        (SUBMISSION_ID, "01J-DZ_4.K:9"),
        (SUBMISSION_ID, "x" * 64),
        (FORM_ID, "survey-2026:v1"),
        (STATUS, "in_review-2"),
        (STATUS, "x" * 32),
    ],
)
def test_a_name_of_its_shape(shape: Pattern[str], text: str) -> None:
    assert shape.fullmatch(text)


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        (TENANT_ID, ""),
        (TENANT_ID, "-acme"),
        (TENANT_ID, ".acme"),
        (TENANT_ID, ":acme"),
        (TENANT_ID, "acme/a"),
        (TENANT_ID, "t_acme#1"),
        (TENANT_ID, "t_acme\n"),
        (TENANT_ID, " t_acme"),
        (TENANT_ID, "t_äcme"),
        (TENANT_ID, "x" * 67),
        (SUBMISSION_ID, ""),
        (SUBMISSION_ID, "a#b"),
        (SUBMISSION_ID, "a b"),
        (SUBMISSION_ID, "s1\n"),
        (SUBMISSION_ID, "x" * 65),
        (FORM_ID, "a/b"),
        (FORM_ID, "x" * 65),
        (STATUS, ""),
        (STATUS, "in.review"),
        (STATUS, "x" * 33),
    ],
)
def test_a_name_of_another_shape(shape: Pattern[str], text: str) -> None:
    assert not shape.fullmatch(text)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("x", "string"),
        (True, "boolean"),
        (5, "integer"),
        (0.5, "number"),
        ([], "list"),
        ({}, "object"),
        (None, "None"),
        (b"", "bytes"),
    ],
)
def test_a_type_has_the_name_that_json_gives_it(value: object, name: str) -> None:
    assert describe_type(value) == name


def test_a_short_value_is_quoted_whole() -> None:
    assert quote("t_acme") == "'t_acme'"
    assert quote(None) == "None"
    assert quote(["t_acme"]) == "['t_acme']"


@given(JSON)
def test_no_json_value_is_quoted_at_length(value: object) -> None:
    assert len(quote(value)) < 4_000


def test_a_long_or_deep_value_is_cut_short() -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    assert len(quote(deep)) < 80
    assert len(quote("x" * 1_000_000)) <= 80
    assert len(quote(["x" * 1_000_000] * 1_000)) < 600
