"""`python -m tools doctor --account` as a person uses it, in an account in memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
import yaml

from tests.support.tools.account import ACCOUNT, Account, Refused, look
from tools.doctor_account import CONNECTIONS_QUOTA, REQUESTS_QUOTA
from tools.iam import deploy_role
from tools.iam.facts import StackFacts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Run = Callable[..., tuple[object, str, str]]
    Answer = Mapping[str, Any]

ROLE = f"arn:aws:iam::{ACCOUNT}:role/formbridge-deploy-dev"
ADMIN = f"arn:aws:iam::{ACCOUNT}:user/admin"
SENDER = f"arn:aws:ses:eu-west-1:{ACCOUNT}:identity/no-reply@example.com"


def refuse(*_: object) -> NoReturn:
    raise Refused("AccessDenied")


def always(answer: Answer) -> Callable[[str, Answer], Answer]:
    """Return a function that answers each call with the same."""
    return lambda _, params: answer


def limits(quota: int, unreserved: int | None = None) -> Answer:
    return {"AccountLimit": {"ConcurrentExecutions": quota, "UnreservedConcurrentExecutions": unreserved or quota}}


def allow(_: str, params: Answer) -> Answer:
    """Answer that IAM allows each action."""
    return {"EvaluationResults": [{"EvalActionName": one, "EvalDecision": "allowed"} for one in params["ActionNames"]]}


class Quotas:
    """The account's quotas of API Gateway."""

    def __init__(self) -> None:
        self.values = {REQUESTS_QUOTA: 10_000.0, CONNECTIONS_QUOTA: 500.0}

    def answer(self, _: str, params: Answer) -> Answer:
        if params["QuotaCode"] not in self.values:
            raise Refused("NoSuchResourceException")
        return {"Quota": {"Value": self.values[params["QuotaCode"]]}}


@pytest.fixture
def quotas() -> Quotas:
    return Quotas()


@pytest.fixture
def fresh(account: Account, quotas: Quotas) -> Account:
    """An account in which nothing would stop bootstrap."""
    account.answers |= {
        "GetAccountSettings": always(limits(1000)),
        "GetServiceQuota": quotas.answer,
        "SimulatePrincipalPolicy": allow,
        "GetCallerIdentity": always({"Account": ACCOUNT, "Arn": ADMIN}),
    }
    return account


@pytest.fixture
def ready(fresh: Account, run: Run) -> Account:
    """An account in which nothing would stop the first `up`."""
    assert run("bootstrap", "--stack", "dev", "--region", "eu-west-1", "--github", "acme/forms")[0] == 0
    return fresh


@pytest.fixture
def doctor(ready: Account, run: Run) -> Callable[[], list[str]]:
    """The lines of the command without those that passed, once its exit code fits them."""

    def doctor() -> list[str]:
        code, output, errors = run("doctor", "--account")
        first, *lines = output.splitlines()
        failures = [line for line in lines if line.startswith("FAIL")]
        assert first == f"account {ACCOUNT}, region eu-west-1, stack dev"
        assert (code, errors) == (
            (1, f"error: failed checks: {len(failures)}; docs/deploying.md says what to do\n") if failures else (0, "")
        )
        return [line for line in lines if not line.startswith("pass")]

    return doctor


def configure(**values: object) -> None:
    """Set settings of the stack."""
    file = Path("Pulumi.dev.yaml")
    document = yaml.safe_load(file.read_text())
    document["config"] |= {f"formbridge-realtime:{key}": value for key, value in values.items()}
    file.write_text(yaml.safe_dump(document))


def test_nothing_but_cloudfront_is_unknown_before_the_first_up(doctor: Callable[[], list[str]]) -> None:
    (note,) = doctor()
    assert note.startswith(
        "note  dashboardSite          whether CloudFront accepts the account is not known until the first `pulumi up`"
    )

    configure(dashboardSite=False)
    assert doctor() == []


def test_an_account_with_a_distribution_is_accepted(ready: Account, doctor: Callable[[], list[str]]) -> None:
    ready.answers["ListDistributions"] = always({"DistributionList": {"Quantity": 1}})
    assert doctor() == []


