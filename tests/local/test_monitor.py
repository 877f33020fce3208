from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import pytest

from local.errors import ProgramError
from local.monitor import Monitor
from local.program import run
from local.project import load_project
from local.resource import CreatedResource, ProvisionError, Resource
from local.wire import UNKNOWN
from tests.support.local.programs import Recorder, by_name, preview_program, run_program, write_program

if TYPE_CHECKING:
    from pathlib import Path


def test_resources_carry_urn_parent_inputs_and_outputs(tmp_path: Path) -> None:
    source = """
    class Inbox(pulumi.ComponentResource):
        def __init__(self, name, opts=None):
            super().__init__("example:index:Inbox", name, {}, opts)
            self.queue = aws.sqs.Queue(f"{name}-queue", delay_seconds=5, opts=pulumi.ResourceOptions(parent=self))
            self.register_outputs({"arn": self.queue.arn})

    class House(pulumi.ComponentResource):
        def __init__(self, name):
            super().__init__("example:index:House", name)
            self.inbox = Inbox(f"{name}-inbox", pulumi.ResourceOptions(parent=self))
            self.register_outputs({})

    house = House("home")
    pulumi.export("arn", house.inbox.queue.arn)
    pulumi.export("id", house.inbox.queue.id)
    """
    monitor = run_program(write_program(tmp_path, source))
    queue, inbox = by_name(monitor, "home-inbox-queue"), by_name(monitor, "home-inbox")
    chain = "example:index:House$example:index:Inbox$aws:sqs/queue:Queue"
    assert queue.urn == f"urn:pulumi:dev::example::{chain}::home-inbox-queue"
    assert (queue.type, queue.custom, queue.parent) == ("aws:sqs/queue:Queue", True, inbox.urn)
    assert queue.inputs == {"delaySeconds": 5}
    assert (queue.id, queue.outputs["arn"], queue.outputs["delaySeconds"]) == (
        "id-home-inbox-queue",
        "arn:home-inbox-queue",
        5,
    )
    assert (inbox.custom, inbox.id, inbox.outputs) == (False, "", {"arn": "arn:home-inbox-queue"})
    assert by_name(monitor, "home").parent == by_name(monitor, "example-dev").urn
    assert monitor.exports == {"arn": "arn:home-inbox-queue", "id": "id-home-inbox-queue"}


def test_resources_that_do_not_depend_on_each_other_are_made_at_the_same_time(tmp_path: Path) -> None:
    together = threading.Barrier(4)

    class Meeting(Recorder):
        def create(self, resource: Resource) -> CreatedResource:
            together.wait(timeout=30)
            return super().create(resource)

    run_program(write_program(tmp_path, "[aws.sqs.Queue(f'q{n}') for n in range(4)]"), Meeting())


def test_many_resources_at_once(tmp_path: Path) -> None:
    seen: list[Resource] = []
    source = """
    queues = [aws.sqs.Queue(f"q{n}") for n in range(60)]
    policies = [aws.sqs.QueuePolicy(f"p{n}", queue_url=queue.id, policy="{}") for n, queue in enumerate(queues)]
    """
    monitor = run_program(write_program(tmp_path, source), on_resource=seen.append)
    assert len(monitor.resources) == 121
    assert sorted(resource.name for resource in seen) == sorted([f"{kind}{n}" for kind in "pq" for n in range(60)])
    assert all(by_name(monitor, f"p{n}").inputs["queueUrl"] == f"id-q{n}" for n in range(60))


def test_a_second_resource_of_the_same_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ProgramError, match='aws:sqs/queue:Queue "q": another resource has the same type, name and parent'
    ):
        run_program(write_program(tmp_path, "aws.sqs.Queue('q')\naws.sqs.Queue('q')"))


def test_the_same_name_below_another_parent_is_another_resource(tmp_path: Path) -> None:
    source = """
    for name in ("a", "b"):
        parent = pulumi.ComponentResource("example:index:" + name.upper(), name)
        aws.sqs.Queue("q", opts=pulumi.ResourceOptions(parent=parent))
    """
    monitor = run_program(write_program(tmp_path, source))
    assert sum(resource.name == "q" for resource in monitor.resources.values()) == 2


