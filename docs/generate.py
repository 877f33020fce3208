"""Writes `components.md` and `settings.md` from what Pulumi itself reads: the components' schema, and `Pulumi.yaml`.

Beside the pages it writes the schema that the tests hold the components to, for review.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import yaml
from pulumi.provider.experimental.component import ComponentProvider
from pulumi.provider.experimental.host import components_from_module

import components

DOCS: Final = Path(__file__).parent
ROOT: Final = DOCS.parent
SNAPSHOT: Final = ROOT / "tests" / "support" / "components" / "schema.json"
PROJECT: Final = "formbridge-realtime"
STACKS: Final = ("dev", "prod")

COMPONENTS_HEAD: Final = """\
# The components

Each stands alone in a program of yours. In Python, with this repository on the import path:

```python
from components import RealtimePipe

pipe = RealtimePipe("orders", {"stream_arn": orders.stream_arn, "function_arn": notify.arn})
```

In every other language of Pulumi, `pulumi package add …/components` makes an SDK with the same names in that
language's own style: `batch_size` is `batchSize`. It makes one for Python too, for a project that has a folder
`components` of its own. [examples](../examples) holds three whole programs.

An input is what stands in the table, or a Pulumi `Output` of it; *plain* says that it cannot be an Output. Those in
**bold** are required. A bad value, an unknown input or a missing one raises an error that names it, before any resource
exists; the value of an Output when it is known, before the resource that takes it is made.

Options pass as Pulumi has them: `provider`, `protect` and `transforms` reach every child, `parent` and `aliases` move
the children along. A child's name begins with the component's and does not change: what is deployed stays where it is.

<!-- Made by `make docs` from the docstrings. -->
"""

SETTINGS_HEAD: Final = """\
# Settings of a stack

`pulumi config set <key> <value>`, or a line in `Pulumi.<stack>.yaml`. `Pulumi.yaml` declares them; a bad value is
an error that names the key, the value and what is allowed, before any resource exists.

<!-- Made by `make docs` from `Pulumi.yaml`, `Pulumi.dev.yaml` and `Pulumi.prod.yaml`. -->
"""


def schema() -> dict[str, Any]:
    """The schema of the components as the plugin gives it; descriptions without their indentation in the source."""
    provider = ComponentProvider(components_from_module(components), "formbridge", "formbridge")
    return json.loads(provider.schema or "", object_hook=_unindented)


def components_page() -> str:
    """`components.md`."""
    blocks = [COMPONENTS_HEAD]
    for token, component in schema()["resources"].items():
        blocks += [
            f"## {token.split(':')[-1]}",
            component["description"],
            _table(_input_rows(component), ("input", "type", "")),
            _table(_output_rows(component), ("output", "type", "")),
        ]
    return _page(blocks)


def settings_page() -> str:
    """`settings.md`."""
    declared = _config(ROOT / "Pulumi.yaml")
    stacks = [_config(ROOT / f"Pulumi.{stack}.yaml") for stack in STACKS]
    rows = [
        (
            f"`{key}`",
            setting["type"],
            _value(setting["default"]),
            *(_value(values[full_key]) if (full_key := f"{PROJECT}:{key}") in values else "" for values in stacks),
            setting["description"],
        )
        for key, setting in declared.items()
    ]
    return _page([SETTINGS_HEAD, _table(rows, ("key", "type", "default", *STACKS, ""))])


def main() -> None:
    """Write the pages and the schema."""
    (DOCS / "components.md").write_text(components_page())
    (DOCS / "settings.md").write_text(settings_page())
    SNAPSHOT.write_text(json.dumps(schema(), indent=2, sort_keys=True) + "\n")


def _unindented(described: dict[str, Any]) -> dict[str, Any]:
    text = described.get("description")
    return {**described, "description": inspect.cleandoc(text)} if isinstance(text, str) else described


def _input_rows(component: Mapping[str, Any]) -> Iterable[tuple[str, ...]]:
    required = component["requiredInputs"]
    inputs: dict[str, dict[str, Any]] = component["inputProperties"]
    for name in sorted(inputs, key=lambda one: one not in required):
        emphasis = "**" if name in required else ""
        yield f"{emphasis}`{_snake_case(name)}`{emphasis}", _type(inputs[name]), inputs[name]["description"]


def _output_rows(component: Mapping[str, Any]) -> Iterable[tuple[str, ...]]:
    for name, output in component["properties"].items():
        yield f"`{_snake_case(name)}`", _type(output), output["description"]


def _type(described: Mapping[str, Any]) -> str:
    if described.get("plain"):
        return f"{_type({**described, 'plain': False})}, *plain*"
    reference = described.get("$ref", "")
    if reference.startswith("#/types/"):
        fields = schema()["types"][reference.removeprefix("#/types/")]["properties"]
        return f"map with {', '.join(f'`{_snake_case(field)}`' for field in fields)}"
    if reference:
        return reference.split("/")[-1].lower()
    match described["type"]:
        case "array":
            return f"list of {_type({**described['items'], 'plain': False})}"
        case "object":
            return f"map of {_type(described['additionalProperties'])}"
        case name:
            return name


def _snake_case(name: str) -> str:
    return re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", name)


def _config(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text())["config"]


def _value(value: object) -> str:
    return f"`{json.dumps(value)}`"


def _table(rows: Iterable[tuple[str, ...]], head: tuple[str, ...]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(' '.join(cell.split()) for cell in line)} |" for line in lines)


def _page(blocks: Iterable[str]) -> str:
    return "\n\n".join(block.strip() for block in blocks) + "\n"


if __name__ == "__main__":
    main()
