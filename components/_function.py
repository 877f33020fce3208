"""A Lambda as every component makes it: a role of its own, a log group of its own, our code."""

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_aws as aws

from ._iam import Statement, policy_document, trust_policy
from ._packaging import DEFAULT_PACKAGE_FOR, handler_archive
from ._tags import Tags

RUNTIME = "python3.13"
ARCHITECTURE = "arm64"
DEFAULT_LOG_RETENTION_DAYS = 14


class HandlerFunction(pulumi.ComponentResource):
    """One Lambda of ours, with the one role that may do what it does and nothing else."""

    arn: pulumi.Output[str]
    name: pulumi.Output[str]
    invoke_arn: pulumi.Output[str]

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
        tags: Tags | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("formbridge:index:HandlerFunction", name, {}, opts)
        own = pulumi.ResourceOptions(parent=self)
        role = aws.iam.Role(
            f"{name}-role", assume_role_policy=trust_policy("lambda.amazonaws.com"), tags=tags, opts=own
        )
        logs = aws.cloudwatch.LogGroup(f"{name}-logs", retention_in_days=log_retention_days, tags=tags, opts=own)
        # `:*` are the group's streams: Lambda names them itself, one an environment.
        may_log = Statement(["logs:CreateLogStream", "logs:PutLogEvents"], [pulumi.Output.concat(logs.arn, ":*")])
        policy = aws.iam.RolePolicy(
            f"{name}-policy", role=role.name, policy=policy_document([may_log, *statements]), opts=own
        )
        function = aws.lambda_.Function(
            f"{name}-function",
            role=role.arn,
            runtime=RUNTIME,
            architectures=[ARCHITECTURE],
            handler=f"{entry_point}.handler",
            code=handler_archive(entry_point, package_for, requirements),
            environment={"variables": environment},
            timeout=timeout_seconds,
            memory_size=memory_mb,
            logging_config={
                "log_format": "JSON",
                "log_group": logs.name,
                "application_log_level": "INFO",
                "system_log_level": "WARN",
            },
            tags=tags,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[policy]),
        )
        self.arn = function.arn
        self.name = function.name
        self.invoke_arn = function.invoke_arn
        self.register_outputs({"arn": self.arn, "name": self.name, "invoke_arn": self.invoke_arn})
