"""The policy pack for Pulumi's CLI: `pulumi preview --policy-pack policy`.

In a preview, a rule that needs a value which AWS has yet to make (a new queue's ARN in a policy document) is reported
as not run; the update that follows knows the value, and runs it before the resource is made. The tests run every rule
over the recorded program, where all values are known, and this pack over the same protocol as the CLI.
"""

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyPack,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)

# The CLI runs this folder as a script, so that `rules` is a package of its own.
from rules import RESOURCE_RULES, STACK_RULES, ResourceRule, StackRule
from rules.resources import Resource


def resource_policy(rule: ResourceRule) -> Policy:
    """`rule` as CrossGuard takes it."""

    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        for message in rule.violations(args.urn, args.resource_type, args.props):
            report(message, None)

    level = EnforcementLevel.MANDATORY if rule.mandatory else EnforcementLevel.ADVISORY
    return ResourceValidationPolicy(rule.name, rule.description, validate, level)


def stack_policy(rule: StackRule) -> Policy:
    """`rule` as CrossGuard takes it."""

    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        stack = [
            Resource(one.urn, one.resource_type, one.props, frozenset(other.urn for other in one.dependencies))
            for one in args.resources
        ]
        for resource, message in rule.violations(stack):
            report(message, resource.urn)

    return StackValidationPolicy(rule.name, rule.description, validate, EnforcementLevel.MANDATORY)


PolicyPack("formbridge-realtime", [*map(resource_policy, RESOURCE_RULES), *map(stack_policy, STACK_RULES)])
