"""Facts about a stack from which the IAM policies are built, and the names that bootstrap gives to its resources."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StackFacts:
    """What a stack's IAM policies depend on."""

    partition: str
    """Partition of the account, such as `aws`."""
    account: str
    """The 12 digits of the account."""
    region: str
    """Region of the stack, the value of `aws:region` in `Pulumi.STACK.yaml`. The state bucket is in it too."""
    project: str
    """Name of the Pulumi project."""
    stack: str
    """Name of the stack."""
    state_bucket: str
    """Name of the bucket that holds the state."""
    state_key_arn: str
    """ARN of the KMS key that encrypts the secrets in the stack's state."""
    github_subject: str
    """Start of the subject of GitHub's tokens: `repo:ORG/REPO` or `repo:ORG@ORG_ID/REPO@REPO_ID`."""

    @property
    def prefix(self) -> str:
        """Start of every physical name of the stack's resources, by `pulumi:autonaming` in `Pulumi.yaml`."""
        return f"{self.project}-{self.stack}-"

    @property
    def deploy_role_name(self) -> str:
        """Name of the role that deploys the stack."""
        return f"formbridge-deploy-{self.stack}"

    @property
    def preview_role_name(self) -> str:
        """Name of the role that previews the stack."""
        return f"formbridge-preview-{self.stack}"

    @property
    def boundary_name(self) -> str:
        """Name of the permissions boundary of every role that the stack creates."""
        return f"formbridge-boundary-{self.stack}"

    @property
    def boundary_arn(self) -> str:
        """ARN of the permissions boundary of every role that the stack creates."""
        return self.build_global_arn("iam", f"policy/{self.boundary_name}")

    @property
    def github_provider_arn(self) -> str:
        """ARN of the account's identity provider for GitHub."""
        return self.build_global_arn("iam", "oidc-provider/token.actions.githubusercontent.com")

    @property
    def backend_url(self) -> str:
        """URL of the stack's state backend, for `pulumi login`. Each stack has its own folder in the bucket."""
        return f"s3://{self.state_bucket}/{self.stack}?region={self.region}"

    def build_arn(self, service: str, resource: str, region: str | None = None) -> str:
        """Return an ARN of the account, in the stack's region unless `region` is another."""
        return f"arn:{self.partition}:{service}:{region or self.region}:{self.account}:{resource}"

    def build_global_arn(self, service: str, resource: str) -> str:
        """Return an ARN of the account for a service without regions."""
        return f"arn:{self.partition}:{service}::{self.account}:{resource}"
