"""What must hold of every resource that a program declares, whatever the program: plain functions of plain data.

A rule sees inputs as they go over Pulumi's wire (camelCase) and yields a message for each thing that is wrong. What is
in order, and what the rule is not about, yields nothing. A preview may not know a value yet: a rule therefore asks
whether a property is given where that is enough, and reads only what it judges.

Nothing here knows Pulumi: `__main__.py` hands these rules to CrossGuard, the tests run them over the recorded program.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, cast

Inputs = Mapping[str, Any]


@dataclass(frozen=True)
class Resource:
    """A resource of a stack."""

    urn: str
    type: str
    """The type's token, as `aws:sqs/queue:Queue`."""
    inputs: Inputs
    dependencies: frozenset[str] = frozenset()
    """URNs: what it was told to depend on, and where its inputs come from."""


@dataclass(frozen=True)
class ResourceRule:
    """A rule about one resource, known before the resource is made: CrossGuard stops what breaks it."""

    name: str
    description: str
    check: Callable[[str, Inputs], Iterator[str]]
    """From a resource's type and its inputs to what is wrong with it."""
    mandatory: bool = True
    """Whether a violation stops a deployment, or is only told."""
    exempt: Mapping[str, str] = field(default_factory=dict[str, str])
    """Why it does not hold for some: reasons by a glob over URNs."""

    def violations(self, urn: str, resource_type: str, inputs: Inputs) -> Iterator[str]:
        """What is wrong with a resource that is not exempt."""
        if not any(fnmatchcase(urn, glob) for glob in self.exempt):
            yield from self.check(resource_type, inputs)


@dataclass(frozen=True)
class StackRule:
    """A rule about how resources stand together: CrossGuard knows these in a preview, and at the end of an update."""

    name: str
    description: str
    check: Callable[[Sequence[Resource]], Iterator[tuple[Resource, str]]]
    """From all resources of a stack to what is wrong, and with which."""
    mandatory: bool = True
    """Whether a violation stops a deployment, or is only told."""


# Reading inputs


def _at(value: Any, *path: str) -> Any:
    """What lies at the end of `path`; `None` if nothing does."""
    for key in path:
        if not isinstance(value, Mapping):
            return None
        value = cast("Inputs", value).get(key)
    return value


def _given(inputs: Inputs, *path: str) -> bool:
    """Whether something lies at the end of `path`, without looking at it: a preview may not know it yet."""
    *parents, last = path
    parent = _at(inputs, *parents)
    # Over the keys alone: of CrossGuard's mappings `in` would read the value.
    return isinstance(parent, Mapping) and last in set(cast("Inputs", parent))


def _positive(value: Any) -> bool:
    return isinstance(value, int | float) and value > 0


def _listed(value: Any) -> list[Any]:
    """IAM's habit: one where there could be a list."""
    if value is None:
        return []
    if isinstance(value, str) or not isinstance(value, Sequence):
        return [value]
    return list(cast("Sequence[Any]", value))


# Policy documents

KNOWN_WILDCARDS = {
    r"arn:aws[a-z-]*:logs:[^*?]+:log-group:[^*?]+:\*": "the streams of one log group: Lambda names them itself",
    r"arn:aws[a-z-]*:execute-api:[^*?]+/[^*?/]+/(POST|GET|DELETE)/@connections/\*": (
        "the connections of one stage: API Gateway makes their ids"
    ),
    r"arn:aws[a-z-]*:s3:::[^*?/]+/\*": "the objects of one bucket: the next deployment may bring others",
}
"""The resources that a policy cannot name beforehand, and why."""

KNOWN_MANAGED_POLICIES = {
    "arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs": (
        "API Gateway takes no narrower one for an account's logs"
    ),
}
"""AWS's own policies that a role may have, and why; each of AWS's own holds wildcards."""

SOURCE_KEYS = {"aws:sourcearn", "aws:sourceaccount"}
"""The conditions by which a service acts on behalf of one resource or one account."""
SOURCE_OPERATORS = {"StringEquals", "StringLike", "ArnEquals", "ArnLike"}
"""Those that fail where the key is missing."""


