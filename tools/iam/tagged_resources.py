"""Statements of the deploy role's policies for resources whose ids AWS generates.

Their tags limit the statements: those that a resource has, or those that it gets when it is created. A resource that is
gone has no tags, and the provider reads it until it is gone. So the conditions of reads accept resources without tags.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .document import (
    Statement,
    allow,
    limit_to_regions,
    match_tags_if_any,
    match_tags_of_existing,
    match_tags_of_existing_if_any,
    match_tags_of_new,
)
from .provider_actions import select_actions

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .facts import StackFacts

PAGE_LOG_REGION: Final = "us-east-1"
"""Region of the page's access log. CloudFront delivers logs from there only."""
EMAIL_SERVICE: Final = "email.cognito-idp.amazonaws.com"
"""Service whose role a user pool with a mail sender uses."""
ALIASES: Final = "alias/*"
"""Every alias of a key. The program's key has none, but the keys of states and of other programs do."""
USES_OF_KEY: Final = (
    *("kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext"),
    *("kms:ReEncryptFrom", "kms:ReEncryptTo"),
)
"""Actions that use a key and do not change it."""


def build_apis(facts: StackFacts) -> list[Statement]:
    """Return the statements for the WebSocket API."""
    apis = f"arn:{facts.partition}:apigateway:{facts.region}::/apis"
    parts = select_actions(
        "apigateway",
        "apigatewayv2/authorizer:Authorizer",
        "apigatewayv2/integration:Integration",
        "apigatewayv2/route:Route",
        "apigatewayv2/routeResponse:RouteResponse",
        "apigatewayv2/stage:Stage",
        without=["TagResource"],
    )
    return [
        allow("NewApi", ["apigateway:POST"], [apis], match_tags_of_new(facts)),
        # AWS does not document the condition keys of this action.
        allow("TagApi", ["apigateway:TagResource"], [apis, f"{apis}/*"], match_tags_if_any(facts)),
        allow("Api", ["apigateway:DELETE", "apigateway:PATCH"], [f"{apis}/*"], match_tags_of_existing(facts)),
        allow("ReadApi", ["apigateway:GET"], [f"{apis}/*"], match_tags_of_existing_if_any(facts)),
        # AWS lists the condition key for the parts of an API, but does not document that they inherit the API's tags.
        allow("PartsOfApi", parts, [f"{apis}/*/*"], match_tags_if_any(facts)),
    ]


def build_site(facts: StackFacts) -> list[Statement]:
    """Return the statements for the page: its bucket, which has a name, and CloudFront."""
    buckets = f"arn:{facts.partition}:s3:::{facts.prefix}*"
    objects = select_actions("s3", "s3/bucketObjectv2:BucketObjectv2", without=["ListBucket"])
    distribution = select_actions("cloudfront", "cloudfront/distribution:Distribution")
    other = select_actions(
        "cloudfront",
        "cloudfront/originAccessControl:OriginAccessControl",
        "cloudfront/responseHeadersPolicy:ResponseHeadersPolicy",
    )
    return [
        allow(
            "Bucket",
            select_actions(
                "s3",
                "s3/bucket:Bucket",
                "s3/bucketPolicy:BucketPolicy",
                "s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
                "s3/bucketOwnershipControls:BucketOwnershipControls",
                "s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
            ),
            [buckets],
        ),
        allow("Page", objects, [f"{buckets}/*"]),
        allow("NewDistribution", ["cloudfront:CreateDistribution"], ["*"], match_tags_of_new(facts)),
        *_build_tagged(
            facts,
            "Distribution",
            distribution,
            ["cloudfront:GetDistribution", "cloudfront:ListTagsForResource"],
            [facts.build_global_arn("cloudfront", "distribution/*")],
        ),
        allow(
            "NewSettingsOfDistribution",
            ["cloudfront:CreateOriginAccessControl", "cloudfront:CreateResponseHeadersPolicy"],
            ["*"],
        ),
        allow(
            "SettingsOfDistribution",
            other,
            [
                facts.build_global_arn("cloudfront", "origin-access-control/*"),
                facts.build_global_arn("cloudfront", "response-headers-policy/*"),
            ],
        ),
        allow("WebAcl", ["wafv2:GetWebACL"], [facts.build_arn("wafv2", "global/webacl/*", PAGE_LOG_REGION)]),
    ]


