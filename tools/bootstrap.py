"""The command that makes an account and a repository ready for a stack: `bootstrap`."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Final

import typer

from stack_name import STACK_NAME_RULE, is_stack_name

from .aws_account import Caller, check_region
from .console import UsageError, create_client, interruptible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .bootstrap_change import Change
    from .iam.facts import StackFacts
    from .stack_file import StackFile

GITHUB: Final = re.compile(r"[A-Za-z0-9-]+/[\w.-]+|[A-Za-z0-9-]+@\d+/[\w.-]+@\d+", re.ASCII)
"""A repository of GitHub, without or with the ids of its owner and of itself."""
DEFAULT_STACK: Final = "dev"
"""The stack of pushes and pull requests (deploy.yml, preview.yml). Its variables are those of the repository, because
GitHub decides by them whether a job is skipped."""
PYTHON: Final = ".venv/bin/python"
VERB_WIDTH: Final = len("create")
UNKNOWN_KEY: Final = "not-created-yet"
"""Stands for the id of a key that a dry run does not create."""


def bootstrap(
    stack: Annotated[str, typer.Option(help="Name of the stack, for example dev.")],
    region: Annotated[str, typer.Option(help="Region of the stack, for example eu-west-1.")],
    github: Annotated[
        str,
        typer.Option(
            metavar="ORG/REPO",
            help="Repository whose workflows deploy the stack. ORG@ORG_ID/REPO@REPO_ID for a repository that was "
            "created or renamed since 15 July 2026, or opted in.",
        ),
    ],
    account: Annotated[
        str | None, typer.Option(help="The account's 12 digits. Stop if the credentials belong to another.")
    ] = None,
    previews: Annotated[
        bool,
        typer.Option(
            "--previews",
            help=f"Also create the role with which pull requests preview the stack. Only for {DEFAULT_STACK}.",
        ),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what would be done.")] = False,
) -> None:
    """Create what a stack needs before its first `pulumi up`.

    That is a bucket and a key for the state, GitHub's identity provider, the roles with their policies, the permissions
    boundary, and the settings in Pulumi.STACK.yaml. The command changes only what differs, so it can be repeated, and
    continues after an interruption.

    boto3 finds the credentials as usual. They need administrator rights.
    """
    from .stack_file import StackFile  # noqa: PLC0415

    check_options(stack, github, previews=previews)
    check_region("--region", region)
    file = StackFile(stack)
    caller = Caller.identify(region)
    check_account(account, caller, file, region)
    facts = build_facts(caller, file, stack, region, github)
    typer.echo(f"account {caller.account}, region {region}, stack {stack}")
    with interruptible():
        try:
            changes = make(plan(facts, file, previews=previews), dry_run=dry_run)
        except KeyboardInterrupt:
            raise UsageError("interrupted; run the command again to continue") from None
    if dry_run:
        typer.echo(f"changes to make: {changes}; nothing was changed")
    else:
        typer.echo(f"changes: {changes}" if changes else "nothing was changed")
    typer.echo("\n".join(describe_next(facts, github, previews=previews)))


def check_options(stack: str, github: str, *, previews: bool) -> None:
    """Check the options that need no AWS.

    Raises:
        UsageError: An option is not allowed.
    """
    if not is_stack_name(stack):
        raise UsageError(f"--stack: {STACK_NAME_RULE}, got {stack!r}")
    if not GITHUB.fullmatch(github):
        raise UsageError(f"--github: must be ORG/REPO or ORG@ORG_ID/REPO@REPO_ID, got {github!r}")
    # No workflow would use the role, but any job of the environment for previews could assume it.
    if previews and stack != DEFAULT_STACK:
        raise UsageError(
            f"--previews: must be given for the stack {DEFAULT_STACK} only, because pull requests preview no other, "
            f"got the stack {stack!r}"
        )


def check_account(account: str | None, caller: Caller, file: StackFile, region: str) -> None:
    """Check the account, and that a stack that exists stays in its account and region.

    Raises:
        UsageError: The account is not the expected one, or the file belongs to a stack elsewhere.
    """
    if account is not None and account != caller.account:
        raise UsageError(f"--account: must be the account of the credentials, {caller.account}, got {account!r}")
    boundary = str(file.get("permissionsBoundaryArn") or "")
    if not (file.is_initialized and boundary):
        return
    found = (boundary.split(":")[4], file.region)
    if found != (caller.account, region):
        raise UsageError(
            f"{file.path}: belongs to a stack in {found[1]} of the account {found[0]}, got {region} of the account "
            f"{caller.account}; a new stack needs a file without encryptedkey and secretsprovider"
        )


def build_facts(caller: Caller, file: StackFile, stack: str, region: str, github: str) -> StackFacts:
    """Return the facts about the stack. The key is not known yet."""
    from .bootstrap_state import name_state_bucket  # noqa: PLC0415
    from .iam.facts import StackFacts  # noqa: PLC0415

    return StackFacts(
        partition=caller.partition,
        account=caller.account,
        region=region,
        project=file.project,
        stack=stack,
        state_bucket=name_state_bucket(caller.account, region),
        state_key_arn=f"arn:{caller.partition}:kms:{region}:{caller.account}:key/{UNKNOWN_KEY}",
        github_subject=f"repo:{github}",
    )


def plan(facts: StackFacts, file: StackFile, *, previews: bool) -> Iterator[Change]:
    """Yield each change. The next one is only known after the one before was made, except in a dry run.

    Raises:
        UsageError: AWS refuses to say what exists, or it belongs to someone else or to another stack.
    """
    from . import bootstrap_roles, bootstrap_state  # noqa: PLC0415
    from .bootstrap_settings import ensure_settings, find_foreign_log_role  # noqa: PLC0415
    from .iam import boundary, deploy_role, preview_role  # noqa: PLC0415

    kms, iam = create_client("kms", facts.region), create_client("iam", facts.region)
    bootstrap_roles.check_boundary(iam, facts)
    yield from bootstrap_state.ensure_bucket(create_client("s3", facts.region), facts)
    yield from bootstrap_state.ensure_key(kms, facts)
    if key := bootstrap_state.find_key(kms, bootstrap_state.name_key_alias(facts.stack)):
        facts = replace(facts, state_key_arn=key["Arn"])
    yield from bootstrap_roles.ensure_github_provider(iam, facts)
    foreign_log_role = find_foreign_log_role(create_client("apigateway", facts.region), facts)
    creates_log_role = bool(file.get("apiGatewayLogRole")) and foreign_log_role is None
    document = boundary.build_policy(facts, creates_log_role=creates_log_role)
    yield from bootstrap_roles.ensure_policy(iam, facts, facts.boundary_name, document)
    policies = bootstrap_roles.build_deploy_policies(facts, creates_log_role=creates_log_role)
    trust = deploy_role.build_trust_policy(facts)
    yield from bootstrap_roles.ensure_role(iam, facts, facts.deploy_role_name, trust, policies)
    if previews:
        trust, policies = preview_role.build_trust_policy(facts), preview_role.build_policies(facts)
        yield from bootstrap_roles.ensure_role(iam, facts, facts.preview_role_name, trust, policies)
    yield from ensure_settings(facts, file, foreign_log_role)


def make(changes: Iterator[Change], *, dry_run: bool) -> int:
    """Make each change and print it afterwards. Return their number."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    count, what = 0, ""
    try:
        for change in changes:
            what = f"{change.verb} {change.what}: "
            if change.apply is not None:
                count += 1
                if not dry_run:
                    change.apply()
            typer.echo(f"{change.verb:{VERB_WIDTH}}  {change.what}")
            what = ""  # an error of the next line names the call of AWS that looks
    except (BotoCoreError, ClientError) as error:
        raise UsageError(f"{what}{error}") from error
    return count