def test_secrets_reach_the_resource_and_stay_secret_in_the_program(tmp_path: Path) -> None:
    source = """
    queue = aws.sqs.Queue("q", tags={"a": pulumi.Output.secret("hunter2")})
    client = aws.cognito.UserPoolClient("c", user_pool_id="pool")
    async def main():
        return {
            "tags": queue.tags,
            "is_secret": [await queue.tags.is_secret(), await client.client_secret.is_secret(),
                          await client.user_pool_id.is_secret()],
        }
    pulumi.run(main)
    """
    outputs = {"aws:cognito/userPoolClient:UserPoolClient": {"clientSecret": "s"}}
    monitor = run_program(write_program(tmp_path, source), Recorder(outputs))
    assert by_name(monitor, "q").inputs == {"tags": {"a": "hunter2"}}
    assert monitor.exports == {"tags": {"a": "hunter2"}, "is_secret": [True, True, False]}


def test_a_resource_given_as_a_value_is_its_id(tmp_path: Path) -> None:
    source = """
    queue = aws.sqs.Queue("q")
    aws.sqs.QueuePolicy("p", queue_url=queue, policy="{}")
    """
    monitor = run_program(write_program(tmp_path, source))
    assert by_name(monitor, "p").inputs["queueUrl"] == "id-q"


def test_a_look_up_finds_what_an_account_has_from_the_start(tmp_path: Path) -> None:
    source = "pulumi.export('role', aws.apigateway.Account.get('a', 'any').cloudwatch_role_arn)"
    monitor = run_program(write_program(tmp_path, source))
    assert monitor.exports == {"role": ""}
    assert [resource.type for resource in monitor.resources.values()] == ["pulumi:pulumi:Stack"]


# What is refused


REFUSED = [
    (
        "aws.pipes.Pipe('p', role_arn='r', source='s', target='t', source_parameters={\n"
        "    'dynamodb_stream_parameters': {'starting_position': 'LATEST', 'batchsize': 1}})",
        r'^aws:pipes/pipe:Pipe "p": sourceParameters.dynamodbStreamParameters.batchsize: unknown property '
        r"\(did you mean batchSize\?\)\n  at __main__.py:3$",
    ),
    (
        "pulumi.CustomResource('aws:sqs/queue:Queue', 'q', {'delaysSeconds': 1})",
        r'^aws:sqs/queue:Queue "q": delaysSeconds: unknown property \(did you mean delaySeconds\?\)',
    ),
    ("pulumi.CustomResource('aws:sqs/que:Que', 'q')", '^aws:sqs/que:Que "q": unknown resource type'),
    (
        "aws.kinesis.Stream('t')",
        '^aws:kinesis/stream:Stream "t": the local run does not support this resource type\n  at __main__.py:3$',
    ),
    (
        "aws.lambda_.Function('f', role='r', vpc_config={'subnet_ids': ['s'], 'security_group_ids': ['g']})",
        '^aws:lambda/function:Function "f": vpcConfig.securityGroupIds: the local run does not support this property; '
        "vpcConfig.subnetIds: the local",
    ),
    (
        "aws.sqs.Queue('q', region='eu-west-1')",
        "^aws:sqs/queue:Queue \"q\": region: must be us-east-1, the region of the stack, got 'eu-west-1'",
    ),
    (
        "aws.sqs.Queue.get('q', 'url')",
        '^aws:sqs/queue:Queue "q": the local run does not support look-ups of existing resources',
    ),
    (
        "aws.sqs.Queue('q', opts=pulumi.ResourceOptions(import_='url'))",
        r"the local run does not support imports \(id url\)",
    ),
    (
        "aws.get_availability_zones()",
        "^aws:index/getAvailabilityZones:getAvailabilityZones: the local run does not",
    ),
    (
        "pulumi.ComponentResource('other:index:Thing', 't', {}, None, True)",
        '^other:index:Thing "t": the local run does not support components written in another language',
    ),
]


