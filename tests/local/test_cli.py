"""The command line as a person uses it: as a process, from start to the last file removed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from queue import Empty
from textwrap import dedent
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest

from local import stack as stack_file
from local.emulator_client import client
from tests.support.processes import Printed, all_listeners, descendants, ignored, listeners, reacted_to

if TYPE_CHECKING:
    from collections.abc import Generator

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 60

QUEUE = """
    import pulumi
    import pulumi_aws as aws

    queue = aws.sqs.Queue("queue")
    pulumi.export("queue_url", queue.url)
"""

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="reads /proc")


def make_program(root: Path, source: str) -> Path:
    (root / "Pulumi.yaml").write_text("name: example\nruntime: python\n")
    (root / "__main__.py").write_text(dedent(source))
    return root


def start(*words: str) -> subprocess.Popen[str]:
    # Under `nohup` pytest ignores a hang-up, and `up` would too.
    with reacted_to(signal.SIGHUP):
        return subprocess.Popen(
            [sys.executable, "-m", "local", *words],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def run(*words: str) -> subprocess.CompletedProcess[str]:
    with start(*words) as process:
        try:
            output, errors = process.communicate(timeout=SECONDS)
        finally:
            process.kill()
    return subprocess.CompletedProcess(words, process.returncode, output, errors)


def assert_fails(result: subprocess.CompletedProcess[str], *expected: str) -> None:
    """It failed as expected errors do: exit code 1, a message, and no traceback."""
    assert result.returncode == 1, result
    assert result.stderr.startswith("error: ")
    assert "Traceback" not in result.stderr
    for part in expected:
        assert part in result.stderr


class Up:
    """A running `python -m local up`."""

    def __init__(self, process: subprocess.Popen[str], state_dir: Path) -> None:
        self.process = process
        self.state_dir = state_dir
        self.output = Printed(process.stdout)
        self.errors = Printed(process.stderr)

    @property
    def stack(self) -> dict[str, Any]:
        return json.loads((self.state_dir / "stack.json").read_text())

    def descendants(self) -> list[int]:
        return list(descendants(self.process.pid))

    def until(self, text: str) -> None:
        """Wait until it prints a line that contains `text`."""
        try:
            self.output.until(text, SECONDS)
        except (AssertionError, Empty) as missing:
            self.process.kill()
            raise AssertionError(f"no {text!r}; errors: {self.errors.whole(SECONDS)}") from missing

    def ended(self) -> subprocess.CompletedProcess[str]:
        status = self.process.wait(SECONDS)
        return subprocess.CompletedProcess([], status, self.output.whole(SECONDS), self.errors.whole(SECONDS))


@contextmanager
def up(root: Path, state_dir: Path, *words: str, until: str = "Dashboard: ") -> Generator[Up]:
    """`up`, from the moment that it has printed `until`; killed at the end if it still runs.

    It prints the dashboard's URL last, after it has written `stack.json`.
    """
    command = ("up", "--headless", "--root", str(root), "--state-dir", str(state_dir), *words)
    with start(*command) as process:
        running = Up(process, state_dir)
        try:
            running.until(until)
            yield running
        finally:
            process.kill()
            running.ended()


def assert_nothing_is_left(state_dir: Path, pids: list[int], *urls: str) -> None:
    assert list(state_dir.iterdir()) == []
    for pid in pids:
        assert not Path(f"/proc/{pid}").exists() or _is_zombie(pid)
    for url in urls:
        assert listeners(port_of(url), state_dir) == []


def port_of(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port


def until_gone(pid: int) -> None:
    """Wait until a process has ended that is no child of this one."""
    deadline = time.monotonic() + SECONDS
    while not _is_zombie(pid):
        assert time.monotonic() < deadline, f"process {pid} still runs"
        time.sleep(0.02)


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


# --- up -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_up_and_down(tmp_path: Path, number: signal.Signals) -> None:
    state_dir = tmp_path / "state"
    with up(make_program(tmp_path, QUEUE), state_dir) as running:
        stack = running.stack
        pids = running.descendants()
        assert len(pids) == 1
        assert stack["pid"] == running.process.pid
        assert stack["region"] == "us-east-1"
        assert stack["outputs"]["queue_url"].startswith(stack["endpoint_url"])
        assert [path for path in (state_dir, *state_dir.rglob("*")) if path.stat().st_mode & 0o077] == []
        assert listeners(port_of(stack["endpoint_url"]), state_dir) == pids
        assert listeners(port_of(stack["dashboard_url"]), state_dir) == [running.process.pid]
        ports = [port_of(stack[url]) for url in ("endpoint_url", "dashboard_url")]
        assert all_listeners([running.process.pid, *pids]) == {("0100007F", port) for port in ports}
        running.process.send_signal(number)
        result = running.ended()
    assert result.returncode == 0, result.stderr
    assert stack["dashboard_url"] in result.stdout
    assert "Traceback" not in result.stderr
    assert_nothing_is_left(state_dir, pids, stack["endpoint_url"], stack["dashboard_url"])


def test_a_port_that_was_asked_for(tmp_path: Path) -> None:
    with socket.socket() as kept:
        # Bound and not listening, it keeps the port from every process that asks for any free one, and not from `up`.
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        kept.bind(("127.0.0.1", 0))
        port = kept.getsockname()[1]
        state_dir = tmp_path / "state"
        options = ("--headless", "--root", str(make_program(tmp_path, QUEUE)), "--state-dir", str(state_dir))
        with socket.create_server(("127.0.0.1", port)):
            assert_fails(run("up", *options, "--port", str(port)), f"--port: {port} is not available on 127.0.0.1")
        assert_nothing_is_left(state_dir, [])
        assert_fails(run("up", *options, "--port", "70000"), "--port: 70000 is not available")
        with up(tmp_path, state_dir, "--port", str(port)) as running:
            assert running.stack["dashboard_url"] == f"http://127.0.0.1:{port}"


ISSUER = """
    import pulumi
    import pulumi_aws as aws

    config = pulumi.Config()
    if config.get("page"):
        bucket = aws.s3.Bucket("bucket")
        aws.s3.BucketObjectv2("config", bucket=bucket.bucket, key="config.json", content='{"of": "the program"}')
    pulumi.export("jwks_url", config.get("jwksUrl") or "")
    pulumi.export("package_for", config.get("packageFor"))
