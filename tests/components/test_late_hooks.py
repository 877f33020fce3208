"""Late hooks: the SDK knows them from the registration of their resource on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pulumi
import pulumi_aws as aws
import pytest

from components._late_hooks import LateErrorHook, LateResourceHook
from tests.support.components.harness import run


def do_nothing(_args: pulumi.ResourceHookArgs) -> None:
    pass


def give_up(_args: pulumi.ErrorHookArgs) -> bool:
    return False


def bind() -> pulumi.ResourceOptions:
    binding = pulumi.ResourceHookBinding(
        before_create=[LateResourceHook("before", do_nothing)], on_error=[LateErrorHook("error", give_up)]
    )
    return pulumi.ResourceOptions(hooks=binding)


def test_a_hook_is_registered_with_its_resource() -> None:
    recording = run(lambda: aws.sqs.Queue("queue", opts=bind()))

    assert recording.hooks == ["before", "error"]
    assert recording.one("queue").hooks == {"before", "error"}


def test_a_hook_without_a_resource_is_not_registered() -> None:
    assert run(bind).hooks == []


FAILING = """
import pulumi, pulumi_aws as aws
from tests.components.test_late_hooks import bind, do_nothing
from tests.support.components.harness import run

def fail(_known):
    raise pulumi.RunError("wrong input")

def program():
    wrong = pulumi.Output.from_input(1).apply(fail)
    {hooks}
    aws.sqs.Queue("queue", name=wrong, opts=bind())

try:
    run(program)
except pulumi.RunError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("hooks", "code"),
    [("", 0), ("pulumi.ResourceHook('a', do_nothing); pulumi.ResourceHook('b', do_nothing)", -11)],
    ids=["late", "as the SDK registers them"],
)
def test_a_program_that_fails_at_once_ends_with_its_error(hooks: str, code: int) -> None:
    """The second case is here to be told when the SDK no longer needs this module."""
    program = FAILING.format(hooks=hooks)
    root = Path(__file__).parents[2]
    ended = subprocess.run([sys.executable, "-c", program], cwd=root, check=False, capture_output=True, text=True)

    assert (ended.returncode, ended.stdout) == (code, "wrong input\n" if code == 0 else "")
