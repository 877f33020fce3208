"""What can be reached from outside, by whom, and how."""

from collections.abc import Iterator, Sequence

from .resources import BUCKETS, PERMISSION, Inputs, Resource, about, at, given, listed


def open_function(resource_type: str, inputs: Inputs) -> Iterator[str]:
    if resource_type != PERMISSION:
        return
    principal = inputs.get("principal", "")
    if principal == "*":
        yield "everyone may invoke the function (principal *)"
    elif "." in principal and not given(inputs, "sourceArn") and not given(inputs, "sourceAccount"):
        yield f"{principal} may invoke the function for any account: give sourceArn"


def open_function_url(resource_type: str, inputs: Inputs) -> Iterator[str]:
    if resource_type == "aws:lambda/functionUrl:FunctionUrl" and inputs.get("authorizationType") != "AWS_IAM":
        yield "the function's URL asks for no authorization: authorizationType must be AWS_IAM"


def open_websocket(resource_type: str, inputs: Inputs) -> Iterator[str]:
    connects = resource_type == "aws:apigatewayv2/route:Route" and inputs.get("routeKey") == "$connect"
    if connects and inputs.get("authorizationType", "NONE") == "NONE":
        yield "anyone may connect: API Gateway authorizes a WebSocket at $connect alone, so give it an authorizer"


PUBLIC_ACCESS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")


def public_bucket(stack: Sequence[Resource]) -> Iterator[tuple[Resource, str]]:
    for bucket in stack:
        if bucket.type in BUCKETS:
            blocks = about(stack, bucket, "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock")
            missing = [key for key in PUBLIC_ACCESS if not any(one.inputs.get(key) is True for one in blocks)]
            if missing:
                yield bucket, f"may be made public: no BucketPublicAccessBlock of it sets {', '.join(missing)}"


HTTPS_ONLY = {"https-only", "redirect-to-https"}


def plain_http(resource_type: str, inputs: Inputs) -> Iterator[str]:
    if resource_type != "aws:cloudfront/distribution:Distribution":
        return
    behaviours = [at(inputs, "defaultCacheBehavior"), *listed(inputs.get("orderedCacheBehaviors"))]
    for behaviour in behaviours:
        policy = at(behaviour, "viewerProtocolPolicy")
        if policy not in HTTPS_ONLY:
            path = at(behaviour, "pathPattern") or "the default behaviour"
            yield f"{path} answers plain HTTP (viewerProtocolPolicy {policy}): it must be redirect-to-https"
    for origin in listed(inputs.get("origins")):
        protocol = at(origin, "customOriginConfig", "originProtocolPolicy")
        if protocol not in {None, "https-only"}:
            yield f"it reads its origin by plain HTTP (originProtocolPolicy {protocol}): it must be https-only"
