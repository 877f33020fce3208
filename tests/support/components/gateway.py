"""The inputs of a gateway, from flat names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from components import GatewayAccessArgs, GatewayLimitsArgs, GatewayPostingArgs, WebSocketGatewayArgs
from tests.support.components.examples import AUDIENCE, ISSUER

GROUPS: dict[str, Any] = {"access": GatewayAccessArgs, "limits": GatewayLimitsArgs, "posting": GatewayPostingArgs}
GROUP_OF = {name: group for group, kind in GROUPS.items() for name in kind.__annotations__}


def gateway_args(inputs: Mapping[str, object]) -> WebSocketGatewayArgs:
    """Return a gateway's inputs, each in its group, with an issuer and an audience."""
    args: dict[str, Any] = {"access": {"issuer": ISSUER, "audience": AUDIENCE}}
    for name, value in inputs.items():
        group = GROUP_OF.get(name)
        if group is None:
            args[name] = value
        else:
            args.setdefault(group, {})[name] = value
    return cast("WebSocketGatewayArgs", args)


def full_name(name: str) -> str:
    """Return the name that an error shows for an input."""
    return f"{GROUP_OF[name]}.{name}" if name in GROUP_OF else name
