"""`PipeHooks`: a pipe is created when its stream and its role are old enough, and a refused creation is repeated."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pulumi
import pytest

from components import _pipe_hooks
from components._pipe_hooks import RETRY_SECONDS, SETTLING_SECONDS, PipeHooks
from tests.support.components.examples import TABLE_ARN

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
REFUSED = (
    "creating EventBridge Pipes Pipe (realtime-pipe-1a2b3c4): operation error Pipes: CreatePipe, https response error "
    "StatusCode: 400, RequestID: 0a1b2c3d, ValidationException: Cannot access stream"
)
CREATED_AND_FAILED = (
    "waiting for EventBridge Pipes Pipe (realtime-pipe-1a2b3c4) create: unexpected state 'CREATE_FAILED', wanted "
    "target 'RUNNING, STOPPED'. last error: Cannot access stream"
)


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits of a test. None of them takes time."""
    waits: list[float] = []

    async def note(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(_pipe_hooks, "sleep", note)
    monkeypatch.setattr(_pipe_hooks, "read_clock", NOW.timestamp)
    monkeypatch.setattr(pulumi.log, "info", print)
    return waits


def with_hooks(use: Callable[[PipeHooks], Awaitable[object]], stream_age: float = 3600, role_age: float = 3600) -> Any:
    """Call `use` with the hooks of a pipe whose stream and role have these ages in seconds."""

    async def main() -> object:
        stream, role = (
            datetime.fromtimestamp(NOW.timestamp() - age, UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")
            for age in (stream_age, role_age)
        )
        hooks = PipeHooks(
            "realtime", pulumi.Output.from_input(f"{TABLE_ARN}/stream/{stream}"), pulumi.Output.from_input(f"{role}Z")
        )
        return await use(hooks)

    return asyncio.run(main())


def hook_args(old: dict[str, Any] | None = None, new: dict[str, Any] | None = None) -> pulumi.ResourceHookArgs:
    return pulumi.ResourceHookArgs("urn", "id", "realtime-pipe", "aws:pipes/pipe:Pipe", old_inputs=old, new_inputs=new)


@pytest.mark.parametrize(
    ("stream_age", "role_age", "waits"),
    [
        (3600, 3600, []),
        (SETTLING_SECONDS, SETTLING_SECONDS, []),
        (10, 3600, [SETTLING_SECONDS - 10]),
        (3600, 40, [SETTLING_SECONDS - 40]),
        (10, 40, [SETTLING_SECONDS - 10]),
        (-300, 3600, [SETTLING_SECONDS]),
    ],
    ids=["both old", "just old enough", "new stream", "new role", "both new", "our clock is behind"],
)
def test_the_creation_waits_until_stream_and_role_are_old_enough(
    slept: list[float], stream_age: float, role_age: float, waits: list[float]
) -> None:
    with_hooks(lambda hooks: hooks.settle(hook_args()), stream_age, role_age)

    assert slept == waits


def test_a_new_stream_is_older_than_the_known_minimum_when_the_pipe_is_created() -> None:
    assert SETTLING_SECONDS > 90


def retry(*errors: str, operation: str = "create") -> bool:
    """Return whether the hook asks for a retry after these errors, the newest first."""
    args = pulumi.ErrorHookArgs(
        "urn", "", "realtime-pipe", "aws:pipes/pipe:Pipe", failed_operation=operation, errors=[*errors]
    )
    return with_hooks(lambda hooks: hooks.retry(args))


def test_a_refused_creation_is_repeated_three_times(slept: list[float]) -> None:
    assert [retry(*[REFUSED] * failures) for failures in range(1, 5)] == [True, True, True, False]
    assert tuple(slept) == RETRY_SECONDS


@pytest.mark.parametrize(
    ("errors", "operation"),
    [
        ([CREATED_AND_FAILED], "create"),
        ([CREATED_AND_FAILED, REFUSED], "create"),
        (["reading EventBridge Pipes Pipe (p): operation error Pipes: DescribePipe, AccessDenied"], "create"),
        ([REFUSED.replace("CreatePipe", "UpdatePipe")], "update"),
        ([REFUSED], "update"),
    ],
)
def test_nothing_else_is_repeated(slept: list[float], errors: list[str], operation: str) -> None:
    assert not retry(*errors, operation=operation)
    assert slept == []


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ({"desiredState": "STOPPED"}, {"desiredState": "RUNNING"}, True),
        ({"desiredState": "RUNNING"}, {"desiredState": "RUNNING", "tags": {}}, False),
    ],
)
def test_an_update_of_the_desired_state_is_noted(old: dict[str, Any], new: dict[str, Any], changes: bool) -> None:
    async def update(hooks: PipeHooks) -> bool:
        hooks.note_update(hook_args(old, new))
        return hooks.changes_desired_state

    assert with_hooks(update) is changes


def test_no_two_components_have_hooks_of_the_same_name() -> None:
    async def names(hooks: PipeHooks) -> set[str]:
        binding = hooks.binding
        bound: list[Any] = [*(binding.before_create or []), *(binding.before_update or []), *(binding.on_error or [])]
        return {hook.name for hook in bound}

    first, second = with_hooks(names), with_hooks(names)

    assert (len(first), len(second)) == (3, 3)
    assert first.isdisjoint(second)