@pytest.mark.parametrize(("source", "message"), REFUSED)
def test_what_cannot_be_made_is_named(tmp_path: Path, source: str, message: str) -> None:
    recorder = Recorder()
    with pytest.raises(ProgramError, match=message):
        run_program(write_program(tmp_path, source), recorder)
    assert recorder.created == []


@pytest.mark.parametrize(("source", "message"), REFUSED)
def test_what_cannot_be_made_is_named_by_a_preview(tmp_path: Path, source: str, message: str) -> None:
    with pytest.raises(ProgramError, match=message):
        preview_program(write_program(tmp_path, source))


def test_the_first_failure_is_reported_with_the_lines_that_led_to_it(tmp_path: Path) -> None:
    class Refusing(Recorder):
        def create(self, resource: Resource) -> CreatedResource:
            raise ProvisionError("no room")

    source = """
    from houses import build
    queue = build()
    aws.sqs.QueuePolicy("p", queue_url=queue.id, policy="{}")
    pulumi.export("url", queue.url)
    """
    modules = {"houses.py": "import pulumi_aws as aws\n\ndef build():\n    return aws.sqs.Queue('q')\n"}
    with pytest.raises(ProgramError) as caught:
        run_program(write_program(tmp_path, source, modules=modules), Refusing())
    assert str(caught.value) == 'aws:sqs/queue:Queue "q": no room\n  at houses.py:4\n  at __main__.py:5'


@pytest.mark.parametrize("names", [("first", "later"), ("later", "first")])
def test_of_two_failures_the_earlier_one_is_reported_and_nothing_runs_on(
    tmp_path: Path, names: tuple[str, str]
) -> None:
    both_started = threading.Barrier(2)
    finished = threading.Event()

    class Refusing(Recorder):
        def create(self, resource: Resource) -> CreatedResource:
            both_started.wait(timeout=30)
            if resource.name == "later":
                while monitor.failure is None:
                    finished.wait(0.01)
                finished.set()
            raise ProvisionError("no room")

    project = load_project(write_program(tmp_path, f"[aws.sqs.Queue(name) for name in {names}]"))
    monitor = Monitor(project, Refusing())
    before = set(threading.enumerate())
    with pytest.raises(ProgramError, match=r'^aws:sqs/queue:Queue "first": no room'):
        run(project, monitor)
    assert finished.is_set()
    assert set(threading.enumerate()) <= before


def test_an_output_that_is_not_given_is_an_error_where_it_is_used(tmp_path: Path) -> None:
    source = "queue = aws.sqs.Queue('q')\naws.sqs.QueuePolicy('p', queue_url=queue.url, policy='{}')"
    message = '^aws:sqs/queuePolicy:QueuePolicy "p": queueUrl: depends on an output that the local run does not provide'
    with pytest.raises(ProgramError, match=message):
        run_program(write_program(tmp_path, source))


def test_an_output_that_is_not_given_is_an_error_where_it_is_exported(tmp_path: Path) -> None:
    source = "pulumi.export('queue', {'url': aws.sqs.Queue('q').url})"
    with pytest.raises(
        ProgramError, match=r"^export queue\.url: depends on an output that the local run does not provide"
    ):
        run_program(write_program(tmp_path, source))


# Preview


def test_a_preview_makes_nothing_and_outputs_are_unknown(tmp_path: Path) -> None:
    source = """
    queue = aws.sqs.Queue("q", delay_seconds=5)
    aws.sqs.QueuePolicy("p", queue_url=queue.id, policy=pulumi.Output.concat("for ", queue.arn))
    queue.arn.apply(lambda arn: 1 / 0)
    pulumi.export("arn", queue.arn)
    pulumi.export("delay", queue.delay_seconds)
    """
    monitor = preview_program(write_program(tmp_path, source))
    assert {by_name(monitor, name).id for name in "qp"} == {""}
    assert by_name(monitor, "p").inputs == {"queueUrl": UNKNOWN, "policy": UNKNOWN}
    assert monitor.exports == {"arn": UNKNOWN, "delay": 5}


