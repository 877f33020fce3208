from __future__ import annotations

import http.client
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from local.emulator import ACCOUNT_ID, Emulator
from tests.support.local.programs import by_name
from tests.support.local.provisioning import SITE_TAGS, by_key, outputs

if TYPE_CHECKING:
    from collections.abc import Callable
    from email.message import Message

    from local.monitor import Monitor


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Message
    body: bytes


@pytest.fixture
def ask(site: Monitor, emulator: Emulator) -> Callable[..., Answer]:
    """A function that asks the distribution, as a browser would: over TLS, for all that it can tell."""

    def ask_distribution(path: str, *, method: str = "GET", scheme: str = "https") -> Answer:
        connection = http.client.HTTPConnection(urlsplit(emulator.endpoint_url).netloc, timeout=30)
        host = outputs(site, "distribution")["domainName"]
        connection.request(method, path, headers={"Host": host, "X-Forwarded-Proto": scheme})
        response = connection.getresponse()
        answer = Answer(response.status, response.headers, response.read())
        connection.close()
        return answer

    return ask_distribution


def test_a_distribution_is_as_declared(site: Monitor, client: Any) -> None:
    own, own_id = outputs(site, "distribution"), by_name(site, "distribution").id
    distribution = client("cloudfront").get_distribution(Id=own_id)["Distribution"]
    config = distribution["DistributionConfig"]

    assert (own["arn"], own["domainName"]) == (distribution["ARN"], distribution["DomainName"])
    assert own["arn"] == f"arn:aws:cloudfront::{ACCOUNT_ID}:distribution/{own_id}"
    assert (config["Comment"], config["DefaultRootObject"], config["PriceClass"]) == (
        "the page",
        "index.html",
        "PriceClass_100",
    )
    assert (config["HttpVersion"], config["IsIPV6Enabled"], config["Enabled"]) == ("http2and3", True, True)
    (origin,) = config["Origins"]["Items"]
    assert origin["DomainName"] == outputs(site, "Site-bucket")["bucketRegionalDomainName"]
    assert (origin["Id"], origin["OriginAccessControlId"]) == ("bucket", by_name(site, "access").id)
    behavior = config["DefaultCacheBehavior"]
    assert behavior["ResponseHeadersPolicyId"] == by_name(site, "headers").id
    assert behavior["CachePolicyId"] == "658327ea-f89d-4fab-a63d-7e88639e58f6"
    assert (behavior["TargetOriginId"], behavior["Compress"]) == ("bucket", True)
    assert (
        behavior["AllowedMethods"]["Items"] == behavior["AllowedMethods"]["CachedMethods"]["Items"] == ["GET", "HEAD"]
    )
    assert by_key(client("cloudfront").list_tags_for_resource(Resource=own["arn"])["Tags"]["Items"]) == SITE_TAGS


def test_an_origin_access_control_is_as_declared(site: Monitor, client: Any) -> None:
    own, own_id = outputs(site, "access"), by_name(site, "access").id
    config = client("cloudfront").get_origin_access_control_config(Id=own_id)["OriginAccessControlConfig"]

    assert config["Name"] == own["name"]
    assert own["arn"] == f"arn:aws:cloudfront::{ACCOUNT_ID}:origin-access-control/{own_id}"
    assert (config["OriginAccessControlOriginType"], config["SigningBehavior"], config["SigningProtocol"]) == (
        "s3",
        "always",
        "sigv4",
    )


def test_a_response_headers_policy_has_its_name_and_comment(site: Monitor, client: Any) -> None:
    own_id = by_name(site, "headers").id
    config = client("cloudfront").get_response_headers_policy_config(Id=own_id)["ResponseHeadersPolicyConfig"]

    assert (config["Name"], config["Comment"]) == (outputs(site, "headers")["name"], "strict")


def test_the_distribution_serves_the_buckets_page_with_the_headers(ask: Callable[..., Answer]) -> None:
    answer = ask("/")

    assert (answer.status, answer.body) == (200, b"<title>a page</title>")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-cache"
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'"
    assert answer.headers["Strict-Transport-Security"] == "max-age=60"
    assert (answer.headers["X-Content-Type-Options"], answer.headers["X-Frame-Options"]) == ("nosniff", "DENY")
    assert (answer.headers["Referrer-Policy"], answer.headers["X-Team"]) == ("no-referrer", "forms")
    assert ask("/vendor/config.json").headers["Content-Type"] == "application/json"


def test_the_distribution_serves_nothing_else(ask: Callable[..., Answer]) -> None:
    assert ask("/missing").status == 403
    assert ask("/", method="POST").status == 403
    plain = ask("/", scheme="http")
    assert (plain.status, plain.headers["Location"][:8]) == (301, "https://")
