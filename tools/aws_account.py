"""The AWS account that the caller's credentials belong to."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from .console import UsageError, create_client, naming


@dataclass(frozen=True, slots=True)
class Caller:
    """The account and the principal of the caller's credentials."""

    partition: str
    """Partition of the account, such as `aws`."""
    account: str
    """The 12 digits of the account."""
    arn: str
    """ARN of the principal, such as `arn:aws:sts::123456789012:assumed-role/NAME/SESSION`."""

    @classmethod
    def identify(cls, region: str) -> Caller:
        """Ask AWS who the caller is.

        Args:
            region: Region whose endpoint is asked. An opt-in region that the account has not enabled refuses.

        Raises:
            UsageError: There are no credentials, or the region refuses them.
        """
        with naming("AWS credentials in", region):
            identity = create_client("sts", region).get_caller_identity()
        return cls(identity["Arn"].split(":")[1], identity["Account"], identity["Arn"])


def check_region(option: str, region: str) -> None:
    """Check that boto3 knows a region.

    Raises:
        UsageError: boto3 does not know the region. The error names the most similar one.
    """
    import boto3.session  # noqa: PLC0415

    session = boto3.session.Session()
    partitions = session.get_available_partitions()
    known = [name for partition in partitions for name in session.get_available_regions("dynamodb", partition)]
    if region not in known:
        (nearest,) = get_close_matches(region, known, n=1, cutoff=0)
        raise UsageError(f"{option}: must be a region of AWS, of which {nearest} is the nearest, got {region!r}")
