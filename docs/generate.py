"""Generator of `components.md`, `settings.md` and the IAM policies in `iam/`.

It makes `components.md` from the schema of the components, `settings.md` from the Pulumi files, and `iam/` from
`tools/iam`. It also writes the snapshot of the schema. A test compares this snapshot with the components.
"""

from __future__ import annotations

import inspect
import json
import re
import shutil
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml
from pulumi.provider.experimental.component import ComponentProvider
from pulumi.provider.experimental.host import components_from_module

import components
from tools.iam import boundary, deploy_role, preview_role
from tools.iam.facts import StackFacts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DOCS: Final = Path(__file__).parent
ROOT: Final = DOCS.parent
SNAPSHOT: Final = ROOT / "tests" / "support" / "components" / "schema.json"
"""Snapshot of the schema. A test compares it with the components, so that a review shows each change of the schema."""
PROJECT: Final = "formbridge-realtime"
STACKS: Final = ("dev", "prod")
EXAMPLE: Final = StackFacts(
    partition="aws",
    account="123456789012",
    region="eu-west-1",
    project=PROJECT,
    stack="dev",
    state_bucket="formbridge-state-123456789012-eu-west-1",
    state_key_arn="arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    github_subject="repo:ORG@ORG_ID/REPO@REPO_ID",
)
"""The stack whose IAM policies are in `iam/`."""
TYPE_PREFIX: Final = "#/types/"
"""Start of the value of `$ref` for a type that the schema itself defines."""

COMPONENTS_HEAD: Final = """\
# Components

This page answers: which inputs and outputs does each component have? You can use each component on its own in your
program. Each example below is a complete Python program that needs this repository on the import path.

For every other Pulumi language, `pulumi package add …/components` makes an SDK with the same names in that language's
style: `batch_size` becomes `batchSize`. It also makes a Python SDK, for a project that has its own folder `components`.
[Importing](importing.md) describes the set-up, and [the examples](../examples) are three complete projects.

Required inputs are **bold**. An input takes a value of the type in the table, or a Pulumi `Output` of it. An input
marked *plain* does not take an `Output`. A group is a map of inputs: `limits.rate_limit` is the input `rate_limit` in
the group `limits`. A group does not take an `Output`, but its inputs do.

A value that is not allowed, an unknown input or a missing input causes an error that names the input, before any
resource exists. The value of an `Output` is checked when it is known, before the resource that uses it is created.

Resource options work as usual in Pulumi: `provider`, `protect` and `transforms` apply to every child resource. With
`aliases`, you can rename a component or give it another parent without replacing its child resources. The name of a
child resource begins with the name of its component and does not change between releases, so deployed resources are not
replaced.

<!-- Made by `make docs` from the docstrings. -->
"""

SETTINGS_HEAD: Final = """\
# Settings of a stack

This page answers: which settings does a stack have, and what are their defaults? To change one, run
`pulumi config set <key> <value>` or add a line to `Pulumi.<stack>.yaml`. `Pulumi.yaml` declares all of them. A value
that is not allowed causes an error before any resource exists. The error names the key, the value and what is allowed.
A key that is not in this table causes an error too, which names the most similar key.

<!-- Made by `make docs` from `Pulumi.yaml`, `Pulumi.dev.yaml` and `Pulumi.prod.yaml`. -->
"""


def build_schema() -> dict[str, Any]:
    """Return the plugin's schema of the components. The descriptions have no indentation."""
    provider = ComponentProvider(components_from_module(components), "formbridge", "formbridge")
    return json.loads(provider.schema or "", object_hook=_unindent)


def read_example(component: str) -> str:
    """Return the Python example of a component from the docstring of its module.

    The example is not in the docstring of the class, because Pulumi copies the docstring of the class into the SDK of
    every other language.
    """
    module = inspect.getmodule(getattr(components, component))
    _, _, code = (inspect.getdoc(module) or "").partition("Example:\n")
    return textwrap.dedent(code).strip()


def render_components_page() -> str:
    """Return the text of `components.md`."""
    described = build_schema()
    blocks = [COMPONENTS_HEAD]
    for token, component in described["resources"].items():
        name = token.split(":")[-1]
        inputs = _render_inputs(component["inputProperties"], component["requiredInputs"], described["types"])
        blocks += [
            f"## {name}",
            component["description"],
            f"```python\n{read_example(name)}\n```",
            _render_table(inputs, ("input", "type", "description")),
            _render_table(_render_outputs(component), ("output", "type", "description")),
        ]
    return _join_blocks(blocks)


