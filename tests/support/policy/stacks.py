"""Stacks as the rules take them, with one thing changed."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from policy.rules import RESOURCE_RULES, STACK_RULES
from policy.rules.resources import Resource

if TYPE_CHECKING:
    from tests.support.components.harness import Recording

Stack = list[Resource]
Change = Callable[[Stack], Stack]


def stack_of(recording: Recording) -> Stack:
    return [
        Resource(one.urn, one.type, one.inputs, one.dependencies) for one in recording.resources.values() if one.custom
    ]


def name_of(resource: Resource) -> str:
    return resource.urn.split("::")[-1]


def violations(stack: Stack) -> Iterator[tuple[str, str, str]]:
    """What the rules that always run say of a stack: rule, resource and message."""
    for rule in RESOURCE_RULES:
        if not rule.is_optional:
            for one in stack:
                for message in rule.find_violations(one.urn, one.type, one.inputs):
                    yield rule.name, name_of(one), message
    for rule in STACK_RULES:
        for one, message in rule.find_violations(stack):
            yield rule.name, name_of(one), message


def a(resource_type: str, **inputs: Any) -> Change:
    """Another resource `new`, of a type and with inputs that no component makes."""
    return lambda stack: [*stack, Resource(f"urn:pulumi:dev::project::{resource_type}::new", resource_type, inputs)]


def without(name: str) -> Change:
    """The resource `name` is not there."""
    return lambda stack: [one for one in stack if one is not _one(stack, name)]


def put(name: str, path: str, value: Any) -> Change:
    """What lies at the end of a dotted `path` in the inputs of `name` is another."""

    def change(inputs: dict[str, Any]) -> None:
        *parents, last = path.split(".")
        for key in parents:
            inputs = inputs[key]
        assert inputs.get(last) != value
        inputs[last] = value

    return _changed(name, change)


def drop(name: str, path: str) -> Change:
    """Nothing lies at the end of a dotted `path` in the inputs of `name`."""

    def change(inputs: dict[str, Any]) -> None:
        *parents, last = path.split(".")
        for key in parents:
            inputs = inputs[key]
        del inputs[last]

    return _changed(name, change)


def say(name: str, key: str, **statement: Any) -> Change:
    """The first statement of the policy document in the input `key` of `name` says this; `None` is nothing."""

    def change(inputs: dict[str, Any]) -> None:
        document = json.loads(inputs[key])
        merged = {**document["Statement"][0], **statement}
        document["Statement"][0] = {word: value for word, value in merged.items() if value is not None}
        inputs[key] = json.dumps(document)

    return _changed(name, change)


def _changed(name: str, change: Callable[[dict[str, Any]], None]) -> Change:
    def apply(stack: Stack) -> Stack:
        resource = _one(stack, name)
        inputs = copy.deepcopy(dict(resource.inputs))
        change(inputs)
        return [replace(one, inputs=inputs) if one is resource else one for one in stack]

    return apply


def _one(stack: Stack, name: str) -> Resource:
    (found,) = [one for one in stack if name_of(one) == name]
    return found
