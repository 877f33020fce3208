r"""Command line for operators of a stack: `python -m tools tail`, `revoke`, `export` and `erase`.

On AWS, `pulumi stack output` prints the addresses. The local run writes them to a file. While `make dev` runs, enter
this in another terminal:

    get() { .venv/bin/python -c "import json; s = json.load(open('.local/stack.json')); print(s$1)"; }
    export FORMBRIDGE_TOKEN=$(.venv/bin/python -m local token --tenant t_acme)
    .venv/bin/python -m tools tail --url $(get "['outputs']['websocket_url']") --filter '{"form_id": ["survey"]}'

    export AWS_ENDPOINT_URL=$(get "['endpoint_url']") AWS_DEFAULT_REGION=$(get "['region']")
    export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
    .venv/bin/python -m tools revoke --tenant t_acme --table $(get "['outputs']['connections_table_name']") \
        --endpoint $(get "['outputs']['management_endpoint']")
    .venv/bin/python -m tools export --tenant t_acme --table $(get "['outputs']['table_name']")
    .venv/bin/python -m tools erase --tenant t_acme --table $(get "['outputs']['table_name']") \
        --queue $(get "['outputs']['ingest_dead_letter_queue_url']") --bus $(get "['outputs']['event_bus_name']")
"""

from __future__ import annotations

import json
import logging
import signal
import sys
from contextlib import contextmanager
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any, Final, cast

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from formbridge.runtime.identifiers import SUBMISSION_ID, TENANT_ID, quote

from .client import Client, Disconnected, HandshakeRefused, Subscription, Update

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from re import Pattern

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
error_console = Console(stderr=True, soft_wrap=True)


class UsageError(Exception):
    """An error that the user can correct. The message names the option and its value."""


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
    with _interruptible():
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
                _print_to_stderr(f"cursor: {client.cursor}")


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
def revoke(
    tenant: Annotated[str, typer.Option(help="Tenant id, for example t_acme.")],
    table: Annotated[str, typer.Option(help="Output connections_table_name of the stack.")],
    endpoint: Annotated[str, typer.Option(help="Output management_endpoint of the stack: https://HOST/STAGE.")],
) -> None:
    """Refuse every token that was issued to a tenant until now, and close its connections.

    Tokens that are issued from the next second on are valid. boto3 finds the credentials and the region as usual. The
    credentials must allow dynamodb:UpdateItem, dynamodb:Query and dynamodb:DeleteItem on the connections table, and
    execute-api:ManageConnections on the gateway's stage.
    """
    # Imported here, because `tail` does not need them and starts faster without boto3.
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    from .revoke import revoke as revoke_tenant  # noqa: PLC0415

    _check_id("--tenant", TENANT_ID, tenant)
    if not endpoint.startswith(("https://", "http://")):
        raise UsageError(f"--endpoint: must be https://HOST/STAGE, got {quote(endpoint)}")
    try:
        revocation = revoke_tenant(tenant, table, endpoint)
    except (BotoCoreError, ClientError) as error:
        raise UsageError(f"--table {table}: {error}") from error
    typer.echo(f"{tenant} is revoked; connections closed: {revocation.closed}")
    if revocation.failures:
        raise UsageError(
            "\n".join(("these connections could not be closed; run the command again:", *revocation.failures))
        )


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

    _check_id("--tenant", TENANT_ID, tenant)
    if after is not None and "#" not in after:
        raise UsageError(f"--after: must be a cursor that an export printed, got {quote(after)}")
    running = Export(TenantRows(_create_client("dynamodb"), table, tenant), after)
    try:
        is_shown = output is not None or not sys.stdout.isatty()
        with _interruptible(), _naming("--table", table), _progress("submissions", is_shown=is_shown) as advance:
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
            _print_to_stderr(f"cursor: {running.cursor}")
    if not running.count and after is None:
        if output is not None:
            output.unlink()
        raise UsageError(f"--tenant: no submission of {tenant} is in the table {table}")
    _print_to_stderr(f"submissions exported: {running.count}")


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

    _check_id("--tenant", TENANT_ID, tenant)
    if submission is not None:
        _check_id("--submission", SUBMISSION_ID, submission)
    if not queue.startswith(("https://", "http://")):
        raise UsageError(f"--queue: must be https://HOST/ACCOUNT/NAME, got {quote(queue)}")
    scope = dead_letters.Scope(tenant, submission)
    dynamodb, sqs = _create_client("dynamodb"), _create_client("sqs")
    # Check every option before anything is removed.
    with _naming("--table", table):
        copies = list_table_copies(dynamodb, table, clock.now_ms())
    with _naming("--bus", bus):
        copies += list_bus_copies(_create_client("events"), bus, clock.now_ms())
    with _naming("--queue", queue):
        total = dead_letters.count_messages(sqs, queue)
    try:
        with _interruptible():
            with _naming("--table", table), _progress("submissions") as advance:
                rows = erase_rows(SubmissionsTable(dynamodb, table), scope, dry_run=dry_run, advance=advance)
            with _naming("--queue", queue), _progress("dead letters", total) as advance:
                searched = dead_letters.search(sqs, queue, scope, dry_run=dry_run, advance=advance)
    except KeyboardInterrupt:
        raise UsageError("interrupted; run the command again to continue") from None
    problems = [*rows.problems, *searched.problems]
    if rows.erased or rows.empty or searched.found:
        erased, deleted = ("to erase", "to delete") if dry_run else ("erased", "deleted")
        typer.echo(f"submissions {erased}: {rows.erased}; without content before: {rows.empty}")
        typer.echo(f"messages of the ingest dead-letter queue {deleted}: {searched.found}")
        typer.echo("not searched, as they hold no content: the connections table, all other queues, the logs")
        typer.echo("copies that remain:")
        for copy in copies:
            typer.echo(f"- {copy.place}: {copy.until}")
    elif submission is not None:
        problems.append(f"--submission: nothing of submission {submission} of {tenant} is in the table or the queue")
    else:
        problems.append(f"--tenant: nothing of {tenant} is in the table or the queue")
    if problems:
        raise UsageError("\n".join(problems))


