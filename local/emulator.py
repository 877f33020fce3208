"""MiniStack, the AWS emulator, as a child process on 127.0.0.1. Its files are removed when it stops."""

from __future__ import annotations

import http.client
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Self

from .emulator_client import get_signed
from .private_files import DIRECTORY_MODE, UMASK, private

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

ACCOUNT_ID = "000000000000"
"""The id of the emulator's default account, which owns every resource."""
EMULATOR_DIRECTORY_NAME = "emulator"
"""The name of the emulator's directory in the state directory."""
START_TIMEOUT_SECONDS = 30.0
STOP_TIMEOUT_SECONDS = 1.0
"""How long MiniStack may take to stop before it is killed, in seconds.

The limit is short for two reasons: MiniStack has no state to save, and it would wait for idle connections.
"""
HEALTH_TIMEOUT_SECONDS = 2.0
"""How long one health request may take, in seconds."""
HEALTH_POLL_SECONDS = 0.02
ROOT = Path(__file__).resolve().parents[1]
CHILD = "import sys; sys.path.append(sys.argv.pop(1)); from local import ministack_child; ministack_child.main()"
"""The program that runs MiniStack. Its first argument is `ROOT`.

`ROOT` comes last on the import path, so that it cannot hide a module of MiniStack.
"""
LAMBDA_WARM_TTL_SECONDS = 20
"""How long additional Lambda workers stay after a burst, in seconds.

Each worker takes 50 to 60 MB. The first worker of each function always stays.
"""
LOG_TAIL_LINES = 15
"""Number of lines from the end of the emulator's log that an error message quotes."""


class EmulatorError(Exception):
    """The emulator did not start or stopped unexpectedly. The message quotes the end of its log."""