def describe_next(facts: StackFacts, github: str, *, previews: bool) -> Iterator[str]:
    """Yield the variables to set in GitHub, as commands, and the commands that follow."""
    repository = re.sub(r"@\d+", "", github)
    roles = f"arn:{facts.partition}:iam::{facts.account}:role"
    variables = {
        "PULUMI_BACKEND_URL": facts.backend_url,
        "AWS_DEPLOY_ROLE_ARN": f"{roles}/{facts.deploy_role_name}",
    }
    if previews:
        variables["AWS_PREVIEW_ROLE_ARN"] = f"{roles}/{facts.preview_role_name}"
    environment = "" if facts.stack == DEFAULT_STACK else f" --env {facts.stack}"
    yield "\nvariables in GitHub:"
    for name, value in variables.items():
        yield f"gh variable set {name} --repo {repository}{environment} --body '{value}'"
    yield "\nnext commands:"
    yield f"pulumi login '{facts.backend_url}'"
    yield f"pulumi stack init {facts.stack} --secrets-provider '{build_secrets_provider(facts)}'"
    yield f"git add Pulumi.{facts.stack}.yaml && git commit -m '{facts.stack}: region, boundary and key'"
    yield f"{PYTHON} -m tools doctor --account --stack {facts.stack}"


def build_secrets_provider(facts: StackFacts) -> str:
    """Return the URL of the stack's key, for `pulumi stack init --secrets-provider`."""
    from .bootstrap_state import name_key_alias  # noqa: PLC0415

    return f"awskms://{name_key_alias(facts.stack)}?region={facts.region}"
