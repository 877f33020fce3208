"""`DashboardSite`: a bucket that nobody reads but one distribution, and the headers that it answers with."""

from __future__ import annotations

from typing import Any

import pulumi
import pytest

from components import DashboardSite, DashboardSiteArgs
from components.dashboard_site import PERMISSIONS_POLICY
from tests.support.components.harness import Recording, refusal, run
from tests.support.components.policies import deny_without_tls, document
from tests.support.components.provider import (
    ACCOUNT,
    REGION,
    Provider,
    api_id,
    bucket_name,
    distribution_domain,
    distribution_id,
)

BUCKET = bucket_name("site-bucket")
BUCKET_ARN = f"arn:aws:s3:::{BUCKET}"
DISTRIBUTION_ARN = f"arn:aws:cloudfront::{ACCOUNT}:distribution/{distribution_id('site-distribution')}"
LONGEST_NAME = "s" * 48


def declare(args: DashboardSiteArgs) -> Recording:
    return run(lambda: DashboardSite("site", args))


@pytest.fixture(scope="module")
def recording() -> Recording:
    return declare({})


@pytest.fixture(scope="module")
def behavior(recording: Recording) -> dict[str, Any]:
    return recording.inputs("site-distribution")["defaultCacheBehavior"]


def security_headers(recording: Recording) -> dict[str, Any]:
    return recording.inputs("site-headers")["securityHeadersConfig"]


def content_security_policy(recording: Recording) -> dict[str, str]:
    """By directive."""
    policy: str = security_headers(recording)["contentSecurityPolicy"]["contentSecurityPolicy"]
    pairs = [(name, value) for name, _, value in (directive.partition(" ") for directive in policy.split("; "))]
    assert len({name for name, _ in pairs}) == len(pairs), "a browser heeds only the first of a name"
    return dict(pairs)


def test_declares_a_bucket_and_a_distribution_and_what_keeps_them_apart_from_others(recording: Recording) -> None:
    assert recording.children("site") == {
        ("s3/bucket:Bucket", "site-bucket"),
        ("s3/bucketPublicAccessBlock:BucketPublicAccessBlock", "site-public-access-block"),
        ("s3/bucketOwnershipControls:BucketOwnershipControls", "site-ownership"),
        (
            "s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
            "site-encryption",
        ),
        ("s3/bucketPolicy:BucketPolicy", "site-bucket-policy"),
        ("cloudfront/originAccessControl:OriginAccessControl", "site-access"),
        ("cloudfront/responseHeadersPolicy:ResponseHeadersPolicy", "site-headers"),
        ("cloudfront/distribution:Distribution", "site-distribution"),
    }


def test_nothing_of_the_bucket_is_public(recording: Recording) -> None:
    assert recording.inputs("site-public-access-block") == {
        "bucket": BUCKET,
        "blockPublicAcls": True,
        "blockPublicPolicy": True,
        "ignorePublicAcls": True,
        "restrictPublicBuckets": True,
    }
    assert recording.inputs("site-ownership") == {
        "bucket": BUCKET,
        "rule": {"objectOwnership": "BucketOwnerEnforced"},
    }
    assert recording.inputs("site-bucket") == {}, "neither an ACL nor a website of its own"


def test_the_bucket_is_encrypted_and_takes_no_keys_of_a_clients_own(recording: Recording) -> None:
    assert recording.inputs("site-encryption") == {
        "bucket": BUCKET,
        "rules": [
            {
                "applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"},
                "blockedEncryptionTypes": ["SSE-C"],
            }
        ],
    }


def test_only_this_distribution_may_read_the_bucket(recording: Recording) -> None:
    assert recording.inputs("site-bucket-policy")["bucket"] == BUCKET
    assert recording.json("site-bucket-policy", "policy") == document(
        {
            "Effect": "Allow",
            "Principal": {"Service": "cloudfront.amazonaws.com"},
            "Action": "s3:GetObject",
            "Resource": f"{BUCKET_ARN}/*",
            "Condition": {"StringEquals": {"AWS:SourceArn": DISTRIBUTION_ARN}},
        },
        deny_without_tls("s3:*", BUCKET_ARN, f"{BUCKET_ARN}/*"),
    )


