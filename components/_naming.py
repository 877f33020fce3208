"""Check of a component's name, and the maximum lengths of names in AWS.

The names of the child resources in AWS begin with the name of the component. AWS limits their length and characters.
"""

import re

from ._input_error import InputError

AUTONAMING_LENGTH = 8
"""Number of characters that Pulumi appends to a child's name by default: a hyphen and seven random hexadecimal digits.
In a project with its own `pulumi:autonaming`, the AWS provider checks the length of the whole name."""

MAX_ROLE_NAME = 64
"""Maximum length of the name of an IAM role.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""
MAX_FUNCTION_NAME = 64
"""Maximum length of the name of a Lambda function.
https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html"""
MAX_PIPE_NAME = 64
"""Maximum length of the name of an EventBridge Pipe.
https://docs.aws.amazon.com/eventbridge/latest/pipes-reference/API_CreatePipe.html"""
MAX_TABLE_NAME = 255
"""Maximum length of the name of a DynamoDB table.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html"""
MAX_TOPIC_NAME = 256
"""Maximum length of the name of an SNS topic.
https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html"""
MAX_USER_POOL_NAME = 128
"""Maximum length of the name of a Cognito user pool.
https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_CreateUserPool.html"""
MAX_BUCKET_NAME = 63
"""Maximum length of the name of an S3 bucket.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html"""

_SHAPE = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
"""Names that every AWS service allows. They contain no underscore, because the name of an S3 bucket cannot."""


def check_name(name: str, suffix: str, limit: int) -> None:
    """Check that AWS allows the names of a component's child resources.

    It is enough to check the longest name, of the child resource that comes closest to its maximum length.

    Args:
        name: Name of the component.
        suffix: The part that follows the component's name in the name of that child resource.
        limit: Maximum length of the name of that child resource.

    Raises:
        InputError: The component's name is too long, does not start with a letter, or contains a character that is not
            a letter, a digit or a hyphen.
    """
    if not _SHAPE.fullmatch(name):
        raise InputError("name", f"must be a letter followed by letters, digits and hyphens, got {name!r}")
    longest = limit - len(suffix) - AUTONAMING_LENGTH
    if len(name) > longest:
        raise InputError(
            "name",
            f"must be at most {longest} characters (AWS allows {limit} for {name}{suffix} with the "
            f"{AUTONAMING_LENGTH} characters that Pulumi appends), got {name!r}",
        )
