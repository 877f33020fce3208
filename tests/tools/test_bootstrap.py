"""`python -m tools bootstrap` as a person uses it, in an account in memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
import yaml

from tests.support.tools.account import ACCOUNT, Account, Refused, look
from tools.bootstrap_state import KEY_TAG, PUBLIC_ACCESS_BLOCK
from tools.iam import boundary, deploy_role, preview_role
from tools.iam.facts import StackFacts

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[..., tuple[object, str, str]]

SUBJECT = "acme@1/forms@2"
STACK_RULE = "--stack: must be at most 9 lower-case letters and digits that begin with a letter, and not 'preview'"
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/formbridge-boundary-dev"
OTHER = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}})
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"


@pytest.fixture
def bootstrap(account: Account, run: Run) -> Run:
    """The command for a stack in eu-west-1."""

    def bootstrap(*words: str, stack: str = "dev", region: str = "eu-west-1") -> tuple[object, str, str]:
        return run("bootstrap", "--stack", stack, "--region", region, "--github", SUBJECT, *words)

    return bootstrap


def lines(output: str) -> list[tuple[str, str]]:
    """Return verb and object of each line about a change."""
    table = output.partition("\nchanges")[0].partition("\nnothing")[0].splitlines()[1:]
    return [(verb, what.strip()) for verb, _, what in (line.partition(" ") for line in table)]


def verbs(output: str) -> set[str]:
    return {verb for verb, _ in lines(output)}


def facts(region: str = "eu-west-1", stack: str = "dev") -> StackFacts:
    """Return what the command finds out about a stack."""
    key = look("kms", region).describe_key(KeyId=f"alias/formbridge-state-{stack}")["KeyMetadata"]
    bucket = f"formbridge-state-{ACCOUNT}-{region}"
    return StackFacts("aws", ACCOUNT, region, "formbridge-realtime", stack, bucket, key["Arn"], f"repo:{SUBJECT}")


def policy(name: str) -> Any:
    arn = f"arn:aws:iam::{ACCOUNT}:policy/{name}"
    version = look("iam").get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    return look("iam").get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]


def attached(role: str) -> set[str]:
    policies = look("iam").list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    return {one["PolicyName"] for one in policies}


def settings(stack: str = "dev") -> dict[str, Any]:
    return yaml.safe_load(Path(f"Pulumi.{stack}.yaml").read_text())["config"]


# --- What it creates ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("region", "location"), [("eu-west-1", "eu-west-1"), ("us-east-1", None)])
def test_the_state_has_a_bucket_and_a_key(bootstrap: Run, region: str, location: str | None) -> None:
    assert bootstrap(region=region)[0] == 0

    s3, name = look("s3", region), f"formbridge-state-{ACCOUNT}-{region}"
    assert s3.get_bucket_location(Bucket=name)["LocationConstraint"] == location
    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    assert s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"] == PUBLIC_ACCESS_BLOCK
    (statement,) = json.loads(s3.get_bucket_policy(Bucket=name)["Policy"])["Statement"]
    assert (statement["Effect"], statement["Action"]) == ("Deny", "s3:*")
    assert statement["Resource"] == [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"]
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert look("kms", region).describe_key(KeyId="alias/formbridge-state-dev")["KeyMetadata"]["Enabled"]


def test_github_may_assume_the_roles_with_the_documents(bootstrap: Run) -> None:
    assert bootstrap("--previews")[0] == 0

    provider = look("iam").get_open_id_connect_provider(OpenIDConnectProviderArn=PROVIDER)
    assert provider["ClientIDList"] == ["sts.amazonaws.com"]
    assert policy("formbridge-boundary-dev") == boundary.build_policy(facts(), creates_log_role=True)
    for name, role in (("formbridge-deploy-dev", deploy_role), ("formbridge-preview-dev", preview_role)):
        found = look("iam").get_role(RoleName=name)["Role"]
        assert found["AssumeRolePolicyDocument"] == role.build_trust_policy(facts())
        expected = {f"{name}-{part}": document for part, document in role.build_policies(facts()).items()}
        assert attached(name) == set(expected)
        assert {one: policy(one) for one in expected} == expected


def test_no_role_for_previews_exists_unless_asked(bootstrap: Run) -> None:
    assert bootstrap()[0] == 0
    assert [one["RoleName"] for one in look("iam").list_roles()["Roles"]] == ["formbridge-deploy-dev"]


def test_the_stacks_file_gets_the_settings_and_keeps_the_others(bootstrap: Run) -> None:
    before = settings("prod")
    code, output, _ = bootstrap(stack="prod")

    assert code == 0
    assert settings("prod") == before | {
        "aws:region": "eu-west-1",
        "formbridge-realtime:permissionsBoundaryArn": BOUNDARY.replace("dev", "prod"),
    }
    assert ("update", "Pulumi.prod.yaml: aws:region: eu-west-1 (was us-east-1)") in lines(output)


@pytest.mark.parametrize(
    ("role", "creates"),
    [
        (f"arn:aws:iam::{ACCOUNT}:role/others", False),
        (f"arn:aws:iam::{ACCOUNT}:role/formbridge-realtime-prod-api-gateway-role-1a2b3c4", False),
        (f"arn:aws:iam::{ACCOUNT}:role/formbridge-realtime-dev-gateway-role-1a2b3c4", False),
        (f"arn:aws:iam::{ACCOUNT}:role/formbridge-realtime-dev-api-gateway-role-1a2b3c4", None),
        (None, None),
    ],
)
def test_a_log_role_of_someone_else_is_not_replaced(
    account: Account, bootstrap: Run, role: str | None, creates: bool | None
) -> None:
    if role:
        account.log_roles["eu-west-1"] = role
    code, output, _ = bootstrap()

    assert code == 0
    assert settings().get("formbridge-realtime:apiGatewayLogRole") is creates
    assert ("formbridge-deploy-dev-account" in attached("formbridge-deploy-dev")) is (creates is None)
    assert (f"apiGatewayLogRole: false, because API Gateway has the log role {role}" in output) is (creates is False)
    assert verbs(bootstrap()[1]) == {"keep"}


def test_two_stacks_share_bucket_and_provider_and_nothing_else(bootstrap: Run) -> None:
    bootstrap()
    code, output, _ = bootstrap(stack="prod")

    assert code == 0
    kept = [what for verb, what in lines(output) if verb == "keep"]
    assert kept[0] == f"state bucket formbridge-state-{ACCOUNT}-eu-west-1"
    assert kept[-1] == "identity provider token.actions.githubusercontent.com"
    assert not [what for what in kept if "dev" in what]
    assert facts(stack="prod").state_key_arn != facts(stack="dev").state_key_arn


def test_it_says_what_to_do_next(bootstrap: Run) -> None:
    _, output, _ = bootstrap("--previews")

    backend = f"s3://formbridge-state-{ACCOUNT}-eu-west-1/dev?region=eu-west-1"
    role = f"arn:aws:iam::{ACCOUNT}:role/formbridge"
    assert output[output.index("variables in GitHub") :].splitlines() == [
        "variables in GitHub:",
        f"gh variable set PULUMI_BACKEND_URL --repo acme/forms --body '{backend}'",
        f"gh variable set AWS_DEPLOY_ROLE_ARN --repo acme/forms --body '{role}-deploy-dev'",
        f"gh variable set AWS_PREVIEW_ROLE_ARN --repo acme/forms --body '{role}-preview-dev'",
        "",
        "next commands:",
        f"pulumi login '{backend}'",
        "pulumi stack init dev --secrets-provider 'awskms://alias/formbridge-state-dev?region=eu-west-1'",
        "git add Pulumi.dev.yaml && git commit -m 'dev: region, boundary and key'",
        ".venv/bin/python -m tools doctor --account --stack dev",
    ]


def test_the_variables_of_other_stacks_are_those_of_their_environments(bootstrap: Run) -> None:
    _, output, _ = bootstrap(stack="prod")
    variables = [line for line in output.splitlines() if line.startswith("gh variable set")]

    assert len(variables) == 2
    assert all(" --env prod " in line for line in variables)


# --- Again, interrupted, differently --------------------------------------------------------------------------


def test_a_dry_run_prints_the_lines_of_the_run_and_changes_nothing(account: Account, bootstrap: Run) -> None:
    texts = {path: path.read_text() for path in Path().iterdir()}
    code, tried, _ = bootstrap("--dry-run", "--previews")

    assert code == 0
    assert account.changes == []
    assert {path: path.read_text() for path in Path().iterdir()} == texts
    done = bootstrap("--previews")[1]
    assert lines(tried) == lines(done)
    assert "keep" not in verbs(done)
    assert f"changes to make: {len(lines(done))}; nothing was changed\n" in tried
    assert f"\nchanges: {len(lines(done))}\n" in done


def test_a_second_run_changes_nothing_and_says_so(account: Account, bootstrap: Run) -> None:
    bootstrap("--previews")
    account.changes.clear()
    text = Path("Pulumi.dev.yaml").read_text()
    code, output, _ = bootstrap("--previews")

    assert code == 0
    assert verbs(output) == {"keep"}
    assert "\nnothing was changed\n" in output
    assert account.changes == []
    assert Path("Pulumi.dev.yaml").read_text() == text


INTERRUPTIONS = (
    *("CreateBucket", "PutBucketVersioning", "PutPublicAccessBlock", "PutBucketPolicy", "CreateKey", "CreateAlias"),
    *("CreateOpenIDConnectProvider", "CreatePolicy", "CreateRole", "AttachRolePolicy"),
)


@pytest.mark.parametrize("call", INTERRUPTIONS)
def test_a_run_that_is_interrupted_is_continued_by_the_next(account: Account, bootstrap: Run, call: str) -> None:
    account.interrupt_before = call
    code, _, errors = bootstrap()
    assert (code, errors) == (1, "error: interrupted; run the command again to continue\n")

    assert bootstrap()[0] == 0

    assert verbs(bootstrap()[1]) == {"keep"}
    assert len([one for one in account.changes if one == "CreateKey"]) == 1
    assert attached("formbridge-deploy-dev") == {
        f"formbridge-deploy-dev-{name}" for name in deploy_role.build_policies(facts())
    }


def test_the_interruptions_are_all_calls_that_change_something(account: Account, bootstrap: Run) -> None:
    bootstrap()
    assert set(account.changes) == set(INTERRUPTIONS)


def test_a_role_has_exactly_the_policies_of_the_documents(bootstrap: Run) -> None:
    bootstrap()
    iam, role = look("iam"), "formbridge-deploy-dev"
    trust = json.dumps(preview_role.build_trust_policy(facts()))
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=trust)
    iam.put_role_policy(RoleName=role, PolicyName="deploy", PolicyDocument=OTHER)
    added = iam.create_policy(PolicyName="mine", PolicyDocument=OTHER)
    iam.attach_role_policy(RoleName=role, PolicyArn=added["Policy"]["Arn"])
    code, output, _ = bootstrap()

    assert code == 0
    assert [line for line in lines(output) if line[0] != "keep"] == [
        ("update", "role formbridge-deploy-dev"),
        ("detach", "role formbridge-deploy-dev: policy mine"),
        ("delete", "role formbridge-deploy-dev: inline policy deploy"),
    ]
    assert iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"] == deploy_role.build_trust_policy(facts())
    assert "mine" not in attached(role)
    assert iam.list_role_policies(RoleName=role)["PolicyNames"] == []


def test_a_policy_with_another_content_gets_a_version_and_the_oldest_goes(bootstrap: Run) -> None:
    bootstrap()
    for number in range(5):
        versions = look("iam").list_policy_versions(PolicyArn=BOUNDARY)["Versions"]
        if len(versions) == 5:
            look("iam").delete_policy_version(PolicyArn=BOUNDARY, VersionId=f"v{number}")
        document = OTHER.replace("*", f"s3:{number}", 1)
        look("iam").create_policy_version(PolicyArn=BOUNDARY, PolicyDocument=document, SetAsDefault=True)
    before = {one["VersionId"] for one in look("iam").list_policy_versions(PolicyArn=BOUNDARY)["Versions"]}
    code, output, _ = bootstrap()

    assert code == 0
    assert [line for line in lines(output) if line[0] != "keep"] == [("update", "policy formbridge-boundary-dev")]
    assert policy("formbridge-boundary-dev") == boundary.build_policy(facts(), creates_log_role=True)
    after = {one["VersionId"] for one in look("iam").list_policy_versions(PolicyArn=BOUNDARY)["Versions"]}
    assert len(after) == 5
    assert before - after == {min(before, key=lambda one: int(one[1:]))}


def test_other_statements_of_the_buckets_policy_stay(bootstrap: Run) -> None:
    bootstrap()
    s3, name = look("s3"), f"formbridge-state-{ACCOUNT}-eu-west-1"
    other = {
        "Sid": "Other",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:DeleteBucket",
        "Resource": f"arn:aws:s3:::{name}",
    }
    s3.put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": [other]}))
    _, output, _ = bootstrap()

    assert ("update", "state bucket: policy that refuses requests without TLS") in lines(output)
    statements = json.loads(s3.get_bucket_policy(Bucket=name)["Policy"])["Statement"]
    assert [one["Sid"] for one in statements] == ["Other", "DenyInsecureTransport"]


def test_a_provider_without_the_audience_gets_it(account: Account, bootstrap: Run) -> None:
    look("iam").create_open_id_connect_provider(
        Url="https://token.actions.githubusercontent.com", ClientIDList=["https://github.com/acme"]
    )
    added: list[object] = []
    account.answers["AddClientIDToOpenIDConnectProvider"] = lambda _, params: added.append(params) or {}
    bootstrap()

    assert added == [{"OpenIDConnectProviderArn": PROVIDER, "ClientID": "sts.amazonaws.com"}]


def test_a_key_of_another_stack_is_not_taken(bootstrap: Run) -> None:
    other = look("kms").create_key(Tags=[{"TagKey": KEY_TAG, "TagValue": "prod"}])["KeyMetadata"]["Arn"]
    bootstrap()
    assert facts().state_key_arn != other


# --- Errors ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (
            ("--stack", "Dev"),
            f"{STACK_RULE}, got 'Dev'",
        ),
        (
            ("--stack", "preview"),
            f"{STACK_RULE}, got 'preview'",
        ),
        (
            ("--region", "eu-wset-1"),
            "--region: must be a region of AWS, of which eu-west-1 is the nearest, got 'eu-wset-1'",
        ),
        (("--github", "acme"), "--github: must be ORG/REPO or ORG@ORG_ID/REPO@REPO_ID, got 'acme'"),
        (("--github", "acme@1/forms"), "--github: must be ORG/REPO or ORG@ORG_ID/REPO@REPO_ID, got 'acme@1/forms'"),
        (("--github", "acme/*"), "--github: must be ORG/REPO or ORG@ORG_ID/REPO@REPO_ID, got 'acme/*'"),
        (
            ("--stack", "prod", "--previews"),
            "--previews: must be given for the stack dev only, because pull requests preview no other, got the stack "
            "'prod'",
        ),
        (("--account", "1"), f"--account: must be the account of the credentials, {ACCOUNT}, got '1'"),
    ],
)
def test_a_wrong_option_is_one_line(account: Account, bootstrap: Run, words: tuple[str, ...], error: str) -> None:
    assert bootstrap(*words) == (1, "", f"error: {error}\n")
    assert account.changes == []


def test_credentials_are_needed(monkeypatch: pytest.MonkeyPatch, bootstrap: Run) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    assert bootstrap() == (1, "", "error: AWS credentials in eu-west-1: Unable to locate credentials\n")


def test_a_region_that_the_account_has_not_enabled(account: Account, bootstrap: Run) -> None:
    def refuse(*_: object) -> NoReturn:
        raise Refused("InvalidClientTokenId")

    account.answers["GetCallerIdentity"] = refuse
    code, _, errors = bootstrap(region="eu-south-1")

    assert code == 1
    assert errors.startswith("error: AWS credentials in eu-south-1: An error occurred (InvalidClientTokenId)")
    assert errors.count("\n") == 1


def test_a_bucket_of_someone_else(account: Account, bootstrap: Run) -> None:
    def refuse(*_: object) -> NoReturn:
        raise Refused("403")

    account.answers["HeadBucket"] = refuse
    name = f"formbridge-state-{ACCOUNT}-eu-west-1"

    assert bootstrap()[::2] == (
        1,
        f"error: state bucket {name}: must belong to the account {ACCOUNT}, and the credentials must allow "
        "s3:ListBucket\n",
    )
    assert account.changes == []


def test_a_key_that_waits_for_its_deletion(bootstrap: Run) -> None:
    bootstrap()
    key = facts().state_key_arn
    look("kms").schedule_key_deletion(KeyId=key.rpartition("/")[2])

    assert bootstrap()[::2] == (
        1,
        f"error: KMS key alias/formbridge-state-dev: must be enabled, is PendingDeletion: {key}\n",
    )


def test_a_change_that_aws_refuses_is_named(account: Account, bootstrap: Run) -> None:
    def refuse(*_: object) -> NoReturn:
        raise Refused("AccessDenied")

    account.answers["CreateRole"] = refuse
    code, output, errors = bootstrap()

    assert code == 1
    assert errors == (
        "error: create role formbridge-deploy-dev: An error occurred (AccessDenied) when calling the CreateRole "
        "operation: refused\n"
    )
    assert output.splitlines()[-1].startswith("create  policy formbridge-deploy-dev-")


def test_a_stack_that_exists_stays_in_its_region_and_its_account(account: Account, bootstrap: Run) -> None:
    bootstrap()
    file = Path("Pulumi.dev.yaml")
    file.write_text(f"encryptedkey: abc\n{file.read_text()}")
    account.changes.clear()
    hint = "; a new stack needs a file without encryptedkey and secretsprovider\n"
    start = "error: Pulumi.dev.yaml: belongs to a stack in eu-west-1 of the account"

    assert bootstrap(region="us-east-1") == (
        1,
        "",
        f"{start} {ACCOUNT}, got us-east-1 of the account {ACCOUNT}{hint}",
    )
    file.write_text(file.read_text().replace(ACCOUNT, "999999999999"))
    assert bootstrap() == (1, "", f"{start} 999999999999, got eu-west-1 of the account {ACCOUNT}{hint}")
    assert account.changes == []


@pytest.mark.parametrize("words", [(), ("--dry-run",)])
@pytest.mark.parametrize(("project", "region"), [("formbridge-realtime", "us-east-1"), ("forms", "eu-west-1")])
def test_the_roles_of_another_stack_of_the_same_name_stay(
    account: Account, bootstrap: Run, words: tuple[str, ...], project: str, region: str
) -> None:
    bootstrap()
    account.changes.clear()
    file = Path("Pulumi.yaml")
    file.write_text(file.read_text().replace("name: formbridge-realtime\n", f"name: {project}\n", 1))
    Path("Pulumi.dev.yaml").unlink()

    assert bootstrap(*words, region=region)[::2] == (
        1,
        "error: --stack: 'dev' must be a name that no other stack of the account has, but the policy "
        f"formbridge-boundary-dev belongs to the project formbridge-realtime in eu-west-1, got {project} in {region}; "
        "choose another name, or delete this policy if that stack does not exist\n",
    )
    assert account.changes == []


def test_a_stack_that_does_not_exist_yet_can_move_once_its_boundary_is_deleted(bootstrap: Run) -> None:
    bootstrap()
    look("iam").delete_policy(PolicyArn=BOUNDARY)
    code, output, _ = bootstrap(region="us-east-1")

    assert code == 0
    assert settings()["aws:region"] == "us-east-1"
    assert ("create", "policy formbridge-boundary-dev") in lines(output)


def test_another_folder_is_refused(bootstrap: Run) -> None:
    Path("Pulumi.yaml").unlink()
    assert bootstrap() == (
        1,
        "",
        "error: Pulumi.yaml: not found; run this command in the folder of the Pulumi project\n",
    )