"""


def test_an_issuer_of_ones_own_is_kept_and_the_page_of_the_program_is_shown(tmp_path: Path) -> None:
    root, state_dir = make_program(tmp_path, ISSUER), tmp_path / "state"
    with up(root, state_dir, "--config", "issuer=https://login.example.com", "--config", "page=a=b") as running:
        url = running.stack["dashboard_url"]
        assert running.stack["outputs"] == {"jwks_url": "", "package_for": "host"}
        assert running.stack["dashboard_key"] == ""
        with urlopen(f"{url}/config.json", timeout=SECONDS) as answer:
            assert json.load(answer) == {"of": "the program"}
        running.process.terminate()
        result = running.ended()
    assert f"Dashboard: {url}/ " in result.stdout
    assert_nothing_is_left(state_dir, [], url)


def test_an_issuer_of_ones_own_needs_a_page(tmp_path: Path) -> None:
    root, state_dir = make_program(tmp_path, ISSUER), tmp_path / "state"
    options = ("--headless", "--root", str(root), "--state-dir", str(state_dir))
    result = run("up", *options, "--config", "issuer=https://login.example.com")
    assert_fails(result, "config issuer: must be empty for a program without a page")
    assert_nothing_is_left(state_dir, [])


@pytest.mark.parametrize("value", ["issuer", "=x", ""])
def test_a_configuration_value_has_a_key(value: str) -> None:
    assert_fails(run("up", "--headless", "--config", value), f"--config: must be KEY=VALUE, got {value!r}")


def test_an_emulator_that_dies_ends_it(tmp_path: Path) -> None:
    state_dir = tmp_path / "state"
    with up(make_program(tmp_path, QUEUE), state_dir) as running:
        stack = running.stack
        (emulator,) = running.descendants()
        os.kill(emulator, signal.SIGKILL)
        result = running.ended()
    assert_fails(result, "the emulator was ended by SIGKILL")
    assert_nothing_is_left(state_dir, [emulator], stack["dashboard_url"])


def test_a_pipe_that_fails_ends_it(tmp_path: Path) -> None:
    program = """
        import pulumi
        import pulumi_aws as aws

        table = aws.dynamodb.Table(
            "table",
            attributes=[{"name": "PK", "type": "S"}],
            hash_key="PK",
            billing_mode="PAY_PER_REQUEST",
            stream_enabled=True,
            stream_view_type="NEW_AND_OLD_IMAGES",
        )
        role = aws.iam.Role("role", assume_role_policy="{}")
        aws.pipes.Pipe(
            "pipe",
            role_arn=role.arn,
            source=table.stream_arn,
            target="arn:aws:lambda:us-east-1:000000000000:function:f",
            source_parameters={"dynamodb_stream_parameters": {"starting_position": "LATEST"}},
        )
        pulumi.export("table", table.name)
    """
    state_dir = tmp_path / "state"
    with up(make_program(tmp_path, program), state_dir) as running:
        pids = running.descendants()
        client("dynamodb", stack_file.read(state_dir)).delete_table(TableName=running.stack["outputs"]["table"])
        result = running.ended()
    assert_fails(result, "stream")
    assert_nothing_is_left(state_dir, pids)


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("raise ValueError('boom')", "boom"),
        ("import pulumi_aws as aws\naws.sqs.Queue('q', fifo_queu=True)", "fifo_queu"),
        ("import pulumi_aws as aws\naws.ec2.Vpc('v', cidr_block='10.0.0.0/16')", "aws:ec2/vpc:Vpc"),
    ],
)
def test_a_broken_program(tmp_path: Path, program: str, message: str) -> None:
    root, state_dir = make_program(tmp_path, program), tmp_path / "state"
    assert_fails(run("up", "--headless", "--root", str(root), "--state-dir", str(state_dir)), message)
    assert_nothing_is_left(state_dir, [])


def test_an_interrupt_while_the_program_runs(tmp_path: Path) -> None:
    state_dir = tmp_path / "state"
    program = """
        import asyncio
        import pulumi

        async def wait():
            print("the program runs", flush=True)
            await asyncio.sleep(3600)

        pulumi.export("never", pulumi.Output.from_input(wait()))
    """
    with up(make_program(tmp_path, program), state_dir, until="the program runs") as running:
        pids = running.descendants()
        assert len(pids) == 1
        running.process.terminate()
        result = running.ended()
    assert result.returncode == 0, result.stderr
    assert_nothing_is_left(state_dir, pids)


def test_an_interrupt_ends_it_though_its_parent_ignores_that(tmp_path: Path) -> None:
    state_dir = tmp_path / "state"
    with ignored(signal.SIGINT), up(make_program(tmp_path, QUEUE), state_dir) as running:
        pids = running.descendants()
        running.process.send_signal(signal.SIGINT)
        result = running.ended()
    assert result.returncode == 0, result.stderr
    assert_nothing_is_left(state_dir, pids)


def test_one_state_directory_is_for_one_stack(tmp_path: Path) -> None:
    root, state_dir = make_program(tmp_path, QUEUE), tmp_path / "state"
    with up(root, state_dir) as running:
        before = running.stack
        result = run("up", "--headless", "--root", str(root), "--state-dir", str(state_dir))
        assert_fails(result, str(state_dir), f"process {running.process.pid} ")
        assert running.stack == before
        assert running.process.poll() is None


def test_a_state_directory_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert_fails(run("up", "--headless", "--state-dir", str(tmp_path / "file")), "--state-dir:", "file cannot be used")


def test_what_a_killed_run_left_is_replaced(tmp_path: Path) -> None:
    root, state_dir = make_program(tmp_path, QUEUE), tmp_path / "state"
    with up(root, state_dir) as running:
        (emulator,) = running.descendants()
        running.process.kill()
        running.process.wait()
        stale = running.stack
        until_gone(emulator)
    assert_fails(run("token", "--tenant", "t_acme", "--state-dir", str(state_dir)), f"left by process {stale['pid']}")
    left = state_dir / "emulator" / "left"
    left.touch()
    with up(root, state_dir) as running:
        assert running.stack["pid"] == running.process.pid
        assert not left.exists()


# --- The other commands ---------------------------------------------------------------------------------------


def test_commands_that_need_a_stack(tmp_path: Path) -> None:
    for words in (("token", "--tenant", "t_acme"), ("submit", "--tenant", "t_acme", "--form", "contact")):
        assert_fails(run(*words, "--state-dir", str(tmp_path)), "stack.json", "python -m local up")


def test_submit_checks_before_it_sends(tmp_path: Path) -> None:
    words = ("submit", "--tenant", "a#b", "--form", "contact", "--state-dir", str(tmp_path))
    assert_fails(run(*words), "tenant_id: must match", "'a#b'")


def test_a_stack_without_the_exports(tmp_path: Path) -> None:
    state_dir = tmp_path / "state"
    with up(make_program(tmp_path, QUEUE), state_dir):
        common = ("--tenant", "t_acme", "--state-dir", str(state_dir))
        assert_fails(run("token", *common), "issuer: the program must export it")
        assert_fails(run("submit", *common, "--form", "contact"), "event_bus_name: the program must export it")


def test_preview_shows_what_would_be_made(tmp_path: Path) -> None:
    result = run("preview", "--root", str(make_program(tmp_path, QUEUE)))
    assert result.returncode == 0, result.stderr
    assert "aws:sqs/queue:Queue" in result.stdout


def test_preview_of_a_broken_program(tmp_path: Path) -> None:
    program = "import pulumi_aws as aws\naws.sqs.Queue('q', redrive={})"
    assert_fails(run("preview", "--root", str(make_program(tmp_path, program))), "redrive")
