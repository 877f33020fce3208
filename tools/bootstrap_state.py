"""The state backend of a stack: the bucket, and the key of the secrets."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from .aws_errors import find, get_error_code
from .bootstrap_change import Change
from .console import UsageError
from .iam.document import build_document

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .iam.document import Statement
    from .iam.facts import StackFacts

KEY_TAG: Final = "FormBridgeStateKey"
"""Tag of a stack's key, whose value is the name of the stack. It finds a key that has no alias yet."""
VERSIONING: Final = {"Status": "Enabled"}
PUBLIC_ACCESS_BLOCK: Final = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}
TLS_ONLY: Final = "DenyInsecureTransport"
"""Sid of the statement that refuses requests without TLS."""


def name_state_bucket(account: str, region: str) -> str:
    """Return the name of the state bucket of an account in a region."""
    return f"formbridge-state-{account}-{region}"


def name_key_alias(stack: str) -> str:
    """Return the alias of the key that encrypts the secrets of a stack."""
    return f"alias/formbridge-state-{stack}"


def ensure_bucket(s3: Any, facts: StackFacts) -> Iterator[Change]:
    """Yield the changes of the state bucket: versions, no public access, TLS only.

    Raises:
        UsageError: The bucket belongs to another account.
    """
    what = f"state bucket {facts.state_bucket}"
    exists = has_bucket(s3, facts.state_bucket, facts.account)
    # us-east-1 is the region of a bucket without a location, and cannot be named.
    location = {"CreateBucketConfiguration": {"LocationConstraint": facts.region}}
    create = partial(s3.create_bucket, Bucket=facts.state_bucket, **({} if facts.region == "us-east-1" else location))
    yield Change.keep(what) if exists else Change("create", what, create)
    named = {"Bucket": facts.state_bucket, "ExpectedBucketOwner": facts.account}
    yield _ensure_versioning(s3, named, exists=exists)
    yield _ensure_public_access_block(s3, named, exists=exists)
    yield _ensure_policy(s3, named, _deny_insecure_transport(facts), exists=exists)


def _ensure_versioning(s3: Any, named: Mapping[str, str], *, exists: bool) -> Change:
    what = "state bucket: versioning"
    if exists and s3.get_bucket_versioning(**named).get("Status") == "Enabled":
        return Change.keep(what)
    return Change("enable", what, partial(s3.put_bucket_versioning, **named, VersioningConfiguration=VERSIONING))


def _ensure_public_access_block(s3: Any, named: Mapping[str, str], *, exists: bool) -> Change:
    what = "state bucket: public access block"
    missing = "NoSuchPublicAccessBlockConfiguration"
    found = find(lambda: s3.get_public_access_block(**named), missing) if exists else None
    if found and found["PublicAccessBlockConfiguration"] == PUBLIC_ACCESS_BLOCK:
        return Change.keep(what)
    block = PUBLIC_ACCESS_BLOCK
    return Change("enable", what, partial(s3.put_public_access_block, **named, PublicAccessBlockConfiguration=block))


def _ensure_policy(s3: Any, named: Mapping[str, str], statement: Statement, *, exists: bool) -> Change:
    """Return the change after which the bucket's policy has the statement. Its other statements stay."""
    what = "state bucket: policy that refuses requests without TLS"
    found = find(lambda: s3.get_bucket_policy(**named), "NoSuchBucketPolicy") if exists else None
    statements: list[Statement] = json.loads(found["Policy"])["Statement"] if found else []
    if statement in statements:
        return Change.keep(what)
    others = [one for one in statements if one.get("Sid") != statement["Sid"]]
    text = json.dumps(build_document(*others, statement))
    return Change("update" if found else "create", what, partial(s3.put_bucket_policy, **named, Policy=text))


def has_bucket(s3: Any, name: str, account: str) -> bool:
    """Return whether the account has the bucket.

    Raises:
        UsageError: The bucket belongs to another account, or the caller may not see it.
    """
    try:
        s3.head_bucket(Bucket=name, ExpectedBucketOwner=account)
    except ClientError as error:
        # The answer has no body, so its status is the error code.
        if get_error_code(error) == "404":
            return False
        if get_error_code(error) != "403":
            raise
        raise UsageError(
            f"state bucket {name}: must belong to the account {account}, and the credentials must allow s3:ListBucket"
        ) from error
    return True


def ensure_key(kms: Any, facts: StackFacts) -> Iterator[Change]:
    """Yield the changes of the key that encrypts the secrets of the stack.

    Raises:
        UsageError: The key is disabled or waits for its deletion.
    """
    alias = name_key_alias(facts.stack)
    key = find_key(kms, alias)
    what = f"KMS key {alias}"
    if key is not None:
        if key["KeyState"] != "Enabled":
            raise UsageError(f"{what}: must be enabled, is {key['KeyState']}: {key['Arn']}")
        yield Change.keep(what)
        return
    # A run may have ended between the creation of the key and that of its alias.
    if unnamed := _find_key_without_alias(kms, facts.stack):
        yield Change("create", f"alias of the KMS key {unnamed}: {alias}", lambda: _name_key(kms, unnamed, alias))
    else:
        yield Change("create", what, lambda: _name_key(kms, _create_key(kms, facts), alias))


def find_key(kms: Any, alias: str) -> dict[str, Any] | None:
    """Return the metadata of the key with an alias. None: there is no such alias."""
    found = find(lambda: kms.describe_key(KeyId=alias), "NotFoundException")
    return found["KeyMetadata"] if found else None


def _create_key(kms: Any, facts: StackFacts) -> str:
    """Create a key with the stack's tag. Return its id."""
    description = f"Secrets in the Pulumi state of {facts.project}, stack {facts.stack}"
    created = kms.create_key(Description=description, Tags=[{"TagKey": KEY_TAG, "TagValue": facts.stack}])
    return created["KeyMetadata"]["KeyId"]


def _name_key(kms: Any, key: str, alias: str) -> None:
    kms.create_alias(AliasName=alias, TargetKeyId=key)


def _find_key_without_alias(kms: Any, stack: str) -> str | None:
    """Return the id of an enabled key with the stack's tag. None: there is no such key."""
    for page in kms.get_paginator("list_keys").paginate():
        for key in page["Keys"]:
            # The policy of a key of someone else may refuse this. It is not the stack's key then.
            named = {"KeyId": key["KeyId"]}
            tags = find(partial(kms.list_resource_tags, **named), "AccessDeniedException")
            is_of_stack = tags is not None and {"TagKey": KEY_TAG, "TagValue": stack} in tags["Tags"]
            if is_of_stack and kms.describe_key(**named)["KeyMetadata"]["KeyState"] == "Enabled":
                return key["KeyId"]
    return None


def _deny_insecure_transport(facts: StackFacts) -> dict[str, Any]:
    bucket = f"arn:{facts.partition}:s3:::{facts.state_bucket}"
    return {
        "Sid": TLS_ONLY,
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [bucket, f"{bucket}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