def _check_id(option: str, pattern: Pattern[str], value: str) -> None:
    if not pattern.fullmatch(value):
        raise UsageError(f"{option}: must match ^{pattern.pattern}$, got {quote(value)}")


def _create_client(service: Any) -> Any:
    """Create a boto3 client that repeats throttled and failed requests for up to a minute."""
    import boto3  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415

    try:
        return boto3.client(service, config=Config(retries={"mode": "standard", "total_max_attempts": 10}))
    except BotoCoreError as error:
        raise UsageError(str(error)) from error


@contextmanager
def _naming(option: str, value: str) -> Generator[None]:
    """Replace an error of AWS in the block by an error that names an option and its value."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise UsageError(f"{option} {value}: {error}") from error


@contextmanager
def _progress(
    description: str, total: int | None = None, *, is_shown: bool = True
) -> Generator[Callable[[int], object]]:
    """Show a progress bar during the block, if stderr is a terminal.

    Args:
        description: Text before the bar.
        total: Number of all steps; None if it is not known.
        is_shown: Whether to show the bar on a terminal.

    Yields:
        A function that adds a number of steps to the progress.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(
        *columns,
        console=error_console,
        transient=True,
        disable=not (is_shown and error_console.is_terminal),
        redirect_stdout=False,
        redirect_stderr=False,
    ) as progress:
        task = progress.add_task(description, total=total)
        yield lambda steps: progress.advance(task, steps)


@contextmanager
def _interruptible() -> Generator[None]:
    """Raise KeyboardInterrupt on SIGINT and on SIGTERM inside the block.

    By default, Python raises KeyboardInterrupt only for SIGINT, and not if the process was started with SIGINT ignored.
    A shell without job control starts its background jobs with SIGINT ignored. Without this function, such a job could
    not be interrupted in a way that lets it print its cursor.
    """
    numbers = (signal.SIGINT, signal.SIGTERM)
    previous = {number: signal.signal(number, signal.default_int_handler) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


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


def _print_to_stderr(text: str, style: str | None = None) -> None:
    error_console.print(text, style=style, markup=False, highlight=False)


def main() -> None:
    """Run the command line. Print an error that the user can correct as one message, and exit with code 1."""
    logging.basicConfig(format="%(message)s")
    logging.getLogger("tools.client").setLevel(logging.INFO)
    try:
        app()
    except UsageError as error:
        _print_to_stderr(f"error: {error}", style="red")
        sys.exit(1)


if __name__ == "__main__":
    main()
