"""Rules for the resources of any program, as functions of plain data.

A rule receives the inputs of a resource in the form in which Pulumi sends them to a provider, with names
in camelCase. It yields one message per problem. It yields nothing for a correct resource, or for a resource of another
type. During a preview some values are unknown. Therefore, if a rule only needs to know that a property exists, it does
not read the value.

These modules do not import Pulumi. `policy/__main__.py` registers the rules with CrossGuard, and the tests run them on
the recorded program.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from . import access, data, documents, failures, transport
from .resources import QUEUE, TABLE, TOPIC, Inputs, Resource


@dataclass(frozen=True)
class ResourceRule:
    """A rule about one resource. CrossGuard runs the rule before Pulumi creates the resource."""

    name: str
    description: str
    check: Callable[[str, Inputs], Iterator[str]]
    """Function that takes the type and the inputs of a resource and yields one message per problem."""
    is_optional: bool = False
    """Whether the rule runs only if a file says so that is passed with `--policy-pack-config`, as `production.json`."""
    exempt: Mapping[str, str] = field(default_factory=dict[str, str])
    """Exempt resources: a glob pattern for URNs, and the reason for the exemption."""

    def find_violations(self, urn: str, resource_type: str, inputs: Inputs) -> Iterator[str]:
        """Yield one message per problem of a resource. Yield nothing if the resource is exempt."""
        if not _matches(urn, self.exempt):
            yield from self.check(resource_type, inputs)


@dataclass(frozen=True)
class StackRule:
    """A rule about several resources of a stack.

    CrossGuard runs it during a preview and at the end of an update. A violation makes the preview or the update fail.
    """

    name: str
    description: str
    check: Callable[[Sequence[Resource]], Iterator[tuple[Resource, str]]]
    """Function that takes all resources of a stack. For each problem, it yields the resource and a message."""
    exempt: Mapping[str, str] = field(default_factory=dict[str, str])
    """Exempt resources: a glob pattern for URNs, and the reason for the exemption."""

    def find_violations(self, stack: Sequence[Resource]) -> Iterator[tuple[Resource, str]]:
        """Yield the resource and a message for each problem. Leave out exempt resources."""
        for resource, message in self.check(stack):
            if not _matches(resource.urn, self.exempt):
                yield resource, message


def _matches(urn: str, globs: Iterable[str]) -> bool:
    return any(fnmatchcase(urn, glob) for glob in globs)


RESOURCE_RULES = (
    ResourceRule("no-wildcard-actions", "A policy names each action that it allows.", documents.check_actions),
    ResourceRule(
        "no-wildcard-resources", "A policy names each resource that it applies to.", documents.check_resources
    ),
    ResourceRule(
        "no-broad-managed-policies",
        "A role has its own policies instead of policies that AWS manages.",
        documents.check_managed_policies,
    ),
    ResourceRule(
        "no-public-policies",
        "A policy names its principals, and for a service the source on whose behalf it acts.",
        documents.check_principals,
    ),
    ResourceRule("no-open-functions", "Only a named source may invoke a function.", access.check_invoke_permission),
    ResourceRule("no-open-function-urls", "A function URL requires authorization.", access.check_function_url),
    ResourceRule("no-open-websockets", "An authorizer checks each WebSocket connection.", access.check_connect_route),
    ResourceRule(
        "case-insensitive-users",
        "A user pool does not distinguish capital letters in user names.",
        access.check_user_names,
    ),
    ResourceRule("https-only", "CloudFront uses only HTTPS, for viewers and for origins.", access.check_https),
    ResourceRule(
        "encryption",
        "Stored data is encrypted.",
        data.check_encryption,
        exempt={
            f"*formbridge:index:AlarmTopic${TOPIC}::*": (
                "alarms contain only names and numbers. CloudWatch cannot publish to a topic with SNS's own key, and "
                "a key of the account costs money: the setting `hardened` creates one"
            ),
        },
    ),
    ResourceRule(
        "point-in-time-recovery",
        "A table can be restored to any second.",
        data.check_recovery,
        exempt={
            f"*formbridge:index:WebSocketGateway${TABLE}::*-connections": "a row lives at most three hours",
        },
    ),
    ResourceRule("log-retention", "Logs are kept for a limited number of days.", data.check_log_retention),
    ResourceRule(
        "deletion-protection",
        "AWS refuses to delete a table or a user pool.",
        data.check_deletion_protection,
        is_optional=True,
        exempt={
            f"*formbridge:index:WebSocketGateway${TABLE}::*-connections": "its rows return when clients connect again",
        },
    ),
    ResourceRule(
        "customer-managed-keys",
        "Stored data is encrypted with a KMS key of the account's owner.",
        data.check_customer_keys,
        is_optional=True,
    ),
    ResourceRule(
        "bounded-pipes", "A pipe retries a limited number of times and keeps failed records.", failures.check_pipe
    ),
    ResourceRule(
        "event-dead-letters",
        "An event that cannot be delivered goes to a dead-letter queue.",
        failures.check_event_target,
        exempt={
            "*formbridge:index:WebSocketGateway$*::*-janitor-target": "the run in the next minute does the rest",
        },
    ),
    ResourceRule("throttling", "A stage has a rate limit and a burst limit.", failures.check_throttling),
    ResourceRule("no-data-trace", "Messages of clients are not logged.", data.check_data_trace),
)

STACK_RULES = (
    StackRule("private-buckets", "A bucket cannot be made public.", access.check_public_access),
    StackRule("encrypted-buckets", "A bucket has an encryption configuration.", data.check_bucket_encryption),
    StackRule("tls-only", "A bucket, queue or topic refuses requests without TLS.", transport.check_tls),
    StackRule(
        "function-dead-letters",
        "An event that a function cannot process is kept.",
        failures.check_function_failures,
        exempt={
            "*formbridge:index:WebSocketGateway$*::*-janitor-function": "the run in the next minute does the rest",
        },
    ),
    StackRule(
        "queue-dead-letters",
        "A message that a function cannot process is kept.",
        failures.check_queue_redrive,
        exempt={
            f"*formbridge:index:RealtimePipe${QUEUE}::*-dead-letters": (
                "it is a dead-letter queue itself, and `DeadLetterResync` has an alarm for messages that stay in it"
            ),
        },
    ),
)