def test_the_buckets_settings_are_made_one_after_the_other(recording: Recording) -> None:
    assert "site-public-access-block" in recording.dependencies("site-ownership")
    assert "site-ownership" in recording.dependencies("site-encryption")
    assert "site-encryption" in recording.dependencies("site-bucket-policy")


def test_the_distribution_signs_each_request_to_the_bucket(recording: Recording) -> None:
    assert recording.inputs("site-access") == {
        "originAccessControlOriginType": "s3",
        "signingBehavior": "always",
        "signingProtocol": "sigv4",
    }
    assert recording.inputs("site-distribution")["origins"] == [
        {
            "originId": "bucket",
            "domainName": f"{BUCKET}.s3.{REGION}.amazonaws.com",
            "originAccessControlId": api_id("site-access"),
        }
    ]


def test_the_page_is_read_over_https_alone(behavior: dict[str, Any]) -> None:
    assert behavior["viewerProtocolPolicy"] == "redirect-to-https"
    assert behavior["allowedMethods"] == ["GET", "HEAD"]
    assert behavior["cachedMethods"] == ["GET", "HEAD"]


def test_it_is_cached_compressed_and_without_its_query(behavior: dict[str, Any]) -> None:
    assert behavior["cachePolicyId"] == "658327ea-f89d-4fab-a63d-7e88639e58f6"
    assert behavior["compress"] is True
    assert behavior["targetOriginId"] == "bucket"


def test_the_distribution_serves_the_page_everywhere_at_the_lowest_price(recording: Recording) -> None:
    distribution = recording.inputs("site-distribution")

    assert distribution["enabled"] is True
    assert distribution["defaultRootObject"] == "index.html"
    assert (distribution["httpVersion"], distribution["isIpv6Enabled"]) == ("http2and3", True)
    assert distribution["priceClass"] == "PriceClass_100"
    assert distribution["restrictions"] == {"geoRestriction": {"restrictionType": "none"}}
    assert distribution["viewerCertificate"] == {"cloudfrontDefaultCertificate": True}
    assert not {"aliases", "loggingConfig", "webAclId"} & set(distribution)


def test_a_web_acl_may_filter_the_requests() -> None:
    acl = f"arn:aws:wafv2:us-east-1:{ACCOUNT}:global/webacl/pages/1a2b3c"

    assert declare({"web_acl_arn": acl}).inputs("site-distribution")["webAclId"] == acl


@pytest.mark.parametrize("region", ["eu-west-1:{}:global", "us-east-1:{}:regional"])
def test_a_web_acl_that_cloudfront_does_not_take_is_refused(region: str) -> None:
    acl = f"arn:aws:wafv2:{region.format(ACCOUNT)}/webacl/pages/1a2b3c"

    assert refusal(lambda: DashboardSite("site", {"web_acl_arn": acl})) == (
        f"web_acl_arn: must be the ARN of a web ACL for CloudFront, in us-east-1, got {acl!r}"
    )


@pytest.mark.parametrize("price_class", ["PriceClass_200", "PriceClass_All"])
def test_more_edges_may_serve_it(price_class: str) -> None:
    assert declare({"price_class": price_class}).inputs("site-distribution")["priceClass"] == price_class


def test_each_answer_has_the_headers(recording: Recording, behavior: dict[str, Any]) -> None:
    assert behavior["responseHeadersPolicyId"] == api_id("site-headers")
    headers = security_headers(recording)
    assert headers["strictTransportSecurity"] == {
        "accessControlMaxAgeSec": 31_536_000,
        "includeSubdomains": True,
        "preload": True,
        "override": True,
    }
    assert headers["contentTypeOptions"] == {"override": True}
    assert headers["frameOptions"] == {"frameOption": "DENY", "override": True}
    assert headers["referrerPolicy"] == {"referrerPolicy": "no-referrer", "override": True}
    assert headers["contentSecurityPolicy"]["override"] is True
    assert recording.inputs("site-headers")["customHeadersConfig"]["items"] == [
        {"header": "Cross-Origin-Opener-Policy", "value": "same-origin", "override": True},
        {"header": "Cross-Origin-Resource-Policy", "value": "same-origin", "override": True},
        {"header": "Permissions-Policy", "value": PERMISSIONS_POLICY, "override": True},
    ]
    assert {"camera=()", "microphone=()", "geolocation=()"} <= set(PERMISSIONS_POLICY.split(", "))


