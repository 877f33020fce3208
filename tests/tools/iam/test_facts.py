"""The names that bootstrap gives to what it makes for a stack."""

from __future__ import annotations

import dataclasses

from tests.support.tools.stack_requests import build_facts


def test_names_of_a_stack() -> None:
    facts = build_facts("dev")

    assert facts.prefix == "formbridge-realtime-dev-"
    assert facts.deploy_role_name == "formbridge-deploy-dev"
    assert facts.preview_role_name == "formbridge-preview-dev"
    assert facts.boundary_arn == "arn:aws:iam::123456789012:policy/formbridge-boundary-dev"
    assert facts.backend_url == "s3://formbridge-state-123456789012-eu-west-1/dev?region=eu-west-1"


def test_an_arn_has_the_partition() -> None:
    facts = dataclasses.replace(build_facts("dev", "cn-north-1"), partition="aws-cn")

    assert facts.build_arn("sqs", "a") == "arn:aws-cn:sqs:cn-north-1:123456789012:a"
    assert facts.build_arn("logs", "a", "cn-northwest-1") == "arn:aws-cn:logs:cn-northwest-1:123456789012:a"
    assert facts.github_provider_arn == (
        "arn:aws-cn:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
    )
