"""The commands that refuse and accept users: `revoke`, `lift` and `revocations`."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

from formbridge.access.keyed_hash import HASH, KeyedHash
from formbridge.revocations.revocation import FOREVER, Kind, Target
from formbridge.runtime import timestamps
from formbridge.runtime.identifiers import TENANT_ID, quote

from .console import UsageError, check_id, create_client, interruptible, naming, progress
from .stack_outputs import Outputs, StackOutputs

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from formbridge.revocations.revocation import Revocation

    from .revocation_log import Action, Entry, RevocationLog
    from .user_pool import Attributes, UserPool

MAX_REASON: Final = 500
"""Maximum length of a reason in characters."""

Tenant = Annotated[str | None, typer.Option(help="Tenant id, for example t_acme. With --user: only in this tenant.")]
User = Annotated[str | None, typer.Option(help="Claim `sub` of the user's tokens.")]
Session = Annotated[str | None, typer.Option(help="Claim `sid` of the session's tokens, or Cognito's `origin_jti`.")]
TokenId = Annotated[str | None, typer.Option(help="Claim `jti` of the token.")]
Hashed = Annotated[
    bool, typer.Option("--hashed", help="The user, the session or the token is given by its hash from the logs.")
]
Reason = Annotated[str, typer.Option(help="Why, for the audit. It is kept for good: name no person.")]


def revoke(
    outputs: Outputs,
    reason: Reason,
    tenant: Tenant = None,
    user: User = None,
    session: Session = None,
    token_id: TokenId = None,
    hashed: Hashed = False,
    block: Annotated[bool, typer.Option("--block", help="Refuse later sign-ins too, until `lift`.")] = False,
    until: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="End of the block, or of the revocation, in ISO 8601. Default: never; 400 days."
        ),
    ] = None,
    disable_user: Annotated[
        bool, typer.Option("--disable-user", help="Disable the users in the stack's user pool too.")
    ] = False,
) -> None:
    """Refuse a tenant, a user, a session or a token, and close its connections.

    Every sign-in until now and in the next seconds (clockToleranceSeconds, 30 by default) is refused, also with tokens
    that are refreshed later. With --block, every later sign-in is refused too. Users of the stack's own user pool are
    signed out at Cognito.

    Exit code 1 means that something is left to do: the message says what. docs/operating.md lists the permissions.
    """
    from formbridge.connections.table import ConnectionsTable  # noqa: PLC0415

    from . import revoke as connections  # noqa: PLC0415
    from .revocation_log import Action, now_seconds  # noqa: PLC0415

    now = now_seconds()
    ends_at = _parse_until(until, now) if until is not None else None
    if disable_user and not (block and (tenant or user)):
        raise UsageError("--disable-user: must be given together with --block and with --tenant or --user")
    with _opening(outputs, tenant, user, session, token_id, hashed=hashed) as access:
        if disable_user and access.pool is None:
            raise UsageError("--disable-user: the stack has no user pool of its own")
        endpoint = access.outputs.get("management_endpoint")
        after = access.record(Action.BLOCK if block else Action.REVOKE, reason, now, ends_at)
        typer.echo(f"{describe_target(access.target)}: {describe_revocation(after)}")
        table_name = access.outputs.get("connections_table_name")
        table = ConnectionsTable(create_client("dynamodb"), table_name)
        problems: list[str] = []
        signed_out = access.sign_out(user if not hashed else None, disable=disable_user, problems=problems)
        with naming("connections table", table_name):
            presence = connections.find_presence(table, access.target)
            with progress("connections", len(presence.connections)) as advance:
                closing = connections.close(presence.connections, table, endpoint, advance)
        typer.echo(f"connections closed: {closing.closed}")
        if signed_out is not None:
            typer.echo(f"users signed out at Cognito: {signed_out}")
        if closing.failures:
            problems += ["these connections could not be closed; run the command again:", *closing.failures]
        if not (presence.is_known or signed_out or access.has_submissions()):
            problems.append(f"warning: {describe_target(access.target)} is not known to this stack; check the value")
    if problems:
        raise UsageError("\n".join(problems))


def lift(
    outputs: Outputs,
    reason: Reason,
    tenant: Tenant = None,
    user: User = None,
    session: Session = None,
    token_id: TokenId = None,
    hashed: Hashed = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Accept the earlier sign-ins again too. Only for a mistaken revocation.")
    ] = False,
) -> None:
    """End a block. Without --all, the sign-ins from before the block stay refused, and users must sign in again."""
    from .revocation_log import Action, now_seconds  # noqa: PLC0415

    now = now_seconds()
    with _opening(outputs, tenant, user, session, token_id, hashed=hashed) as access:
        before, after = access.change(Action.LIFT_ALL if everything else Action.LIFT, reason, now, None)
        ended = before.expires_at if everything else before.blocked_until
        if ended <= now:
            state = "revoked" if everything else "blocked"
            raise UsageError(f"warning: {describe_target(access.target)} was not {state}; check the value")
        typer.echo(f"{describe_target(access.target)}: {describe_revocation(after)}")


def revocations(
    outputs: Outputs,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
) -> None:
    """List the revocations that are in force, and then every change that was ever made, from old to new."""
    from .revocation_log import RevocationLog, now_seconds  # noqa: PLC0415

    table_name = StackOutputs.read(outputs).get("revocations_table_name")
    now = now_seconds()
    with naming("revocations table", table_name):
        entries = list(RevocationLog(create_client("dynamodb"), table_name).read_entries())
    in_force = [entry for entry in entries if not entry.is_audit and entry.revocation.expires_at > now]
    changes = [entry for entry in entries if entry.is_audit]
    for title, listed in (("in force", in_force), ("changes", changes)):
        if not as_json:
            typer.echo(f"{title}: {len(listed)}")
        for entry in sorted(listed, key=lambda entry: entry.recorded_at):
            typer.echo(json.dumps(_to_json(entry)) if as_json else f"- {_describe_entry(entry)}")


@dataclass(frozen=True, slots=True)
class _Access:
    """A stack, and the target of a command."""

    outputs: StackOutputs
    log: RevocationLog
    target: Target
    recorded_by: str
    hashes: KeyedHash | None
    """None: the target is a tenant."""
    pool: UserPool | None
    """The stack's own user pool; None if it has none."""

    def record(self, action: Action, reason: str, now: int, until: int | None) -> Revocation:
        return self.change(action, reason, now, until)[1]

    def change(self, action: Action, reason: str, now: int, until: int | None) -> tuple[Revocation, Revocation]:
        from .revocation_log import Change, Conflict  # noqa: PLC0415

        if not 1 <= len(reason.strip()) <= MAX_REASON:
            raise UsageError(f"--reason: must have 1 to {MAX_REASON} characters, got {quote(reason)}")
        try:
            with naming("revocations table", self.log.table_name):
                tolerance = self.outputs.get_integer("clock_tolerance_seconds")
                change = Change(action, self.recorded_by, reason.strip(), now, tolerance, until)
                return self.log.record(self.target, change)
        except Conflict as error:
            raise UsageError(str(error)) from None

    def sign_out(self, subject: str | None, *, disable: bool, problems: list[str]) -> int | None:
        """Sign the users of the target out at Cognito. Return how many, or None if that is not possible."""
        if self.pool is None or self.target.kind not in (Kind.TENANT, Kind.USER):
            return None
        with naming("user pool", self.pool.pool_id), progress("users") as advance:
            if subject is not None:
                usernames: Iterable[str] = self.pool.find_subject(subject)
            else:
                usernames = list(self.pool.search(self._matches, advance))
            result = self.pool.sign_out(usernames, disable=disable)
        problems += result.failures
        return result.done

    def has_submissions(self) -> bool:
        """Return whether the target is a tenant that has submissions."""
        from .tenant_rows import TenantRows  # noqa: PLC0415

        if self.target.kind is not Kind.TENANT:
            return False
        table_name = self.outputs.get("table_name")
        with naming("submissions table", table_name):
            pages = TenantRows(create_client("dynamodb"), table_name, self.target.id).list_pages()
            return next(pages, None) is not None

    def _matches(self, attributes: Attributes) -> bool:
        from .user_pool import TENANT_ATTRIBUTE  # noqa: PLC0415

        if self.hashes is None:
            return attributes.get(TENANT_ATTRIBUTE) == self.target.id
        return self.hashes.hash_user(attributes.get("sub", "")) == self.target.id


