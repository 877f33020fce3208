"""Helpers for tests that start processes: the signals a process inherits, the lines it prints, the ports it holds."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping


LISTENING = 0x10000
"""The flag of a Unix socket in /proc/net/unix that accepts connections."""


@contextmanager
def ignored(*numbers: signal.Signals) -> Generator[None]:
    """Start each process inside the block with these signals ignored, as `nohup` and a shell's `&` do."""
    with _handled(dict.fromkeys(numbers, signal.SIG_IGN)):
        yield


@contextmanager
def reacted_to(*numbers: signal.Signals) -> Generator[None]:
    """Start each process inside the block with the default action for these signals, even where pytest ignores them.

    A new program inherits an ignored signal. A signal that has a handler gets its default action back.
    """
    with _handled({number: _nothing for number in numbers if signal.getsignal(number) is signal.SIG_IGN}):
        yield


@contextmanager
def _handled(handlers: Mapping[signal.Signals, signal.Handlers | Callable[..., None]]) -> Generator[None]:
    previous = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _nothing(*_: object) -> None:
    """Leave the signal without an effect, as ignoring it does."""


def listeners(port: int, state_dir: Path) -> list[int]:
    """Return the processes of a local stack that listen on a port, by /proc.

    Another process may have taken a port that the stack has left, so that a connection to it would prove nothing.

    Args:
        port: A TCP port of this machine, over IPv4.
        state_dir: The stack's directory, which is in the arguments or the environment of each of its processes.
    """
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    sockets = {f"socket:[{line[9]}]" for line in lines if line[1].endswith(f":{port:04X}") and line[3] == "0A"}
    found: list[int] = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile, or belongs to another user
            named = ((process / name).read_bytes() for name in ("cmdline", "environ"))
            if any(os.fsencode(state_dir) in text for text in named) and not sockets.isdisjoint(_open_files(process)):
                found.append(int(process.name))
    return found


def descendants(pid: int) -> Iterator[int]:
    """Yield the children of a process and their children, by /proc."""
    children: list[int] = []
    with suppress(FileNotFoundError, ProcessLookupError):  # the process has ended meanwhile
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(FileNotFoundError, ProcessLookupError):  # the thread has
                children += map(int, (task / "children").read_text().split())
    for child in children:
        yield child
        yield from descendants(child)


def all_listeners(pids: Iterable[int]) -> set[tuple[str, int]]:
    """Return every address that some processes listen on, by /proc.

    Returns:
        The address and the port of a TCP or UDP socket, as in /proc/net (`0100007F` is 127.0.0.1); the path of a Unix
        socket with port 0.
    """
    sockets = {
        name.removeprefix("socket:[").removesuffix("]") for pid in pids for name in _open_files(Path(f"/proc/{pid}"))
    }
    found: set[tuple[str, int]] = set()
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _number, local, _remote, state, *_rest = fields = line.split()
            # A TCP socket listens in the state 0A. A UDP socket that is not connected is in the state 07.
            if state in ("0A", "07") and fields[9] in sockets:
                address, _, port = local.partition(":")
                found.add((address, int(port, 16)))
    for line in Path("/proc/net/unix").read_text().splitlines()[1:]:
        _number, _references, _protocol, flags, _type, _state, inode, *path = line.split()
        if int(flags, 16) & LISTENING and inode in sockets:
            found.add(("".join(path), 0))
    return found


def _open_files(process: Path) -> Iterator[str]:
    for descriptor in (process / "fd").iterdir():
        with suppress(FileNotFoundError):  # it was closed meanwhile
            yield str(descriptor.readlink())


class Printed:
    """The text that a process prints to one stream.

    A thread reads it as it comes, so that the process never waits for its reader. Before the stream is closed, end the
    process and call `whole`.
    """

    def __init__(self, stream: IO[str] | None) -> None:
        assert stream is not None, "the stream must be a pipe"
        self._coming: Queue[str | None] = Queue()
        """The lines that nobody has taken, then None for the end of the stream."""
        self._lines: list[str] = []
        self._thread = Thread(target=self._read, args=(stream,), daemon=True)
        self._thread.start()

    def _read(self, stream: Iterable[str]) -> None:
        for line in stream:
            self._lines.append(line)
            self._coming.put(line)
        self._coming.put(None)

    def until(self, text: str, seconds: float) -> str:
        """Return the next line that contains `text`, and skip the lines before it.

        Args:
            text: Part of the line.
            seconds: The limit for each line.

        Raises:
            AssertionError: The stream ended without the line.
            queue.Empty: No line came within `seconds`.
        """
        while text not in (line := self.line(seconds)):
            pass
        return line

    def line(self, seconds: float) -> str:
        """Return the next line.

        Raises:
            AssertionError: The stream ended.
            queue.Empty: No line came within `seconds`.
        """
        line = self._coming.get(timeout=seconds)
        if line is None:
            self._coming.put(None)
            raise AssertionError(f"the process ended its output, which was: {''.join(self._lines)}")
        return line

    def whole(self, seconds: float) -> str:
        """Return everything that the process printed, once it has ended its output.

        Raises:
            AssertionError: It has not ended its output within `seconds`.
        """
        self._thread.join(seconds)
        assert not self._thread.is_alive(), f"the process has not ended its output: {''.join(self._lines)}"
        return "".join(self._lines)