# Functions and transforms


def test_region_and_caller_are_answered(tmp_path: Path) -> None:
    source = """
    pulumi.export("region", aws.get_region().region)
    pulumi.export("account", aws.get_caller_identity_output().account_id)
    """
    root = write_program(tmp_path, source, stack_config="config: {aws:region: eu-west-1}")
    expected = {"region": "eu-west-1", "account": "000000000000"}
    assert run_program(root).exports == expected
    assert preview_program(root).exports == expected


TRANSFORMS = """
def tagged(mark):
    def transform(args):
        if args.type_ != "aws:sqs/queue:Queue":
            return None
        tags = {**args.props.get("tags", {}), "order": args.props.get("tags", {}).get("order", "") + mark}
        return pulumi.ResourceTransformResult(props={**args.props, "tags": tags}, opts=args.opts)
    return transform

pulumi.runtime.register_resource_transform(tagged("stack"))
parent = pulumi.ComponentResource("example:index:P", "p", {}, pulumi.ResourceOptions(transforms=[tagged("parent ")]))
aws.sqs.Queue("q", delay_seconds=3, opts=pulumi.ResourceOptions(parent=parent, transforms=[tagged("own ")]))
aws.sqs.Queue("plain")
"""


def test_transforms_run_from_the_inside_out(tmp_path: Path) -> None:
    root = write_program(tmp_path, TRANSFORMS)
    monitor = run_program(root)
    assert by_name(monitor, "q").inputs == {"delaySeconds": 3, "tags": {"order": "own parent stack"}}
    assert by_name(monitor, "plain").inputs == {"tags": {"order": "stack"}}
    # gRPC keeps one thread for good, once the SDK has started its callback server; a second run adds none.
    before = set(threading.enumerate())
    run_program(root)
    assert set(threading.enumerate()) <= before


def test_a_transform_that_fails_is_an_error_of_the_resource(tmp_path: Path) -> None:
    source = """
    def broken(args):
        raise ValueError("not today")
    aws.sqs.Queue("q", opts=pulumi.ResourceOptions(transforms=[broken]))
    """
    message = '^aws:sqs/queue:Queue "q": a transform failed: .*not today'
    with pytest.raises(ProgramError, match=message):
        run_program(write_program(tmp_path, source))


HOOKS = """
def fail(_args):
    raise ValueError("a hook was called")

hooks = pulumi.ResourceHookBinding(
    before_create=[pulumi.ResourceHook("before", fail, pulumi.ResourceHookOptions(on_dry_run=True))],
    on_error=[pulumi.ErrorHook("error", fail)],
)
aws.sqs.Queue("q", opts=pulumi.ResourceOptions(hooks=hooks, protect=True))
"""


def test_hooks_are_not_called(tmp_path: Path) -> None:
    root = write_program(tmp_path, HOOKS)

    assert by_name(run_program(root), "q").id == "id-q"
    assert by_name(preview_program(root), "q").id == ""


READ = """
queue = aws.sqs.Queue("q")
found = aws.cloudcontrol.get_resource_output(type_name="AWS::Pipes::Pipe", identifier=queue.id)
pulumi.export("properties", found.properties)
"""


def test_cloud_control_reads_a_resource_that_exists(tmp_path: Path) -> None:
    root = write_program(tmp_path, READ)

    assert json.loads(run_program(root).exports["properties"]) == {"Name": "id-q", "CurrentState": "RUNNING"}
    assert preview_program(root).exports == {"properties": UNKNOWN}


def test_a_preview_has_nothing_to_read(tmp_path: Path) -> None:
    root = write_program(tmp_path, READ.replace("queue.id", "'p'"))
    with pytest.raises(ProgramError, match=r"getResource: 'p' does not exist, because this is a preview$"):
        preview_program(root)
