"""Filters: what of its tenant's submissions a subscription sees."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.conformance.backstage import Backstage, made
from tests.support.conformance.document import states
from tests.support.conformance.wire import Gateway, ids_of
from tests.support.handlers.builders import inserted

if TYPE_CHECKING:
    from tests.support.conformance.tokens import Issuer

Pattern = Mapping[str, Any]
TENANT = "t_filters"
HELD = {
    "one": ("contact", "new"),
    "two": ("contact", "spam"),
    "three": ("survey-may", "new"),
    "four": ("survey-june", "spam"),
    "five": ("Contact", "done"),
}
"""The submissions, by form and status."""
ALL = " ".join(HELD)


@pytest.fixture(scope="module", autouse=True)
def held(backstage: Backstage) -> None:
    backstage.store(*(made(TENANT, name, form_id=form, status=status) for name, (form, status) in HELD.items()))


def check(gateway: Gateway, issuer: Issuer, cases: list[tuple[Pattern, str]]) -> None:
    """Each filter sees these submissions and no others."""
    with gateway.connect(issuer.token(TENANT)) as wire:
        for wanted, seen in cases:
            reply = wire.ask("subscribe", filter=wanted)
            assert sorted(ids_of(reply)) == sorted(seen.split()), wanted


LANGUAGE = (
    "A filter is an EventBridge event pattern over the fields `form_id`, `status` and `submission_id` of "
    "`data`: a field maps to a list of alternatives (OR), fields combine with AND, and `$or` is allowed."
)


@states(LANGUAGE)
def test_alternatives_are_or_fields_are_and(gateway: Gateway, issuer: Issuer) -> None:
    check(
        gateway,
        issuer,
        [
            ({"form_id": ["contact", "survey-may"]}, "one two three"),
            ({"status": ["new", "done"]}, "one three five"),
            ({"submission_id": ["two", "four", "six"]}, "two four"),
            ({"form_id": ["contact"], "status": ["new"]}, "one"),
            ({"$or": [{"form_id": ["Contact"]}, {"status": ["spam"]}]}, "two four five"),
            ({"form_id": ["contact"], "$or": [{"status": ["new"]}, {"submission_id": ["four"]}]}, "one"),
        ],
    )


@states(LANGUAGE)
@pytest.mark.parametrize(
    ("wanted", "place"),
    [
        ({"tenant_id": ["t_filters"]}, "filter.tenant_id"),
        ({"version": [1]}, "filter.version"),
        ({"payload": [{"exists": True}]}, "filter.payload"),
        ({"form_id": "contact"}, "filter.form_id"),
        ({"form_id": []}, "filter.form_id"),
        ({"form_id": {"name": ["contact"]}}, "filter.form_id"),
        ({"$or": [{"status": ["new"]}]}, "filter.$or"),
        ({"$or": [{"status": ["new"]}, {"status": [{"prefix": 1}]}]}, "filter.$or[1].status[0].prefix"),
        (["contact"], "filter"),
        ("contact", "filter"),
    ],
)
def test_what_is_no_filter_is_refused_with_the_place_of_the_fault(
    gateway: Gateway, issuer: Issuer, wanted: object, place: str
) -> None:
    with gateway.connect(issuer.token(TENANT)) as wire:
        refusal = wire.ask("subscribe", filter=wanted)

    assert (refusal["type"], refusal["code"]) == ("error", "bad_filter")
    assert refusal["message"].startswith(f"{place}: ")


OPERATORS = (
    "The operators are a literal, `prefix`, `suffix`, `equals-ignore-case`, `anything-but` (a literal or a "
    "list) and `exists`."
)


@states(OPERATORS)
@pytest.mark.parametrize(
    ("alternative", "seen"),
    [
        ("contact", "one two"),
        ({"prefix": "survey-"}, "three four"),
        ({"suffix": "ontact"}, "one two five"),
        ({"equals-ignore-case": "CONTACT"}, "one two five"),
        ({"anything-but": "contact"}, "three four five"),
        ({"anything-but": ["contact", "Contact"]}, "three four"),
        ({"exists": True}, ALL),
        ({"exists": False}, ""),
    ],
)
def test_an_operator_sees(
    gateway: Gateway, issuer: Issuer, backstage: Backstage, alternative: object, seen: str
) -> None:
    later = {name: made(TENANT, f"later-{name}", form_id=form) for name, (form, _) in HELD.items()}
    with gateway.join(issuer.token(TENANT), filter={"form_id": [alternative]}) as wire:
        assert sorted(ids_of(wire.frames[0])) == sorted(seen.split())
        backstage.broadcast(*map(inserted, later.values()))
        if seen:
            wire.until_told(later[seen.split(maxsplit=1)[0]].submission_id)
        wire.ask("ping")

    told = {name for push in wire.pushes for name in ids_of(push)}
    assert {name for name, one in later.items() if one.submission_id in told} == set(seen.split())


@states(OPERATORS)
@pytest.mark.parametrize(
    "operator", [{"numeric": [">", 1]}, {"wildcard": "a*"}, {"cidr": "10.0.0.0/8"}, {}, {"prefix": 1}]
)
def test_there_is_no_other_operator(gateway: Gateway, issuer: Issuer, operator: object) -> None:
    with gateway.connect(issuer.token(TENANT)) as wire:
        assert wire.ask("subscribe", filter={"form_id": [operator]})["code"] == "bad_filter"


@states("A filter has at most 4,096 characters and a cost of at most 200.")
def test_a_filter_has_at_most_4096_characters_and_a_cost_of_200(gateway: Gateway, issuer: Issuer) -> None:
    def long(characters: int) -> Pattern:
        beside = len(json.dumps({"form_id": [""]}, separators=(",", ":")))
        return {"form_id": ["é" * (characters - beside)]}

    def many(values: int) -> Pattern:
        return {"form_id": [f"form-{number}" for number in range(values)]}

    with gateway.connect(issuer.token(TENANT)) as wire:
        for good in (long(4_096), many(199)):
            assert wire.ask("subscribe", filter=good)["type"] == "subscribed"
        for bad in (long(4_097), many(200)):
            assert wire.ask("subscribe", filter=bad)["code"] == "bad_filter"


EXAMPLE = '{"form_id": ["contact", {"prefix": "survey-"}], "status": [{"anything-but": "spam"}]}'


@states(
    "The following filter selects the form `contact` and all forms whose id starts with `survey-`, but no submissions "
    "with the status `spam`:",
    f"`{EXAMPLE}`",
)
def test_the_pages_example_is_a_filter(gateway: Gateway, issuer: Issuer) -> None:
    check(gateway, issuer, [(json.loads(EXAMPLE), "one three")])
