"""The dashboard's home, made for real in the emulator: its bucket, its distribution, its alarms, its sign-in."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Callable, Generator
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from local import emulator as emulator_module
from local.emulator import ACCOUNT_ID, Emulator
from local.errors import ProgramError
from local.monitor import Monitor
from local.provisioners import Provisioner, cloudfront, problems, s3, sns
from local.resource import Resource
from tests.local.conftest import REGION
from tests.support.local.programs import by_name, run_program, write_program

PROGRAM = """
import json

tags = {"team": "forms", "Stage": "a + b"}

bucket = aws.s3.Bucket("Site-bucket", tags=tags, force_destroy=True)
aws.s3.Bucket("named", bucket="a-name-of-its-own")
block = aws.s3.BucketPublicAccessBlock("block", bucket=bucket.bucket, block_public_acls=True,
    block_public_policy=True, ignore_public_acls=True, restrict_public_buckets=True)
aws.s3.BucketOwnershipControls("ownership", bucket=bucket.id, rule={"object_ownership": "BucketOwnerEnforced"})
aws.s3.BucketServerSideEncryptionConfiguration("encryption", bucket=bucket.bucket, rules=[
    {"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}, "blocked_encryption_types": ["SSE-C"]}])
aws.s3.BucketObjectv2("index", bucket=bucket.bucket, key="index.html", source=pulumi.FileAsset("page/index.html"),
    content_type="text/html; charset=utf-8", cache_control="no-cache", tags=tags)
aws.s3.BucketObjectv2("config", bucket=bucket.bucket, key="vendor/config.json", content='{"a": "ä"}',
    content_type="application/json")

access = aws.cloudfront.OriginAccessControl("access", origin_access_control_origin_type="s3",
    signing_behavior="always", signing_protocol="sigv4")
headers = aws.cloudfront.ResponseHeadersPolicy("headers", comment="strict",
    security_headers_config={
        "content_security_policy": {"content_security_policy": "default-src 'none'", "override": True},
        "content_type_options": {"override": True},
        "frame_options": {"frame_option": "DENY", "override": True},
        "referrer_policy": {"referrer_policy": "no-referrer", "override": True},
        "strict_transport_security": {"access_control_max_age_sec": 60, "override": True}},
    custom_headers_config={"items": [{"header": "X-Team", "value": "forms", "override": True}]})
distribution = aws.cloudfront.Distribution("distribution", enabled=True, comment="the page", tags=tags,
    default_root_object="index.html", http_version="http2and3", is_ipv6_enabled=True, price_class="PriceClass_100",
    origins=[{"origin_id": "bucket", "domain_name": bucket.bucket_regional_domain_name,
              "origin_access_control_id": access.id}],
    default_cache_behavior={"target_origin_id": "bucket", "viewer_protocol_policy": "redirect-to-https",
        "allowed_methods": ["GET", "HEAD"], "cached_methods": ["GET", "HEAD"], "compress": True,
        "cache_policy_id": "658327ea-f89d-4fab-a63d-7e88639e58f6", "response_headers_policy_id": headers.id},
    restrictions={"geo_restriction": {"restriction_type": "none"}},
    viewer_certificate={"cloudfront_default_certificate": True}, wait_for_deployment=False)
aws.s3.BucketPolicy("bucket-policy", bucket=bucket.bucket, policy=pulumi.Output.json_dumps(
    {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "cloudfront.amazonaws.com"}, "Action": "s3:GetObject",
         "Resource": pulumi.Output.concat(bucket.arn, "/*"),
         "Condition": {"StringEquals": {"AWS:SourceArn": distribution.arn}}}]}),
    opts=pulumi.ResourceOptions(depends_on=[block]))

topic = aws.sns.Topic("topic", display_name="Alarms", tags=tags)
aws.sns.TopicPolicy("topic-policy", arn=topic.arn, policy=pulumi.Output.json_dumps(
    {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "cloudwatch.amazonaws.com"}, "Action": "sns:Publish",
         "Resource": topic.arn}]}))
aws.sns.TopicSubscription("email", topic=topic.arn, protocol="email", endpoint="ada@example.com")

