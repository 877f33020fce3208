"""What must hold of every resource that a program declares, whatever the program: plain functions of plain data.

A rule sees inputs as they go over Pulumi's wire (camelCase) and yields a message for each thing that is wrong. What is
in order, and what the rule is not about, yields nothing. A preview may not know a value yet: a rule therefore asks
whether a property is given where that is enough, and reads only what it judges.

Nothing here knows Pulumi: `policy/__main__.py` hands these rules to CrossGuard, the tests run them over the recorded
program.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from . import access, data, documents, failures
from .resources import QUEUE, TABLE, TOPIC, Inputs, Resource


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
        if not _matches(urn, self.exempt):
            yield from self.check(resource_type, inputs)


@dataclass(frozen=True)
class StackRule:
    """A rule about how resources stand together: CrossGuard runs it in a preview and at the end of an update, and fails
    either."""

    name: str
    description: str
    check: Callable[[Sequence[Resource]], Iterator[tuple[Resource, str]]]
    """From all resources of a stack to what is wrong, and with which."""
    exempt: Mapping[str, str] = field(default_factory=dict[str, str])
    """Why it does not hold for some: reasons by a glob over URNs."""

    def violations(self, stack: Sequence[Resource]) -> Iterator[tuple[Resource, str]]:
        """What is wrong, and with which of the resources that are not exempt."""
        for resource, message in self.check(stack):
            if not _matches(resource.urn, self.exempt):
                yield resource, message


def _matches(urn: str, globs: Iterable[str]) -> bool:
    return any(fnmatchcase(urn, glob) for glob in globs)


RESOURCE_RULES = (
    ResourceRule("no-wildcard-actions", "A policy names the actions that it allows.", documents.wildcard_action),
    ResourceRule(
        "no-wildcard-resources", "A policy names the resources that it is about.", documents.wildcard_resource
    ),
    ResourceRule("no-broad-managed-policies", "A role has policies of its own, not AWS's.", documents.managed_policy),
    ResourceRule(
        "no-public-policies", "A policy names who may, and a service on whose behalf.", documents.public_policy
    ),
    ResourceRule("no-open-functions", "A function is invoked on behalf of a named source.", access.open_function),
    ResourceRule("no-open-function-urls", "A function's URL asks for authorization.", access.open_function_url),
    ResourceRule("no-open-websockets", "A WebSocket is authorized when it connects.", access.open_websocket),
    ResourceRule("https-only", "CloudFront answers, and asks, over HTTPS alone.", access.plain_http),
    ResourceRule(
        "encryption",
        "What is stored is encrypted.",
        data.unencrypted,
        exempt={
            f"*formbridge:index:AlarmTopic${TOPIC}::*": (
                "alarms carry names and numbers, and CloudWatch cannot publish under SNS's own key"
            ),
        },
    ),
    ResourceRule(
        "point-in-time-recovery",
        "A table can be brought back to any second.",
        data.unrecoverable,
        exempt={
            f"*formbridge:index:WebSocketGateway${TABLE}::*-connections": "no connection's row outlives three hours",
        },
    ),
    ResourceRule("log-retention", "A log is kept for a number of days.", data.kept_logs, mandatory=False),
    ResourceRule("bounded-pipes", "A pipe gives up, and says what it gave up.", failures.unbounded_pipe),
    ResourceRule(
        "event-dead-letters",
        "An event that cannot be delivered is kept.",
        failures.lost_event,
        exempt={
            "*formbridge:index:WebSocketGateway$*::*-janitor-target": "the next minute's run does what was left",
        },
    ),
    ResourceRule("throttling", "A stage has a rate and a burst of its own.", failures.unthrottled),
    ResourceRule("no-data-trace", "What clients send is not logged.", data.data_trace),
)

STACK_RULES = (
    StackRule("private-buckets", "A bucket cannot be made public.", access.public_bucket),
    StackRule("encrypted-buckets", "A bucket says how its objects are encrypted.", data.unencrypted_bucket),
    StackRule(
        "function-dead-letters",
        "An event that a function fails on is kept.",
        failures.lost_invocation,
        exempt={
            "*formbridge:index:WebSocketGateway$*::*-janitor-function": "the next minute's run does what was left",
        },
    ),
    StackRule(
        "queue-dead-letters",
        "A message that a function fails on is kept.",
        failures.lost_message,
        exempt={
            f"*formbridge:index:RealtimePipe${QUEUE}::*-dead-letters": (
                "it holds dead letters already, and a `DeadLetterResync` has an alarm on those that stay"
            ),
        },
    ),
)