@pytest.mark.usefixtures("fresh")
def test_an_account_before_bootstrap(run: Run) -> None:
    code, output, _ = run("doctor", "--account")
    failed = [line[6:27].strip() for line in output.splitlines() if line.startswith("FAIL")]

    assert code == 1
    assert failed == ["state bucket", "state key", "boundary", "rights"]
    assert output.count("run `python -m tools bootstrap`") == 4


def test_what_bootstrap_made_is_gone(ready: Account, doctor: Callable[[], list[str]]) -> None:
    key = look("kms").describe_key(KeyId="alias/formbridge-state-dev")["KeyMetadata"]
    look("kms").disable_key(KeyId=key["KeyId"])
    look("iam").delete_policy(PolicyArn=f"arn:aws:iam::{ACCOUNT}:policy/formbridge-boundary-dev")

    assert doctor()[:2] == [
        f"FAIL  state key              alias/formbridge-state-dev is Disabled: enable the key {key['Arn']}",
        f"FAIL  boundary               arn:aws:iam::{ACCOUNT}:policy/formbridge-boundary-dev does not exist: "
        "run `python -m tools bootstrap`",
    ]


def test_the_rights_are_not_checked_without_the_state_key(ready: Account, doctor: Callable[[], list[str]]) -> None:
    asked: list[Answer] = []
    ready.answers["SimulatePrincipalPolicy"] = lambda region, params: asked.append(params) or allow(region, params)
    look("kms").delete_alias(AliasName="alias/formbridge-state-dev")

    assert doctor()[:2] == [
        "FAIL  state key              alias/formbridge-state-dev does not exist: run `python -m tools bootstrap`",
        "note  rights                 not checked: the state key does not exist",
    ]
    assert asked == []


def test_the_region_of_the_cli_differs(monkeypatch: pytest.MonkeyPatch, doctor: Callable[[], list[str]]) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    assert doctor()[0] == "note  aws:region             the AWS CLI uses us-east-1, unless you pass --region eu-west-1"


# --- Quotas ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "reserved", "line"),
    [
        (
            limits(10),
            0,
            "note  Lambda                 10 concurrent executions, 10 of them not reserved by others: handshakes",
        ),
        (
            limits(10),
            1,
            "FAIL  Lambda                 10 concurrent executions, 10 of them not reserved by others: the",
        ),
        (
            limits(1000, 120),
            21,
            "FAIL  Lambda                 1000 concurrent executions, 120 of them not reserved by others:",
        ),
        (limits(1000, 120), 20, ""),
    ],
)
def test_the_reservations_leave_a_hundred_executions(
    ready: Account, doctor: Callable[[], list[str]], answer: Answer, reserved: int, line: str
) -> None:
    ready.answers["GetAccountSettings"] = always(answer)
    configure(dashboardSite=False, connectReservedConcurrency=reserved)

    found = doctor()
    assert [one[: len(line)] for one in found] == ([line] if line else [])


@pytest.mark.parametrize(
    ("unreserved", "line"),
    [
        (100, None),
        (
            99,
            "FAIL  Lambda                 1000 concurrent executions, 119 of them not reserved by others: the settings",
        ),
    ],
)
def test_what_the_stack_reserves_already_is_not_counted_twice(
    ready: Account, doctor: Callable[[], list[str]], unreserved: int, line: str | None
) -> None:
    reserved = {
        "formbridge-realtime-dev-gateway-connect-1a2b3c4": {"ReservedConcurrentExecutions": 20},
        "formbridge-realtime-dev-gateway-message-1a2b3c4": {},
        "formbridge-realtime-prod-gateway-connect-1a2b3c4": {"ReservedConcurrentExecutions": 500},
    }
    ready.answers |= {
        "GetAccountSettings": always(limits(1000, unreserved)),
        "ListFunctions": always({"Functions": [{"FunctionName": name} for name in reserved]}),
        "GetFunctionConcurrency": lambda _, params: reserved[params["FunctionName"]],
    }
    configure(dashboardSite=False, connectReservedConcurrency=20)

    assert [one[: len(line or "")] for one in doctor()] == ([line] if line else [])


