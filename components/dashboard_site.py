"""Website of the dashboard: a private S3 bucket and a CloudFront distribution.

Example:
    from components import DashboardSite

    site = DashboardSite("dashboard", {})
"""

from collections.abc import Sequence
from typing import NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from . import _checks, _urls
from ._checks import IntegerInput
from ._function import DEFAULT_LOG_RETENTION_DAYS
from ._iam import build_bucket_policy
from ._naming import MAX_BUCKET_NAME, check_name
from ._page_log import create_page_log
from ._tags import Tags

CACHING_OPTIMIZED = "658327ea-f89d-4fab-a63d-7e88639e58f6"
"""Id of the AWS managed cache policy `CachingOptimized`. With this policy, CloudFront ignores query strings and
cookies. It caches every file for at least one second, even if the file has the header `Cache-Control: no-cache`.
https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-cache-policies.html"""
DEFAULT_PRICE_CLASS = "PriceClass_100"
PRICE_CLASSES = ("PriceClass_100", "PriceClass_200", "PriceClass_All")
"""https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/PriceClass.html"""
HSTS_SECONDS = 365 * 24 * 3600
"""Number of seconds after a response for which a browser uses only https for the site."""

PAGE_POLICY = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "font-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    # The page makes no HTML or script from strings. Trusted Types make the browser reject code that tries.
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
)
"""The page's Content-Security-Policy without the directive `connect-src`. `local/security_headers.py` sends the same
policy."""
PERMISSIONS_POLICY = ", ".join(
    f"{feature}=()"
    for feature in (
        *("accelerometer", "autoplay", "camera", "clipboard-read", "clipboard-write", "display-capture"),
        *("encrypted-media", "fullscreen", "gamepad", "geolocation", "gyroscope", "hid", "idle-detection"),
        *("local-fonts", "magnetometer", "microphone", "midi", "payment", "picture-in-picture"),
        *("publickey-credentials-get", "screen-wake-lock", "serial", "storage-access", "usb"),
        *("xr-spatial-tracking",),
    )
)
"""The page's Permissions-Policy: the page needs none of these features of a browser. `local/security_headers.py` sends
the same policy."""


class DashboardSiteArgs(TypedDict):
    """The inputs of a `DashboardSite`."""

    connect_sources: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]] | None]
    """Hosts to which the page may connect for the sign-in. In addition, the page may always connect to its own host
    and, by wss and https, to every API Gateway WebSocket of the region. Each value is `scheme://host[:port]`. The
    scheme is https or wss; for localhost and 127.0.0.1, it may also be http or ws. An https or wss host may begin with
    `*.`. Default: all Cognito user pools of the site's region and their hosted sign-in pages."""
    price_class: NotRequired[pulumi.Input[str]]
    """The price class of the distribution: `PriceClass_100`, `PriceClass_200` or `PriceClass_All`. It selects the
    CloudFront edge locations that serve the page. Default: `PriceClass_100`, the cheapest. It selects edge locations in
    North America and Europe only, but users everywhere can open the page."""
    web_acl_arn: NotRequired[pulumi.Input[str] | None]
    """The ARN of a web ACL of AWS WAF (version 2) for CloudFront, which filters the requests. Such a web ACL is always
    in us-east-1. Default: none."""
    access_log: NotRequired[bool]
    """Whether CloudFront logs each request, in a log group in us-east-1. The log has the client's IP address and the
    path, but no query string and no cookie. Default: false."""
    log_retention_days: NotRequired[IntegerInput]
    """Days for which CloudWatch keeps the access log; a value that CloudWatch accepts, such as 14, 30, 90 or 365.
    Default: 14."""
    tags: NotRequired[Tags]
    """Tags of the bucket and the distribution. Default: none."""