def build_users(facts: StackFacts) -> list[Statement]:
    """Return the statements for the user pool."""
    email_role = f"role/aws-service-role/{EMAIL_SERVICE}/AWSServiceRoleForAmazonCognitoIdpEmailService"
    return [
        allow("NewUserPool", ["cognito-idp:CreateUserPool"], ["*"], match_tags_of_new(facts)),
        *_build_tagged(
            facts,
            "UserPool",
            select_actions(
                "cognito-idp",
                "cognito/userPool:UserPool",
                "cognito/userPoolClient:UserPoolClient",
                "cognito/userPoolDomain:UserPoolDomain",
            ),
            ["cognito-idp:DescribeUserPool", "cognito-idp:DescribeUserPoolClient", "cognito-idp:GetUserPoolMfaConfig"],
            [facts.build_arn("cognito-idp", "userpool/*")],
        ),
        allow("FindDomain", ["cognito-idp:DescribeUserPoolDomain"], ["*"], limit_to_regions(facts.region)),
        allow(
            "MailSender",
            ["iam:CreateServiceLinkedRole"],
            [facts.build_global_arn("iam", email_role)],
            {"StringEquals": {"iam:AWSServiceName": EMAIL_SERVICE}},
        ),
    ]


def build_data_key(facts: StackFacts) -> list[Statement]:
    """Return the statements for the KMS key of a hardened stack. They change no key that has an alias."""
    actions = select_actions("kms", "kms/key:Key", "kms/keyPolicy:KeyPolicy", "dynamodb/table:Table")
    reads = ["kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListResourceTags"]
    return [
        allow("NewKey", ["kms:CreateKey"], ["*"], match_tags_of_new(facts)),
        *_build_tagged(facts, "Key", actions, reads, [facts.build_arn("kms", "key/*")]),
        {
            "Sid": "KeysWithAlias",
            "Effect": "Deny",
            "Action": sorted(actions - {*reads, *USES_OF_KEY}),
            "Resource": [facts.build_arn("kms", "key/*")],
            "Condition": {"ForAnyValue:StringLike": {"kms:ResourceAliases": ALIASES}},
        },
        allow(
            "KeysOfLogs",
            ["logs:AssociateKmsKey", "logs:DisassociateKmsKey"],
            [facts.build_arn("logs", f"log-group:{facts.prefix}*")],
        ),
    ]


def build_page_log(facts: StackFacts) -> list[Statement]:
    """Return the statements for the access log of a hardened stack's page, which is in `PAGE_LOG_REGION`."""
    delivery = select_actions("logs", "cloudwatch/logDelivery:LogDelivery")
    ends = select_actions(
        "logs",
        "cloudwatch/logDeliverySource:LogDeliverySource",
        "cloudwatch/logDeliveryDestination:LogDeliveryDestination",
    )

    def build_arn(resource: str) -> str:
        return facts.build_arn("logs", resource, PAGE_LOG_REGION)

    return [
        allow(
            "PageLog",
            select_actions("logs", "cloudwatch/logGroup:LogGroup", without=["AssociateKmsKey", "DisassociateKmsKey"]),
            [build_arn(f"log-group:{facts.prefix}*")],
        ),
        allow(
            "EndsOfDelivery",
            ends | {"logs:CreateDelivery", "logs:UpdateDeliveryConfiguration"},
            [build_arn(f"delivery-source:{facts.prefix}*"), build_arn(f"delivery-destination:{facts.prefix}*")],
        ),
        allow("NewDelivery", ["logs:CreateDelivery"], [build_arn("delivery:*")], match_tags_of_new(facts)),
        *_build_tagged(
            facts,
            "Delivery",
            delivery - {"logs:CreateDelivery"},
            ["logs:GetDelivery", "logs:ListTagsForResource"],
            [build_arn("delivery:*")],
        ),
        allow(
            "PageLogPolicy",
            [
                *("logs:DeleteResourcePolicy", "logs:DescribeResourcePolicies", "logs:PutResourcePolicy"),
                "logs:DescribeLogGroups",
            ],
            ["*"],
            limit_to_regions(PAGE_LOG_REGION),
        ),
        allow(
            "PageLogSource",
            ["cloudfront:AllowVendedLogDeliveryForResource"],
            [facts.build_global_arn("cloudfront", "distribution/*")],
            match_tags_of_existing(facts),
        ),
    ]


def _build_tagged(
    facts: StackFacts, sid: str, actions: Iterable[str], reads: list[str], resources: list[str]
) -> list[Statement]:
    """Return the statements for a type with tags: its reads, its service's `TagResource`, and all other actions."""
    (tag,) = [action for action in actions if action.endswith(":TagResource")]
    return [
        allow(sid, {*actions} - {*reads, tag}, resources, match_tags_of_existing(facts)),
        allow(f"Read{sid}", reads, resources, match_tags_of_existing_if_any(facts)),
        allow(f"Tag{sid}", [tag], resources, match_tags_of_new(facts)),
    ]
