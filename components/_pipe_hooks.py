"""Hooks of Pulumi's engine around the creation of a pipe. ADR 42 has the reasons."""

import asyncio
import time
import uuid
from datetime import UTC, datetime

import pulumi

from ._late_hooks import LateErrorHook, LateResourceHook

SETTLING_SECONDS = 100
"""Seconds until a pipe can read a new stream with a new role. 90 are not always enough.
https://github.com/hashicorp/terraform-provider-aws/issues/40572"""
RETRY_SECONDS = (20, 40, 60)
"""Seconds before each retry of a refused creation."""
REFUSED = "operation error Pipes: CreatePipe"
"""Part of the provider's error if AWS refused the creation, so that no pipe exists.

After any other failure of a creation the pipe may exist. A retry would then be an update, which changes nothing in the
provider, and Pulumi would report success."""

read_clock = time.time
sleep = asyncio.sleep


class PipeHooks:
    """The hooks of one pipe. Pulumi's engine calls them; unit tests with mocks and the local run do not.

    Args:
        name: Name of the component.
        stream_arn: ARN of the stream, which ends with the time of the stream's creation.
        role_created_at: When the role was created, in ISO 8601.
    """

    def __init__(self, name: str, stream_arn: pulumi.Output[str], role_created_at: pulumi.Output[str]) -> None:
        self._stream_arn = stream_arn
        self._role_created_at = role_created_at
        self.changes_desired_state = False
        """Whether this preview or update changes the desired state of a pipe that exists already."""
        # The engine knows a hook by its name. Two components of a stack can have the same name and different parents.
        prefix = f"{name}-{uuid.uuid4().hex}"
        self.binding = pulumi.ResourceHookBinding(
            before_create=[LateResourceHook(f"{prefix}-settle", self.settle)],
            before_update=[
                LateResourceHook(f"{prefix}-note-update", self.note_update, pulumi.ResourceHookOptions(on_dry_run=True))
            ],
            on_error=[LateErrorHook(f"{prefix}-retry", self.retry)],
        )
        """The hooks, for the options of the pipe."""

    async def settle(self, _args: pulumi.ResourceHookArgs) -> None:
        """Wait until the stream and the role are old enough. If they are, return at once."""
        stream_arn, role_created_at = await self._stream_arn.future(), await self._role_created_at.future()
        created_at = max(parse_time((stream_arn or "").rpartition("/stream/")[2]), parse_time(role_created_at or ""))
        # The clock of this machine may be behind the clock of AWS.
        seconds = min(created_at + SETTLING_SECONDS - read_clock(), SETTLING_SECONDS)
        if seconds > 0:
            pulumi.log.info(f"waiting {seconds:.0f} seconds, until a pipe can read the new stream with the new role")
            await sleep(seconds)

    def note_update(self, args: pulumi.ResourceHookArgs) -> None:
        """Note whether an update changes the desired state. The engine calls this hook in a preview too."""
        old, new = args.old_inputs or {}, args.new_inputs or {}
        self.changes_desired_state = old.get("desiredState") != new.get("desiredState")

    async def retry(self, args: pulumi.ErrorHookArgs) -> bool:
        """Wait and return True if AWS refused the creation and this was not the last retry."""
        failures = len(args.errors)
        if args.failed_operation != "create" or REFUSED not in args.errors[0] or failures > len(RETRY_SECONDS):
            return False
        await sleep(RETRY_SECONDS[failures - 1])
        return True


def parse_time(text: str) -> float:
    """Convert a time in ISO 8601, in UTC, to seconds since 1970."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