class DashboardSite(pulumi.ComponentResource):
    """A private S3 bucket, and the CloudFront distribution that is its only reader.

    The site answers GET and HEAD requests over HTTPS. Because of its response headers, a page runs only scripts of the
    site, makes no HTML or script from strings (Trusted Types), uses no camera or other feature of the device, and no
    other page can show it in a frame. CloudFront provides the domain name and the certificate.
    """

    url: pulumi.Output[str]
    """The URL of the page: `https://d….cloudfront.net`, without a slash at the end."""
    bucket_name: pulumi.Output[str]
    """The name of the bucket, for the input `bucket_name` of a `DashboardPage`."""
    distribution_id: pulumi.Output[str]
    """The id of the CloudFront distribution, for invalidations and metrics."""

    def __init__(self, name: str, args: DashboardSiteArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_name(name, "-bucket", MAX_BUCKET_NAME)
        _checks.check_fields(args, DashboardSiteArgs)
        sources = _check_connect_sources(args.get("connect_sources"))
        price_class = _checks.one_of("price_class", args.get("price_class", DEFAULT_PRICE_CLASS), PRICE_CLASSES)
        web_acl_arn = _checks.check_optional(_checks.web_acl_arn, "web_acl_arn", args.get("web_acl_arn"))
        log_retention_days = _checks.log_retention(
            "log_retention_days", args.get("log_retention_days", DEFAULT_LOG_RETENTION_DAYS)
        )
        super().__init__("formbridge:index:DashboardSite", name, {}, opts)
        self._name = name
        self._child_options = pulumi.ResourceOptions(parent=self)
        # The access control and the headers have no tags, so IAM cannot limit an update to those of one stack. Pulumi
        # makes a new one for each change instead. CloudFront refuses to delete one that is in use.
        self._replaced_options = pulumi.ResourceOptions(parent=self, replace_on_changes=["*"])
        tags = args.get("tags")

        bucket = aws.s3.Bucket(f"{name}-bucket", tags=tags, opts=self._child_options)
        distribution = self._create_distribution(
            bucket, self._create_headers_policy(bucket, sources), price_class, web_acl_arn, tags
        )
        if args.get("access_log"):
            create_page_log(name, distribution, log_retention_days, self, tags)
        aws.s3.BucketPolicy(
            f"{name}-bucket-policy",
            bucket=bucket.bucket,
            policy=build_bucket_policy("cloudfront.amazonaws.com", bucket.arn, distribution.arn),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[self._protect_bucket(bucket)]),
        )
        self.url = pulumi.Output.concat("https://", distribution.domain_name)
        self.bucket_name = bucket.bucket
        self.distribution_id = distribution.id
        self.register_outputs(
            {"url": self.url, "bucket_name": self.bucket_name, "distribution_id": self.distribution_id}
        )

    def _protect_bucket(self, bucket: aws.s3.Bucket) -> pulumi.Resource:
        """Block public access to the bucket, disable its ACLs and encrypt it.

        Return the last resource that is created. The settings are the defaults of S3 for a new bucket. They are applied
        one after the other, because S3 rejects simultaneous changes of the access to a bucket (409
        `OperationAborted`).
        """
        block = aws.s3.BucketPublicAccessBlock(
            f"{self._name}-public-access-block",
            bucket=bucket.bucket,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=self._child_options,
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

    def _create_headers_policy(
        self, bucket: aws.s3.Bucket, sources: pulumi.Output[list[str]] | None
    ) -> aws.cloudfront.ResponseHeadersPolicy:
        """Create the policy that adds the security headers to each response."""
        # The policy allows every WebSocket API and every user pool of the region, because the hosts of the stack's own
        # API and user pool are not known yet. Both are created after the site: the gateway needs the app client of the
        # user pool, and the app client needs the URL of the site.
        sign_in = bucket.region.apply(_list_cognito_hosts) if sources is None else sources
        connect_sources = pulumi.Output.all(bucket.region, bucket.bucket_regional_domain_name, sign_in).apply(
            lambda known: [*_list_gateway_hosts(known[0], known[1]), *known[2]]
        )
        return aws.cloudfront.ResponseHeadersPolicy(
            f"{self._name}-headers",
            security_headers_config={
                "content_security_policy": {
                    "content_security_policy": connect_sources.apply(build_content_security_policy),
                    "override": True,
                },
                "content_type_options": {"override": True},
                "frame_options": {"frame_option": "DENY", "override": True},
                "referrer_policy": {"referrer_policy": "no-referrer", "override": True},
                # CloudFront gives the host to this distribution alone, so nothing else is a subdomain of it.
                "strict_transport_security": {
                    "access_control_max_age_sec": HSTS_SECONDS,
                    "include_subdomains": True,
                    "preload": True,
                    "override": True,
                },
            },
            custom_headers_config={
                "items": [
                    {"header": "Cross-Origin-Opener-Policy", "value": "same-origin", "override": True},
                    {"header": "Cross-Origin-Resource-Policy", "value": "same-origin", "override": True},
                    {"header": "Permissions-Policy", "value": PERMISSIONS_POLICY, "override": True},
                ]
            },
            opts=self._replaced_options,
        )

    def _create_distribution(
        self,
        bucket: aws.s3.Bucket,
        headers: aws.cloudfront.ResponseHeadersPolicy,
        price_class: pulumi.Output[str],
        web_acl_arn: pulumi.Output[str] | None,
        tags: Tags | None,
    ) -> aws.cloudfront.Distribution:
        """Create the CloudFront distribution that serves the files of the bucket."""
        access = aws.cloudfront.OriginAccessControl(
            f"{self._name}-access",
            origin_access_control_origin_type="s3",
            signing_behavior="always",
            signing_protocol="sigv4",
            opts=self._replaced_options,
        )
        return aws.cloudfront.Distribution(
            f"{self._name}-distribution",
            enabled=True,
            comment=self._name,
            default_root_object="index.html",
            http_version="http2and3",
            is_ipv6_enabled=True,
            price_class=price_class,
            web_acl_id=web_acl_arn,
            origins=[
                {
                    "origin_id": "bucket",
                    # This is the regional domain name. The global domain name of a new bucket redirects requests
                    # until DNS has propagated.
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
            opts=self._child_options,
        )


def build_content_security_policy(connect_sources: Sequence[str]) -> str:
    """Return the Content-Security-Policy of a page that may connect to `connect_sources`."""
    return "; ".join([*PAGE_POLICY, " ".join(["connect-src 'self'", *connect_sources])])


def _list_gateway_hosts(region: str, bucket_domain: str) -> list[str]:
    """Return the patterns of the hosts of all WebSocket APIs in a region.

    The page connects by wss. If that fails, it asks by https whether the gateway can be reached. The domain after the
    region is taken from the domain of the bucket, because it is different in China.
    """
    hosts = f"*.execute-api.{region}.{bucket_domain.partition(f'.{region}.')[2]}"
    return [f"wss://{hosts}", f"https://{hosts}"]


def _list_cognito_hosts(region: str) -> list[str]:
    """Return the sources for `connect-src` of a region: its user pools and their hosted sign-in pages."""
    return [f"https://cognito-idp.{region}.amazonaws.com", f"https://*.auth.{region}.amazoncognito.com"]


def _check_connect_sources(given: pulumi.Input[Sequence[pulumi.Input[str]]] | None) -> pulumi.Output[list[str]] | None:
    """Check the input `connect_sources`."""
    return None if given is None else _checks.check_each(_urls.connect_source, "connect_sources", given)