def render_settings_page() -> str:
    """Return the text of `settings.md`."""
    declared = _read_config(ROOT / "Pulumi.yaml")
    stacks = [_read_config(ROOT / f"Pulumi.{stack}.yaml") for stack in STACKS]
    rows = [
        (
            f"`{key}`",
            setting["type"],
            _render_value(setting["default"]),
            *(
                _render_value(values[full_key]) if (full_key := f"{PROJECT}:{key}") in values else ""
                for values in stacks
            ),
            setting["description"],
        )
        for key, setting in declared.items()
        if ":" not in key  # another namespace is not this project's
    ]
    return _join_blocks([SETTINGS_HEAD, _render_table(rows, ("key", "type", "default", *STACKS, "description"))])


def render_policies() -> dict[str, str]:
    """Return the IAM policies of `EXAMPLE` as JSON, by the names of their files in `iam/`."""
    documents = {"boundary": boundary.build_policy(EXAMPLE, creates_log_role=True)}
    for role, module in {"deploy": deploy_role, "preview": preview_role}.items():
        documents[f"{role}-trust"] = module.build_trust_policy(EXAMPLE)
        documents |= {f"{role}-{name}": document for name, document in module.build_policies(EXAMPLE).items()}
    return {f"{name}.json": json.dumps(document, indent=2) + "\n" for name, document in documents.items()}


def main() -> None:
    """Write both pages, the IAM policies and the snapshot of the schema."""
    shutil.rmtree(DOCS / "iam")
    (DOCS / "iam").mkdir()
    for name, text in render_policies().items():
        (DOCS / "iam" / name).write_text(text)
    (DOCS / "components.md").write_text(render_components_page())
    (DOCS / "settings.md").write_text(render_settings_page())
    SNAPSHOT.write_text(json.dumps(build_schema(), indent=2, sort_keys=True) + "\n")


def _unindent(described: dict[str, Any]) -> dict[str, Any]:
    """Return a part of the schema. If it has a description, remove the indentation of the description."""
    text = described.get("description")
    return {**described, "description": inspect.cleandoc(text)} if isinstance(text, str) else described


def _render_inputs(
    inputs: Mapping[str, dict[str, Any]], required: Iterable[str], types: Mapping[str, Any], group: str = ""
) -> Iterable[tuple[str, ...]]:
    """Return a table row for each input. Required inputs come first.

    The rows of a group's inputs follow the row of the group.
    """
    for name in sorted(inputs, key=lambda name: name not in required):
        full_name = f"{group}{_convert_to_snake_case(name)}"
        emphasis = "**" if name in required else ""
        yield f"{emphasis}`{full_name}`{emphasis}", _render_type(inputs[name]), inputs[name]["description"]
        if _is_group(inputs[name]):
            fields = types[inputs[name]["$ref"].removeprefix(TYPE_PREFIX)]
            yield from _render_inputs(fields["properties"], fields.get("required", []), types, f"{full_name}.")


def _render_outputs(component: Mapping[str, Any]) -> Iterable[tuple[str, ...]]:
    """Return a table row for each output."""
    for name, output in component["properties"].items():
        yield f"`{_convert_to_snake_case(name)}`", _render_type(output), output["description"]


def _is_group(described: Mapping[str, Any]) -> bool:
    """Return whether an input is a group of inputs."""
    return described.get("$ref", "").startswith(TYPE_PREFIX)


def _render_type(described: Mapping[str, Any]) -> str:
    """Return the type of an input or an output as the tables show it."""
    if described.get("plain"):
        return f"{_render_type({**described, 'plain': False})}, *plain*"
    if _is_group(described):
        return "group"
    if reference := described.get("$ref"):
        return reference.split("/")[-1].lower()
    match described["type"]:
        case "array":
            return f"list of {_render_type({**described['items'], 'plain': False})}"
        case "object":
            return f"map of {_render_type(described['additionalProperties'])}"
        case name:
            return name


def _convert_to_snake_case(name: str) -> str:
    """Convert a name of the schema from camel case to snake case."""
    return re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", name)


def _read_config(path: Path) -> dict[str, Any]:
    """Return the section `config` of a Pulumi file."""
    return yaml.safe_load(path.read_text())["config"]


def _render_value(value: object) -> str:
    """Return a value as JSON in code style."""
    return f"`{json.dumps(value)}`"


def _render_table(rows: Iterable[tuple[str, ...]], head: tuple[str, ...]) -> str:
    """Return a Markdown table."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(' '.join(cell.split()) for cell in line)} |" for line in lines)


def _join_blocks(blocks: Iterable[str]) -> str:
    """Join blocks of Markdown into a page, with a blank line between two blocks."""
    return "\n\n".join(block.strip() for block in blocks) + "\n"


if __name__ == "__main__":
    main()
