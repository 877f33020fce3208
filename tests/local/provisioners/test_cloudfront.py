from __future__ import annotations

from typing import TYPE_CHECKING, Any

from local.emulator import ACCOUNT_ID
from tests.support.local.programs import by_name
from tests.support.local.provisioning import SITE_TAGS, by_key, outputs

if TYPE_CHECKING:
    from local.monitor import Monitor


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
    assert (
        config["ViewerCertificate"]["CloudFrontDefaultCertificate"],
        config["Restrictions"]["GeoRestriction"]["RestrictionType"],
    ) == (True, "none")
    assert (config["HttpVersion"], config["IsIPV6Enabled"], config["Enabled"]) == ("http2and3", True, True)
    (origin,) = config["Origins"]["Items"]
    assert origin["DomainName"] == outputs(site, "Site-bucket")["bucketRegionalDomainName"]
    assert (origin["Id"], origin["OriginAccessControlId"]) == ("bucket", by_name(site, "access").id)
    behavior = config["DefaultCacheBehavior"]
    assert behavior["ResponseHeadersPolicyId"] == by_name(site, "headers").id
    assert behavior["CachePolicyId"] == "658327ea-f89d-4fab-a63d-7e88639e58f6"
    assert behavior["ViewerProtocolPolicy"] == "redirect-to-https"
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


def test_a_response_headers_policy_is_as_declared(site: Monitor, client: Any) -> None:
    own_id = by_name(site, "headers").id
    config = client("cloudfront").get_response_headers_policy_config(Id=own_id)["ResponseHeadersPolicyConfig"]
    security = config["SecurityHeadersConfig"]

    assert (config["Name"], config["Comment"]) == (outputs(site, "headers")["name"], "strict")
    assert security["ContentSecurityPolicy"] == {"Override": True, "ContentSecurityPolicy": "default-src 'none'"}
    assert security["ContentTypeOptions"] == {"Override": True}
    assert security["FrameOptions"] == {"Override": True, "FrameOption": "DENY"}
    assert security["ReferrerPolicy"] == {"Override": True, "ReferrerPolicy": "no-referrer"}
    assert (
        security["StrictTransportSecurity"]["Override"],
        security["StrictTransportSecurity"]["AccessControlMaxAgeSec"],
    ) == (True, 60)
    assert config["CustomHeadersConfig"]["Items"] == [{"Header": "X-Team", "Value": "forms", "Override": True}]
