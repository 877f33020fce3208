from __future__ import annotations

import importlib
import os
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from local.errors import ConfigError, ProgramError
from local.program import run
from local.project import load_project
from local.resource import Created, Resource
from tests.support.local.programs import Recorder, run_program, write_program

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


# Configuration


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
    with pytest.raises(ConfigError, match="config example:days: 'soon' is not of the type integer"):
        config_of(root, days="soon")


def test_the_region_has_a_default(tmp_path: Path) -> None:
    assert load_project(write_program(tmp_path, "")).region == "us-east-1"


@pytest.mark.parametrize(
    ("stack_config", "overrides", "message"),
    [
        ("config: {example:dayz: 7}", {}, r"config example:dayz: unknown key \(value 7\); known are days, limits,"),
        ("", {"dayz": "7"}, r"config example:dayz: unknown key \(value '7'\)"),
        ("config: {example:days: soon}", {}, "config example:days: 'soon' is not of the type integer"),
        ("config: {example:days: 1.5}", {}, "config example:days: 1.5 is not of the type integer"),
        ("config: {example:days: true}", {}, "config example:days: True is not of the type integer"),
        ("config: {example:strict: 1}", {}, "config example:strict: 1 is not of the type boolean"),
        ("config: {example:title: 5}", {}, "config example:title: 5 is not of the type string"),
        ("config: {example:origins: a}", {}, "config example:origins: 'a' is not of the type array"),
        ("config: {example:origins: [a, 1]}", {}, r"config example:origins\[1\]: 1 is not of the type string"),
        ("config: {example:limits: [1]}", {}, r"config example:limits: \[1\] is not of the type object"),
        ("", {"days": "x"}, "config example:days: 'x' is not of the type integer"),
        ("", {"strict": "yes"}, "config example:strict: 'yes' is not of the type boolean"),
        ("", {"origins": "[a"}, r"config example:origins: '\[a' is not JSON"),
        ("config: {example:title: {secure: abc}}", {}, "config example:title: encrypted; .* override it"),
        ("config: [1]", {}, r"Pulumi.dev.yaml: config: \[1\] is not a mapping"),
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
    with pytest.raises(ConfigError, match=r"config example:days: no value, and Pulumi\.yaml gives no default"):
        load_project(root)
    assert config_of(root, days="3") == {"example:days": "3"}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("config: {days: {type: number}}", "config days: type 'number', allowed are string, integer,"),
        ("config: {days: {type: integer, default: x}}", "config example:days: 'x' is not of the type integer"),
        ("config: {days: {typ: integer}}", "config days: unknown field typ"),
        ("runtime: nodejs", "runtime: 'nodejs' cannot be run here"),
        ("name: 5", "name: 5 is not a project name"),
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


# Running


def test_the_program_runs_in_its_directory_and_everything_is_put_back(tmp_path: Path) -> None:
    root = write_program(
        tmp_path,
        """
        import os, sys
        import helpers.names, constants
        sys.path.append("/nowhere")
        pulumi.export("directory", os.getcwd())
        pulumi.export("name", helpers.names.NAME + constants.MARK)
        """,
        modules={"helpers/names.py": "NAME = 'first'", "constants.py": "MARK = '!'"},
    )
    before = Path.cwd(), list(sys.path)
    threads = set(threading.enumerate())
    assert run_program(root).exports == {"directory": str(root), "name": "first!"}
    assert (Path.cwd(), list(sys.path)) == before
    assert set(threading.enumerate()) <= threads  # a thread of an earlier test may have ended
    assert not {"helpers", "helpers.names", "constants"} & set(sys.modules)


def test_modules_of_one_program_are_not_those_of_the_next(tmp_path: Path) -> None:
    program = "import helpers\npulumi.export('name', helpers.NAME)"
    names = [
        run_program(write_program(tmp_path / name, program, modules={"helpers.py": f"NAME = '{name}'"})).exports["name"]
        for name in ("one", "two")
    ]
    assert names == ["one", "two"]


def test_modules_that_the_program_shadows_are_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "helpers.py").write_text("NAME = 'ours'")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "ours"), *sys.path])
    importlib.invalidate_caches()
    import helpers  # pyright: ignore[reportMissingImports]  # written above

    program = "import helpers\npulumi.export('name', helpers.NAME)"
    root = write_program(tmp_path / "theirs", program, modules={"helpers.py": "NAME = 'theirs'"})
    assert run_program(root).exports == {"name": "theirs"}
    assert sys.modules.pop("helpers") is helpers


def test_modules_from_a_path_that_the_program_adds_are_forgotten(tmp_path: Path) -> None:
    root = write_program(
        tmp_path,
        "import sys\nfrom pathlib import Path\nsys.path.insert(0, str(Path.cwd() / 'lib'))\nimport inner_names",
        modules={"lib/inner_names.py": ""},
    )
    run_program(root)
    assert "inner_names" not in sys.modules


