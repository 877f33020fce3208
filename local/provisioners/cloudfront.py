"""CloudFront. The emulator serves a distribution on its own port, to who asks for the distribution's host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..emulator import ACCOUNT_ID
from ..resource import Created, Resource
from ._arguments import arguments, pascal, renamed, tag_list
from ._names import generated_name, name_of
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


def _origin_access_control(aws: Aws, resource: Resource) -> Created:
    name = name_of(resource)
    made = aws.client("cloudfront").create_origin_access_control(
        OriginAccessControlConfig={"Name": name, **arguments(resource.inputs, _ACCESS_CONTROL)}
    )
    own_id: str = made["OriginAccessControl"]["Id"]
    return Created(own_id, {"name": name, "arn": _arn("origin-access-control", own_id), "etag": made["ETag"]})


def _response_headers_policy(aws: Aws, resource: Resource) -> Created:
    inputs, name = resource.inputs, name_of(resource)
    config: dict[str, Any] = {"Name": name, **arguments(inputs, ["comment"])}
    if security := inputs.get("securityHeadersConfig"):
        config["SecurityHeadersConfig"] = pascal(security)
    if custom := inputs.get("customHeadersConfig"):
        config["CustomHeadersConfig"] = _counted(pascal(custom["items"]))
    made = aws.client("cloudfront").create_response_headers_policy(ResponseHeadersPolicyConfig=config)
    own_id: str = made["ResponseHeadersPolicy"]["Id"]
    return Created(own_id, {"name": name, "arn": _arn("response-headers-policy", own_id), "etag": made["ETag"]})


def _distribution(aws: Aws, resource: Resource) -> Created:
    inputs = resource.inputs
    reference = generated_name(resource)
    config: dict[str, Any] = {
        "CallerReference": reference,
        "Comment": "",
        "Origins": _counted([_origin(origin) for origin in inputs["origins"]]),
        "DefaultCacheBehavior": _behavior(inputs["defaultCacheBehavior"]),
        "Restrictions": {"GeoRestriction": {"Quantity": 0, **pascal(inputs["restrictions"]["geoRestriction"])}},
        "ViewerCertificate": renamed(
            inputs["viewerCertificate"], {"cloudfrontDefaultCertificate": "CloudFrontDefaultCertificate"}
        ),
        **arguments(inputs, _CONFIG),
        **renamed(inputs, {"isIpv6Enabled": "IsIPV6Enabled"}),
    }
    made = aws.client("cloudfront").create_distribution_with_tags(
        DistributionConfigWithTags={"DistributionConfig": config, "Tags": {"Items": tag_list(inputs)}}
    )
    distribution = made["Distribution"]
    return Created(
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
        **arguments(origin, _ORIGIN),
    }


def _behavior(behavior: dict[str, Any]) -> dict[str, Any]:
    methods = _counted(behavior["allowedMethods"]) | {"CachedMethods": _counted(behavior["cachedMethods"])}
    return {"AllowedMethods": methods, **arguments(behavior, _BEHAVIOR)}


def _arn(kind: str, own_id: str) -> str:
    """CloudFront has no regions."""
    return f"arn:aws:cloudfront::{ACCOUNT_ID}:{kind}/{own_id}"


def _counted(items: Sequence[Any]) -> dict[str, Any]:
    """A list, as CloudFront takes one."""
    return {"Quantity": len(items), "Items": items}


TYPES = {
    "aws:cloudfront/originAccessControl:OriginAccessControl": ResourceType(
        _origin_access_control, properties("name", *_ACCESS_CONTROL)
    ),
    "aws:cloudfront/responseHeadersPolicy:ResponseHeadersPolicy": ResourceType(
        _response_headers_policy,
        properties(
            *("name", "comment", "customHeadersConfig.items"),
            *(f"securityHeadersConfig.{header}" for header in _SECURITY_HEADERS),
        ),
    ),
    "aws:cloudfront/distribution:Distribution": ResourceType(
        _distribution,
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
