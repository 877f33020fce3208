from __future__ import annotations

import importlib
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from local.errors import ProgramError
from local.monitor import Monitor
from local.program import run
from local.project import load_project
from tests.support.local.programs import Recorder, run_program, write_program

if TYPE_CHECKING:
    from local.resource import CreatedResource, Resource


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
    import helpers  # noqa: PLC0415  # pyright: ignore[reportMissingImports]  # written above

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


def test_an_error_for_the_user_is_one_line(tmp_path: Path) -> None:
    root = write_program(tmp_path, "raise pulumi.RunError('days: must be an integer, got 1.5')")
    with pytest.raises(ProgramError, match=r"^days: must be an integer, got 1\.5$"):
        run_program(root)


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
        def create(self, resource: Resource) -> CreatedResource:
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
    project = load_project(write_program(tmp_path, "pulumi.export('a', 1)"))
    monitor = Monitor(project, Recorder())
    run(project, monitor)
    assert monitor.exports == {"a": 1}