@contextmanager
def _opening(
    source: str, tenant: str | None, user: str | None, session: str | None, token_id: str | None, *, hashed: bool
) -> Generator[_Access]:
    """Check the options, find out who the caller is, and open the stack."""
    from .revocation_log import RevocationLog  # noqa: PLC0415
    from .user_pool import UserPool  # noqa: PLC0415

    outputs = StackOutputs.read(source)
    given = {"--user": (Kind.USER, user), "--session": (Kind.SESSION, session), "--token-id": (Kind.TOKEN, token_id)}
    chosen = [(option, kind, value) for option, (kind, value) in given.items() if value is not None]
    if tenant is not None:
        check_id("--tenant", TENANT_ID, tenant)
    if len(chosen) > 1 or not (chosen or tenant):
        raise UsageError("exactly one of --tenant, --user, --session and --token-id must be given")
    if tenant and chosen and chosen[0][1] is not Kind.USER:
        raise UsageError(f"--tenant: must not be given together with {chosen[0][0]}")
    if hashed and not chosen:
        raise UsageError("--hashed: must be given together with --user, --session or --token-id")
    hashes = _read_hashes(outputs) if chosen else None
    target = Target(Kind.TENANT, tenant or "")
    if hashes is not None:
        ((option, kind, value),) = chosen
        target = Target(kind, _hash(hashes, option, kind, value, hashed=hashed), tenant or "")
    with naming("credentials", "of this shell"):
        caller: str = create_client("sts").get_caller_identity()["Arn"]
    table_name = outputs.get("revocations_table_name")
    pool_id = outputs.find("user_pool_id")
    pool = UserPool(create_client("cognito-idp"), pool_id) if pool_id else None
    try:
        with interruptible():
            yield _Access(outputs, RevocationLog(create_client("dynamodb"), table_name), target, caller, hashes, pool)
    except KeyboardInterrupt:
        raise UsageError("interrupted; run the command again to continue") from None


