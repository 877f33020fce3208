"""MiniStack, the AWS emulator, as a child process that listens on 127.0.0.1 and leaves nothing behind."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import boto3.session
from botocore.config import Config

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

ACCOUNT_ID = "000000000000"
"""The account of everything in the emulator: its default."""
START_TIMEOUT_SECONDS = 30.0
STOP_TIMEOUT_SECONDS = 1.0
"""How long an end in order may take before it is a kill. There is nothing to save, and MiniStack waits for idle
connections."""
CHILD = Path(__file__).with_name("ministack_child.py")
"""The script that runs MiniStack."""
LAMBDA_WARM_TTL_SECONDS = 20
"""How long surplus Lambda workers (50 to 60 MB each) stay after a burst. The first of each function always stays."""


class EmulatorError(Exception):
    """The emulator did not start, or ended by itself. The message quotes the end of its log."""


def local_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """`environment` without the user's AWS settings, and with 127.0.0.1 reached directly rather than by a proxy.

    Nothing local may depend on, or touch, a real account: every `AWS_*` variable is dropped, and the shared
    configuration and credentials files point nowhere.
    """
    kept = {name: value for name, value in environment.items() if not name.startswith("AWS_")}
    exceptions = ",".join(filter(None, (kept.get("no_proxy") or kept.get("NO_PROXY"), "127.0.0.1", "localhost")))
    return {
        **kept,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "no_proxy": exceptions,
        "NO_PROXY": exceptions,
    }


def client(service: str, endpoint_url: str, region: str, *, read_timeout: float = 60) -> Any:
    """A boto3 client of the emulator, with made-up credentials, which are the account's administrator.

    `read_timeout` is in seconds. Calls are made once: a local failure is a fact to show, not a hiccup to retry.
    """
    session = boto3.session.Session(
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106 - the emulator checks none
        region_name=region,
    )
    config = Config(read_timeout=read_timeout, retries={"total_max_attempts": 1})
    return session.client(service, endpoint_url=endpoint_url, config=config)


def cognito_keys(state_dir: Path) -> Path:
    """Where the emulator that runs with `state_dir` keeps the keys of its Cognito user pools, as PEM files."""
    return _state(_directory(state_dir)) / "cognito-pool-keys"


class Emulator:
    """One MiniStack process, with a directory of its own in `state_dir`: made by `start`, removed by `stop`.

    A context manager: starts on entry, stops on exit. `stop` may be called at any time, and twice.

    With `enforce_iam` each Lambda is its role: a request of it that no policy of the role allows is refused, and so is
    one whose signature is wrong. Whatever `client` asks for is allowed.
    """

    def __init__(self, state_dir: Path, region: str, *, enforce_iam: bool = False) -> None:
        self.directory = _directory(state_dir.resolve())
        self.region = region
        self.enforce_iam = enforce_iam
        self.endpoint_url = ""
        """`http://127.0.0.1:PORT`, once it has started."""
        self.line_port = 0
        """Of the way for the local run's pipes, `ministack_child.Line`."""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log_path(self) -> Path:
        """Everything that MiniStack and the Lambda functions print."""
        return self.directory / "emulator.log"

    @property
    def _temporary(self) -> Path:
        return self.directory / "tmp"

    def start(self) -> None:
        """Start MiniStack on a free port and return when it answers.

        Raises:
            EmulatorError: it does not.
        """
        shutil.rmtree(self.directory, ignore_errors=True)
        self._temporary.mkdir(parents=True)
        _state(self.directory).mkdir()
        with _bound_socket() as gateway, _bound_socket() as line:
            port, self.line_port = gateway.getsockname()[1], line.getsockname()[1]
            self._process = self._child(gateway, line)
        self.endpoint_url = f"http://127.0.0.1:{port}"
        self._wait_until_healthy(self._process, port)

    def wait(self, timeout: float | None = None) -> EmulatorError | None:
        """Block until the process has ended, and say how it did; None if it still runs after `timeout` seconds."""
        process = self._process
        if process is None:
            return None
        try:
            return self._ended(process.wait(timeout))
        except subprocess.TimeoutExpired:
            return None

    def stop(self) -> None:
        """End MiniStack and its Lambda workers, and remove their directory."""
        process, self._process = self._process, None
        if process is not None:
            _end_group(process)
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _child(self, gateway: socket.socket, line: socket.socket) -> subprocess.Popen[bytes]:
        """Start MiniStack on the sockets, which are bound already: no other process can take their ports meanwhile."""
        environment = {
            **local_environment(os.environ),
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(gateway.getsockname()[1]),
            "MINISTACK_HOST": "127.0.0.1",
            "MINISTACK_REGION": self.region,
            "AUTH": "true" if self.enforce_iam else "false",
            "LAMBDA_EXECUTOR": "local",
            "LAMBDA_WARM_TTL_SECONDS": str(LAMBDA_WARM_TTL_SECONDS),
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "PERSIST_STATE": "0",
            "STATE_DIR": str(_state(self.directory)),
            "TMPDIR": str(self._temporary),
            "LOG_LEVEL": "WARNING",
            # At its start MiniStack removes containers that an earlier one left. Ours has none: keep it from Docker.
            "DOCKER_HOST": f"unix://{self._temporary}/no-docker.sock",
        }
        with self.log_path.open("wb") as log:
            return subprocess.Popen(  # noqa: S603 - our own script
                # -P: this script's directory is no place to import from.
                [sys.executable, "-P", str(CHILD), str(gateway.fileno()), str(line.fileno())],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                process_group=0,
                pass_fds=(gateway.fileno(), line.fileno()),
            )

    def _wait_until_healthy(self, process: subprocess.Popen[bytes], port: int) -> None:
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            code = process.poll()
            if code is not None:
                raise self._ended(code)
            if _answers(port):
                return
            time.sleep(0.02)
        raise EmulatorError(f"the emulator did not answer within {START_TIMEOUT_SECONDS:g} s{self._log_tail()}")

    def _ended(self, code: int) -> EmulatorError:
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return EmulatorError(f"the emulator {how}{self._log_tail()}")

    def _log_tail(self, lines: int = 15) -> str:
        try:
            text = self.log_path.read_text(errors="replace")
        except FileNotFoundError:
            return ""
        tail = "\n".join(text.splitlines()[-lines:])
        return f"; the end of its log:\n{tail}" if tail else ", and its log is empty"


def _directory(state_dir: Path) -> Path:
    return state_dir / "emulator"


def _state(directory: Path) -> Path:
    return directory / "state"


def _bound_socket() -> socket.socket:
    """Return a socket bound to a free port of 127.0.0.1, on which nobody listens yet."""
    bound = socket.socket()
    try:
        bound.bind(("127.0.0.1", 0))
    except BaseException:
        bound.close()
        raise
    return bound


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/_ministack/health")
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """Terminate, then kill, the process group that `process` leads."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            continue
    process.wait()
    if process.stdin is not None:
        process.stdin.close()