def _documents(value: Any) -> Iterator[Inputs]:
    """Every policy document in the value of an input: a text, an object, or a role's list of inline ones."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return
    if isinstance(value, Mapping):
        document = cast("Inputs", value)
        if "Statement" in document:
            yield document
        elif "policy" in document:
            yield from _documents(document["policy"])
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for one in cast("Sequence[Any]", value):
            yield from _documents(one)


def _allowed(inputs: Inputs) -> Iterator[tuple[str, Inputs]]:
    """Every statement that allows something, after the input that holds it; in this project's AWS types that is one
    whose name ends in `policy`."""
    for key in inputs:
        if key.lower().endswith(("policy", "policies")):
            for document in _documents(inputs[key]):
                for statement in _listed(document["Statement"]):
                    if statement.get("Effect") == "Allow":
                        yield key, statement


def _wildcard_action(_: str, inputs: Inputs) -> Iterator[str]:
    for key, statement in _allowed(inputs):
        if "NotAction" in statement:
            yield f"{key}: allows all but some actions (NotAction); name those that it needs"
        for action in _listed(statement.get("Action")):
            if "*" in action or "?" in action:
                yield f"{key}: the action {action} has a wildcard; name the actions that it needs"


def _wildcard_resource(_: str, inputs: Inputs) -> Iterator[str]:
    for key, statement in _allowed(inputs):
        if "NotResource" in statement:
            yield f"{key}: allows all but some resources (NotResource); name those that it needs"
        for resource in _listed(statement.get("Resource")):
            wild = "*" in resource or "?" in resource
            if wild and not any(re.fullmatch(shape, resource) for shape in KNOWN_WILDCARDS):
                yield f"{key}: the resource {resource} has a wildcard that KNOWN_WILDCARDS does not hold"


def _managed_policy(resource_type: str, inputs: Inputs) -> Iterator[str]:
    attached: list[Any] = []
    if resource_type == "aws:iam/rolePolicyAttachment:RolePolicyAttachment":
        attached = _listed(inputs.get("policyArn"))
    elif resource_type == "aws:iam/role:Role":
        attached = _listed(inputs.get("managedPolicyArns"))
    for arn in attached:
        if ":iam::aws:policy/" in arn and arn not in KNOWN_MANAGED_POLICIES:
            yield f"{arn} is one of AWS's own, which hold wildcards, and not of KNOWN_MANAGED_POLICIES"


def _public_policy(resource_type: str, inputs: Inputs) -> Iterator[str]:
    for key, statement in _allowed(inputs):
        if "NotPrincipal" in statement:
            yield f"{key}: allows all but some principals (NotPrincipal); name those that it is for"
        principal = statement.get("Principal")
        by_kind = cast("Inputs", principal) if isinstance(principal, Mapping) else {"": principal}
        if any("*" in _listed(names) for names in by_kind.values()):
            yield f"{key}: everyone is a principal (*); name those that it is for"
        elif "Service" in by_kind and not resource_type.startswith("aws:iam/") and not _has_source(statement):
            yield f"{key}: {by_kind['Service']} may act for any account; add a condition on aws:SourceArn"


def _has_source(statement: Inputs) -> bool:
    """Whether a statement holds for the work of one resource or one account alone."""
    conditions: Mapping[str, Inputs] = statement.get("Condition", {})
    return any(
        key.lower() in SOURCE_KEYS and "*" not in _listed(values)
        for operator, keys in conditions.items()
        if operator in SOURCE_OPERATORS
        for key, values in keys.items()
    )


# Access

FUNCTION = "aws:lambda/function:Function"
PERMISSION = "aws:lambda/permission:Permission"


def _open_function(resource_type: str, inputs: Inputs) -> Iterator[str]:
    if resource_type != PERMISSION:
        return
    principal = inputs.get("principal", "")
    if principal == "*":
        yield "everyone may invoke the function (principal *)"
    elif "." in principal and not _given(inputs, "sourceArn") and not _given(inputs, "sourceAccount"):
        yield f"{principal} may invoke the function for any account: give sourceArn"


def _open_function_url(resource_type: str, inputs: Inputs) -> Iterator[str]:
    if resource_type == "aws:lambda/functionUrl:FunctionUrl" and inputs.get("authorizationType") != "AWS_IAM":
        yield "the function's URL asks for no authorization: authorizationType must be AWS_IAM"


def _open_websocket(resource_type: str, inputs: Inputs) -> Iterator[str]:
    connects = resource_type == "aws:apigatewayv2/route:Route" and inputs.get("routeKey") == "$connect"
    if connects and inputs.get("authorizationType", "NONE") == "NONE":
        yield "anyone may connect: API Gateway authorizes a WebSocket at $connect alone, so give it an authorizer"


BUCKETS = {"aws:s3/bucket:Bucket", "aws:s3/bucketV2:BucketV2"}
PUBLIC_ACCESS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")


def _with(stack: Sequence[Resource], resource: Resource, resource_type: str) -> list[Resource]:
    """The resources of a type that are about `resource`."""
    return [one for one in stack if one.type == resource_type and resource.urn in one.dependencies]


def _public_bucket(stack: Sequence[Resource]) -> Iterator[tuple[Resource, str]]:
    for bucket in stack:
        if bucket.type in BUCKETS:
            blocks = _with(stack, bucket, "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock")
            missing = [key for key in PUBLIC_ACCESS if not any(one.inputs.get(key) is True for one in blocks)]
            if missing:
                yield bucket, f"may be made public: no BucketPublicAccessBlock of it sets {', '.join(missing)}"


HTTPS_ONLY = {"https-only", "redirect-to-https"}


def _plain_http(resource_type: str, inputs: Inputs) -> Iterator[str]:
    if resource_type != "aws:cloudfront/distribution:Distribution":
        return
    behaviours = [_at(inputs, "defaultCacheBehavior"), *_listed(inputs.get("orderedCacheBehaviors"))]
    for behaviour in behaviours:
        policy = _at(behaviour, "viewerProtocolPolicy")
        if policy not in HTTPS_ONLY:
            path = _at(behaviour, "pathPattern") or "the default behaviour"
            yield f"{path} answers plain HTTP (viewerProtocolPolicy {policy}): it must be redirect-to-https"
    for origin in _listed(inputs.get("origins")):
        protocol = _at(origin, "customOriginConfig", "originProtocolPolicy")
        if protocol not in {None, "https-only"}:
            yield f"it reads its origin by plain HTTP (originProtocolPolicy {protocol}): it must be https-only"


# Data

TABLE = "aws:dynamodb/table:Table"
QUEUE = "aws:sqs/queue:Queue"
TOPIC = "aws:sns/topic:Topic"


def _unencrypted(resource_type: str, inputs: Inputs) -> Iterator[str]:
    if resource_type == TABLE and _at(inputs, "serverSideEncryption", "enabled") is not True:
        yield "the table is not under a KMS key: set serverSideEncryption.enabled"
    elif resource_type == QUEUE:
        if inputs.get("sqsManagedSseEnabled") is not True and not _given(inputs, "kmsMasterKeyId"):
            yield "the queue is not encrypted: set sqsManagedSseEnabled, or kmsMasterKeyId"
    elif resource_type == TOPIC and not _given(inputs, "kmsMasterKeyId"):
        yield "the topic is not encrypted: set kmsMasterKeyId"


def _unencrypted_bucket(stack: Sequence[Resource]) -> Iterator[tuple[Resource, str]]:
    kind = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    for bucket in stack:
        if bucket.type in BUCKETS and not _with(stack, bucket, kind):
            yield bucket, "no BucketServerSideEncryptionConfiguration says how its objects are encrypted"


def _unrecoverable(resource_type: str, inputs: Inputs) -> Iterator[str]:
    if resource_type == TABLE and _at(inputs, "pointInTimeRecovery", "enabled") is not True:
        yield "what is deleted by mistake is lost: set pointInTimeRecovery.enabled"


def _kept_logs(resource_type: str, inputs: Inputs) -> Iterator[str]:
    if resource_type == "aws:cloudwatch/logGroup:LogGroup" and not _positive(inputs.get("retentionInDays")):
        yield "the log is kept, and paid for, for ever: set retentionInDays"
    elif resource_type == FUNCTION and not _given(inputs, "loggingConfig", "logGroup"):
        yield "Lambda makes the function a log group that it keeps for ever: set loggingConfig.logGroup"


# Failures

BOUNDS = {"maximumRetryAttempts": "retries a failed batch", "maximumRecordAgeInSeconds": "keeps a failed record"}


def _unbounded_pipe(resource_type: str, inputs: Inputs) -> Iterator[str]:
    if resource_type != "aws:pipes/pipe:Pipe" or _given(inputs, "sourceParameters", "sqsQueueParameters"):
        return  # what a queue does with what fails is the queue's own affair
    source = _at(inputs, "sourceParameters")
    parameters: Inputs = _at(source, "dynamodbStreamParameters") or _at(source, "kinesisStreamParameters") or {}
    if not _given(parameters, "deadLetterConfig", "arn"):
        yield "what the pipe gives up is lost: set deadLetterConfig"
    for key, what in BOUNDS.items():
        bound = parameters.get(key)
        if not isinstance(bound, int | float) or bound < 0:
            yield f"the pipe {what} for ever, and the shard's others wait: set {key}"
    if parameters.get("onPartialBatchItemFailure") != "AUTOMATIC_BISECT":
        yield "one bad record takes its whole batch with it: set onPartialBatchItemFailure to AUTOMATIC_BISECT"


def _lost_event(resource_type: str, inputs: Inputs) -> Iterator[str]:
    target = resource_type == "aws:cloudwatch/eventTarget:EventTarget"
    if target and not _given(inputs, "deadLetterConfig", "arn"):
        yield "an event that cannot be delivered is lost: set deadLetterConfig"


ASYNCHRONOUS = {"events.amazonaws.com", "s3.amazonaws.com", "sns.amazonaws.com", "logs.amazonaws.com"}
"""The services that invoke a function and do not wait for what becomes of it."""


def _lost_invocation(stack: Sequence[Resource]) -> Iterator[tuple[Resource, str]]:
    for function in stack:
        if function.type != FUNCTION:
            continue
        permissions = _with(stack, function, PERMISSION)
        configs = _with(stack, function, "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig")
        kept = _given(function.inputs, "deadLetterConfig", "targetArn") or any(
            _given(one.inputs, "destinationConfig", "onFailure", "destination") for one in configs
        )
        callers = sorted({one.inputs.get("principal", "") for one in permissions} & ASYNCHRONOUS)
        if callers and not kept:
            yield (
                function,
                f"an event of {', '.join(callers)} that fails thrice is lost: give it an onFailure destination",
            )


STAGE = "aws:apigatewayv2/stage:Stage"


def _unthrottled(resource_type: str, inputs: Inputs) -> Iterator[str]:
    if resource_type == STAGE:
        for key in ("throttlingRateLimit", "throttlingBurstLimit"):
            if not _positive(_at(inputs, "defaultRouteSettings", key)):
                yield f"one stage may use up the account's quota: set defaultRouteSettings.{key}"


def _data_trace(resource_type: str, inputs: Inputs) -> Iterator[str]:
    if resource_type == STAGE:
        routes = [_at(inputs, "defaultRouteSettings"), *_listed(inputs.get("routeSettings"))]
        if any(_at(route, "dataTraceEnabled") is True for route in routes):
            yield "dataTraceEnabled logs what clients send, tokens included"


RESOURCE_RULES = (
    ResourceRule("no-wildcard-actions", "A policy names the actions that it allows.", _wildcard_action),
    ResourceRule("no-wildcard-resources", "A policy names the resources that it is about.", _wildcard_resource),
    ResourceRule("no-broad-managed-policies", "A role has policies of its own, not AWS's.", _managed_policy),
    ResourceRule("no-public-policies", "A policy names who may, and a service on whose behalf.", _public_policy),
    ResourceRule("no-open-functions", "A function is invoked on behalf of a named source.", _open_function),
    ResourceRule("no-open-function-urls", "A function's URL asks for authorization.", _open_function_url),
    ResourceRule("no-open-websockets", "A WebSocket is authorized when it connects.", _open_websocket),
    ResourceRule("https-only", "CloudFront answers, and asks, over HTTPS alone.", _plain_http),
    ResourceRule(
        "encryption",
        "What is stored is encrypted.",
        _unencrypted,
        exempt={
            f"*{TOPIC}::*": "alarms carry names and numbers, and CloudWatch cannot publish under SNS's own key",
        },
    ),
    ResourceRule(
        "point-in-time-recovery",
        "A table can be brought back to any second.",
        _unrecoverable,
        exempt={
            f"*formbridge:index:WebSocketGateway${TABLE}::*-connections": "no connection's row outlives three hours",
        },
    ),
    ResourceRule("log-retention", "A log is kept for a number of days.", _kept_logs, mandatory=False),
    ResourceRule("bounded-pipes", "A pipe gives up, and says what it gave up.", _unbounded_pipe),
    ResourceRule("event-dead-letters", "An event that cannot be delivered is kept.", _lost_event),
    ResourceRule("throttling", "A stage has a rate and a burst of its own.", _unthrottled),
    ResourceRule("no-data-trace", "What clients send is not logged.", _data_trace),
)
"""In the order in which they stand above."""

STACK_RULES = (
    StackRule("private-buckets", "A bucket cannot be made public.", _public_bucket),
    StackRule("encrypted-buckets", "A bucket says how its objects are encrypted.", _unencrypted_bucket),
    StackRule("function-dead-letters", "An event that a function fails on is kept.", _lost_invocation),
)
"""In the order in which they stand above."""
