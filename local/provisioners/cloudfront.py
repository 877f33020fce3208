"""Resources of CloudFront. The emulator selects a distribution by the `Host` header of a request."""

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
"""The Route 53 hosted zone id of every distribution."""

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
    response = aws.client("cloudfront").create_origin_access_control(
        OriginAccessControlConfig={"Name": name, **pick_arguments(resource.inputs, _ACCESS_CONTROL)}
    )
    resource_id: str = response["OriginAccessControl"]["Id"]
    return CreatedResource(
        resource_id, {"name": name, "arn": _build_arn("origin-access-control", resource_id), "etag": response["ETag"]}
    )


def _create_response_headers_policy(aws: Aws, resource: Resource) -> CreatedResource:
    inputs, name = resource.inputs, choose_name(resource)
    config: dict[str, Any] = {"Name": name, **pick_arguments(inputs, ["comment"])}
    if security := inputs.get("securityHeadersConfig"):
        config["SecurityHeadersConfig"] = to_pascal_case(security)
    if custom := inputs.get("customHeadersConfig"):
        config["CustomHeadersConfig"] = _to_quantity_list(to_pascal_case(custom["items"]))
    response = aws.client("cloudfront").create_response_headers_policy(ResponseHeadersPolicyConfig=config)
    resource_id: str = response["ResponseHeadersPolicy"]["Id"]
    return CreatedResource(
        resource_id, {"name": name, "arn": _build_arn("response-headers-policy", resource_id), "etag": response["ETag"]}
    )


def _create_distribution(aws: Aws, resource: Resource) -> CreatedResource:
    inputs = resource.inputs
    reference = generate_name(resource)
    config: dict[str, Any] = {
        "CallerReference": reference,
        "Comment": "",
        "Origins": _to_quantity_list([_build_origin(origin) for origin in inputs["origins"]]),
        "DefaultCacheBehavior": _build_behavior(inputs["defaultCacheBehavior"]),
        "Restrictions": {"GeoRestriction": {"Quantity": 0, **to_pascal_case(inputs["restrictions"]["geoRestriction"])}},
        "ViewerCertificate": pick_renamed(
            inputs["viewerCertificate"], {"cloudfrontDefaultCertificate": "CloudFrontDefaultCertificate"}
        ),
        **pick_arguments(inputs, _CONFIG),
        **pick_renamed(inputs, {"isIpv6Enabled": "IsIPV6Enabled", "webAclId": "WebACLId"}),
    }
    response = aws.client("cloudfront").create_distribution_with_tags(
        DistributionConfigWithTags={"DistributionConfig": config, "Tags": {"Items": to_tag_list(inputs)}}
    )
    distribution = response["Distribution"]
    return CreatedResource(
        distribution["Id"],
        {
            "arn": distribution["ARN"],
            "domainName": distribution["DomainName"],
            "status": distribution["Status"],
            "callerReference": reference,
            "etag": response["ETag"],
            "hostedZoneId": HOSTED_ZONE_ID,
        },
    )


def _build_origin(origin: dict[str, Any]) -> dict[str, Any]:
    # The empty string means that the origin has no origin access identity, the predecessor of origin access control.
    # The AWS provider sends the same value for an S3 origin.
    return {
        "Id": origin["originId"],
        "S3OriginConfig": {"OriginAccessIdentity": ""},
        **pick_arguments(origin, _ORIGIN),
    }


def _build_behavior(behavior: dict[str, Any]) -> dict[str, Any]:
    methods = _to_quantity_list(behavior["allowedMethods"]) | {
        "CachedMethods": _to_quantity_list(behavior["cachedMethods"])
    }
    return {"AllowedMethods": methods, **pick_arguments(behavior, _BEHAVIOR)}


def _build_arn(kind: str, resource_id: str) -> str:
    """Return the ARN of a CloudFront resource, which has no region."""
    return f"arn:aws:cloudfront::{ACCOUNT_ID}:{kind}/{resource_id}"


def _to_quantity_list(items: Sequence[Any]) -> dict[str, Any]:
    """Return `items` in CloudFront's form of a list, which also has the number of items."""
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
            *("tags", "isIpv6Enabled", "webAclId", "restrictions.geoRestriction.restrictionType"),
            *("viewerCertificate.cloudfrontDefaultCertificate", "origins.originId"),
            *("defaultCacheBehavior.allowedMethods", "defaultCacheBehavior.cachedMethods"),
            *_CONFIG,
            *(f"origins.{name}" for name in _ORIGIN),
            *(f"defaultCacheBehavior.{name}" for name in _BEHAVIOR),
        ),
        # `waitForDeployment` concerns edge locations, which the emulator does not have.
        ignored=properties("waitForDeployment"),
    ),
}