pool = aws.cognito.UserPool("pool")
aws.cognito.UserPoolDomain("domain", user_pool_id=pool.id, domain="a1b2c3", managed_login_version=2)
"""
TAGS = [{"Key": "Stage", "Value": "a + b"}, {"Key": "team", "Value": "forms"}]


@pytest.fixture(scope="module")
def made(emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Generator[Monitor]:
    """The program above, provisioned."""
    root = write_program(
        tmp_path_factory.mktemp("program"), PROGRAM, modules={"page/index.html": "<title>a page</title>"}
    )
    provisioner = Provisioner(emulator.endpoint_url, REGION, root)
    yield run_program(root, provisioner)
    provisioner.close()


@pytest.fixture(scope="module")
def client(emulator: Emulator) -> Generator[Callable[[str], Any]]:
    """A function that gives the boto3 client of a service."""
    clients: dict[str, Any] = {}

    def client_of(service: str) -> Any:
        if service not in clients:
            clients[service] = emulator_module.client(service, emulator.endpoint_url, REGION)
        return clients[service]

    yield client_of
    for one in clients.values():
        one.close()


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Message
    body: bytes


@pytest.fixture
def ask(made: Monitor, emulator: Emulator) -> Callable[..., Answer]:
    """A function that asks the distribution, as a browser would: over TLS, for all that it can tell."""

    def ask_distribution(path: str, *, method: str = "GET", scheme: str = "https") -> Answer:
        connection = http.client.HTTPConnection(urlsplit(emulator.endpoint_url).netloc, timeout=30)
        host = outputs(made, "distribution")["domainName"]
        connection.request(method, path, headers={"Host": host, "X-Forwarded-Proto": scheme})
        response = connection.getresponse()
        answer = Answer(response.status, response.headers, response.read())
        connection.close()
        return answer

    return ask_distribution


def outputs(made: Monitor, name: str) -> dict[str, Any]:
    return by_name(made, name).outputs


def by_key(tags: list[dict[str, str]]) -> list[dict[str, str]]:
    return sorted(tags, key=lambda tag: tag["Key"])


def test_the_program_makes_every_type_of_these_services(made: Monitor) -> None:
    types = {resource.type for resource in made.resources.values()}

    assert types >= {*s3.TYPES, *cloudfront.TYPES, *sns.TYPES, "aws:cognito/userPoolDomain:UserPoolDomain"}


def test_a_bucket_is_private_and_has_a_name_in_small_letters(made: Monitor, client: Any) -> None:
    own = outputs(made, "Site-bucket")
    bucket = own["bucket"]

    assert re.fullmatch("site-bucket-[0-9a-f]{7}", bucket)
    assert by_name(made, "Site-bucket").id == bucket
    assert (own["arn"], own["region"]) == (f"arn:aws:s3:::{bucket}", REGION)
    assert own["bucketRegionalDomainName"] == f"{bucket}.s3.{REGION}.amazonaws.com"
    assert by_key(client("s3").get_bucket_tagging(Bucket=bucket)["TagSet"]) == TAGS
    assert client("s3").get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"] == {
        "BlockPublicAcls": True,
        "BlockPublicPolicy": True,
        "IgnorePublicAcls": True,
        "RestrictPublicBuckets": True,
    }
    assert client("s3").get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"] == [
        {"ObjectOwnership": "BucketOwnerEnforced"}
    ]
    assert client("s3").get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"] == [
        {
            "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"},
            "BlockedEncryptionTypes": {"EncryptionType": ["SSE-C"]},
        }
    ]


def test_a_bucket_with_a_name_of_its_own(made: Monitor, client: Any) -> None:
    assert outputs(made, "named")["bucket"] == "a-name-of-its-own"
    assert client("s3").head_bucket(Bucket="a-name-of-its-own")["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_a_bucket_in_another_region_is_made_there(tmp_path: Path) -> None:
    root = write_program(tmp_path / "program", "aws.s3.Bucket('bucket')", config="config: {'aws:region': eu-west-1}")
    with Emulator(tmp_path / "emulator", "eu-west-1") as emulator:
        provisioner = Provisioner(emulator.endpoint_url, "eu-west-1", root)
        own = outputs(run_program(root, provisioner), "bucket")
        provisioner.close()
        found = emulator_module.client("s3", emulator.endpoint_url, "eu-west-1")
        location = found.get_bucket_location(Bucket=own["bucket"])["LocationConstraint"]
        found.close()

    assert (own["region"], location) == ("eu-west-1", "eu-west-1")


def test_a_buckets_policy(made: Monitor, client: Any) -> None:
    bucket = outputs(made, "Site-bucket")["bucket"]
    (statement,) = json.loads(client("s3").get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]

    assert statement["Condition"] == {"StringEquals": {"AWS:SourceArn": outputs(made, "distribution")["arn"]}}
    assert by_name(made, "bucket-policy").id == bucket


def test_objects_are_there_with_their_content_and_its_type(made: Monitor, client: Any) -> None:
    bucket = outputs(made, "Site-bucket")["bucket"]
    page = client("s3").get_object(Bucket=bucket, Key="index.html")
    config = client("s3").get_object(Bucket=bucket, Key="vendor/config.json")

    assert page["Body"].read() == b"<title>a page</title>"
    assert (page["ContentType"], page["CacheControl"]) == ("text/html; charset=utf-8", "no-cache")
    assert page["ETag"].strip('"') == outputs(made, "index")["etag"]
    assert by_key(client("s3").get_object_tagging(Bucket=bucket, Key="index.html")["TagSet"]) == TAGS
    assert json.loads(config["Body"].read()) == {"a": "ä"}
    assert config["ContentType"] == "application/json"
    assert by_name(made, "config").id == f"{bucket}/vendor/config.json"
    assert outputs(made, "config")["arn"] == f"arn:aws:s3:::{bucket}/vendor/config.json"


def test_a_distribution_is_as_declared(made: Monitor, client: Any) -> None:
    own, own_id = outputs(made, "distribution"), by_name(made, "distribution").id
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
    assert origin["DomainName"] == outputs(made, "Site-bucket")["bucketRegionalDomainName"]
    assert (origin["Id"], origin["OriginAccessControlId"]) == ("bucket", by_name(made, "access").id)
    behavior = config["DefaultCacheBehavior"]
    assert behavior["ResponseHeadersPolicyId"] == by_name(made, "headers").id
    assert behavior["CachePolicyId"] == "658327ea-f89d-4fab-a63d-7e88639e58f6"
    assert (behavior["TargetOriginId"], behavior["Compress"]) == ("bucket", True)
    assert (
        behavior["AllowedMethods"]["Items"] == behavior["AllowedMethods"]["CachedMethods"]["Items"] == ["GET", "HEAD"]
    )
    assert by_key(client("cloudfront").list_tags_for_resource(Resource=own["arn"])["Tags"]["Items"]) == TAGS


def test_an_origin_access_control_is_as_declared(made: Monitor, client: Any) -> None:
    own, own_id = outputs(made, "access"), by_name(made, "access").id
    config = client("cloudfront").get_origin_access_control_config(Id=own_id)["OriginAccessControlConfig"]

    assert config["Name"] == own["name"]
    assert own["arn"] == f"arn:aws:cloudfront::{ACCOUNT_ID}:origin-access-control/{own_id}"
    assert (config["OriginAccessControlOriginType"], config["SigningBehavior"], config["SigningProtocol"]) == (
        "s3",
        "always",
        "sigv4",
    )


def test_a_response_headers_policy_has_its_name_and_comment(made: Monitor, client: Any) -> None:
    own_id = by_name(made, "headers").id
    config = client("cloudfront").get_response_headers_policy_config(Id=own_id)["ResponseHeadersPolicyConfig"]

    assert (config["Name"], config["Comment"]) == (outputs(made, "headers")["name"], "strict")


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


def test_a_topic_with_its_policy_and_its_subscription(made: Monitor, client: Any) -> None:
    own, topic = outputs(made, "topic"), by_name(made, "topic").id
    attributes = client("sns").get_topic_attributes(TopicArn=topic)["Attributes"]

    assert re.fullmatch("topic-[0-9a-f]{7}", own["name"])
    assert own["arn"] == topic == f"arn:aws:sns:{REGION}:{ACCOUNT_ID}:{own['name']}"
    assert attributes["DisplayName"] == "Alarms"
    assert json.loads(attributes["Policy"])["Statement"][0]["Resource"] == topic
    assert by_name(made, "topic-policy").id == topic
    assert by_key(client("sns").list_tags_for_resource(ResourceArn=topic)["Tags"]) == TAGS
    (subscription,) = client("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", "ada@example.com")
    assert subscription["SubscriptionArn"] == by_name(made, "email").id == outputs(made, "email")["arn"]


def test_a_user_pools_domain(made: Monitor, client: Any) -> None:
    domain = client("cognito-idp").describe_user_pool_domain(Domain="a1b2c3")["DomainDescription"]

    assert (domain["UserPoolId"], domain["ManagedLoginVersion"]) == (by_name(made, "pool").id, 2)
    assert by_name(made, "domain").id == "a1b2c3"


def test_a_file_that_is_not_there_is_named(emulator: Emulator, tmp_path: Path) -> None:
    source = "aws.s3.BucketObjectv2('o', bucket='b', key='k', source=pulumi.FileAsset('none.html'))"
    provisioner = Provisioner(emulator.endpoint_url, REGION, tmp_path)
    with pytest.raises(ProgramError, match=r'^aws:s3/bucketObjectv2:BucketObjectv2 "o": asset none.html: no such file'):
        run_program(write_program(tmp_path, source), provisioner)
    provisioner.close()


@pytest.mark.parametrize(
    ("token", "inputs", "property_name"),
    [
        ("aws:s3/bucket:Bucket", {"acl": "public-read"}, "acl"),
        ("aws:s3/bucketObjectv2:BucketObjectv2", {"websiteRedirect": "/elsewhere"}, "websiteRedirect"),
        ("aws:sns/topic:Topic", {"fifoTopic": True}, "fifoTopic"),
        ("aws:cloudfront/distribution:Distribution", {"aliases": ["a.example.com"]}, "aliases"),
        (
            "aws:cloudfront/distribution:Distribution",
            {"restrictions": {"geoRestriction": {"locations": ["DE"]}}},
            "restrictions.geoRestriction.locations",
        ),
        (
            "aws:cloudfront/responseHeadersPolicy:ResponseHeadersPolicy",
            {"securityHeadersConfig": {"xssProtection": {"override": True}}},
            "securityHeadersConfig.xssProtection.override",
        ),
        ("aws:cognito/userPoolDomain:UserPoolDomain", {"certificateArn": "arn"}, "certificateArn"),
    ],
)
def test_a_property_that_would_be_lost_is_named(token: str, inputs: dict[str, Any], property_name: str) -> None:
    resource = Resource("urn:pulumi:dev::example::t::n", token, "n", "", custom=True, inputs=inputs)

    assert problems(resource, REGION) == [f"{property_name}: the local run does not know this property"]
