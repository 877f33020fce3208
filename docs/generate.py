"""Generator of `components.md` and `settings.md`, from the components' schema and `Pulumi.yaml`.

It also writes the snapshot of the schema that the tests compare with the components.
"""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml
from pulumi.provider.experimental.component import ComponentProvider
from pulumi.provider.experimental.host import components_from_module

import components

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DOCS: Final = Path(__file__).parent
ROOT: Final = DOCS.parent
SNAPSHOT: Final = ROOT / "tests" / "support" / "components" / "schema.json"
PROJECT: Final = "formbridge-realtime"
STACKS: Final = ("dev", "prod")

COMPONENTS_HEAD: Final = """\
# Components

This page answers: which inputs and outputs does each component have? You can use each component on its own in a program
of yours. In Python, with this repository on the import path:

```python
from components import RealtimePipe

pipe = RealtimePipe("orders", {"stream_arn": orders.stream_arn, "function_arn": notify.arn})
```

For every other Pulumi language, `pulumi package add …/components` makes an SDK with the same names in that language's
style: `batch_size` becomes `batchSize`. It also makes a Python SDK, for a project that has a folder `components` of its
own. [Importing](importing.md) describes the set-up, and [the examples](../examples) are three whole programs.

Required inputs are **bold**. An input takes a value of the type in the table, or a Pulumi `Output` of it. An input
marked *plain* does not take an `Output`. A value that is not allowed, an unknown input or a missing one causes an error
that names the input, before any resource exists. The value of an `Output` is checked when it is known, before the
resource that uses it is created.

Resource options work as usual in Pulumi: `provider`, `protect` and `transforms` apply to every child, and `parent` and
`aliases` move the children along. The name of a child begins with the name of its component and does not change, so
deployed resources stay where they are.

<!-- Made by `make docs` from the docstrings. -->
"""

SETTINGS_HEAD: Final = """\
# Settings of a stack

This page answers: which settings does a stack have, and what are their defaults? To change one, run
`pulumi config set <key> <value>` or add a line to `Pulumi.<stack>.yaml`. `Pulumi.yaml` declares all of them. A value
that is not allowed causes an error before any resource exists. The error names the key, the value and what is allowed.

<!-- Made by `make docs` from `Pulumi.yaml`, `Pulumi.dev.yaml` and `Pulumi.prod.yaml`. -->
"""


def build_schema() -> dict[str, Any]:
    """Return the plugin's schema of the components, with the descriptions unindented."""
    provider = ComponentProvider(components_from_module(components), "formbridge", "formbridge")
    return json.loads(provider.schema or "", object_hook=_unindent_description)


def build_components_page() -> str:
    """Return the text of `components.md`."""
    blocks = [COMPONENTS_HEAD]
    for token, component in build_schema()["resources"].items():
        blocks += [
            f"## {token.split(':')[-1]}",
            component["description"],
            _format_table(_build_input_rows(component), ("input", "type", "")),
            _format_table(_build_output_rows(component), ("output", "type", "")),
        ]
    return _join_blocks(blocks)


def build_settings_page() -> str:
    """Return the text of `settings.md`."""
    declared = _read_config(ROOT / "Pulumi.yaml")
    stacks = [_read_config(ROOT / f"Pulumi.{stack}.yaml") for stack in STACKS]
    rows = [
        (
            f"`{key}`",
            setting["type"],
            _format_value(setting["default"]),
            *(_format_value(values[name]) if (name := f"{PROJECT}:{key}") in values else "" for values in stacks),
            setting["description"],
        )
        for key, setting in declared.items()
    ]
    return _join_blocks([SETTINGS_HEAD, _format_table(rows, ("key", "type", "default", *STACKS, ""))])


def main() -> None:
    """Write the pages and the schema."""
    (DOCS / "components.md").write_text(build_components_page())
    (DOCS / "settings.md").write_text(build_settings_page())
    SNAPSHOT.write_text(json.dumps(build_schema(), indent=2, sort_keys=True) + "\n")


def _unindent_description(described: dict[str, Any]) -> dict[str, Any]:
    text = described.get("description")
    return {**described, "description": inspect.cleandoc(text)} if isinstance(text, str) else described


def _build_input_rows(component: Mapping[str, Any]) -> Iterable[tuple[str, ...]]:
    required = component["requiredInputs"]
    inputs: dict[str, dict[str, Any]] = component["inputProperties"]
    for name in sorted(inputs, key=lambda one: one not in required):
        emphasis = "**" if name in required else ""
        yield f"{emphasis}`{_to_snake_case(name)}`{emphasis}", _format_type(inputs[name]), inputs[name]["description"]


def _build_output_rows(component: Mapping[str, Any]) -> Iterable[tuple[str, ...]]:
    for name, output in component["properties"].items():
        yield f"`{_to_snake_case(name)}`", _format_type(output), output["description"]


def _format_type(described: Mapping[str, Any]) -> str:
    if described.get("plain"):
        return f"{_format_type({**described, 'plain': False})}, *plain*"
    reference = described.get("$ref", "")
    if reference.startswith("#/types/"):
        fields = build_schema()["types"][reference.removeprefix("#/types/")]["properties"]
        return f"map with {', '.join(f'`{_to_snake_case(field)}`' for field in fields)}"
    if reference:
        return reference.split("/")[-1].lower()
    match described["type"]:
        case "array":
            return f"list of {_format_type({**described['items'], 'plain': False})}"
        case "object":
            return f"map of {_format_type(described['additionalProperties'])}"
        case name:
            return name


def _to_snake_case(name: str) -> str:
    return re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", name)


def _read_config(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text())["config"]


def _format_value(value: object) -> str:
    return f"`{json.dumps(value)}`"


def _format_table(rows: Iterable[tuple[str, ...]], head: tuple[str, ...]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(' '.join(cell.split()) for cell in line)} |" for line in lines)


def _join_blocks(blocks: Iterable[str]) -> str:
    return "\n\n".join(block.strip() for block in blocks) + "\n"


if __name__ == "__main__":
    main()
