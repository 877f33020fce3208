"""Pulumi project and its configuration, read from `Pulumi.yaml`, `Pulumi.<stack>.yaml` and overrides."""

from __future__ import annotations

import json
import sysconfig
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import yaml

from .errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

DEFAULT_REGION: Final = "us-east-1"
_LIBRARIES: Final = (
    *(Path(sysconfig.get_path(kind)) for kind in ("stdlib", "purelib", "platlib")),
    Path(__file__).parent,
)


@dataclass(frozen=True, slots=True)
class Project:
    """A Pulumi project and its configuration for one stack."""

    name: str
    stack: str
    root: Path
    """The directory of `Pulumi.yaml`."""
    main: Path
    """The directory of `__main__.py`. It is `root` unless `main` in `Pulumi.yaml` names another directory."""
    config: dict[str, str]
    """Configuration values by full key (`project:key`, `aws:region`).

    As in the CLI, every value is a string: booleans are `true` or `false`, lists and objects are JSON.
    """
    secret_keys: frozenset[str] = field(default_factory=frozenset[str])
    """The full keys of the secret values."""

    @property
    def region(self) -> str:
        """The value of `aws:region`; us-east-1 if it is not set."""
        return self.config.get("aws:region", DEFAULT_REGION)

    def get(self, key: str) -> str | None:
        """Return a configuration value; None if the project does not declare `key` and no file sets it.

        A key may omit the project's namespace.
        """
        return self.config.get(_qualify(self.name, key))

    def with_items(self, key: str, items: Sequence[str]) -> Project:
        """Return the project with `items` appended to a configuration value that is a list.

        If the project does not declare `key`, return it unchanged.
        """
        full_key = _qualify(self.name, key)
        if full_key not in self.config:
            return self
        values = [*json.loads(self.config[full_key]), *items]
        return replace(self, config={**self.config, full_key: _to_text(values)})

    def locate(self, path: Path, line: int) -> str | None:
        """Return `file:line` relative to `root`, or None if `path` does not belong to the program."""
        if not path.is_relative_to(self.root) or is_library(path):
            return None
        return f"{path.relative_to(self.root)}:{line}"


def is_library(path: Path) -> bool:
    """Return whether `path` belongs to Python, to an installed package or to this package."""
    return any(path.is_relative_to(library) for library in _LIBRARIES)


def load_project(root: Path, stack: str = "dev", overrides: Mapping[str, str] | None = None) -> Project:
    """Read the project in `root` and its configuration for `stack`.

    If `Pulumi.yaml` declares configuration keys, every value is checked against its declaration.

    Args:
        root: The directory of `Pulumi.yaml`.
        stack: The stack name. Without a file `Pulumi.<stack>.yaml`, the defaults of the project apply.
        overrides: Values by key. They replace the values of the files. A key may omit the project's namespace.

    Raises:
        ConfigError: A file is missing or invalid, a value has the wrong type, an encrypted value has no override, or a
            declared key has no value.
    """
    root = root.resolve()
    document = _read_yaml(root / "Pulumi.yaml")
    name = document.get("name")
    if not isinstance(name, str) or not name:
        raise ConfigError(f"Pulumi.yaml: name: must be a non-empty string, got {name!r}")
    runtime: Any = document.get("runtime")
    if isinstance(runtime, dict):
        runtime = cast("dict[str, Any]", runtime).get("name")
    if runtime != "python":
        raise ConfigError(f"Pulumi.yaml: runtime: must be python, got {runtime!r}")
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
        config=_resolve_config(declared, values, texts),
        secret_keys=frozenset(key for key, declaration in declared.items() if declaration.secret)
        | {key for key, value in values.items() if _is_encrypted(value)},
    )


@dataclass(frozen=True, slots=True)
class _Declaration:
    """Declaration of one configuration key in `Pulumi.yaml`."""

    key: str
    type: str | None
    """The declared type, such as `integer`. None means that no type is declared, as for `aws:region`."""
    items: dict[str, Any]
    default: Any
    secret: bool


def _parse_declarations(project: str, config: dict[str, Any]) -> dict[str, _Declaration]:
    found: dict[str, _Declaration] = {}
    for key, body in config.items():
        full_key = _qualify(project, key)
        if not isinstance(body, dict):
            # The short form: `body` is the default value. The type of the default value is the declared type.
            found[full_key] = _Declaration(full_key, _infer_type(body), {}, body, secret=False)
            continue
        schema = cast("dict[str, Any]", body)
        unknown = set(schema) - {"type", "items", "description", "default", "value", "secret"}
        if unknown:
            raise ConfigError(f"Pulumi.yaml: config {key}: unknown field {min(unknown)}")
        kind: Any = schema.get("type")
        if kind is not None and kind not in _CHECKS:
            raise ConfigError(f"Pulumi.yaml: config {key}: type must be one of {', '.join(_CHECKS)}, got {kind!r}")
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


def _resolve_config(declared: dict[str, _Declaration], values: dict[str, Any], texts: dict[str, str]) -> dict[str, str]:
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
            raise ConfigError(f"config {key}: is required, since Pulumi.yaml declares no default")
        if _is_encrypted(value):
            raise ConfigError(
                f"config {key}: must not be encrypted, since the local run cannot decrypt it; set a plain value"
            )
        config[key] = _to_text(value if declaration is None else _validate(declaration, value))
    return config


_NAMES: Final = {
    "string": "a string",
    "integer": "an integer",
    "boolean": "a boolean",
    "array": "a list",
    "object": "an object",
}
"""The name that error messages use for each type of a configuration value."""
_CHECKS: Final[dict[str, Callable[[Any], bool]]] = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}


def _validate(declaration: _Declaration, value: Any) -> Any:
    """Check that `value` has the declared type, and return it.

    As in the CLI, a string such as `"5"` or `"true"` is accepted for an integer or a boolean. It is converted.

    Raises:
        ConfigError: The value has another type.
    """
    if declaration.type is None:
        return value
    if isinstance(value, str) and declaration.type in ("integer", "boolean"):
        value = _parse_override(declaration, value)
    _check_type(declaration.key, declaration.type, declaration.items, value)
    return value


def _check_type(key: str, kind: str, items: dict[str, Any], value: Any) -> None:
    if not _CHECKS[kind](value):
        raise ConfigError(f"config {key}: must be {_NAMES[kind]}, got {value!r}")
    if kind == "array" and items.get("type") in _CHECKS:
        for index, item in enumerate(cast("list[Any]", value)):
            _check_type(f"{key}[{index}]", items["type"], items.get("items") or {}, item)


def _parse_override(declaration: _Declaration, text: str) -> Any:
    """Convert `text` to the declared type.

    Text that is not a valid integer or boolean is returned unchanged, so that the type check rejects it.

    Raises:
        ConfigError: The declared type is a list or an object, and the text is not JSON.
    """
    match declaration.type:
        case "integer" if text.lstrip("+-").isdecimal():
            return int(text)
        case "boolean" if text in ("true", "false"):
            return text == "true"
        case "array" | "object":
            try:
                return json.loads(text)
            except json.JSONDecodeError as error:
                raise ConfigError(f"config {declaration.key}: must be valid JSON, got {text!r} ({error})") from error
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
        raise ConfigError(f"{file}: {key}: must be an object, got {value!r}")
    return cast("dict[str, Any]", value)


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        document: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"{path.name}: not found in {path.parent}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path.name}: not valid YAML: {error}") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{path.name}: must be an object")
    return cast("dict[str, Any]", document)
