"""Controls of AWS Security Hub and rules of cdk-nag, as functions of what a program declares.

The numbers are those of the lists that docs/security.md names.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from policy.rules import RESOURCE_RULES, STACK_RULES
from tests.support.components.policies import declared_documents
from tests.support.components.provider import arn, physical_name
from tests.support.policy.stacks import name_of, stack_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.support.components.harness import Recording

Inputs = dict[str, Any]

BUCKET: Final = "s3/bucket:Bucket"
BUCKET_POLICY: Final = "s3/bucketPolicy:BucketPolicy"
BUS: Final = "cloudwatch/eventBus:EventBus"
DISTRIBUTION: Final = "cloudfront/distribution:Distribution"
FUNCTION: Final = "lambda/function:Function"
KEY: Final = "kms/key:Key"
POOL: Final = "cognito/userPool:UserPool"
QUEUE: Final = "sqs/queue:Queue"
ROLE_POLICY: Final = "iam/rolePolicy:RolePolicy"
ROUTE: Final = "apigatewayv2/route:Route"
STAGE: Final = "apigatewayv2/stage:Stage"
TABLE: Final = "dynamodb/table:Table"
TOPIC: Final = "sns/topic:Topic"
VERSIONING: Final = "s3/bucketVersioning:BucketVersioning"
WEB_ACL: Final = "wafv2/webAcl:WebAcl"

SUPPORTED_RUNTIMES: Final = {"python3.11", "python3.12", "python3.13", "python3.14"}
LATEST_RUNTIME: Final = "python3.14"
"""https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html, in November 2026."""
RECOMMENDED_TLS: Final = {"TLSv1.2_2021", "TLSv1.2_2025", "TLSv1.3_2025"}
"""https://docs.aws.amazon.com/securityhub/latest/userguide/cloudfront-controls.html#cloudfront-15"""
MIN_PASSWORD_LENGTH: Final = 8


@dataclass(frozen=True)
class Control:
    """A control, for resources of some types."""

    kinds: tuple[str, ...]
    """Types, as `sqs/queue:Queue`. Empty: the control is about the account, or about what no program declares."""
    failing: Callable[[Recording], set[str]]
    """Returns the names of the resources that fail."""

    def subjects(self, recording: Recording) -> set[str]:
        """The names of the resources that the control is about."""
        return {one.name for kind in self.kinds for one in recording.of_type(kind)}


def of_another_kind(*kinds: str) -> Control:
    """A control for types that the program does not declare; without types, for the account."""
    return Control(kinds, lambda recording: {one.name for kind in kinds for one in recording.of_type(kind)})


def each(kind: str, passes: Callable[[Inputs], bool]) -> Control:
    """The inputs of each resource must pass."""
    return Control((kind,), lambda found: {one.name for one in found.of_type(kind) if not passes(one.inputs)})


def accompanied(kind: str, by: str, passes: Callable[[Inputs], bool] = lambda _: True) -> Control:
    """On each resource, another one of the type `by` must depend whose inputs pass."""

    def failing(recording: Recording) -> set[str]:
        others = [one for one in recording.of_type(by) if passes(one.inputs)]
        return {
            one.name for one in recording.of_type(kind) if not any(one.urn in other.dependencies for other in others)
        }

    return Control((kind,), failing)


def rule(name: str, *kinds: str) -> Control:
    """Each resource must keep a rule of the policy pack, also where it is exempt."""

    def failing(recording: Recording) -> set[str]:
        stack = stack_of(recording)
        subjects = {one.urn for one in stack if one.type.removeprefix("aws:") in kinds}
        of_resources = (
            one
            for check in RESOURCE_RULES
            if check.name == name
            for one in stack
            if [*check.check(one.type, one.inputs)]
        )
        of_stack = (one for check in STACK_RULES if check.name == name for one, _ in check.check(stack))
        return {name_of(one) for one in (*of_resources, *of_stack) if one.urn in subjects}

    assert name in {one.name for one in (*RESOURCE_RULES, *STACK_RULES)}
    return Control(kinds, failing)


def no_statement(*kinds: str, found: Callable[[Mapping[str, Any]], bool]) -> Control:
    """No statement that allows something may be found in a document of these types."""

    def failing(recording: Recording) -> set[str]:
        return {
            name
            for name, document in declared_documents(recording)
            for statement in document["Statement"]
            if recording.one(name).type.removeprefix("aws:") in kinds
            and statement["Effect"] == "Allow"
            and found(statement)
        }

    return Control(kinds, failing)


