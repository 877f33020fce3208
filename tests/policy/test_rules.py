"""What the program and every component declare breaks no rule, and each rule finds what breaks it."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from policy.rules import RESOURCE_RULES, STACK_RULES
from policy.rules.documents import KNOWN_MANAGED_POLICIES, KNOWN_WILDCARDS
from policy.rules.resources import LOG_GROUP, QUEUE, TABLE, TOPIC, USER_POOL, Resource
from policy.rules.transport import POLICIES
from tests.support.components.policies import allow, document, trust
from tests.support.policy.stacks import Change, Stack, a, drop, name_of, put, say, stack_of, violations, without

if TYPE_CHECKING:
    from tests.support.components.harness import Recording

RESOURCES = {rule.name: rule for rule in RESOURCE_RULES}
STACK = {rule.name: rule for rule in STACK_RULES}
RULES = {**RESOURCES, **STACK}

EVERYONE: dict[str, Any] = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "a"}


def role(*documents: Any) -> Change:
    return a(
        "aws:iam/role:Role",
        assumeRolePolicy=json.dumps(trust("lambda.amazonaws.com")),
        inlinePolicies=[{"name": "inline", "policy": json.dumps(one)} for one in documents],
    )


def over_tls(resource_type: str, action: str, **inputs: Any) -> Change:
    """Another resource `new` as in `a`, with a policy that denies an action without TLS."""
    denial = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": action,
        "Resource": "arn",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }

    def change(stack: Stack) -> Stack:
        *others, new = a(resource_type, **inputs)(stack)
        policy = {"policy": json.dumps(document(denial))}
        return [*others, new, Resource("urn:policy", POLICIES[resource_type], policy, frozenset({new.urn}))]

    return change


def permission(principal: str, **inputs: Any) -> Change:
    return a("aws:lambda/permission:Permission", principal=principal, **inputs)


def pipe(**parameters: Any) -> Change:
    return a("aws:pipes/pipe:Pipe", sourceParameters=parameters)


BROKEN: list[tuple[str, str, Change, str]] = [
    ("no-wildcard-actions", "ingest-persist-policy", say("ingest-persist-policy", "policy", Action="logs:*"), "logs:*"),
    ("no-wildcard-actions", "ingest-persist-policy", say("ingest-persist-policy", "policy", Action=["*"]), "action *"),
    (
        "no-wildcard-actions",
        "ingest-persist-policy",
        say("ingest-persist-policy", "policy", Action=None, NotAction="iam:*"),
        "NotAction",
    ),
    ("no-wildcard-actions", "new", role(document(allow(["s3:Get?bject"], "arn:aws:s3:::bucket/*"))), "s3:Get?bject"),
    ("no-wildcard-resources", "realtime-policy", say("realtime-policy", "policy", Resource="*"), "resource *"),
    (
        "no-wildcard-resources",
        "ingest-persist-policy",
        say("ingest-persist-policy", "policy", Resource="arn:aws:logs:eu-west-1:123456789012:log-group:*:*"),
        "log-group:*:*",
    ),
    (
        "no-wildcard-resources",
        "gateway-broadcast-policy",
        say(
            "gateway-broadcast-policy",
            "policy",
            Resource=["arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/*/POST/@connections/*"],
        ),
        "/*/POST/@connections/*",
    ),
    (
        "no-wildcard-resources",
        "dashboard-bucket-policy",
        say("dashboard-bucket-policy", "policy", Resource="arn:aws:s3:::*/*"),
        "arn:aws:s3:::*/*",
    ),
    (
        "no-wildcard-resources",
        "realtime-policy",
        say("realtime-policy", "policy", Resource=None, NotResource="arn"),
        "NotResource",
    ),
    (
        "no-broad-managed-policies",
        "api-gateway-policy",
        put("api-gateway-policy", "policyArn", "arn:aws:iam::aws:policy/AdministratorAccess"),
        "AdministratorAccess",
    ),
    (
        "no-broad-managed-policies",
        "realtime-role",
        put("realtime-role", "managedPolicyArns", ["arn:aws:iam::aws:policy/AmazonSQSFullAccess"]),
        "AmazonSQSFullAccess",
    ),
    (
        "no-public-policies",
        "ingest-dead-letters-policy",
        say("ingest-dead-letters-policy", "policy", Principal="*"),
        "everyone",
    ),
    (
        "no-public-policies",
        "dashboard-bucket-policy",
        say("dashboard-bucket-policy", "policy", Principal={"AWS": ["*"]}),
        "everyone",
    ),
    (
        "no-public-policies",
        "realtime-role",
        say("realtime-role", "assumeRolePolicy", Principal={"AWS": "*"}),
        "everyone",
    ),
    ("no-public-policies", "alarms-policy", say("alarms-policy", "policy", Condition=None), "any account"),
    (
        "no-public-policies",
        "alarms-policy",
        say("alarms-policy", "policy", Condition={"ArnLike": {"aws:SourceArn": "*"}}),
        "any account",
    ),
    (
        "no-public-policies",
        "alarms-policy",
        say("alarms-policy", "policy", Condition={"StringEqualsIfExists": {"aws:SourceAccount": "123456789012"}}),
        "any account",
    ),
    (
        "no-public-policies",
        "alarms-policy",
        say("alarms-policy", "policy", Principal=None, NotPrincipal={"AWS": "1"}),
        "NotPrincipal",
    ),
    ("no-public-policies", "new", a("aws:sqs/queuePolicy:QueuePolicy", policy={"Statement": EVERYONE}), "everyone"),
    (
        "no-open-functions",
        "gateway-connect-permission",
        put("gateway-connect-permission", "principal", "*"),
        "everyone",
    ),
    ("no-open-functions", "ingest-persist-permission", drop("ingest-persist-permission", "sourceArn"), "sourceArn"),
    ("no-open-function-urls", "new", a("aws:lambda/functionUrl:FunctionUrl", authorizationType="NONE"), "AWS_IAM"),
    (
        "no-open-websockets",
        "gateway-connect-route",
        put("gateway-connect-route", "authorizationType", "NONE"),
        "$connect",
    ),
    ("no-open-websockets", "gateway-connect-route", drop("gateway-connect-route", "authorizationType"), "$connect"),
    (
        "case-insensitive-users",
        "identity-users",
        drop("identity-users", "usernameConfiguration"),
        "usernameConfiguration.caseSensitive",
    ),
    (
        "case-insensitive-users",
        "identity-users",
        put("identity-users", "usernameConfiguration.caseSensitive", True),
        "two users",
    ),
    (
        "https-only",
        "dashboard-distribution",
        put("dashboard-distribution", "defaultCacheBehavior.viewerProtocolPolicy", "allow-all"),
        "the default behaviour answers plain HTTP",
    ),
    (
        "https-only",
        "dashboard-distribution",
        put(
            "dashboard-distribution",
            "orderedCacheBehaviors",
            [{"pathPattern": "/config.json", "viewerProtocolPolicy": "allow-all"}],
        ),
        "/config.json answers plain HTTP",
    ),
    (
        "https-only",
        "dashboard-distribution",
        put("dashboard-distribution", "origins", [{"customOriginConfig": {"originProtocolPolicy": "match-viewer"}}]),
        "reads its origin by plain HTTP",
    ),
    ("encryption", "submissions-table", put("submissions-table", "serverSideEncryption.enabled", False), "the table"),
    ("encryption", "submissions-table", drop("submissions-table", "serverSideEncryption"), "the table"),
    ("encryption", "realtime-dead-letters", put("realtime-dead-letters", "sqsManagedSseEnabled", False), "the queue"),
    ("encryption", "new", over_tls(TOPIC, "sns:Publish", name="orders"), "the topic"),
    (
        "point-in-time-recovery",
        "submissions-table",
        put("submissions-table", "pointInTimeRecovery.enabled", False),
        "pointInTimeRecovery",
    ),
    ("point-in-time-recovery", "submissions-table", drop("submissions-table", "pointInTimeRecovery"), "lost"),
    ("log-retention", "gateway-access-logs", drop("gateway-access-logs", "retentionInDays"), "forever"),
    ("log-retention", "ingest-persist-logs", put("ingest-persist-logs", "retentionInDays", 0), "forever"),
    (
        "log-retention",
        "ingest-persist-function",
        drop("ingest-persist-function", "loggingConfig.logGroup"),
        "loggingConfig.logGroup",
    ),
    (
        "bounded-pipes",
        "realtime-pipe",
        drop("realtime-pipe", "sourceParameters.dynamodbStreamParameters.deadLetterConfig"),
        "deadLetterConfig",
    ),
    (
        "bounded-pipes",
        "realtime-pipe",
        put("realtime-pipe", "sourceParameters.dynamodbStreamParameters.maximumRetryAttempts", -1),
        "maximumRetryAttempts",
    ),
    (
        "bounded-pipes",
        "realtime-pipe",
        drop("realtime-pipe", "sourceParameters.dynamodbStreamParameters.maximumRecordAgeInSeconds"),
        "maximumRecordAgeInSeconds",
    ),
    (
        "bounded-pipes",
        "realtime-pipe",
        drop("realtime-pipe", "sourceParameters.dynamodbStreamParameters.onPartialBatchItemFailure"),
        "AUTOMATIC_BISECT",
    ),
    ("bounded-pipes", "realtime-pipe", drop("realtime-pipe", "sourceParameters"), "deadLetterConfig"),
    ("bounded-pipes", "new", pipe(kinesisStreamParameters={"startingPosition": "LATEST"}), "maximumRetryAttempts"),
    (
        "event-dead-letters",
        "ingest-persist-target",
        drop("ingest-persist-target", "deadLetterConfig"),
        "deadLetterConfig",
    ),
    ("event-dead-letters", "new", a("aws:cloudwatch/eventTarget:EventTarget", rule="hourly"), "deadLetterConfig"),
    ("throttling", "gateway-stage", drop("gateway-stage", "defaultRouteSettings.throttlingRateLimit"), "RateLimit"),
    ("throttling", "gateway-stage", put("gateway-stage", "defaultRouteSettings.throttlingBurstLimit", 0), "BurstLimit"),
    ("no-data-trace", "gateway-stage", put("gateway-stage", "defaultRouteSettings.dataTraceEnabled", True), "tokens"),
    (
        "no-data-trace",
        "gateway-stage",
        put("gateway-stage", "routeSettings", [{"routeKey": "$default", "dataTraceEnabled": True}]),
        "tokens",
    ),
    ("private-buckets", "dashboard-bucket", without("dashboard-public-access-block"), "blockPublicAcls"),
    (
        "private-buckets",
        "dashboard-bucket",
        put("dashboard-public-access-block", "restrictPublicBuckets", False),
        "sets restrictPublicBuckets",
    ),
    (
        "encrypted-buckets",
        "dashboard-bucket",
        without("dashboard-encryption"),
        "BucketServerSideEncryptionConfiguration",
    ),
    ("tls-only", "dashboard-bucket", without("dashboard-bucket-policy"), "deny s3:*"),
    ("tls-only", "gateway-fanout-queue", without("gateway-fanout-queue-policy"), "deny sqs:*"),
    ("tls-only", "alarms-topic", without("alarms-policy"), "deny sns:Publish"),
    ("function-dead-letters", "ingest-persist-function", without("ingest-persist-retries"), "events.amazonaws.com"),
    (
        "function-dead-letters",
        "ingest-persist-function",
        drop("ingest-persist-retries", "destinationConfig"),
        "onFailure",
    ),
    (
        "function-dead-letters",
        "gateway-message-function",
        put("gateway-default-permission", "principal", "events.amazonaws.com"),
        "onFailure",
    ),
    ("queue-dead-letters", "gateway-fanout-queue", drop("gateway-fanout-queue", "redrivePolicy"), "redrivePolicy"),
]
"""By rule: the resource at fault, what is wrong with it, and what the message says."""

IN_ORDER: dict[str, Change] = {
    "a denial may have wildcards": role(document({"Effect": "Deny", "Action": "*", "Resource": "*"})),
    "a text that is no document": over_tls(QUEUE, "sqs:*", redrivePolicy="{}", kmsMasterKeyId="alias/own"),
    "an account of one's own": permission("123456789012"),
    "a service on behalf of one account": permission("s3.amazonaws.com", sourceAccount="123456789012"),
    "a queue under a key of one's own": over_tls(QUEUE, "sqs:*", kmsMasterKeyId="alias/own"),
    "a pipe from a queue": pipe(sqsQueueParameters={"batchSize": 10}),
    "a route that is not $connect": a("aws:apigatewayv2/route:Route", routeKey="$default", authorizationType="NONE"),
    "a function's own dead-letter queue": lambda stack: put(
        "ingest-persist-function", "deadLetterConfig", {"targetArn": "arn"}
    )(without("ingest-persist-retries")(stack)),
}


@pytest.fixture(scope="module")
def stack(recordings: dict[str, Recording]) -> Stack:
    return stack_of(recordings["the program"])


def test_what_is_declared_breaks_no_rule(recordings: dict[str, Recording]) -> None:
    found = {about: list(violations(stack_of(recording))) for about, recording in recordings.items()}

    assert found == {about: [] for about in recordings}


@pytest.mark.parametrize(
    ("rule", "name", "change", "says"), BROKEN, ids=[f"{rule}: {name}: {says}" for rule, name, _, says in BROKEN]
)
def test_what_breaks_a_rule_is_named(stack: Stack, rule: str, name: str, change: Change, says: str) -> None:
    found = list(violations(change(stack)))

    assert {(of, about) for of, about, _ in found} == {(rule, name)}
    assert [message for *_, message in found if says in message]


@pytest.mark.parametrize("change", IN_ORDER.values(), ids=IN_ORDER)
def test_what_breaks_none_is_left_alone(stack: Stack, change: Change) -> None:
    assert list(violations(change(stack))) == []


OPTIONAL: list[tuple[str, str, Change, str]] = [
    (
        "deletion-protection",
        "submissions-table",
        put("submissions-table", "deletionProtectionEnabled", False),
        "set deletionProtectionEnabled",
    ),
    ("deletion-protection", "identity-users", drop("identity-users", "deletionProtection"), "ACTIVE"),
    (
        "customer-managed-keys",
        "new",
        a(TABLE, serverSideEncryption={"enabled": True}),
        "serverSideEncryption.kmsKeyArn",
    ),
    ("customer-managed-keys", "new", a(QUEUE, sqsManagedSseEnabled=True), "kmsMasterKeyId"),
    ("customer-managed-keys", "new", a(TOPIC, name="orders"), "kmsMasterKeyId"),
    ("customer-managed-keys", "new", a(LOG_GROUP, retentionInDays=14), "kmsKeyId"),
]
"""By rule that only some stacks are held to: as in `BROKEN`."""


@pytest.mark.parametrize(
    ("rule", "name", "change", "says"), OPTIONAL, ids=[f"{rule}: {name}: {says}" for rule, name, _, says in OPTIONAL]
)
def test_what_breaks_an_optional_rule_is_named(
    recordings: dict[str, Recording], rule: str, name: str, change: Change, says: str
) -> None:
    stack = change(stack_of(recordings["the program, in production"]))
    (changed,) = [one for one in stack if name_of(one) == name]

    (message,) = RESOURCES[rule].find_violations(changed.urn, changed.type, changed.inputs)
    assert says in message


def test_a_known_managed_policy_is_known_in_every_partition() -> None:
    rule = RESOURCES["no-broad-managed-policies"]
    kind = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
    policy = "policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"

    for partition in ("aws", "aws-cn", "aws-us-gov"):
        assert not [*rule.find_violations("urn", kind, {"policyArn": f"arn:{partition}:iam::aws:{policy}"})]


def test_production_is_protected_from_deletion(recordings: dict[str, Recording]) -> None:
    rule = RESOURCES["deletion-protection"]
    stack = stack_of(recordings["the program, in production"])

    assert {one.type for one in stack} >= {TABLE, USER_POOL}
    assert [message for one in stack for message in rule.find_violations(one.urn, one.type, one.inputs)] == []


def test_a_key_of_ones_own_is_in_order() -> None:
    rule = RESOURCES["customer-managed-keys"]

    assert list(rule.check(TABLE, {"serverSideEncryption": {"enabled": True, "kmsKeyArn": "arn"}})) == []
    assert (
        list(rule.check(QUEUE, {"kmsMasterKeyId": "arn"})) == list(rule.check(TOPIC, {"kmsMasterKeyId": "arn"})) == []
    )
    assert list(rule.check(LOG_GROUP, {"kmsKeyId": "arn"})) == list(rule.check("aws:iam/role:Role", {})) == []


class TestTlsOnly:
    """A bucket with its policy, as its owner may write it."""

    STATEMENT: ClassVar[dict[str, Any]] = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": "*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }

    def check(self, kind: str, policy_kind: str, **statement: Any) -> list[str]:
        """What the rule says of a resource whose policy has one statement."""
        document = {"Statement": [{**self.STATEMENT, **statement}]}
        one = Resource("urn:one", kind, {})
        policy = Resource("urn:policy", policy_kind, {"policy": json.dumps(document)}, frozenset({"urn:one"}))
        return [message for _, message in STACK["tls-only"].check([one, policy])]

    @pytest.mark.parametrize(
        ("kind", "policy_kind", "actions"),
        [
            ("aws:s3/bucket:Bucket", "aws:s3/bucketPolicy:BucketPolicy", "s3:*"),
            (QUEUE, "aws:sqs/queuePolicy:QueuePolicy", "sqs:*"),
            (TOPIC, "aws:sns/topicPolicy:TopicPolicy", ["sns:Publish", "sns:Subscribe"]),
        ],
    )
    def test_a_denial_for_everyone_is_in_order(self, kind: str, policy_kind: str, actions: Any) -> None:
        assert self.check(kind, policy_kind, Action=actions) == []
        assert self.check(kind, policy_kind, Action=actions, Principal={"AWS": "*"}) == []

    @pytest.mark.parametrize(
        "statement",
        [
            {"Effect": "Allow"},
            {"Principal": {"AWS": "123456789012"}},
            {"Action": "s3:GetObject"},
            {"Condition": {"Bool": {"aws:SecureTransport": "true"}}},
            {"Condition": {"StringEquals": {"aws:SourceAccount": "123456789012"}}},
        ],
        ids=str,
    )
    def test_anything_less_is_named(self, statement: dict[str, Any]) -> None:
        (message,) = self.check("aws:s3/bucket:Bucket", "aws:s3/bucketPolicy:BucketPolicy", **statement)

        assert "accepts requests without TLS: deny s3:*" in message

    def test_a_policy_of_another_resource_does_not_count(self, stack: Stack) -> None:
        found = [name_of(one) for one, _ in STACK["tls-only"].check(without("dashboard-bucket-policy")(stack))]

        assert "dashboard-bucket" in found


def test_each_rule_is_broken_here() -> None:
    assert {rule for rule, *_ in (*BROKEN, *OPTIONAL)} == set(RULES)
    assert {rule for rule, *_ in OPTIONAL} == {name for name, rule in RESOURCES.items() if rule.is_optional}


def test_the_rules_have_names_of_their_own() -> None:
    assert len(RULES) == len(RESOURCE_RULES) + len(STACK_RULES)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", name) for name in RULES)


def test_each_exemption_is_needed(recordings: dict[str, Recording]) -> None:
    stacks = [stack_of(recording) for recording in recordings.values()]
    broken = {rule.name: {one.urn for stack in stacks for one, _ in rule.check(stack)} for rule in STACK_RULES}
    for rule in RESOURCE_RULES:
        broken[rule.name] = {one.urn for stack in stacks for one in stack if list(rule.check(one.type, one.inputs))}

    for name, rule in RULES.items():
        unused = [glob for glob in rule.exempt if not any(fnmatchcase(urn, glob) for urn in broken[name])]
        assert unused == [], name


@pytest.mark.parametrize(("known", "reason"), [*KNOWN_WILDCARDS.items(), *KNOWN_MANAGED_POLICIES.items()])
def test_each_known_wildcard_is_needed(
    recordings: dict[str, Recording], monkeypatch: pytest.MonkeyPatch, known: str, reason: str
) -> None:
    monkeypatch.delitem(KNOWN_WILDCARDS if known in KNOWN_WILDCARDS else KNOWN_MANAGED_POLICIES, known)

    found = {rule for recording in recordings.values() for rule, *_ in violations(stack_of(recording))}

    assert found & {"no-wildcard-resources", "no-broad-managed-policies"}, reason


@pytest.mark.parametrize(
    ("name", "exempt_from", "other"),
    [
        ("gateway-connections", "point-in-time-recovery", "gateway-audit"),
        ("gateway-janitor-target", "event-dead-letters", "gateway-audit-target"),
    ],
)
def test_what_is_like_an_exempt_resource_is_not_exempt(stack: Stack, name: str, exempt_from: str, other: str) -> None:
    (rule,) = [rule for rule in RESOURCE_RULES if rule.name == exempt_from]
    (resource,) = [one for one in stack if name_of(one) == name]

    def broken(urn: str) -> list[str]:
        return list(rule.find_violations(urn, resource.type, resource.inputs))

    assert broken(resource.urn) == []
    assert broken(resource.urn.replace(name, other))
    assert broken(resource.urn.replace("WebSocketGateway", "StreamTable"))
