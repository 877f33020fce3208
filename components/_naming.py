"""Check of a component's name.

Pulumi derives the names of the child resources from it, and AWS limits their length.
"""

import re

AUTONAMING_LENGTH = 8
"""Number of characters that Pulumi appends to a child's name: a hyphen and seven random hexadecimal digits."""

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
"""Names that every AWS service allows. S3 buckets allow no underscore."""


def check_name(name: str, suffix: str, limit: int) -> None:
    """Check that AWS allows the names of a component's child resources.

    Args:
        name: Name of the component.
        suffix: Suffix of the child resource whose name is closest to its maximum length.
        limit: Maximum length of the name of that child resource.

    Raises:
        ValueError: The name is too long, does not start with a letter, or contains other characters than letters,
            digits and hyphens.
    """
    if not _SHAPE.fullmatch(name):
        raise ValueError(f"name: must be a letter followed by letters, digits and hyphens, got {name!r}")
    longest = limit - len(suffix) - AUTONAMING_LENGTH
    if len(name) > longest:
        raise ValueError(
            f"name: must be at most {longest} characters (AWS allows {limit} for {name}{suffix} with the "
            f"{AUTONAMING_LENGTH} characters that Pulumi appends), got {name!r}"
        )
