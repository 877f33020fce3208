"""A Pulumi project as its files describe it: `Pulumi.yaml`, `Pulumi.<stack>.yaml` and overrides."""

from __future__ import annotations

import json
import sysconfig
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import yaml

from .errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DEFAULT_REGION: Final = "us-east-1"
_LIBRARIES: Final = (
    *(Path(sysconfig.get_path(kind)) for kind in ("stdlib", "purelib", "platlib")),
    Path(__file__).parent,
)


@dataclass(frozen=True, slots=True)
class Project:
    """What is needed to run a project's program for one stack.

    `root` is the directory of `Pulumi.yaml`, `main` that of `__main__.py` (they differ where the project says so).
    `config` holds full keys (`project:key`, `aws:region`) and values as the CLI passes them: text, with booleans as
    `true`/`false` and arrays and objects as JSON.
    """

    name: str
    stack: str
    root: Path
    main: Path
    config: dict[str, str]
    secret_keys: frozenset[str] = field(default_factory=frozenset[str])

    @property
    def region(self) -> str:
        """`aws:region`, or us-east-1 where the configuration names none."""
        return self.config.get("aws:region", DEFAULT_REGION)

    def locate(self, path: Path, line: int) -> str | None:
        """`file:line` relative to the root if `path` belongs to the program; `None` for a library."""
        if not path.is_relative_to(self.root) or is_library(path):
            return None
        return f"{path.relative_to(self.root)}:{line}"


def is_library(path: Path) -> bool:
    """Whether `path` belongs to Python, to an installed package (wherever the environment lies) or to this one."""
    return any(path.is_relative_to(library) for library in _LIBRARIES)


def load_project(root: Path, stack: str = "dev", overrides: Mapping[str, str] | None = None) -> Project:
    """Read the project in `root` for `stack`; `overrides` win, and their keys may omit the project's namespace.

    A stack without a file has the project's values. Where `Pulumi.yaml` declares the project's keys, every value is
    checked against its declaration.

    Raises:
        ConfigError: a file that is missing or unreadable, an unknown key in the project's namespace, a value of the
            wrong type, an encrypted value without an override, or a declared key without a value.
    """
    root = root.resolve()
    document = _read_yaml(root / "Pulumi.yaml")
    name = document.get("name")
    if not isinstance(name, str) or not name:
        raise ConfigError(f"Pulumi.yaml: name: {name!r} is not a project name")
    runtime: Any = document.get("runtime")
    if isinstance(runtime, dict):
        runtime = cast("dict[str, Any]", runtime).get("name")
    if runtime != "python":
        raise ConfigError(f"Pulumi.yaml: runtime: {runtime!r} cannot be run here, only python")
    stack_file = root / f"Pulumi.{stack}.yaml"
    stack_document = _read_yaml(stack_file) if stack_file.exists() else {}
    declared = _parse_declarations(name, _get_mapping(document, "config", "Pulumi.yaml"))
    given = _get_mapping(stack_document, "config", stack_file.name)
    values = {_qualify(name, key): value for key, value in given.items()}
    texts = {_qualify(name, key): value for key, value in (overrides or {}).items()}
    main = root / str(document.get("main", ""))
    return Project(
        name=name,
        stack=stack,
        root=root,
        main=main.parent if main.suffix == ".py" else main,
        config=_resolve_config(name, declared, values, texts),
        secret_keys=frozenset(key for key, declaration in declared.items() if declaration.secret)
        | {key for key, value in values.items() if _is_encrypted(value)},
    )


@dataclass(frozen=True, slots=True)
class _Declaration:
    """One key of `Pulumi.yaml`'s config. `type` is `None` for keys of other namespaces, whose providers check them."""

    key: str
    type: str | None
    items: dict[str, Any]
    default: Any
    secret: bool