def value(inputs: Any, path: str) -> Any:
    """The value at the end of a dotted path; None if there is none."""
    for key in path.split("."):
        inputs = cast("Inputs", inputs).get(key) if isinstance(inputs, dict) else None
    return inputs


def words(statement: Mapping[str, Any], key: str) -> list[str]:
    """The actions or resources of a statement."""
    listed = statement.get(key, [])
    return [listed] if isinstance(listed, str) else listed


def is_strong(pool: Inputs, *required: str) -> bool:
    """Whether a password needs eight characters and all that is required."""
    policy = pool.get("passwordPolicy", {})
    return policy.get("minimumLength", 0) >= MIN_PASSWORD_LENGTH and all(policy.get(key) is True for key in required)


def custom_origins(distribution: Inputs) -> list[Inputs]:
    return [one["customOriginConfig"] for one in distribution["origins"] if "customOriginConfig" in one]


def decrypts_anything(statement: Mapping[str, Any]) -> bool:
    return "kms:Decrypt" in words(statement, "Action") and "*" in words(statement, "Resource")


def has_wildcard(statement: Mapping[str, Any]) -> bool:
    return any("*" in word for key in ("Action", "Resource") for word in words(statement, key))


def queues_that_lose_messages(recording: Recording) -> set[str]:
    """Queues that have no dead-letter queue and that are none."""
    inputs = "\n".join(json.dumps(one.inputs, default=str).replace("\\", "") for one in recording.custom())
    holder = r'(deadLetterConfig": \{"arn|onFailure": \{"destination|deadLetterTargetArn)": "'
    return {
        one.name
        for one in recording.of_type(QUEUE)
        if "redrivePolicy" not in one.inputs
        and not re.search(holder + re.escape(arn("sqs", physical_name(one.name))), inputs)
    }


