"""Each principal may do what it does, and nothing is granted that could be taken away unnoticed."""

from __future__ import annotations

import dataclasses
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.components.packages import small_packages
from tests.support.components.provider import ACCOUNT
from tests.support.program.needs import NEEDS, THE_PIPE
from tests.support.program.permissions import Permission, Request, allowed, permissions
from tests.support.program.whole_program import declare

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

OTHER_ACCOUNT = "210987654321"


@cache
def granted() -> list[Permission]:
    """What the program grants. Pytest asks while it collects, so that each permission is a test of its own.

    Resources are registered in whatever order threads take; the order of tests must always be the same.
    """
    with tempfile.TemporaryDirectory() as directory, small_packages(Path(directory)):
        return sorted(permissions(declare()), key=lambda one: (one.statement, one.action, one.resource))


def refused(remaining: Iterable[Permission]) -> list[str]:
    """The needs that the program meets, and these permissions alone would not."""
    left = list(remaining)
    return [name for name, need in NEEDS.items() if allowed(need, granted()) and not allowed(need, left)]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each statement of the program, and each action on each resource in it."""
    if "statement" in metafunc.fixturenames:
        actions: dict[str, dict[str, None]] = {}
        for one in granted():
            actions.setdefault(one.statement, {})[one.action] = None
        ids = [f"{statement} {', '.join(these)}" for statement, these in actions.items()]
        metafunc.parametrize("statement", list(actions), ids=ids)
    if "permission" in metafunc.fixturenames:
        single = [one for one in granted() if one.ours]
        ids = [f"{one.statement} {one.action} {one.resource.split(':', 5)[5]}" for one in single]
        metafunc.parametrize("permission", single, ids=ids)


@pytest.mark.parametrize("need", [pytest.param(one, id=name) for name, one in NEEDS.items()])
def test_what_a_principal_does_is_allowed(need: Request) -> None:
    assert allowed(need, granted())


def test_without_a_statement_something_is_refused(statement: str) -> None:
    assert refused(one for one in granted() if one.statement != statement)


def test_without_an_action_on_a_resource_something_is_refused(permission: Permission) -> None:
    assert refused(one for one in granted() if one != permission)


@pytest.mark.parametrize("need", [pytest.param(one, id=name) for name, one in NEEDS.items() if one.context])
def test_a_service_may_act_for_its_own_source_alone(need: Request) -> None:
    others: list[Mapping[str, str]] = [{}]
    for key, source in need.context.items():
        rest = {name: value for name, value in need.context.items() if name != key}
        foreign = [source.replace(ACCOUNT, OTHER_ACCOUNT), source.rpartition("/")[0], source[:-9]]
        if source != THE_PIPE:  # its role knows it by the beginning of its name
            foreign.append(f"{source}x")
        others += [rest, *({**rest, key: value} for value in foreign if value != source)]

    assert [context for context in others if allowed(dataclasses.replace(need, context=context), granted())] == []


def test_no_principal_may_do_what_only_others_do() -> None:
    ours = [one for one in granted() if one.ours]
    its_own = {(one.principal, one.action, one.resource) for one in NEEDS.values()}
    foreign = [
        dataclasses.replace(request, principal=principal)
        for request in NEEDS.values()
        for principal in {one.principal for one in NEEDS.values()}
        if (principal, request.action, request.resource) not in its_own
    ]

    assert foreign
    assert [request for request in foreign if allowed(request, ours)] == []
