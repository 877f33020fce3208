"""The secret key of a gateway's keyed hashes, which stand for users in rows and logs."""

import secrets

import pulumi
import pulumi_aws as aws

from ._tags import Tags

KEY_BYTES = 32
"""Length of the key in bytes: the length of a SHA-256 hash, which RFC 2104 recommends for HMAC."""


def create_user_hash_key(name: str, parent: pulumi.Resource, tags: Tags | None) -> aws.ssm.Parameter:
    """Create the parameter `{name}-user-hash-key` with a random key, written as hexadecimal digits.

    Only the first `pulumi up` uses the random value. Pulumi then ignores changes of the value, so the key stays what
    the stack's state holds. An operator reads it from the parameter, to find the hash of a user.
    """
    return aws.ssm.Parameter(
        f"{name}-user-hash-key",
        description="Key of the hashes that stand for users in rows and logs",
        type="SecureString",
        value=pulumi.Output.secret(secrets.token_hex(KEY_BYTES)),
        tags=tags,
        opts=pulumi.ResourceOptions(parent=parent, ignore_changes=["value"]),
    )
