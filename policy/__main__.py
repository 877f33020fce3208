"""Policy pack for Pulumi's CLI: `pulumi preview --policy-pack policy`.

During a preview, some values are unknown, for example the ARN of a new queue in a policy document. If a rule needs an
unknown value, the preview reports that the rule did not run. During the update the value is known, and the rule runs
before the resource is created. The tests run every rule on the recorded program, where all values are known, and run
this pack over the same protocol as the CLI.
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

# The CLI runs this folder as a script, so `rules` is a top-level package here.
from rules import RESOURCE_RULES, STACK_RULES, ResourceRule, StackRule
from rules.resources import Resource


def build_resource_policy(rule: ResourceRule) -> Policy:
    """Build the CrossGuard policy of a resource rule."""

    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        for message in rule.find_violations(args.urn, args.resource_type, args.props):
            report(message, None)

    level = EnforcementLevel.DISABLED if rule.is_optional else EnforcementLevel.MANDATORY
    return ResourceValidationPolicy(rule.name, rule.description, validate, level)


def build_stack_policy(rule: StackRule) -> Policy:
    """Build the CrossGuard policy of a stack rule."""

    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        stack = [
            Resource(
                resource.urn,
                resource.resource_type,
                resource.props,
                frozenset(dependency.urn for dependency in resource.dependencies),
            )
            for resource in args.resources
        ]
        for resource, message in rule.find_violations(stack):
            report(message, resource.urn)

    return StackValidationPolicy(rule.name, rule.description, validate, EnforcementLevel.MANDATORY)


PolicyPack("formbridge-realtime", [*map(build_resource_policy, RESOURCE_RULES), *map(build_stack_policy, STACK_RULES)])
