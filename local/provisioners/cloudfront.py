"""CloudFront. The emulator serves a distribution on its own port, to who asks for the distribution's host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..emulator import ACCOUNT_ID
from ..resource import CreatedResource, Resource
from ._arguments import pick_arguments, pick_renamed, to_pascal_case, to_tag_list
from ._names import choose_name, generate_name
from ._resource_type import ResourceType, properties

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._aws import Aws

HOSTED_ZONE_ID = "Z2FDTNDATAQYW2"
"""That of every distribution."""

_ACCESS_CONTROL = ("description", "originAccessControlOriginType", "signingBehavior", "signingProtocol")
_SECURITY_HEADERS = (
    *("contentSecurityPolicy", "contentTypeOptions", "frameOptions", "referrerPolicy", "strictTransportSecurity"),
)
_CONFIG = ("comment", "enabled", "defaultRootObject", "httpVersion", "priceClass")
_ORIGIN = ("domainName", "originAccessControlId", "originPath")
_BEHAVIOR = (
    *("targetOriginId", "viewerProtocolPolicy", "cachePolicyId", "originRequestPolicyId", "responseHeadersPolicyId"),
    "compress",
)


def _create_origin_access_control(aws: Aws, resource: Resource) -> CreatedResource:
    name = choose_name(resource)
    made = aws.client("cloudfront").create_origin_access_control(
        OriginAccessControlConfig={"Name": name, **pick_arguments(resource.inputs, _ACCESS_CONTROL)}
    )
    own_id: str = made["OriginAccessControl"]["Id"]
    return CreatedResource(own_id, {"name": name, "arn": _arn("origin-access-control", own_id), "etag": made["ETag"]})


def _create_response_headers_policy(aws: Aws, resource: Resource) -> CreatedResource:
    inputs, name = resource.inputs, choose_name(resource)
    config: dict[str, Any] = {"Name": name, **pick_arguments(inputs, ["comment"])}
    if security := inputs.get("securityHeadersConfig"):
        config["SecurityHeadersConfig"] = to_pascal_case(security)
    if custom := inputs.get("customHeadersConfig"):
        config["CustomHeadersConfig"] = _counted(to_pascal_case(custom["items"]))
    made = aws.client("cloudfront").create_response_headers_policy(ResponseHeadersPolicyConfig=config)
    own_id: str = made["ResponseHeadersPolicy"]["Id"]
    return CreatedResource(own_id, {"name": name, "arn": _arn("response-headers-policy", own_id), "etag": made["ETag"]})


def _create_distribution(aws: Aws, resource: Resource) -> CreatedResource:
    inputs = resource.inputs
    reference = generate_name(resource)
    config: dict[str, Any] = {
        "CallerReference": reference,
        "Comment": "",
        "Origins": _counted([_origin(origin) for origin in inputs["origins"]]),
        "DefaultCacheBehavior": _behavior(inputs["defaultCacheBehavior"]),
        "Restrictions": {"GeoRestriction": {"Quantity": 0, **to_pascal_case(inputs["restrictions"]["geoRestriction"])}},
        "ViewerCertificate": pick_renamed(
            inputs["viewerCertificate"], {"cloudfrontDefaultCertificate": "CloudFrontDefaultCertificate"}
        ),
        **pick_arguments(inputs, _CONFIG),
        **pick_renamed(inputs, {"isIpv6Enabled": "IsIPV6Enabled"}),
    }
    made = aws.client("cloudfront").create_distribution_with_tags(
        DistributionConfigWithTags={"DistributionConfig": config, "Tags": {"Items": to_tag_list(inputs)}}
    )
    distribution = made["Distribution"]
    return CreatedResource(
        distribution["Id"],
        {
            "arn": distribution["ARN"],
            "domainName": distribution["DomainName"],
            "status": distribution["Status"],
            "callerReference": reference,
            "etag": made["ETag"],
            "hostedZoneId": HOSTED_ZONE_ID,
        },
    )


def _origin(origin: dict[str, Any]) -> dict[str, Any]:
    # Without an identity of the old kind: the provider says so, too, of an origin that is a bucket.
    return {
        "Id": origin["originId"],
        "S3OriginConfig": {"OriginAccessIdentity": ""},
        **pick_arguments(origin, _ORIGIN),
    }


def _behavior(behavior: dict[str, Any]) -> dict[str, Any]:
    methods = _counted(behavior["allowedMethods"]) | {"CachedMethods": _counted(behavior["cachedMethods"])}
    return {"AllowedMethods": methods, **pick_arguments(behavior, _BEHAVIOR)}


def _arn(kind: str, own_id: str) -> str:
    """CloudFront has no regions."""
    return f"arn:aws:cloudfront::{ACCOUNT_ID}:{kind}/{own_id}"


def _counted(items: Sequence[Any]) -> dict[str, Any]:
    """A list, as CloudFront takes one."""
    return {"Quantity": len(items), "Items": items}


TYPES = {
    "aws:cloudfront/originAccessControl:OriginAccessControl": ResourceType(
        _create_origin_access_control, properties("name", *_ACCESS_CONTROL)
    ),
    "aws:cloudfront/responseHeadersPolicy:ResponseHeadersPolicy": ResourceType(
        _create_response_headers_policy,
        properties(
            *("name", "comment", "customHeadersConfig.items"),
            *(f"securityHeadersConfig.{header}" for header in _SECURITY_HEADERS),
        ),
    ),
    "aws:cloudfront/distribution:Distribution": ResourceType(
        _create_distribution,
        properties(
            *("tags", "isIpv6Enabled", "restrictions.geoRestriction.restrictionType"),
            *("viewerCertificate.cloudfrontDefaultCertificate", "origins.originId"),
            *("defaultCacheBehavior.allowedMethods", "defaultCacheBehavior.cachedMethods"),
            *_CONFIG,
            *(f"origins.{name}" for name in _ORIGIN),
            *(f"defaultCacheBehavior.{name}" for name in _BEHAVIOR),
        ),
        # About how long to wait for the edges, of which there are none.
        ignored=properties("waitForDeployment"),
    ),
}
