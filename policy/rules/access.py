"""Rules about access from outside: who can reach a resource, and how."""

from collections.abc import Iterator, Sequence

from .resources import BUCKETS, PERMISSION, USER_POOL, Inputs, Resource, find_dependents, get_value, has_value, to_list


def check_invoke_permission(resource_type: str, inputs: Inputs) -> Iterator[str]:
    """Report a permission with which any account can invoke a function.

    Such a permission allows every principal, or it allows an AWS service without naming a source resource or account.
    """
    if resource_type != PERMISSION:
        return
    principal = inputs.get("principal", "")
    if principal == "*":
        yield "everyone may invoke the function (principal *)"
    elif "." in principal and not has_value(inputs, "sourceArn") and not has_value(inputs, "sourceAccount"):
        yield f"{principal} may invoke the function for any account: set sourceArn"


def check_function_url(resource_type: str, inputs: Inputs) -> Iterator[str]:
    """Report a function URL without authorization."""
    if resource_type == "aws:lambda/functionUrl:FunctionUrl" and inputs.get("authorizationType") != "AWS_IAM":
        yield "authorizationType: must be AWS_IAM, because anyone can invoke the function by its URL otherwise"


def check_connect_route(resource_type: str, inputs: Inputs) -> Iterator[str]:
    """Report a `$connect` route without an authorizer."""
    connects = resource_type == "aws:apigatewayv2/route:Route" and inputs.get("routeKey") == "$connect"
    if connects and inputs.get("authorizationType", "NONE") == "NONE":
        yield "anyone may connect: set an authorizer, because API Gateway authorizes a WebSocket only at $connect"


def check_user_names(resource_type: str, inputs: Inputs) -> Iterator[str]:
    """Report a user pool that distinguishes capital letters in user names."""
    if resource_type == USER_POOL and get_value(inputs, "usernameConfiguration", "caseSensitive") is not False:
        yield (
            "A@example.com and a@example.com are two users, and a later change replaces the user pool and deletes all "
            "users: set usernameConfiguration.caseSensitive to false"
        )


PUBLIC_ACCESS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")


def check_public_access(stack: Sequence[Resource]) -> Iterator[tuple[Resource, str]]:
    """Report a bucket that can be made public."""
    for bucket in stack:
        if bucket.type in BUCKETS:
            blocks = find_dependents(stack, bucket, "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock")
            missing = [key for key in PUBLIC_ACCESS if not any(block.inputs.get(key) is True for block in blocks)]
            if missing:
                yield bucket, f"can be made public: no BucketPublicAccessBlock of it sets {', '.join(missing)}"


HTTPS_ONLY = {"https-only", "redirect-to-https"}


def check_https(resource_type: str, inputs: Inputs) -> Iterator[str]:
    """Report a CloudFront distribution that accepts or sends plain HTTP."""
    if resource_type != "aws:cloudfront/distribution:Distribution":
        return
    behaviours = [get_value(inputs, "defaultCacheBehavior"), *to_list(inputs.get("orderedCacheBehaviors"))]
    for behaviour in behaviours:
        policy = get_value(behaviour, "viewerProtocolPolicy")
        if policy not in HTTPS_ONLY:
            path = get_value(behaviour, "pathPattern") or "the default behaviour"
            yield f"{path} answers plain HTTP: viewerProtocolPolicy must be redirect-to-https, got {policy}"
    for origin in to_list(inputs.get("origins")):
        protocol = get_value(origin, "customOriginConfig", "originProtocolPolicy")
        if protocol not in {None, "https-only"}:
            yield f"it reads its origin by plain HTTP: originProtocolPolicy must be https-only, got {protocol}"
