from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local.errors import ConfigError
from local.project import load_project
from tests.support.local.programs import run_program, write_program

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = """
config:
  aws:region: {value: eu-west-1}
  title: {type: string, description: A title., default: none}
  days: {type: integer, default: 30}
  strict: {type: boolean, default: false}
  origins: {type: array, items: {type: string}, default: []}
  limits: {type: object, default: {posts: 10}}
"""
PRINT_CONFIG = """
config = pulumi.Config()
pulumi.export("title", config.require("title"))
pulumi.export("days", config.require_int("days"))
pulumi.export("strict", config.require_bool("strict"))
pulumi.export("origins", config.require_object("origins"))
pulumi.export("limits", config.require_object("limits"))
"""


def config_of(root: Path, **overrides: str) -> dict[str, str]:
    return load_project(root, "dev", overrides).config


def test_defaults_come_from_the_schema_as_the_cli_passes_them(tmp_path: Path) -> None:
    root = write_program(tmp_path, "", config=SCHEMA)
    assert config_of(root) == {
        "aws:region": "eu-west-1",
        "example:title": "none",
        "example:days": "30",
        "example:strict": "false",
        "example:origins": "[]",
        "example:limits": '{"posts":10}',
    }
    assert load_project(root).region == "eu-west-1"


def test_the_stack_wins_over_defaults_and_overrides_win_over_the_stack(tmp_path: Path) -> None:
    stack = """
    config:
      aws:region: us-west-2
      example:title: from the stack
      days: "7"
      example:strict: true
      example:origins: [https://a.example]
    """
    root = write_program(tmp_path, PRINT_CONFIG, config=SCHEMA, stack_config=stack)
    overrides = {"example:title": "override", "limits": '{"posts": 1}'}
    assert run_program(root, overrides=overrides).exports == {
        "title": "override",
        "days": 7,
        "strict": True,
        "origins": ["https://a.example"],
        "limits": {"posts": 1},
    }


def test_another_stack_has_its_own_file_or_the_defaults(tmp_path: Path) -> None:
    root = write_program(tmp_path, "", config=SCHEMA, stack_config="config: {example:days: 1}")
    (root / "Pulumi.prod.yaml").write_text("config: {example:days: 90}")
    days = {stack: load_project(root, stack).config["example:days"] for stack in ("dev", "prod", "other")}
    assert days == {"dev": "1", "prod": "90", "other": "30"}


def test_a_project_without_a_schema_takes_any_key(tmp_path: Path) -> None:
    root = write_program(tmp_path, "", stack_config="config: {example:anything: 1, aws:region: eu-west-1}")
    assert config_of(root, more="x") == {
        "example:anything": "1",
        "aws:region": "eu-west-1",
        "example:more": "x",
    }


def test_the_short_form_declares_type_and_default(tmp_path: Path) -> None:
    root = write_program(tmp_path, "", config="config: {days: 30}")
    assert config_of(root) == {"example:days": "30"}
    with pytest.raises(ConfigError, match="config example:days: must be an integer, got 'soon'"):
        config_of(root, days="soon")


def test_the_region_has_a_default(tmp_path: Path) -> None:
    assert load_project(write_program(tmp_path, "")).region == "us-east-1"


@pytest.mark.parametrize(
    ("stack_config", "overrides", "message"),
    [
        ("config: {example:days: soon}", {}, "config example:days: must be an integer, got 'soon'"),
        ("config: {example:days: 1.5}", {}, "config example:days: must be an integer, got 1.5"),
        ("config: {example:days: true}", {}, "config example:days: must be an integer, got True"),
        ("config: {example:strict: 1}", {}, "config example:strict: must be a boolean, got 1"),
        ("config: {example:title: 5}", {}, "config example:title: must be a string, got 5"),
        ("config: {example:origins: a}", {}, "config example:origins: must be a list, got 'a'"),
        ("config: {example:origins: [a, 1]}", {}, r"config example:origins\[1\]: must be a string, got 1"),
        ("config: {example:limits: [1]}", {}, r"config example:limits: must be an object, got \[1\]"),
        ("", {"days": "x"}, "config example:days: must be an integer, got 'x'"),
        ("", {"strict": "yes"}, "config example:strict: must be a boolean, got 'yes'"),
        ("", {"origins": "[a"}, r"config example:origins: must be valid JSON, got '\[a'"),
        (
            "config: {example:title: {secure: abc}}",
            {},
            "config example:title: must not be encrypted, .* set a plain value",
        ),
        ("config: [1]", {}, r"Pulumi.dev.yaml: config: must be an object, got \[1\]"),
        ("config: {", {}, "Pulumi.dev.yaml: not valid YAML"),
    ],
)
def test_a_bad_value_is_named_with_its_key(
    tmp_path: Path, stack_config: str, overrides: dict[str, str], message: str
) -> None:
    root = write_program(tmp_path, "", config=SCHEMA, stack_config=stack_config)
    with pytest.raises(ConfigError, match=message):
        load_project(root, "dev", overrides)


def test_a_declared_key_without_default_must_have_a_value(tmp_path: Path) -> None:
    root = write_program(tmp_path, "", config="config: {days: {type: integer}}")
    with pytest.raises(ConfigError, match=r"config example:days: is required, since Pulumi\.yaml declares no default"):
        load_project(root)
    assert config_of(root, days="3") == {"example:days": "3"}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("config: {days: {type: number}}", "config days: type must be one of string, integer, .* got 'number'"),
        ("config: {days: {type: integer, default: x}}", "config example:days: must be an integer, got 'x'"),
        ("config: {days: {typ: integer}}", "config days: unknown field typ"),
        ("runtime: nodejs", "runtime: must be python, got 'nodejs'"),
        ("name: 5", "name: must be a non-empty string, got 5"),
    ],
)
def test_a_bad_project_file_is_refused(tmp_path: Path, config: str, message: str) -> None:
    root = write_program(tmp_path, "")
    lines = {"name": "example", "runtime": "python"}
    lines.pop(config.partition(":")[0], None)
    (root / "Pulumi.yaml").write_text("\n".join([config, *(f"{key}: {value}" for key, value in lines.items())]))
    with pytest.raises(ConfigError, match=message):
        load_project(root)


def test_a_directory_without_a_project_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Pulumi\.yaml: not found"):
        load_project(tmp_path)


def test_secret_values_are_secret_in_the_program(tmp_path: Path) -> None:
    root = write_program(
        tmp_path,
        "pulumi.export('password', pulumi.Config().require_secret('password'))",
        config="config: {password: {type: string, secret: true, default: hunter2}}",
    )
    assert load_project(root).secret_keys == {"example:password"}
    assert run_program(root).exports == {"password": "hunter2"}


def test_items_are_appended_to_a_list_that_the_project_declares(tmp_path: Path) -> None:
    stack = """
    config:
      example:origins: [https://a.example]
    """
    root = write_program(tmp_path, PRINT_CONFIG, config=SCHEMA, stack_config=stack)
    project = load_project(root)
    added = project.with_items("origins", ["https://b.example"])
    assert added.config["example:origins"] == '["https://a.example","https://b.example"]'
    assert {**added.config, "example:origins": ""} == {**project.config, "example:origins": ""}
    assert project.with_items("colours", ["red"]) is project
