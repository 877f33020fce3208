"""The reserved concurrency of the Lambdas of a gateway."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict, cast

import pulumi

from . import _checks
from ._checks import FieldName, IntegerInput
from ._input_error import InputError


class GatewayConcurrencyArgs(TypedDict):
    """The reserved concurrency of the Lambdas of a `WebSocketGateway`.

    A reservation keeps concurrent invocations of the account free for one Lambda, and the Lambda cannot have more. By
    default nothing is reserved. AWS accepts a reservation only if at least 100 invocations of the account stay
    unreserved, so an account with the initial quota of 10 can reserve none.
    """

    authorize_reserved_concurrency: NotRequired[IntegerInput | None]
    """Reserved concurrency of the authorizer; 1 or more. If it is used up, handshakes fail with the status 500, and
    clients connect again. Default: none."""
    connect_reserved_concurrency: NotRequired[IntegerInput | None]
    """Reserved concurrency of the connect Lambda, which also processes the ends of connections; 1 or more.
    Default: none."""
    message_reserved_concurrency: NotRequired[IntegerInput | None]
    """Reserved concurrency of the message Lambda; 1 or more. If it is used up, a client gets no reply and
    connects again after 30 seconds. Default: none."""
    broadcast_reserved_concurrency: NotRequired[IntegerInput | None]
    """Reserved concurrency of the broadcast Lambda; at least `posting.broadcast_concurrency`, because the pipe invokes
    as many at once. Default: none."""


@dataclass(frozen=True)
class GatewayConcurrency:
    """The checked inputs of `GatewayConcurrencyArgs`. None: nothing is reserved."""

    authorize: pulumi.Output[int] | None
    connect: pulumi.Output[int] | None
    message: pulumi.Output[int] | None
    broadcast: pulumi.Output[int] | None

    @classmethod
    def check(
        cls,
        args: GatewayConcurrencyArgs,
        field: FieldName,
        broadcast_concurrency: IntegerInput,
        broadcast_concurrency_field: str,
    ) -> "GatewayConcurrency":
        """Check the inputs.

        Args:
            args: The inputs.
            field: Returns the name that an error shows for an input.
            broadcast_concurrency: The number of broadcast Lambdas that the pipe invokes at the same time.
            broadcast_concurrency_field: The name that an error shows for it.

        Raises:
            InputError: An input is unknown or not allowed, or fewer broadcast Lambdas are reserved than the pipe
                invokes.
        """
        _checks.check_fields(args, GatewayConcurrencyArgs, field)

        def check_broadcast(known: Sequence[Any]) -> int:
            reserved, needed = map(int, known)
            if reserved < needed:
                name = field("broadcast_reserved_concurrency")
                raise InputError(
                    name,
                    f"must be at least {broadcast_concurrency_field} ({needed:,}), because the pipe invokes as "
                    f"many at once, got {reserved}",
                )
            return reserved

        reserved = {
            name: _checks.check_optional(
                _checks.reserved_concurrency, field(name), cast("IntegerInput | None", args.get(name))
            )
            for name in GatewayConcurrencyArgs.__annotations__
        }
        broadcast = reserved["broadcast_reserved_concurrency"]
        if broadcast is not None:
            plain = [args.get("broadcast_reserved_concurrency"), broadcast_concurrency]
            if _checks.is_known(plain):
                check_broadcast(plain)  # raises before any resource exists
            broadcast = _checks.check_input(pulumi.Output.all(broadcast, broadcast_concurrency), check_broadcast)
        return cls(
            authorize=reserved["authorize_reserved_concurrency"],
            connect=reserved["connect_reserved_concurrency"],
            message=reserved["message_reserved_concurrency"],
            broadcast=broadcast,
        )