def test_a_page_runs_nothing_but_its_own_files_and_stands_in_no_frame(recording: Recording) -> None:
    policy = content_security_policy(recording)
    policy.pop("connect-src")

    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self'",
        "font-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }


def test_a_page_connects_to_websockets_and_user_pools_of_its_region(recording: Recording) -> None:
    assert content_security_policy(recording)["connect-src"].split(" ") == [
        "'self'",
        f"wss://*.execute-api.{REGION}.amazonaws.com",
        f"https://*.execute-api.{REGION}.amazonaws.com",
        f"https://cognito-idp.{REGION}.amazonaws.com",
        f"https://*.auth.{REGION}.amazoncognito.com",
    ]


@pytest.mark.parametrize(
    "sources",
    [
        [],
        ["https://login.example.com", "wss://*.example.com:8443"],
        ["ws://127.0.0.1:4566", "http://localhost:4566"],
    ],
)
def test_or_where_people_sign_in_instead_of_user_pools(sources: list[str]) -> None:
    policy = content_security_policy(declare({"connect_sources": sources}))

    gateways = [f"{scheme}://*.execute-api.{REGION}.amazonaws.com" for scheme in ("wss", "https")]
    assert policy["connect-src"].split(" ") == ["'self'", *gateways, *sources]


def test_a_websocket_is_of_the_regions_own_domain() -> None:
    bucket = {"region": "cn-north-1", "bucketRegionalDomainName": "b.s3.cn-north-1.amazonaws.com.cn"}
    recording = run(lambda: DashboardSite("site", {"connect_sources": []}), provider=Provider({"site-bucket": bucket}))

    assert content_security_policy(recording)["connect-src"] == (
        "'self' wss://*.execute-api.cn-north-1.amazonaws.com.cn https://*.execute-api.cn-north-1.amazonaws.com.cn"
    )


def test_a_source_may_be_known_later() -> None:
    recording = run(
        lambda: DashboardSite("site", {"connect_sources": [pulumi.Output.from_input("https://login.example.com")]})
    )

    assert content_security_policy(recording)["connect-src"].endswith(" https://login.example.com")


@pytest.mark.parametrize(
    "source",
    [
        "https://login.example.com/realms",
        "https://login.example.com; script-src *",
        "https://*",
        "https://*login.example.com",
        "*",
        "'unsafe-inline'",
        "http://login.example.com",
        "ws://example.com",
        "",
    ],
)
def test_a_source_that_is_no_host_is_refused(source: str) -> None:
    message = refusal(lambda: DashboardSite("site", {"connect_sources": ["wss://a.example.com", source]}))

    assert message.startswith("connect_sources[1]: must be https:// or wss:// with a host, ")
    assert message.endswith(f", got {source!r}")


def test_a_price_class_that_cloudfront_does_not_know_is_refused() -> None:
    assert refusal(lambda: DashboardSite("site", {"price_class": "PriceClass_300"})) == (
        "price_class: must be one of PriceClass_100, PriceClass_200, PriceClass_All, got 'PriceClass_300'"
    )


@pytest.mark.parametrize("name", ["my_site", "1st-site", "", f"{LONGEST_NAME}s"])
def test_a_name_that_would_make_no_bucket_is_refused(name: str) -> None:
    assert refusal(lambda: DashboardSite(name, {})).startswith("name: must be ")


def test_registers_its_url_without_a_slash_and_what_a_page_needs(recording: Recording) -> None:
    assert recording.registered("site") == {
        "url": f"https://{distribution_domain('site-distribution')}",
        "bucket_name": BUCKET,
        "distribution_id": distribution_id("site-distribution"),
    }