def test_a_quota_without_a_value_of_the_account_has_its_default(
    ready: Account, quotas: Quotas, doctor: Callable[[], list[str]]
) -> None:
    del quotas.values[CONNECTIONS_QUOTA]
    defaults = {CONNECTIONS_QUOTA: 49.0}
    ready.answers["GetAWSDefaultServiceQuota"] = lambda _, params: {"Quota": {"Value": defaults[params["QuotaCode"]]}}

    assert doctor()[0].startswith(
        "FAIL  tenantConnectsPerSecond  50 is more than the account's quota of 49 new connections per second"
    )


def test_the_rates_fit_the_accounts_quotas(quotas: Quotas, doctor: Callable[[], list[str]]) -> None:
    quotas.values |= {REQUESTS_QUOTA: 2500.0, CONNECTIONS_QUOTA: 49.0}
    posts, connects = doctor()[:2]

    assert posts.startswith(
        "FAIL  postsPerSecond         9000 is more than the account's quota of 2500 requests per second"
    )
    assert connects.startswith(
        "FAIL  tenantConnectsPerSecond  50 is more than the account's quota of 49 new connections per second"
    )


@pytest.mark.parametrize(
    ("call", "subject"),
    [("GetAccountSettings", "Lambda"), ("GetServiceQuota", "API Gateway"), ("GetPolicy", "boundary")],
)
def test_a_call_that_aws_refuses_is_a_note_and_the_others_go_on(
    ready: Account, doctor: Callable[[], list[str]], call: str, subject: str
) -> None:
    ready.answers[call] = refuse
    note, cloudfront = doctor()

    assert note.startswith(f"note  {subject:21}  not checked: An error occurred (AccessDenied) when calling the {call}")
    assert "CloudFront" in cloudfront


# --- API Gateway's log role -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "creates", "line"),
    [
        ("others", True, f"API Gateway has arn:aws:iam::{ACCOUNT}:role/others, which other APIs"),
        ("others", False, None),
        ("formbridge-realtime-dev-api-gateway-role-1a2b3c4", True, None),
        (None, False, "API Gateway has no log role, and refuses a stage with an access log"),
        (None, True, None),
    ],
)
def test_the_log_role(
    ready: Account, doctor: Callable[[], list[str]], role: str | None, creates: bool, line: str | None
) -> None:
    if role:
        ready.log_roles["eu-west-1"] = f"arn:aws:iam::{ACCOUNT}:role/{role}"
    configure(dashboardSite=False, apiGatewayLogRole=creates)
    found = doctor()

    assert [one[: len(line or "") + 29] for one in found] == ([f"FAIL  apiGatewayLogRole      {line}"] if line else [])
    # The rights of the deploy role depend on the setting.
    assert all(one.endswith(" --stack dev, then run `python -m tools bootstrap` again") for one in found)


# --- Mail -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("identity", ["no-reply@example.com", "example.com"])
def test_a_mail_sender_that_is_verified(ready: Account, doctor: Callable[[], list[str]], identity: str) -> None:
    def find(_: str, params: Answer) -> Answer:
        if params["EmailIdentity"] != identity:
            raise Refused("NotFoundException")
        return {"VerifiedForSendingStatus": True}

    ready.answers |= {"GetEmailIdentity": find}
    ready.answers["GetAccount"] = always({"ProductionAccessEnabled": True})
    configure(dashboardSite=False, mailSender=SENDER)
    assert doctor() == []

    ready.answers["GetAccount"] = always({"ProductionAccessEnabled": False})
    assert doctor() == [
        "note  mailSender             SES in eu-west-1 is in the sandbox: it sends to verified addresses only"
    ]


def test_a_mail_sender_that_is_not_verified(ready: Account, doctor: Callable[[], list[str]]) -> None:
    ready.answers["GetAccount"] = always({"ProductionAccessEnabled": True})
    configure(dashboardSite=False, mailSender=SENDER)

    assert doctor() == [
        "FAIL  mailSender             neither no-reply@example.com nor example.com is verified in SES in eu-west-1"
    ]


# --- Rights ---------------------------------------------------------------------------------------------------


