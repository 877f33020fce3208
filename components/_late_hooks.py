"""Hooks that Pulumi's SDK registers with their resource, and not before.

The SDK registers a hook when the program constructs it, and starts a server for its calls. If the program fails in the
same turn of the event loop, the SDK stops the server while it starts, and the process of the program ends with a
segmentation fault instead of an error message. In a program with a wrong input that is the rule: the check of an Output
runs in that turn. A resource is registered when all its inputs are known and checked.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import cached_property

import pulumi
from pulumi.runtime.resource import register_error_hook, register_resource_hook


class LateResourceHook(pulumi.ResourceHook):
    """A `pulumi.ResourceHook` that is registered with its resource."""

    def __init__(
        self,
        name: str,
        func: Callable[[pulumi.ResourceHookArgs], Awaitable[None] | None],
        opts: pulumi.ResourceHookOptions | None = None,
    ) -> None:
        # Not the constructor of the base class, which registers the hook.
        self.name, self.callback, self.opts = name, func, opts

    @cached_property
    def _registered(self) -> asyncio.Future[None]:  # pyright: ignore[reportIncompatibleVariableOverride]  # an attribute there
        """The registration, which the SDK awaits before it registers the resource."""
        return register_resource_hook(self)


class LateErrorHook(pulumi.ErrorHook):
    """A `pulumi.ErrorHook` that is registered with its resource."""

    def __init__(self, name: str, func: Callable[[pulumi.ErrorHookArgs], Awaitable[bool] | bool]) -> None:
        # As above.
        self.name, self.callback = name, func

    @cached_property
    def _registered(self) -> asyncio.Future[None]:  # pyright: ignore[reportIncompatibleVariableOverride]  # an attribute there
        """The registration, which the SDK awaits before it registers the resource."""
        return register_error_hook(self)
