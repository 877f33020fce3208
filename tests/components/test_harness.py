"""The harness itself: what it keeps, and that nothing of a program goes unnoticed."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws
import pytest

from local import wire
from tests.support.components.harness import Recording, run
from tests.support.components.provider import physical_name


class Pair(pulumi.ComponentResource):
    """Two queues, of which the second knows the first."""

    def __init__(self, name: str) -> None:
        super().__init__("example:index:Pair", name)
        own = pulumi.ResourceOptions(parent=self)
        first = aws.sqs.Queue(f"{name}-first", opts=own)
        aws.sqs.Queue(f"{name}-second", tags={"first": first.name}, opts=own)
        aws.sqs.Queue(f"{name}-third", opts=pulumi.ResourceOptions(parent=self, depends_on=[first]))
        self.register_outputs({"first": first.name})


def wrong(_: object) -> None:
    raise LookupError("wrong")


def test_keeps_who_made_what_of_what() -> None:
    recording = run(lambda: Pair("a"))

    assert recording.children("a") == {
        ("sqs/queue:Queue", "a-first"),
        ("sqs/queue:Queue", "a-second"),
        ("sqs/queue:Queue", "a-third"),
    }
    assert recording.inputs("a-second") == {"tags": {"first": physical_name("a-first")}}
    assert recording.dependencies("a-second") == recording.dependencies("a-third") == {"a-first"}
    assert recording.registered("a") == {"first": physical_name("a-first")}


def test_knows_no_output_in_a_preview() -> None:
    recording = run(lambda: Pair("a"), preview=True)

    assert recording.inputs("a-second") == {"tags": {"first": wire.UNKNOWN}}
    assert recording.registered("a") == {"first": wire.UNKNOWN}


def test_keeps_exports_and_gives_configuration() -> None:
    def program() -> None:
        pulumi.export("greeting", pulumi.Output.concat("Hello ", pulumi.Config().require("name")))

    assert run(program, config={"formbridge-realtime:name": "you"}).exports == {"greeting": "Hello you"}


def test_raises_what_the_program_raises() -> None:
    with pytest.raises(LookupError, match="wrong"):
        run(lambda: wrong(None))


def test_raises_what_an_apply_raises_that_nobody_waits_for() -> None:
    def program() -> None:
        aws.sqs.Queue("queue").arn.apply(wrong)

    with pytest.raises(LookupError, match="wrong"):
        run(program)


def test_runs_know_nothing_of_each_other() -> None:
    names: list[Recording] = [run(lambda: Pair("a")), run(lambda: Pair("b"))]

    assert [one.name for one in names[1].custom() if one.name.startswith("a")] == []
