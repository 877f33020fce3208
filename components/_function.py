"""A Lambda function that runs one of the handlers, with its own role and its own log group."""

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_aws as aws

from ._iam import Statement, build_policy, build_trust_policy
from ._packaging import DEFAULT_PACKAGE_FOR, build_handler_archive
from ._tags import Tags

RUNTIME = "python3.13"
ARCHITECTURE = "arm64"
DEFAULT_LOG_RETENTION_DAYS = 14


class HandlerFunction(pulumi.ComponentResource):
    """A Lambda function that runs one of the handlers.

    The role of the function allows only two things: to write the function's own logs, and what `statements` allow.

    Args:
        name: Name of the component.
        entry_point: Name of a module in `handlers/`. Lambda calls the function `handler` of this module.
        environment: Environment variables.
        statements: Permissions of the role, in addition to the permission to write the function's own logs.
        package_for: Machine that runs the Lambda: `lambda`, or `host` for an emulator on this machine.
        requirements: Names of the sets of dependencies that the archive contains. `REQUIREMENTS` lists all names.
        timeout_seconds: Timeout of one invocation in seconds.
        memory_mb: Memory in MB.
        log_retention_days: Days for which CloudWatch keeps the logs.
        kms_key_arn: The KMS key that encrypts the logs. None: a key of CloudWatch encrypts them.
        reserved_concurrency: Number of concurrent invocations that Lambda keeps free for the function. The function
            cannot have more. None: it shares the account's concurrency with all other functions.
            https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
        tags: Tags of every resource that supports tags.
        opts: Resource options of the component.
    """

    arn: pulumi.Output[str]
    """ARN of the function."""
    name: pulumi.Output[str]
    """Name of the function."""
    invoke_arn: pulumi.Output[str]
    """ARN with which API Gateway invokes the function."""

    def __init__(
        self,
        name: str,
        entry_point: str,
        *,
        environment: Mapping[str, pulumi.Input[str]],
        statements: Sequence[Statement],
        package_for: str = DEFAULT_PACKAGE_FOR,
        requirements: Sequence[str] = (),
        timeout_seconds: int = 10,
        memory_mb: int = 256,
        log_retention_days: pulumi.Input[int] = DEFAULT_LOG_RETENTION_DAYS,
        kms_key_arn: pulumi.Input[str] | None = None,
        reserved_concurrency: pulumi.Input[int] | None = None,
        tags: Tags | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("formbridge:index:HandlerFunction", name, {}, opts)
        child_options = pulumi.ResourceOptions(parent=self)
        logs = aws.cloudwatch.LogGroup(
            f"{name}-logs",
            retention_in_days=log_retention_days,
            kms_key_id=kms_key_arn,
            tags=tags,
            opts=child_options,
        )
        role = aws.iam.Role(
            f"{name}-role",
            assume_role_policy=build_trust_policy(
                "lambda.amazonaws.com", source_account=logs.arn.apply(lambda arn: arn.split(":")[4])
            ),
            tags=tags,
            opts=child_options,
        )
        # `:*` stands for all log streams of the log group. Lambda creates one log stream per execution environment and
        # chooses its name.
        allow_logs = Statement(["logs:CreateLogStream", "logs:PutLogEvents"], [pulumi.Output.concat(logs.arn, ":*")])
        policy = aws.iam.RolePolicy(
            f"{name}-policy", role=role.name, policy=build_policy([allow_logs, *statements]), opts=child_options
        )
        function = aws.lambda_.Function(
            f"{name}-function",
            role=role.arn,
            runtime=RUNTIME,
            architectures=[ARCHITECTURE],
            handler=f"{entry_point}.handler",
            code=build_handler_archive(entry_point, package_for, requirements),
            environment={"variables": environment},
            timeout=timeout_seconds,
            memory_size=memory_mb,
            reserved_concurrent_executions=reserved_concurrency,
            logging_config={
                "log_format": "JSON",
                "log_group": logs.name,
                "application_log_level": "INFO",
                # WARN would drop `platform.report`. Only that line has the memory that an invocation used and the time
                # of a cold start; no metric of Lambda has them.
                # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html
                "system_log_level": "INFO",
            },
            tags=tags,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[policy]),
        )
        self.arn = function.arn
        self.name = function.name
        self.invoke_arn = function.invoke_arn
        self.register_outputs({"arn": self.arn, "name": self.name, "invoke_arn": self.invoke_arn})