def _parse_declarations(project: str, config: dict[str, Any]) -> dict[str, _Declaration]:
    found: dict[str, _Declaration] = {}
    for key, body in config.items():
        full_key = _qualify(project, key)
        if not isinstance(body, dict):
            # The short form: a bare default, which also gives the type.
            found[full_key] = _Declaration(full_key, _infer_type(body), {}, body, secret=False)
            continue
        schema = cast("dict[str, Any]", body)
        unknown = set(schema) - {"type", "items", "description", "default", "value", "secret"}
        if unknown:
            raise ConfigError(f"Pulumi.yaml: config {key}: unknown field {min(unknown)}")
        kind: Any = schema.get("type")
        if kind is not None and kind not in _CHECKS:
            raise ConfigError(f"Pulumi.yaml: config {key}: type {kind!r}, allowed are {', '.join(_CHECKS)}")
        declaration = _Declaration(
            key=full_key,
            type=kind,
            items=schema.get("items") or {},
            default=schema.get("value", schema.get("default")),
            secret=bool(schema.get("secret", False)),
        )
        if declaration.default is not None:
            _validate(declaration, declaration.default)
        found[full_key] = declaration
    return found


def _resolve_config(
    project: str, declared: dict[str, _Declaration], values: dict[str, Any], texts: dict[str, str]
) -> dict[str, str]:
    namespace = f"{project}:"
    own = sorted(key.removeprefix(namespace) for key in declared if key.startswith(namespace))
    for key in [*values, *texts]:
        if own and key.startswith(namespace) and key not in declared:
            value = texts.get(key, values.get(key))
            raise ConfigError(f"config {key}: unknown key (value {value!r}); known are {', '.join(own)}")
    config: dict[str, str] = {}
    for key in dict.fromkeys([*declared, *values, *texts]):
        declaration = declared.get(key)
        if key in texts:
            config[key] = texts[key]
            if declaration is not None:
                _validate(declaration, _parse_override(declaration, texts[key]))
            continue
        value = values.get(key, declaration.default if declaration is not None else None)
        if value is None:
            raise ConfigError(f"config {key}: no value, and Pulumi.yaml gives no default")
        if _is_encrypted(value):
            raise ConfigError(f"config {key}: encrypted; the local run has no key for it, so override it")
        config[key] = _to_text(value if declaration is None else _validate(declaration, value))
    return config


_CHECKS: Final[dict[str, Callable[[Any], bool]]] = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}


def _validate(declaration: _Declaration, value: Any) -> Any:
    """`value` if it is of the declared type (text that reads as a number or boolean is, as for the CLI)."""
    if declaration.type is None:
        return value
    if isinstance(value, str) and declaration.type in ("integer", "boolean"):
        value = _parse_override(declaration, value)
    _check_type(declaration.key, declaration.type, declaration.items, value)
    return value


def _check_type(key: str, kind: str, items: dict[str, Any], value: Any) -> None:
    if not _CHECKS[kind](value):
        raise ConfigError(f"config {key}: {value!r} is not of the type {kind}")
    if kind == "array" and items.get("type") in _CHECKS:
        for index, item in enumerate(cast("list[Any]", value)):
            _check_type(f"{key}[{index}]", items["type"], items.get("items") or {}, item)


def _parse_override(declaration: _Declaration, text: str) -> Any:
    """What the text of an override stands for; text that does not parse is left for the check to refuse."""
    match declaration.type:
        case "integer" if text.lstrip("+-").isdecimal():
            return int(text)
        case "boolean" if text in ("true", "false"):
            return text == "true"
        case "array" | "object":
            try:
                return json.loads(text)
            except json.JSONDecodeError as error:
                raise ConfigError(f"config {declaration.key}: {text!r} is not JSON ({error})") from error
        case _:
            return text


def _infer_type(value: Any) -> str | None:
    return next((name for name, check in _CHECKS.items() if check(value)), None)


def _to_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _is_encrypted(value: Any) -> bool:
    return isinstance(value, dict) and set(cast("dict[str, Any]", value)) == {"secure"}


def _qualify(project: str, key: str) -> str:
    return key if ":" in key else f"{project}:{key}"


def _get_mapping(document: dict[str, Any], key: str, file: str) -> dict[str, Any]:
    value: Any = document.get(key) or {}
    if not isinstance(value, dict):
        raise ConfigError(f"{file}: {key}: {value!r} is not a mapping")
    return cast("dict[str, Any]", value)


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        document: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"{path.name}: not found in {path.parent}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path.name}: not valid YAML: {error}") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{path.name}: not a mapping")
    return cast("dict[str, Any]", document)
