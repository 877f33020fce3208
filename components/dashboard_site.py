"""Where the dashboard's page is served from: a private bucket behind CloudFront."""

from collections.abc import Sequence
from typing import NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from . import _checks, _urls
from ._iam import bucket_policy
from ._naming import MAX_BUCKET_NAME, check_name
from ._tags import Tags

CACHING_OPTIMIZED = "658327ea-f89d-4fab-a63d-7e88639e58f6"
"""AWS's own cache policy: one copy for all queries and cookies, and a minimum of one second, for which CloudFront
keeps even what says `no-cache`.
https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-cache-policies.html"""
DEFAULT_PRICE_CLASS = "PriceClass_100"
PRICE_CLASSES = ("PriceClass_100", "PriceClass_200", "PriceClass_All")
"""https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/PriceClass.html"""
HSTS_SECONDS = 365 * 24 * 3600

PAGE_POLICY = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "font-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
)
"""The page's Content-Security-Policy, but for where it connects to; `local/server.py` sends the same."""


class DashboardSiteArgs(TypedDict):
    """What a `DashboardSite` takes."""

    connect_sources: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]] | None]
    """Where people sign in: the hosts that the page may connect to besides its own and the region's API Gateway
    WebSockets. Each is `scheme://host[:port]`, of which the host may begin with `*.`. Default: every Cognito user pool
    of the site's region, with its hosted sign-in."""
    price_class: NotRequired[pulumi.Input[str]]
    """Which of CloudFront's edges serve the page: `PriceClass_100`, `PriceClass_200` or `PriceClass_All`. Default:
    `PriceClass_100`, the cheapest: North America and Europe, from where all others are served."""
    tags: NotRequired[Tags]
    """Tags of the bucket and the distribution. Default: none."""


