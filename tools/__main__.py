r"""What an operator runs against any stack: `python -m tools tail | revoke`.

On AWS, `pulumi stack output` has the addresses. Against the local run they stand in a file: while `make dev` is up, in
another terminal,

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

REFUSALS: Final = {
    401: "--token: does not verify, or has expired",
    403: "--token: does not grant this, or the tenant was revoked or has too many connections",
}

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="FormBridge Realtime, for an operator: on AWS, or on this machine.",
)
errors = Console(stderr=True, soft_wrap=True)


class UsageError(Exception):
    """Something to put right; the message names the option and its value."""


@app.command()
def tail(
    url: Annotated[str, typer.Option(help="The gateway: wss://HOST/STAGE.")],
    token: Annotated[
        str,
        typer.Option(
            envvar="FORMBRIDGE_TOKEN",
            help="The tenant's JWT. Every user of this machine sees a command line, and not its environment.",
        ),
    ],
    pattern: Annotated[
        str | None,
        typer.Option("--filter", metavar="JSON", help="An event pattern over form_id, status and submission_id."),
    ] = None,
    snapshot: Annotated[int, typer.Option(min=0, max=200, help="How many of the newest to begin with.")] = 50,
    cursor: Annotated[str | None, typer.Option(help="Resume from where an earlier run ended, instead.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """Show what happens to a tenant's submissions, until Ctrl-C or SIGTERM.

    The last cursor goes to stderr, for the next run to resume from, and so do the changes of the connection.
    """
    subscription = Subscription(filter=_filter(pattern), snapshot=snapshot, cursor=cursor)
    try:
        client = Client(url, token.strip(), subscription)
    except ValueError as error:
        raise UsageError(f"--{error}") from None
    with _interruptible():
        try:
            with client:
                for change in client:
                    typer.echo(json.dumps(change) if as_json else _line(change))
        except KeyboardInterrupt:
            pass
        except HandshakeRefused as refused:
            raise UsageError(REFUSALS.get(refused.status, f"--url: {refused}")) from None
        except Disconnected as ended:
            raise UsageError(f"--filter: {ended}" if ended.code == "bad_filter" else f"disconnected: {ended}") from None
        finally:
            if client.cursor:
                _tell(f"cursor: {client.cursor}")


@app.command()
def revoke(
    tenant: Annotated[str, typer.Option(help="The tenant, such as t_acme.")],
    table: Annotated[str, typer.Option(help="The stack's output connections_table_name.")],
    endpoint: Annotated[str, typer.Option(help="The stack's output management_endpoint: https://HOST/STAGE.")],
) -> None:
    """Refuse every token that a tenant has now, and end its connections. Tokens issued from the next second on count.

    Credentials and region are boto3's usual ones. Needed are dynamodb:UpdateItem, dynamodb:Query and
    dynamodb:DeleteItem on the connections table, and execute-api:ManageConnections on the gateway's stage.
    """
    # Here, since `tail` needs none of it.
    from botocore.exceptions import BotoCoreError, ClientError

    from formbridge.runtime.identifiers import TENANT_ID, quote

    from .revoke import revoke as revoke_tenant

    if not TENANT_ID.fullmatch(tenant):
        raise UsageError(f"--tenant: must match ^{TENANT_ID.pattern}$, got {quote(tenant)}")
    if not endpoint.startswith(("https://", "http://")):
        raise UsageError(f"--endpoint: must be https://HOST/STAGE, got {quote(endpoint)}")
    try:
        done = revoke_tenant(tenant, table, endpoint)
    except (BotoCoreError, ClientError) as error:
        raise UsageError(f"--table {table}: {error}") from error
    typer.echo(f"{tenant} is revoked; connections closed: {done.closed}")
    if done.failures:
        raise UsageError("\n".join(("connections that could not be closed (run this again):", *done.failures)))


@contextmanager
def _interruptible() -> Generator[None]:
    """Raise KeyboardInterrupt on SIGINT and on SIGTERM inside the block.

    Python does so for SIGINT alone, and not where the process inherits an ignored SIGINT: a shell without job control
    starts each background job that way, so the command could neither be interrupted nor print its cursor.
    """
    numbers = (signal.SIGINT, signal.SIGTERM)
    previous = {number: signal.signal(number, signal.default_int_handler) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _filter(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        pattern: object = json.loads(text)
    except ValueError as error:
        raise UsageError(f"--filter: must be JSON ({error}), got {text!r}") from None
    if not isinstance(pattern, dict):
        raise UsageError(f"--filter: must be a JSON object, got {text!r}")
    return cast("dict[str, Any]", pattern)


def _line(change: Update) -> str:
    """Time, event, submission, form, status and version; a `leave` has no more than three of them."""
    data = change["data"]
    known = [change["event"], *(str(data.get(name, "-")) for name in ("submission_id", "form_id", "status"))]
    event, submission, form, status = (text if text.isprintable() else ascii(text) for text in known)
    return f"{data.get('updated_at', '-'):24}  {event:6}  {submission:36}  {form:16}  {status:12}  v{data['version']}"


def _tell(text: str, style: str | None = None) -> None:
    errors.print(text, style=style, markup=False, highlight=False)


def main() -> None:
    """Run the command line; an error that a person can put right becomes a message and exit code 1."""
    logging.basicConfig(format="%(message)s")
    logging.getLogger("tools.client").setLevel(logging.INFO)
    try:
        app()
    except UsageError as error:
        _tell(f"error: {error}", style="red")
        sys.exit(1)


if __name__ == "__main__":
    main()