SECURITY_HUB: Final[Mapping[str, Control]] = {
    "APIGateway.1": each(STAGE, lambda one: value(one, "defaultRouteSettings.loggingLevel") in {"ERROR", "INFO"}),
    "APIGateway.2": of_another_kind("apigateway/stage:Stage"),
    "APIGateway.3": of_another_kind("apigateway/stage:Stage"),
    "APIGateway.4": of_another_kind("apigateway/stage:Stage"),
    "APIGateway.5": of_another_kind("apigateway/stage:Stage"),
    "APIGateway.8": each(ROUTE, lambda one: one.get("authorizationType", "NONE") != "NONE"),
    "APIGateway.9": each(STAGE, lambda one: value(one, "accessLogSettings.destinationArn") is not None),
    "CloudFront.1": each(DISTRIBUTION, lambda one: bool(one.get("defaultRootObject"))),
    "CloudFront.3": rule("https-only", DISTRIBUTION),
    "CloudFront.4": each(DISTRIBUTION, lambda one: bool(one.get("originGroups"))),
    "CloudFront.5": each(DISTRIBUTION, lambda one: "loggingConfig" in one),
    "CloudFront.6": each(DISTRIBUTION, lambda one: bool(one.get("webAclId"))),
    "CloudFront.7": each(DISTRIBUTION, lambda one: value(one, "viewerCertificate.acmCertificateArn") is not None),
    "CloudFront.8": each(
        DISTRIBUTION, lambda one: value(one, "viewerCertificate.sslSupportMethod") in {None, "sni-only"}
    ),
    "CloudFront.9": each(
        DISTRIBUTION, lambda one: all(two["originProtocolPolicy"] == "https-only" for two in custom_origins(one))
    ),
    "CloudFront.10": each(
        DISTRIBUTION, lambda one: not any("SSLv3" in two["originSslProtocols"] for two in custom_origins(one))
    ),
    "CloudFront.12": Control(
        (DISTRIBUTION,),
        lambda recording: {
            one.name
            for one in recording.of_type(DISTRIBUTION)
            if f"aws:{BUCKET}" not in {recording.resources[urn].type for urn in one.dependencies}
        },
    ),
    "CloudFront.13": each(DISTRIBUTION, lambda one: all(two.get("originAccessControlId") for two in one["origins"])),
    "CloudFront.15": each(
        DISTRIBUTION, lambda one: value(one, "viewerCertificate.minimumProtocolVersion") in RECOMMENDED_TLS
    ),
    "Cognito.1": each(POOL, lambda one: value(one, "userPoolAddOns.advancedSecurityMode") == "ENFORCED"),
    "Cognito.2": of_another_kind("cognito/identityPool:IdentityPool"),
    "Cognito.3": each(
        POOL, lambda one: is_strong(one, "requireLowercase", "requireUppercase", "requireNumbers", "requireSymbols")
    ),
    "DynamoDB.1": each(TABLE, lambda one: one.get("billingMode") == "PAY_PER_REQUEST"),
    "DynamoDB.2": rule("point-in-time-recovery", TABLE),
    "DynamoDB.3": of_another_kind("dax/cluster:Cluster"),
    "DynamoDB.4": accompanied(TABLE, "backup/selection:Selection"),
    "DynamoDB.6": rule("deletion-protection", TABLE),
    "DynamoDB.7": of_another_kind("dax/cluster:Cluster"),
    "EventBridge.3": accompanied(BUS, "cloudwatch/eventBusPolicy:EventBusPolicy"),
    "IAM.1": no_statement(ROLE_POLICY, found=lambda one: "*" in words(one, "Action") and "*" in words(one, "Resource")),
    "IAM.2": of_another_kind("iam/user:User"),
    "IAM.3": of_another_kind("iam/accessKey:AccessKey"),
    **{f"IAM.{number}": of_another_kind() for number in (4, 5, 6, 7, 8)},
    "IAM.21": rule("no-wildcard-actions", ROLE_POLICY),
    "KMS.1": of_another_kind("iam/policy:Policy"),
    "KMS.2": no_statement(ROLE_POLICY, found=decrypts_anything),
    "KMS.3": of_another_kind(),
    "KMS.4": each(KEY, lambda one: one.get("enableKeyRotation") is True),
    "KMS.5": rule("no-public-policies", KEY),
    "Lambda.1": rule("no-open-functions", "lambda/permission:Permission"),
    "Lambda.2": each(FUNCTION, lambda one: one.get("runtime") in SUPPORTED_RUNTIMES),
    "Lambda.3": each(FUNCTION, lambda one: "vpcConfig" in one),
    "Lambda.5": of_another_kind(),
    "S3.1": of_another_kind(),
    "S3.2": rule("private-buckets", BUCKET),
    "S3.3": rule("private-buckets", BUCKET),
    "S3.5": rule("tls-only", BUCKET),
    "S3.6": no_statement(BUCKET_POLICY, found=lambda one: value(one, "Principal.AWS") is not None),
    "S3.7": accompanied(BUCKET, "s3/bucketReplicationConfig:BucketReplicationConfig"),
    "S3.8": rule("private-buckets", BUCKET),
    "S3.9": accompanied(BUCKET, "s3/bucketLogging:BucketLogging"),
    "S3.10": of_another_kind(VERSIONING),
    "S3.11": accompanied(BUCKET, "s3/bucketNotification:BucketNotification"),
    "S3.12": accompanied(
        BUCKET,
        "s3/bucketOwnershipControls:BucketOwnershipControls",
        lambda one: value(one, "rule.objectOwnership") == "BucketOwnerEnforced",
    ),
    "S3.13": accompanied(BUCKET, "s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"),
    "S3.14": accompanied(BUCKET, VERSIONING, lambda one: value(one, "versioningConfiguration.status") == "Enabled"),
    "S3.15": accompanied(BUCKET, "s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration"),
    "S3.17": accompanied(
        BUCKET,
        "s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        lambda one: value(one["rules"][0], "applyServerSideEncryptionByDefault.sseAlgorithm") == "aws:kms",
    ),
    "S3.19": of_another_kind("s3/accessPoint:AccessPoint"),
    "S3.20": accompanied(BUCKET, VERSIONING, lambda one: value(one, "versioningConfiguration.mfaDelete") == "Enabled"),
    "S3.24": of_another_kind("s3control/multiRegionAccessPoint:MultiRegionAccessPoint"),
    "S3.25": of_another_kind("s3/directoryBucket:DirectoryBucket"),
    "SNS.1": rule("encryption", TOPIC),
    "SNS.2": each(TOPIC, lambda one: any(key.endswith("FeedbackRoleArn") for key in one)),
    "SNS.4": rule("no-public-policies", "sns/topicPolicy:TopicPolicy"),
    "SQS.1": rule("encryption", QUEUE),
    "SQS.3": rule("no-public-policies", "sqs/queuePolicy:QueuePolicy"),
    "WAF.10": each(WEB_ACL, lambda one: bool(one.get("rules"))),
    "WAF.11": accompanied(WEB_ACL, "wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration"),
    "WAF.12": each(
        WEB_ACL,
        lambda one: all(value(two, "visibilityConfig.cloudwatchMetricsEnabled") is True for two in one["rules"]),
    ),
}
"""Controls of AWS Security Hub by their number."""

