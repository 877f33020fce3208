from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from local.errors import ConfigError, ProgramError
from local.preview import print_preview
from tests.support.local.programs import write_program

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """
aws.Provider("here")
parent = pulumi.ComponentResource("example:index:Inbox", "inbox")
own = pulumi.ResourceOptions(parent=parent)
queue = aws.sqs.Queue("queue", opts=own)
aws.sqs.QueuePolicy("policy", queue_url=queue.id, policy=queue.arn, opts=own)
aws.cloudwatch.EventBus("bus", name=pulumi.Config().get("name"))
"""


def printed(root: Path) -> str:
    out = StringIO()
    print_preview(Console(file=out, width=100), root)
    return out.getvalue()


def test_resources_are_nested_below_their_components(tmp_path: Path) -> None:
    assert printed(write_program(tmp_path, PROGRAM)) == (
        "example (dev)\n"
        "├── inbox  example:index:Inbox\n"
        "│   ├── policy  aws:sqs/queuePolicy:QueuePolicy\n"
        "│   └── queue  aws:sqs/queue:Queue\n"
        "├── bus  aws:cloudwatch/eventBus:EventBus\n"
        "└── here  pulumi:providers:aws\n"
        "3 resources to create\n"
    )


def test_one_resource_is_not_plural(tmp_path: Path) -> None:
    assert printed(write_program(tmp_path, "aws.sqs.Queue('q')")).endswith("\n1 resource to create\n")


def test_names_are_not_markup(tmp_path: Path) -> None:
    assert "[bold]" in printed(write_program(tmp_path, "aws.sqs.Queue('[bold]')"))


def test_a_bad_program_or_config_is_raised(tmp_path: Path) -> None:
    root = write_program(tmp_path, "aws.sqs.Queue('q', opts=pulumi.ResourceOptions(parent=1 / 0))")
    with pytest.raises(ProgramError, match="ZeroDivisionError"):
        printed(root)
    (root / "Pulumi.dev.yaml").write_text("config: [")
    with pytest.raises(ConfigError, match=r"Pulumi\.dev\.yaml: not valid YAML"):
        printed(root)
