r"""Command line for operators of a stack, on AWS or on this machine.

On AWS, `pulumi stack output` prints the addresses. The local run writes them to a file. While `make dev` runs, enter
this in another terminal:

    get() { .venv/bin/python -c "import json; s = json.load(open('.local/stack.json')); print(s$1)"; }
    export FORMBRIDGE_TOKEN=$(.venv/bin/python -m local token --tenant t_acme)
    .venv/bin/python -m tools doctor --outputs .local/stack.json
    .venv/bin/python -m tools tail --url $(get "['outputs']['websocket_url']") --filter '{"form_id": ["survey"]}'

    export AWS_ENDPOINT_URL=$(get "['endpoint_url']") AWS_DEFAULT_REGION=$(get "['region']")
    export AWS_ACCESS_KEY_ID=$(get "['access_key_id']") AWS_SECRET_ACCESS_KEY=$(get "['secret_access_key']")
    .venv/bin/python -m tools revoke --outputs .local/stack.json --tenant t_acme --reason "a leaked token"
    .venv/bin/python -m tools export --tenant t_acme --table $(get "['outputs']['table_name']")
    .venv/bin/python -m tools erase --tenant t_acme --table $(get "['outputs']['table_name']") \
        --queue $(get "['outputs']['ingest_dead_letter_queue_url']") --bus $(get "['outputs']['event_bus_name']")
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated, Any, Final, cast

import typer

from formbridge.runtime.identifiers import SUBMISSION_ID, TENANT_ID, quote

from .access_commands import lift, revocations, revoke
from .bootstrap import bootstrap
from .client import Client, Disconnected, HandshakeRefused, Subscription, Update
from .console import (
    UsageError,
    check_id,
    create_client,
    interruptible,
    naming,
    print_to_stderr,
    progress,
)
from .doctor import doctor

REFUSAL_MESSAGES: Final = {
    401: "--token: the gateway rejected it as invalid or expired",
    403: "--token: does not grant access, or was revoked",
}
"""Error message for each HTTP status of a refused handshake."""

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Command line for operators of a FormBridge Realtime stack, on AWS or on this machine.",
)
app.command()(revoke)
app.command()(lift)
app.command()(revocations)
app.command()(doctor)
app.command()(bootstrap)


@app.command()
def tail(
    url: Annotated[str, typer.Option(help="URL of the gateway: wss://HOST/STAGE.")],
    token: Annotated[
        str,
        typer.Option(
            envvar="FORMBRIDGE_TOKEN",
            help="JWT of the tenant. Prefer the variable: other users of this machine can read command lines.",
        ),
    ],
    pattern: Annotated[
        str | None,
        typer.Option("--filter", metavar="JSON", help="Event pattern over form_id, status and submission_id."),
    ] = None,
    snapshot: Annotated[int, typer.Option(min=0, max=200, help="Number of newest submissions to start with.")] = 50,
    cursor: Annotated[str | None, typer.Option(help="Resume from this cursor of an earlier run instead.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
) -> None:
    """Print the changes of a tenant's submissions until Ctrl-C or SIGTERM.

    Stderr receives messages about the connection, and at the end the cursor from which the next run can resume.
    """
    subscription = Subscription(filter=_parse_filter(pattern), snapshot=snapshot, cursor=cursor)
    try:
        client = Client(url, token.strip(), subscription)
    except ValueError as error:
        raise UsageError(f"--{error}") from None
    with interruptible():
        try:
            with client:
                for change in client:
                    typer.echo(json.dumps(change) if as_json else _format_line(change))
        except KeyboardInterrupt:
            pass
        except HandshakeRefused as refused:
            raise UsageError(REFUSAL_MESSAGES.get(refused.status, f"--url: {refused}")) from None
        except Disconnected as ended:
            raise UsageError(_describe_end(ended)) from None
        finally:
            if client.cursor:
                print_to_stderr(f"cursor: {client.cursor}")


def _describe_end(ended: Disconnected) -> str:
    """Return the error message for the end of a subscription."""
    match ended.code:
        case "bad_filter" | "too_many_filters":
            return f"--filter: {ended}"
        case "forbidden":
            return "--token: does not grant the tenant, or grants several while --url has no ?tenant_id="
        case _:
            return f"disconnected: {ended}"


@app.command()
def export(
    tenant: Annotated[str, typer.Option(help="Tenant id, for example t_acme.")],
    table: Annotated[str, typer.Option(help="Output table_name of the stack.")],
    output: Annotated[
        Path | None, typer.Option(help="New file, or with --after the file to continue. Default: stdout.")
    ] = None,
    after: Annotated[
        str | None, typer.Option(metavar="CURSOR", help="Continue after this cursor, which an earlier export printed.")
    ] = None,
) -> None:
    """Write all submissions of a tenant as JSON Lines, with their payloads.

    Stderr receives the cursor from which the next export can continue. boto3 finds the credentials and the region as
    usual. The credentials must allow dynamodb:Query and dynamodb:BatchGetItem on the table and its index.
    """
    from .export import Export, write_file, write_stream  # noqa: PLC0415
    from .tenant_rows import TenantRows  # noqa: PLC0415

    check_id("--tenant", TENANT_ID, tenant)
    if after is not None and "#" not in after:
        raise UsageError(f"--after: must be a cursor that an export printed, got {quote(after)}")
    running = Export(TenantRows(create_client("dynamodb"), table, tenant), after)
    try:
        is_shown = output is not None or not sys.stdout.isatty()
        with interruptible(), naming("--table", table), progress("submissions", is_shown=is_shown) as advance:
            if output is None:
                write_stream(running.pages(advance), sys.stdout.buffer)
            else:
                write_file(running.pages(advance), output, resume=after is not None)
    except FileExistsError:
        raise UsageError(f"--output: must be a new file unless --after is given, got {str(output)!r}") from None
    except KeyboardInterrupt:
        raise UsageError("interrupted; add --after with the cursor to continue") from None
    except OSError as error:
        if output is None:
            raise
        raise UsageError(f"--output {output}: {error.strerror}") from error
    finally:
        if running.cursor:
            print_to_stderr(f"cursor: {running.cursor}")
    if not running.count and after is None:
        if output is not None:
            output.unlink()
        raise UsageError(f"--tenant: no submission of {tenant} is in the table {table}")
    print_to_stderr(f"submissions exported: {running.count}")


@app.command()
def erase(
    tenant: Annotated[str, typer.Option(help="Tenant id, for example t_acme.")],
    table: Annotated[str, typer.Option(help="Output table_name of the stack.")],
    queue: Annotated[str, typer.Option(help="Output ingest_dead_letter_queue_url of the stack: https://….")],
    bus: Annotated[str, typer.Option(help="Output event_bus_name of the stack.")],
    submission: Annotated[str | None, typer.Option(help="Id of the only submission to erase. Default: all.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would be erased.")] = False,
) -> None:
    """Remove the content of a tenant's submissions, or of one submission, from a stack.

    Each submission becomes a tombstone, and every dashboard receives the deletion. Dead letters with its events are
    deleted. Stdout receives the copies that remain, and until when. If the command is interrupted or fails, run it
    again.

    boto3 finds the credentials and the region as usual. docs/privacy.md lists the permissions.
    """
    from formbridge.runtime import clock  # noqa: PLC0415
    from formbridge.submissions.table import SubmissionsTable  # noqa: PLC0415

    from . import dead_letters  # noqa: PLC0415
    from .erase import erase_rows, list_bus_copies, list_table_copies  # noqa: PLC0415

    check_id("--tenant", TENANT_ID, tenant)
    if submission is not None:
        check_id("--submission", SUBMISSION_ID, submission)
    if not queue.startswith(("https://", "http://")):
        raise UsageError(f"--queue: must be https://HOST/ACCOUNT/NAME, got {quote(queue)}")
    scope = dead_letters.Scope(tenant, submission)
    dynamodb, sqs = create_client("dynamodb"), create_client("sqs")
    # Check every option before anything is removed.
    with naming("--table", table):
        copies = list_table_copies(dynamodb, table, clock.now_ms())
    with naming("--bus", bus):
        copies += list_bus_copies(create_client("events"), bus, clock.now_ms())
    with naming("--queue", queue):
        total = dead_letters.count_messages(sqs, queue)
    try:
        with interruptible():
            with naming("--table", table), progress("submissions") as advance:
                rows = erase_rows(SubmissionsTable(dynamodb, table), scope, dry_run=dry_run, advance=advance)
            with naming("--queue", queue), progress("dead letters", total) as advance:
                searched = dead_letters.search(sqs, queue, scope, dry_run=dry_run, advance=advance)
    except KeyboardInterrupt:
        raise UsageError("interrupted; run the command again to continue") from None
    problems = [*rows.problems, *searched.problems]
    if rows.erased or rows.empty or searched.found:
        erased, deleted = ("to erase", "to delete") if dry_run else ("erased", "deleted")
        typer.echo(f"submissions {erased}: {rows.erased}; without content before: {rows.empty}")
        typer.echo(f"messages of the ingest dead-letter queue {deleted}: {searched.found}")
        typer.echo("not searched, as they hold no content: all other tables, all other queues, the logs")
        typer.echo("copies that remain:")
        for copy in copies:
            typer.echo(f"- {copy.place}: {copy.until}")
    elif submission is not None:
        problems.append(f"--submission: nothing of submission {submission} of {tenant} is in the table or the queue")
    else:
        problems.append(f"--tenant: nothing of {tenant} is in the table or the queue")
    if problems:
        raise UsageError("\n".join(problems))


def _parse_filter(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        pattern: object = json.loads(text)
    except ValueError as error:
        raise UsageError(f"--filter: must be JSON ({error}), got {text!r}") from None
    if not isinstance(pattern, dict):
        raise UsageError(f"--filter: must be a JSON object, got {text!r}")
    return cast("dict[str, Any]", pattern)


def _format_line(change: Update) -> str:
    """Return a line with the time, event, submission, form, status and version of a change.

    A `leave` has no time, form or status. The line has `-` in their place.
    """
    data = change["data"]
    known = [change["event"], *(str(data.get(name, "-")) for name in ("submission_id", "form_id", "status"))]
    event, submission, form, status = (text if text.isprintable() else ascii(text) for text in known)
    return f"{data.get('updated_at', '-'):24}  {event:6}  {submission:36}  {form:16}  {status:12}  v{data['version']}"


def main() -> None:
    """Run the command line. Print an error that the user can correct as one message, and exit with code 1."""
    logging.basicConfig(format="%(message)s")
    logging.getLogger("tools.client").setLevel(logging.INFO)
    try:
        app()
    except UsageError as error:
        print_to_stderr(f"error: {error}", style="red")
        sys.exit(1)


if __name__ == "__main__":
    main()