def test_the_program_may_lie_below_the_project(tmp_path: Path) -> None:
    root = write_program(tmp_path, "", config="main: infra\n")
    (root / "__main__.py").rename(root / "moved")
    (root / "infra").mkdir()
    (root / "moved").rename(root / "infra" / "__main__.py")
    with (root / "infra" / "__main__.py").open("a") as file:
        file.write("import os\npulumi.export('directory', os.path.basename(os.getcwd()))\n")
    assert run_program(root).exports == {"directory": "infra"}


def test_it_runs_twice_in_one_process(tmp_path: Path) -> None:
    root = write_program(tmp_path, "aws.sqs.Queue('q')\npulumi.export('stack', pulumi.get_stack())")
    runs = [run_program(root) for _ in range(2)]
    assert [run.exports for run in runs] == [{"stack": "dev"}] * 2
    assert runs[0].resources.keys() == runs[1].resources.keys()


def test_an_error_is_one_line_and_the_lines_of_the_program(tmp_path: Path) -> None:
    root = write_program(
        tmp_path,
        "from helpers import check\n\ncheck(0)",
        modules={"helpers.py": "def check(days):\n    raise ValueError(f'days: {days} is too few')"},
    )
    before = set(threading.enumerate())
    with pytest.raises(ProgramError) as caught:
        run_program(root)
    assert str(caught.value) == "ValueError: days: 0 is too few\n  at helpers.py:2\n  at __main__.py:5"
    assert isinstance(caught.value.__cause__, ValueError)
    assert set(threading.enumerate()) <= before
    assert Path.cwd() != root


def test_an_error_in_an_apply_is_an_error_of_the_program(tmp_path: Path) -> None:
    root = write_program(tmp_path, "queue = aws.sqs.Queue('q')\nqueue.arn.apply(lambda arn: 1 / 0)")
    with pytest.raises(ProgramError, match=r"^ZeroDivisionError: division by zero\n  at __main__.py:4$"):
        run_program(root)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("if True print()", "SyntaxError"),
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'\n  at __main__.py:3"),
        ("import sys\nsys.exit(3)", r"the program called sys.exit\(3\)"),
        ("pulumi.log.error('the sky falls')", "^the sky falls$"),
        ("pulumi.Config().require('absent')", "Missing required configuration variable 'example:absent'"),
    ],
)
def test_a_broken_program_is_reported(tmp_path: Path, source: str, message: str) -> None:
    with pytest.raises(ProgramError, match=message):
        run_program(write_program(tmp_path, source))


def test_a_project_without_a_program_is_reported(tmp_path: Path) -> None:
    root = write_program(tmp_path, "")
    (root / "__main__.py").unlink()
    with pytest.raises(ProgramError, match=r"__main__\.py: no such file"):
        run_program(root)


def test_other_log_messages_are_kept(tmp_path: Path) -> None:
    monitor = run_program(write_program(tmp_path, "pulumi.log.warn('careful')\npulumi.log.debug('noise')"))
    assert [(message.severity, message.text) for message in monitor.logs] == [("warning", "careful")]


def test_an_interrupt_ends_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_program(tmp_path, "aws.sqs.Queue('a', tags={'b': aws.sqs.Queue('b').arn})")
    reached, interrupted, cancelled = threading.Event(), threading.Event(), threading.Event()

    class Blocking(Recorder):
        def create(self, resource: Resource) -> Created:
            reached.set()
            assert cancelled.wait(30)
            return super().create(resource)

    join = threading.Thread.join

    def interrupted_join(thread: threading.Thread, timeout: float | None = None) -> None:
        if thread.name == "pulumi-program" and not interrupted.is_set():
            assert reached.wait(30)
            interrupted.set()
            raise KeyboardInterrupt
        # The second time, the program has been told to end.
        cancelled.set()
        join(thread, timeout)

    monkeypatch.setattr(threading.Thread, "join", interrupted_join)
    before = set(threading.enumerate())
    recorder = Blocking()
    with pytest.raises(KeyboardInterrupt):
        run_program(root, recorder)
    assert set(threading.enumerate()) <= before
    assert [resource.name for resource in recorder.created] == ["b"]


def test_the_working_directory_is_put_back_where_the_program_moved(tmp_path: Path) -> None:
    before = os.getcwd()  # noqa: PTH109 - what the operating system says
    run_program(write_program(tmp_path, "import os\nos.chdir('/')"))
    assert os.getcwd() == before  # noqa: PTH109


def test_a_program_may_be_asynchronous(tmp_path: Path) -> None:
    source = """
    async def main():
        return {"name": "later"}

    pulumi.run(main)
    """
    exports: dict[str, Any] = run_program(write_program(tmp_path, source)).exports
    assert exports == {"name": "later"}


def test_run_is_what_the_helpers_call(tmp_path: Path) -> None:
    from local.monitor import Monitor

    project = load_project(write_program(tmp_path, "pulumi.export('a', 1)"))
    monitor = Monitor(project, Recorder())
    run(project, monitor)
    assert monitor.exports == {"a": 1}