class DashboardSite(pulumi.ComponentResource):
    """A private S3 bucket, and the CloudFront distribution that alone may read it.

    The site answers GET and HEAD over HTTPS, with headers that keep a page to its own scripts and out of frames. Its
    address is CloudFront's own, whose certificate is CloudFront's too; it keeps no access log, in which a sign-in's
    authorization code would stand.
    """

    url: pulumi.Output[str]
    """Where people open the page: `https://d….cloudfront.net`, without a slash at its end."""
    bucket_name: pulumi.Output[str]
    """The name of the bucket, for a `DashboardPage`."""
    distribution_id: pulumi.Output[str]
    """The distribution's id, for invalidations and metrics."""

    def __init__(self, name: str, args: DashboardSiteArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_name(name, "-bucket", MAX_BUCKET_NAME)
        _checks.fields(args, DashboardSiteArgs)
        sources = _connect_sources(args.get("connect_sources"))
        price_class = _checks.one_of("price_class", args.get("price_class", DEFAULT_PRICE_CLASS), PRICE_CLASSES)
        super().__init__("formbridge:index:DashboardSite", name, {}, opts)
        self._name = name
        self._own = pulumi.ResourceOptions(parent=self)
        tags = args.get("tags")

        bucket = aws.s3.Bucket(f"{name}-bucket", tags=tags, opts=self._own)
        distribution = self._distribution(bucket, self._headers(bucket, sources), price_class, tags)
        aws.s3.BucketPolicy(
            f"{name}-bucket-policy",
            bucket=bucket.bucket,
            policy=bucket_policy("cloudfront.amazonaws.com", bucket.arn, distribution.arn),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[self._private(bucket)]),
        )
        self.url = pulumi.Output.concat("https://", distribution.domain_name)
        self.bucket_name = bucket.bucket
        self.distribution_id = distribution.id
        self.register_outputs(
            {"url": self.url, "bucket_name": self.bucket_name, "distribution_id": self.distribution_id}
        )

    def _private(self, bucket: aws.s3.Bucket) -> pulumi.Resource:
        """What a new bucket is by default, and stays.

        One after the other: S3 refuses two changes of a bucket's access at once (409 `OperationAborted`).
        """
        block = aws.s3.BucketPublicAccessBlock(
            f"{self._name}-public-access-block",
            bucket=bucket.bucket,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=self._own,
        )
        ownership = aws.s3.BucketOwnershipControls(
            f"{self._name}-ownership",
            bucket=bucket.bucket,
            rule={"object_ownership": "BucketOwnerEnforced"},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[block]),
        )
        return aws.s3.BucketServerSideEncryptionConfiguration(
            f"{self._name}-encryption",
            bucket=bucket.bucket,
            rules=[
                {
                    "apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"},
                    "blocked_encryption_types": ["SSE-C"],
                }
            ],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[ownership]),
        )

    def _headers(
        self, bucket: aws.s3.Bucket, sources: pulumi.Output[list[str]] | None
    ) -> aws.cloudfront.ResponseHeadersPolicy:
        # An API's and a user pool's host are made by AWS, after the site: the gateway takes the pool's client, which
        # takes the site's URL. Everything of those services in the one region is the narrowest that can be said here.
        sign_in = bucket.region.apply(_cognito_hosts) if sources is None else sources
        connect_sources = pulumi.Output.all(bucket.region, bucket.bucket_regional_domain_name, sign_in).apply(
            lambda known: [_websocket_hosts(known[0], known[1]), *known[2]]
        )
        return aws.cloudfront.ResponseHeadersPolicy(
            f"{self._name}-headers",
            security_headers_config={
                "content_security_policy": {
                    "content_security_policy": connect_sources.apply(content_security_policy),
                    "override": True,
                },
                "content_type_options": {"override": True},
                "frame_options": {"frame_option": "DENY", "override": True},
                "referrer_policy": {"referrer_policy": "no-referrer", "override": True},
                "strict_transport_security": {"access_control_max_age_sec": HSTS_SECONDS, "override": True},
            },
            custom_headers_config={
                "items": [
                    {"header": "Cross-Origin-Opener-Policy", "value": "same-origin", "override": True},
                    {"header": "Cross-Origin-Resource-Policy", "value": "same-origin", "override": True},
                ]
            },
            opts=self._own,
        )

    def _distribution(
        self,
        bucket: aws.s3.Bucket,
        headers: aws.cloudfront.ResponseHeadersPolicy,
        price_class: pulumi.Output[str],
        tags: Tags | None,
    ) -> aws.cloudfront.Distribution:
        access = aws.cloudfront.OriginAccessControl(
            f"{self._name}-access",
            origin_access_control_origin_type="s3",
            signing_behavior="always",
            signing_protocol="sigv4",
            opts=self._own,
        )
        return aws.cloudfront.Distribution(
            f"{self._name}-distribution",
            enabled=True,
            comment=self._name,
            default_root_object="index.html",
            http_version="http2and3",
            is_ipv6_enabled=True,
            price_class=price_class,
            origins=[
                {
                    "origin_id": "bucket",
                    # The regional name: the global one redirects, until DNS knows a new bucket everywhere.
                    "domain_name": bucket.bucket_regional_domain_name,
                    "origin_access_control_id": access.id,
                }
            ],
            default_cache_behavior={
                "target_origin_id": "bucket",
                "viewer_protocol_policy": "redirect-to-https",
                "allowed_methods": ["GET", "HEAD"],
                "cached_methods": ["GET", "HEAD"],
                "cache_policy_id": CACHING_OPTIMIZED,
                "response_headers_policy_id": headers.id,
                "compress": True,
            },
            restrictions={"geo_restriction": {"restriction_type": "none"}},
            viewer_certificate={"cloudfront_default_certificate": True},
            tags=tags,
            opts=self._own,
        )


def content_security_policy(connect_sources: Sequence[str]) -> str:
    """The header that keeps the page to its own files and to these hosts."""
    return "; ".join([*PAGE_POLICY, " ".join(["connect-src 'self'", *connect_sources])])


def _websocket_hosts(region: str, bucket_domain: str) -> str:
    """A region's APIs; what follows the region's name differs in China."""
    return f"wss://*.execute-api.{region}.{bucket_domain.partition(f'.{region}.')[2]}"


def _cognito_hosts(region: str) -> list[str]:
    """A region's user pools, and their hosted sign-in."""
    return [f"https://cognito-idp.{region}.amazonaws.com", f"https://*.auth.{region}.amazoncognito.com"]


def _connect_sources(given: pulumi.Input[Sequence[pulumi.Input[str]]] | None) -> pulumi.Output[list[str]] | None:
    return None if given is None else _checks.each(_urls.connect_source, "connect_sources", given)