CDK_NAG: Final[Mapping[str, Control]] = {
    "AwsSolutions-APIG1": SECURITY_HUB["APIGateway.9"],
    "AwsSolutions-APIG2": SECURITY_HUB["APIGateway.2"],
    "AwsSolutions-APIG3": SECURITY_HUB["APIGateway.4"],
    "AwsSolutions-APIG4": SECURITY_HUB["APIGateway.8"],
    "AwsSolutions-APIG6": SECURITY_HUB["APIGateway.2"],
    "AwsSolutions-CFR1": each(
        DISTRIBUTION, lambda one: value(one, "restrictions.geoRestriction.restrictionType") != "none"
    ),
    "AwsSolutions-CFR2": SECURITY_HUB["CloudFront.6"],
    "AwsSolutions-CFR3": SECURITY_HUB["CloudFront.5"],
    "AwsSolutions-CFR4": each(
        DISTRIBUTION,
        lambda one: str(value(one, "viewerCertificate.minimumProtocolVersion")).startswith(("TLSv1.2", "TLSv1.3")),
    ),
    "AwsSolutions-CFR5": SECURITY_HUB["CloudFront.10"],
    "AwsSolutions-CFR6": of_another_kind("cloudfront/streamingDistribution:StreamingDistribution"),
    "AwsSolutions-CFR7": SECURITY_HUB["CloudFront.13"],
    "AwsSolutions-COG1": each(POOL, lambda one: is_strong(one, "requireUppercase", "requireNumbers", "requireSymbols")),
    "AwsSolutions-COG2": each(POOL, lambda one: one.get("mfaConfiguration") == "ON"),
    "AwsSolutions-COG4": of_another_kind("apigateway/method:Method"),
    "AwsSolutions-COG7": SECURITY_HUB["Cognito.2"],
    "AwsSolutions-COG8": each(POOL, lambda one: one.get("userPoolTier") == "PLUS"),
    "AwsSolutions-DDB3": SECURITY_HUB["DynamoDB.2"],
    "AwsSolutions-DDB4": SECURITY_HUB["DynamoDB.3"],
    "AwsSolutions-EVB1": rule("no-public-policies", "cloudwatch/eventBusPolicy:EventBusPolicy"),
    "AwsSolutions-IAM4": each(
        "iam/rolePolicyAttachment:RolePolicyAttachment", lambda one: ":iam::aws:policy/" not in one["policyArn"]
    ),
    "AwsSolutions-IAM5": no_statement(ROLE_POLICY, found=has_wildcard),
    "AwsSolutions-KMS5": SECURITY_HUB["KMS.4"],
    "AwsSolutions-L1": each(FUNCTION, lambda one: one.get("runtime") == LATEST_RUNTIME),
    "AwsSolutions-S1": SECURITY_HUB["S3.9"],
    "AwsSolutions-S2": SECURITY_HUB["S3.8"],
    "AwsSolutions-S5": SECURITY_HUB["S3.2"],
    "AwsSolutions-S10": SECURITY_HUB["S3.5"],
    "AwsSolutions-SF1": of_another_kind("sfn/stateMachine:StateMachine"),
    "AwsSolutions-SF2": of_another_kind("sfn/stateMachine:StateMachine"),
    "AwsSolutions-SMG4": of_another_kind("secretsmanager/secret:Secret"),
    "AwsSolutions-SNS3": rule("tls-only", TOPIC),
    "AwsSolutions-SQS2": SECURITY_HUB["SQS.1"],
    "AwsSolutions-SQS3": Control((QUEUE,), queues_that_lose_messages),
    "AwsSolutions-SQS4": rule("tls-only", QUEUE),
}
"""Rules of cdk-nag by their number."""