def _read_hashes(outputs: StackOutputs) -> KeyedHash:
    name = outputs.get("user_hash_key_parameter")
    with naming("parameter", name):
        key = create_client("ssm").get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
    try:
        return KeyedHash.from_hex(key, outputs.get("issuer"))
    except ValueError as error:
        raise UsageError(f"parameter {name}: {error}") from None


def _hash(hashes: KeyedHash, option: str, kind: Kind, value: str, *, hashed: bool) -> str:
    if hashed:
        check_id(option, HASH, value)
        return value
    if not value:
        raise UsageError(f"{option}: must not be empty")
    match kind:
        case Kind.USER:
            return hashes.hash_user(value)
        case Kind.SESSION:
            return hashes.hash_session(value)
        case _:
            return hashes.hash_token_id(value)


def _parse_until(text: str, now: int) -> int:
    try:
        until = timestamps.to_epoch_ms(timestamps.normalise(text)) // 1000
    except ValueError:
        raise UsageError(f"--until: must be a time in ISO 8601, got {quote(text)}") from None
    if until <= now:
        raise UsageError(f"--until: must be in the future, got {quote(text)}")
    return until


def describe_target(target: Target) -> str:
    """Return the words that name a target."""
    within = f" in tenant {target.tenant_id}" if target.tenant_id else ""
    return f"{target.kind.value} {target.id}{within}"


def describe_revocation(revocation: Revocation) -> str:
    """Return the words that say what a revocation refuses."""
    parts: list[str] = []
    if revocation.blocked_until:
        parts.append(f"blocked {_describe_end(revocation.blocked_until)}")
    if revocation.revoked_until:
        before = _format(revocation.signed_in_before)
        parts.append(f"sign-ins before {before} are refused {_describe_end(revocation.revoked_until)}")
    return "; ".join(parts) or "nothing is refused"


def _describe_end(until: int) -> str:
    return "for ever" if until == FOREVER else f"until {_format(until)}"


def _format(epoch_seconds: int) -> str:
    return datetime.fromtimestamp(epoch_seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _describe_entry(entry: Entry) -> str:
    state = describe_revocation(entry.revocation)
    return (
        f"{entry.recorded_at} {entry.action}: {describe_target(entry.target)}: {state}; "
        f"by {entry.recorded_by}; {entry.reason}"
    )


def _to_json(entry: Entry) -> dict[str, object]:
    times = ("signed_in_before", "revoked_until", "blocked_until")
    return {
        "kind": "change" if entry.is_audit else "in force",
        "target": entry.target.kind.value,
        "id": entry.target.id,
        "tenant_id": entry.target.tenant_id or None,
        **{name: _format(at) if (at := getattr(entry.revocation, name)) else None for name in times},
        "action": entry.action,
        "recorded_at": entry.recorded_at,
        "recorded_by": entry.recorded_by,
        "reason": entry.reason,
    }
