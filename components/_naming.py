"""What a component may be called: Pulumi makes its children's names of it, and AWS limits these."""

import re

AUTONAMING_LENGTH = 8
"""Pulumi appends a hyphen and seven random hexadecimal digits to a child's name."""

MAX_ROLE_NAME = 64
"""https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""
MAX_FUNCTION_NAME = 64
"""https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html"""
MAX_PIPE_NAME = 64
"""https://docs.aws.amazon.com/eventbridge/latest/pipes-reference/API_CreatePipe.html"""
MAX_TABLE_NAME = 255
"""https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html"""
MAX_TOPIC_NAME = 256
"""https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html"""
MAX_USER_POOL_NAME = 128
"""https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_CreateUserPool.html"""
MAX_BUCKET_NAME = 63
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html"""

_SHAPE = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
"""What every service takes in a name; buckets take no underscore."""


def check_name(name: str, suffix: str, limit: int) -> None:
    """Refuse a component's name of which AWS would refuse a child's.

    Args:
        name: the component's.
        suffix: what the tightest child's name adds to it.
        limit: how long AWS lets that name be.

    Raises:
        ValueError: it has other characters than letters, digits and hyphens, or is too long.
    """
    if not _SHAPE.fullmatch(name):
        raise ValueError(f"name: must be letters, digits and hyphens, beginning with a letter, got {name!r}")
    longest = limit - len(suffix) - AUTONAMING_LENGTH
    if len(name) > longest:
        raise ValueError(
            f"name: must be at most {longest} characters (AWS takes {limit} for {name}{suffix} and what Pulumi "
            f"appends), got {name!r}"
        )