def test_both_the_role_and_the_caller_are_checked_with_what_the_policies_allow(
    ready: Account, doctor: Callable[[], list[str]]
) -> None:
    asked: list[Answer] = []
    ready.answers["SimulatePrincipalPolicy"] = lambda region, params: asked.append(params) or allow(region, params)
    doctor()
    key = look("kms").describe_key(KeyId="alias/formbridge-state-dev")["KeyMetadata"]["Arn"]
    bucket = f"formbridge-state-{ACCOUNT}-eu-west-1"
    facts = StackFacts("aws", ACCOUNT, "eu-west-1", "formbridge-realtime", "dev", bucket, key, "")
    documents = deploy_role.build_policies(facts).values()
    statements = [one for document in documents for one in document["Statement"] if one["Effect"] == "Allow"]

    assert [one["PolicySourceArn"] for one in asked] == [ROLE] * len(statements) + [ADMIN] * len(statements)
    assert [one["ActionNames"] for one in asked] == [one["Action"] for one in statements] * 2
    listing = next(one for one in asked if one["ActionNames"] == ["s3:ListBucket"])
    assert listing["ResourceArns"] == [f"arn:aws:s3:::{bucket}"]


def test_a_session_is_checked_as_its_role(ready: Account, run: Run) -> None:
    asked: set[str] = set()

    def note(region: str, params: Answer) -> Answer:
        asked.add(params["PolicySourceArn"])
        return allow(region, params)

    look("iam").create_role(RoleName="Admin", Path="/aws-reserved/", AssumeRolePolicyDocument="{}")
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/Admin/me"
    ready.answers |= {
        "GetCallerIdentity": always({"Account": ACCOUNT, "Arn": session}),
        "SimulatePrincipalPolicy": note,
    }
    run("doctor", "--account")

    assert asked == {ROLE, f"arn:aws:iam::{ACCOUNT}:role/aws-reserved/Admin"}


def test_the_root_user_is_not_checked(ready: Account, doctor: Callable[[], list[str]]) -> None:
    ready.answers["GetCallerIdentity"] = always({"Account": ACCOUNT, "Arn": f"arn:aws:iam::{ACCOUNT}:root"})
    assert doctor()[0] == (
        "note  rights                 the account's root user: not checked, because AWS cannot simulate it"
    )


def test_actions_that_are_denied_are_named_with_who_denies_them(
    ready: Account, doctor: Callable[[], list[str]]
) -> None:
    def deny(region: str, params: Answer) -> Answer:
        results = allow(region, params)["EvaluationResults"]
        for one in results:
            if params["PolicySourceArn"] == ROLE and one["EvalActionName"] == "kms:Decrypt":
                one |= {
                    "EvalDecision": "explicitDeny",
                    "OrganizationsDecisionDetail": {"AllowedByOrganizations": False},
                }
        return {"EvaluationResults": results}

    ready.answers["SimulatePrincipalPolicy"] = deny
    found = doctor()[0]

    assert found.startswith("FAIL  rights                 the role formbridge-deploy-dev: 1 of ")
    assert found.endswith(" actions are denied: kms:Decrypt; the organization denies some")


def test_a_caller_who_may_not_simulate(ready: Account, doctor: Callable[[], list[str]]) -> None:
    ready.answers["SimulatePrincipalPolicy"] = refuse
    assert doctor()[:2] == [
        "note  rights                 the role formbridge-deploy-dev: not checked, because the credentials lack "
        "iam:SimulatePrincipalPolicy",
        "note  rights                 the credentials: not checked, because the credentials lack "
        "iam:SimulatePrincipalPolicy",
    ]


# --- Options --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ((), "--outputs, --account or --state: exactly one of them must be given"),
        (("--account", "--outputs", "-"), "--outputs, --account or --state: exactly one of them must be given"),
        (("--account", "--state", "-"), "--outputs, --account or --state: exactly one of them must be given"),
        (("--account", "--token", "-"), "--token: must be given with --outputs"),
        (("--account", "--stack", "other"), "Pulumi.other.yaml: must have aws:region; run `python -m tools bootstrap`"),
    ],
)
@pytest.mark.usefixtures("account")
def test_options_that_do_not_fit(run: Run, words: tuple[str, ...], error: str) -> None:
    assert run("doctor", *words) == (1, "", f"error: {error}\n")
