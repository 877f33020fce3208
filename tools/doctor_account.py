"""The checks of `python -m tools doctor --account`: what would stop the first `pulumi up` of a stack."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from .api_gateway_log_role import find_log_role, is_of_stack
from .aws_account import Caller, check_region
from .aws_errors import find
from .bootstrap_roles import build_deploy_policies
from .bootstrap_state import find_key, has_bucket, name_key_alias, name_state_bucket
from .console import UsageError, create_client
from .doctor_check import Check
from .doctor_rights import check_rights, find_principal
from .iam.facts import StackFacts
from .stack_file import StackFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RESERVATIONS: Final = ("authorize", "connect", "message", "broadcast", "persist")
"""Start of the name of each setting `…ReservedConcurrency`."""
MIN_UNRESERVED: Final = 100
"""Concurrent invocations that AWS keeps unreserved.
https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html"""
CONCURRENCY_QUOTA: Final = "L-B99A9384"
CONNECTIONS_QUOTA: Final = "L-9ED1E49A"
"""New WebSocket connections per second.
https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html"""
REQUESTS_QUOTA: Final = "L-8A5B8E43"
"""Requests per second to all APIs of the account in the region."""
BOOTSTRAP: Final = "run `python -m tools bootstrap`"


@dataclass(frozen=True, slots=True)
class AccountCheckup:
    """The checks of an account for one stack."""

    caller: Caller
    facts: StackFacts
    file: StackFile

    @classmethod
    def prepare(cls, stack: str) -> AccountCheckup:
        """Read the file of a stack, and ask AWS who the caller is.

        Raises:
            UsageError: The file has no region of AWS, or there are no credentials.
        """
        file = StackFile(stack)
        region = file.region
        if not region:
            raise UsageError(f"{file.path}: must have aws:region; {BOOTSTRAP}")
        check_region(f"{file.path}: aws:region", region)
        caller = Caller.identify(region)
        facts = StackFacts(
            partition=caller.partition,
            account=caller.account,
            region=region,
            project=file.project,
            stack=stack,
            state_bucket=name_state_bucket(caller.account, region),
            state_key_arn="",
            github_subject="",
        )
        return cls(caller, facts, file)

    def run(self) -> Iterator[Check]:
        """Yield the result of each check. A check that AWS refuses is a note, and the others go on."""
        checks: dict[str, Callable[[], Iterator[Check]]] = {
            "aws:region": self._check_region,
            "state bucket": self._check_bucket,
            "state key": self._check_key,
            "boundary": self._check_boundary,
            "rights": self._check_rights,
            "Lambda": self._check_lambda,
            "API Gateway": self._check_api_gateway,
            "apiGatewayLogRole": self._check_log_role,
            "dashboardSite": self._check_cloudfront,
            "mailSender": self._check_mail_sender,
        }
        for subject, check in checks.items():
            try:
                yield from check()
            except (BotoCoreError, ClientError) as error:
                yield Check.noted(subject, f"not checked: {error}")

    def _create_client(self, service: str) -> Any:
        return create_client(service, self.facts.region)

    def _check_region(self) -> Iterator[Check]:
        import boto3.session  # noqa: PLC0415

        region, default = self.facts.region, boto3.session.Session().region_name
        yield Check.passed("aws:region", f"{region} accepts the credentials")
        if default and default != region:
            yield Check.noted("aws:region", f"the AWS CLI uses {default}, unless you pass --region {region}")

    def _check_bucket(self) -> Iterator[Check]:
        name = self.facts.state_bucket
        if has_bucket(self._create_client("s3"), name, self.facts.account):
            yield Check.passed("state bucket", f"{name} exists")
        else:
            yield Check.failed("state bucket", f"{name} does not exist: {BOOTSTRAP}")

    def _check_key(self) -> Iterator[Check]:
        alias = name_key_alias(self.facts.stack)
        key = find_key(self._create_client("kms"), alias)
        if key is None:
            yield Check.failed("state key", f"{alias} does not exist: {BOOTSTRAP}")
        elif key["KeyState"] != "Enabled":
            yield Check.failed("state key", f"{alias} is {key['KeyState']}: enable the key {key['Arn']}")
        else:
            yield Check.passed("state key", f"{alias} is enabled")

    def _check_boundary(self) -> Iterator[Check]:
        arn = self.file.get("permissionsBoundaryArn")
        if not arn:
            yield Check.failed("boundary", f"{self.file.path} has no permissionsBoundaryArn: {BOOTSTRAP}")
        elif find(partial(self._create_client("iam").get_policy, PolicyArn=arn), "NoSuchEntity"):
            yield Check.passed("boundary", f"{arn} exists")
        else:
            yield Check.failed("boundary", f"{arn} does not exist: {BOOTSTRAP}")

    def _check_rights(self) -> Iterator[Check]:
        iam, name = self._create_client("iam"), self.facts.deploy_role_name
        key = find_key(self._create_client("kms"), name_key_alias(self.facts.stack))
        role = find(partial(iam.get_role, RoleName=name), "NoSuchEntity")
        if role is None:
            yield Check.failed("rights", f"the role {name} does not exist: {BOOTSTRAP}")
        if key is None:
            yield Check.noted("rights", "not checked: the state key does not exist")
            return
        facts = replace(self.facts, state_key_arn=key["Arn"])
        policies = build_deploy_policies(facts, creates_log_role=self.file.get("apiGatewayLogRole"))
        if role is not None:
            yield from check_rights(iam, f"the role {name}", role["Role"]["Arn"], policies)
        caller = find_principal(iam, self.caller.arn)
        if caller is None:
            yield Check.noted("rights", "the account's root user: not checked, because AWS cannot simulate it")
        elif role is None or caller != role["Role"]["Arn"]:
            yield from check_rights(iam, "the credentials", caller, policies)

    def _check_lambda(self) -> Iterator[Check]:
        client = self._create_client("lambda")
        limits = client.get_account_settings()["AccountLimit"]
        quota, own = limits["ConcurrentExecutions"], self._sum_reservations(client)
        # The settings replace what the stack reserves already.
        available = limits["UnreservedConcurrentExecutions"] + own
        reserved = sum(self.file.get(f"{name}ReservedConcurrency") for name in RESERVATIONS)
        raise_it = f"raise the quota {CONCURRENCY_QUOTA} of `lambda` in Service Quotas"
        figures = f"{quota} concurrent executions, {available} of them not reserved by others"
        if reserved and available - reserved < MIN_UNRESERVED:
            yield Check.failed(
                "Lambda",
                f"{figures}: the settings …ReservedConcurrency reserve {reserved}, and AWS keeps {MIN_UNRESERVED} "
                f"unreserved; reserve less, or {raise_it}",
            )
        elif quota < MIN_UNRESERVED:
            yield Check.noted("Lambda", f"{figures}: handshakes and broadcasts wait or fail under load; {raise_it}")
        else:
            yield Check.passed("Lambda", f"{figures}, of which the settings reserve {reserved}")

    def _sum_reservations(self, client: Any) -> int:
        """Return the concurrent executions that the stack's functions reserve. 0 before the first `pulumi up`."""
        pages = client.get_paginator("list_functions").paginate()
        names = [one["FunctionName"] for page in pages for one in page["Functions"]]
        answers = [
            client.get_function_concurrency(FunctionName=name) for name in names if name.startswith(self.facts.prefix)
        ]
        return sum(one.get("ReservedConcurrentExecutions", 0) for one in answers)

    def _check_api_gateway(self) -> Iterator[Check]:
        quotas = self._create_client("service-quotas")
        for setting, code, what in (
            ("postsPerSecond", REQUESTS_QUOTA, "requests per second"),
            ("tenantConnectsPerSecond", CONNECTIONS_QUOTA, "new connections per second"),
        ):
            value = self.file.get(setting)
            asked = {"ServiceCode": "apigateway", "QuotaCode": code}
            # Service Quotas does not know each quota of each account. The default applies then.
            found = find(partial(quotas.get_service_quota, **asked), "NoSuchResourceException")
            quota = int((found or quotas.get_aws_default_service_quota(**asked))["Quota"]["Value"])
            if value > quota:
                yield Check.failed(
                    setting,
                    f"{value} is more than the account's quota of {quota} {what}: lower it, or raise the quota {code} "
                    "of `apigateway` in Service Quotas",
                )
            else:
                yield Check.passed(setting, f"{value} of the account's quota of {quota} {what}")

    def _check_log_role(self) -> Iterator[Check]:
        creates, role = self.file.get("apiGatewayLogRole"), find_log_role(self._create_client("apigateway"))
        is_own = role is not None and is_of_stack(role, self.facts.project, self.facts.stack)
        if creates and role and not is_own:
            yield Check.failed(
                "apiGatewayLogRole",
                f"API Gateway has {role}, which other APIs of the account may need: "
                f"pulumi config set apiGatewayLogRole false --stack {self.facts.stack}, then {BOOTSTRAP} again",
            )
        elif not creates and not role:
            yield Check.failed(
                "apiGatewayLogRole",
                "API Gateway has no log role, and refuses a stage with an access log: "
                f"pulumi config set apiGatewayLogRole true --stack {self.facts.stack}, then {BOOTSTRAP} again",
            )
        else:
            yield Check.passed("apiGatewayLogRole", f"API Gateway has {role}" if role else "the stack creates the role")

    def _check_cloudfront(self) -> Iterator[Check]:
        if not self.file.get("dashboardSite"):
            return
        if self._create_client("cloudfront").list_distributions(MaxItems="1")["DistributionList"]["Quantity"]:
            yield Check.passed("dashboardSite", "the account has a CloudFront distribution, so CloudFront accepts it")
        else:
            yield Check.noted(
                "dashboardSite",
                "whether CloudFront accepts the account is not known until the first `pulumi up`; if it says that the "
                "account must be verified, write to AWS Support, and set dashboardSite to false until then",
            )

    def _check_mail_sender(self) -> Iterator[Check]:
        sender = self.file.get("mailSender")
        if not sender:
            return
        region, identity = sender.split(":")[3], sender.partition("/")[2]
        ses = create_client("sesv2", region)
        names = (identity, identity.partition("@")[2])
        found = [find(partial(ses.get_email_identity, EmailIdentity=one), "NotFoundException") for one in names]
        if not any(one and one["VerifiedForSendingStatus"] for one in found):
            yield Check.failed("mailSender", f"neither {names[0]} nor {names[1]} is verified in SES in {region}")
        else:
            yield Check.passed("mailSender", f"{identity} is verified in SES in {region}")
        if not ses.get_account()["ProductionAccessEnabled"]:
            yield Check.noted(
                "mailSender",
                f"SES in {region} is in the sandbox: it sends to verified addresses only",
            )