def build_local_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return `environment` without the user's AWS settings and with direct access to 127.0.0.1.

    The local run must neither use nor change a real AWS account. The result therefore has no `AWS_*` variables of the
    user and names empty files as the shared configuration and credentials. Requests to 127.0.0.1 bypass any proxy.
    `SSL_CERT_FILE`, the trusted certificates, becomes an absolute path: each Lambda has a directory of its own.
    """
    kept = {name: value for name, value in environment.items() if not name.startswith("AWS_")}
    exceptions = ",".join(filter(None, (kept.get("no_proxy") or kept.get("NO_PROXY"), "127.0.0.1", "localhost")))
    if certificates := kept.get("SSL_CERT_FILE"):
        kept["SSL_CERT_FILE"] = str(Path(certificates).absolute())
    return {
        **kept,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "no_proxy": exceptions,
        "NO_PROXY": exceptions,
    }


def get_cognito_keys_directory(state_dir: Path) -> Path:
    """Return the directory with the signing keys of the local Cognito.

    The directory has one PEM file per user pool, named after the pool. `state_dir` is the state directory of the
    running stack.
    """
    return _get_state_directory(_get_directory(state_dir)) / "cognito-pool-keys"


class Emulator:
    """One MiniStack process with its own directory in `state_dir`.

    `start` creates the directory and `stop` removes it. As a context manager, the emulator starts on entry and stops on
    exit. `stop` may be called at any time and more than once.

    Args:
        state_dir: The state directory of the local stack.
        region: The region of the stack.
        enforce_iam: Whether MiniStack checks permissions. If True, MiniStack rejects a request of a Lambda unless a
            policy of the Lambda's role allows the request. The clients that `client` creates have administrator rights,
            so all their requests are allowed.
        random_frame_order: Whether the frames of a WebSocket connection are processed in parallel and in random order,
            as on AWS. If False, they are processed one after the other.
    """

    def __init__(
        self, state_dir: Path, region: str, *, enforce_iam: bool = False, random_frame_order: bool = False
    ) -> None:
        self.directory = _get_directory(state_dir.resolve())
        self.region = region
        self.enforce_iam = enforce_iam
        self.random_frame_order = random_frame_order
        self.endpoint_url = ""
        """The emulator's URL: `http://127.0.0.1:PORT` after `start`, an empty string before `start`."""
        self.access_key_id = f"local{secrets.token_hex(8)}"
        """The key id of this run's credential. Every request to the emulator must be signed with the credential."""
        self.secret_access_key = secrets.token_urlsafe(30)
        """The secret of this run's credential."""
        self._control: socket.socket | None = None
        """The socket over which `connect_directly` passes its connections to the process."""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log_path(self) -> Path:
        """The file that receives all output of MiniStack and of the Lambda functions."""
        return self.directory / "emulator.log"

    @property
    def _temporary(self) -> Path:
        """The directory for temporary files of MiniStack and of the Lambda functions."""
        return self.directory / "tmp"

    def start(self) -> None:
        """Start MiniStack on a free port and wait until it answers.

        Raises:
            EmulatorError: MiniStack stopped, or did not answer within `START_TIMEOUT_SECONDS`.
        """
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(DIRECTORY_MODE, parents=True)
        self._temporary.mkdir(DIRECTORY_MODE)
        _get_state_directory(self.directory).mkdir(DIRECTORY_MODE)
        self._control, passed = socket.socketpair()
        with passed, _bind_socket() as gateway:
            self.endpoint_url = f"http://127.0.0.1:{gateway.getsockname()[1]}"
            self._process = self._start_process(gateway, passed)
        self._wait_until_healthy(self._process)

    def connect_directly(self) -> socket.socket:
        """Open a connection to `ministack_child.DirectServer`, which the pipes call.

        Raises:
            OSError: The emulator has ended or was never started.
        """
        if self._control is None:
            raise ConnectionRefusedError("the emulator does not run")
        own, passed = socket.socketpair()
        with passed:
            try:
                socket.send_fds(self._control, [b"\0"], [passed.fileno()])
            except BaseException:
                own.close()
                raise
        return own

    def wait(self, timeout: float | None = None) -> EmulatorError | None:
        """Wait until the process has ended and return an error that says how it ended.

        Args:
            timeout: How long to wait, in seconds; None waits without limit.

        Returns:
            The error, or None if the process still runs after `timeout` or was never started.
        """
        process = self._process
        if process is None:
            return None
        try:
            return self._describe_end(process.wait(timeout))
        except subprocess.TimeoutExpired:
            return None

    def stop(self) -> None:
        """Stop MiniStack and its Lambda workers, then remove the emulator's directory."""
        process, self._process = self._process, None
        if process is not None:
            _end_group(process)
        if self._control is not None:
            self._control.close()
            self._control = None
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> Self:
        """Start the emulator."""
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop the emulator."""
        self.stop()

    def _start_process(self, gateway: socket.socket, control: socket.socket) -> subprocess.Popen[bytes]:
        """Start MiniStack on a bound socket. No other process can take the port of a bound socket."""
        environment = {
            **build_local_environment(os.environ),
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(gateway.getsockname()[1]),
            "MINISTACK_HOST": "127.0.0.1",
            "MINISTACK_REGION": self.region,
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "AUTH": "true" if self.enforce_iam else "false",
            "RANDOM_FRAME_ORDER": "1" if self.random_frame_order else "0",
            "LAMBDA_EXECUTOR": "local",
            "LAMBDA_WARM_TTL_SECONDS": str(LAMBDA_WARM_TTL_SECONDS),
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "PERSIST_STATE": "0",
            "STATE_DIR": str(_get_state_directory(self.directory)),
            "TMPDIR": str(self._temporary),
            "LOG_LEVEL": "WARNING",
            # On start, MiniStack removes Docker containers of earlier runs. This socket does not exist, so MiniStack
            # does not find Docker and removes nothing.
            "DOCKER_HOST": f"unix://{self._temporary}/no-docker.sock",
        }
        with open(self.log_path, "wb", opener=private) as log:
            return subprocess.Popen(  # noqa: S603 - a program of this package
                # -P keeps the current directory off the import path.
                [sys.executable, "-P", "-c", CHILD, str(ROOT), str(gateway.fileno()), str(control.fileno())],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                process_group=0,
                umask=UMASK,
                pass_fds=(gateway.fileno(), control.fileno()),
            )

    def _wait_until_healthy(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            code = process.poll()
            if code is not None:
                raise self._describe_end(code)
            if self._is_healthy():
                return
            time.sleep(HEALTH_POLL_SECONDS)
        raise EmulatorError(f"the emulator did not answer within {START_TIMEOUT_SECONDS:g} s{self._read_log_tail()}")

    def _is_healthy(self) -> bool:
        try:
            return get_signed(self, "/_ministack/health", HEALTH_TIMEOUT_SECONDS)[0] == HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False

    def _describe_end(self, code: int) -> EmulatorError:
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return EmulatorError(f"the emulator {how}{self._read_log_tail()}")

    def _read_log_tail(self) -> str:
        try:
            text = self.log_path.read_text(errors="replace")
        except FileNotFoundError:
            return ""
        tail = "\n".join(text.splitlines()[-LOG_TAIL_LINES:])
        return f"; the end of its log:\n{tail}" if tail else ", and its log is empty"


def _get_directory(state_dir: Path) -> Path:
    return state_dir / EMULATOR_DIRECTORY_NAME


def _get_state_directory(directory: Path) -> Path:
    return directory / "state"


def _bind_socket() -> socket.socket:
    """Return a socket that is bound to a free port of 127.0.0.1 and does not listen yet."""
    bound = socket.socket()
    try:
        bound.bind(("127.0.0.1", 0))
    except BaseException:
        bound.close()
        raise
    return bound


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End the process group that `process` leads.

    Send SIGTERM, wait up to `STOP_TIMEOUT_SECONDS` for `process`, then send SIGKILL to what is left of the group.
    """
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
