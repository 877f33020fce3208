r"""Command line for operators of a stack: `python -m tools tail` and `python -m tools revoke`.

On AWS, `pulumi stack output` prints the addresses. The local run writes them to a file. While `make dev` runs, enter
this in another terminal:

    get() { .venv/bin/python -c "import json; s = json.load(open('.local/stack.json')); print(s$1)"; }
    export FORMBRIDGE_TOKEN=$(.venv/bin/python -m local token --tenant t_acme)
    .venv/bin/python -m tools tail --url $(get "['outputs']['websocket_url']") --filter '{"form_id": ["survey"]}'

    export AWS_ENDPOINT_URL=$(get "['endpoint_url']") AWS_DEFAULT_REGION=$(get "['region']")
    export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
    .venv/bin/python -m tools revoke --tenant t_acme --table $(get "['outputs']['connections_table_name']") \
        --endpoint $(get "['outputs']['management_endpoint']")
"""

from __future__ import annotations

import json
import logging
import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Final, cast

import typer
from rich.console import Console

from .client import Client, Disconnected, HandshakeRefused, Subscription, Update

if TYPE_CHECKING:
    from collections.abc import Generator

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
        case "bad_filter":
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

    from formbridge.runtime.identifiers import TENANT_ID, quote  # noqa: PLC0415

    from .revoke import revoke as revoke_tenant  # noqa: PLC0415

    if not TENANT_ID.fullmatch(tenant):
        raise UsageError(f"--tenant: must match ^{TENANT_ID.pattern}$, got {quote(tenant)}")
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
