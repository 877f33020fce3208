"""Posts frames to connections through API Gateway's @connections, many at a time, over connections that are kept.

libcurl does the HTTP and TLS, in one thread, for a fraction of what botocore's client costs.
"""

from __future__ import annotations

import math
import random
import select
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import chain, count
from typing import Any, Final

import pycurl
from botocore.httpsession import get_cert_path

from ..runtime import environment
from ..runtime.aws import session
from ..runtime.logs import log
from .delivery import Deadlines, Delivery, Outcome, Receipt
from .pacing import Pacer
from .signing import Signer

CONNECT_SECONDS: Final = 2
REQUEST_SECONDS: Final = 5
"""Connecting included."""
TRIES: Final = 3
"""Of one request, before its connection is behind."""
BACKOFF_SECONDS: Final = 0.1
"""The longest pause before the second try; it doubles with each."""
FIRST_AT_A_TIME: Final = 32
"""One more with each request that is taken, and never fewer again: how many go out is the pacer's business."""
MOST_AT_A_TIME: Final = 256
"""Requests in flight, and so connections to API Gateway: each costs as much as a dozen posts to open."""
SLOW_SECONDS: Final = 0.001
"""A delivery that takes longer to come was waited for, as one is that is read from a table."""
EVENTS: Final = {
    pycurl.POLL_IN: select.POLLIN,
    pycurl.POLL_OUT: select.POLLOUT,
    pycurl.POLL_INOUT: select.POLLIN | select.POLLOUT,
}
"""What libcurl wants to know of a socket, in the words of `poll`."""
NO_ANSWER: Final = 0
"""Stands for the status of a request that got none, or half of one."""


class PostRefused(Exception):
    """@connections does not allow a request, or can make nothing of it: a fault of the stack, not of a connection."""

    def __init__(self, method: str, connection_id: str, status: int) -> None:
        super().__init__(f"{method} of connection {connection_id} was answered with status {status}")
        self.status = status


def connection_poster() -> ConnectionPoster:
    """To the connections of the gateway that the environment names, as many posts a second as it says.

    Raises:
        SettingsError: it does not say.
        ValueError: what it says is no URL, or below 1.
    """
    endpoint, per_second = environment.string("MANAGEMENT_ENDPOINT"), environment.integer("POSTS_PER_SECOND")
    return ConnectionPoster(Signer.from_environment(endpoint), Pacer(per_second, time.monotonic_ns))


def invocation_deadlines(context: Any) -> Deadlines:
    """Return the deadlines of an invocation, from the time that its Lambda `context` says is left."""
    return Deadlines.split(time.monotonic(), context.get_remaining_time_in_millis() / 1000)


@dataclass(slots=True)
class Progress:
    """How far a delivery has come: what its next request is, and what the answer means."""

    delivery: Delivery
    index: int = 0
    """Which frame is next; behind the last one: closing the connection."""
    tries: int = 0
    """Of the next request, so far."""
    frames: int = 0
    sent_bytes: int = 0
    retries: int = 0
    had_no_answer: bool = False
    """Whether the last request got none: the next one is made over a new connection."""

    @property
    def frame(self) -> bytes | None:
        """What is posted next; None: nothing more."""
        frames = self.delivery.frames
        return frames[self.index] if self.index < len(frames) else None

    @property
    def is_over(self) -> bool:
        """Whether there is nothing more to ask for."""
        return self.index == len(self.delivery.frames) and not self.delivery.closes

    def answered(self, status: int) -> Receipt | float:
        """The end, or in how many seconds the next request is due."""
        frame = self.frame
        self.had_no_answer = status == NO_ANSWER
        if 200 <= status < 300:
            if frame is None:
                return self.ended(Outcome.POSTED)
            self.frames += 1
            self.sent_bytes += len(frame)
            return self._go_on_with(self.index + 1)
        self.tries += 1
        may_pass = status in (NO_ANSWER, 429) or status >= 500
        if may_pass and self.tries < TRIES:
            self.retries += 1
            return random.uniform(0, BACKOFF_SECONDS * 2 ** (self.tries - 1))  # noqa: S311 - jitter is no secret
        if frame is not None and self.delivery.closes:
            return self._go_on_with(len(self.delivery.frames))
        if status == 410:
            return self.ended(Outcome.GONE)
        # A frame that is too large is never taken; the client resyncs, and gets what it missed in other frames.
        if may_pass or status == 413:
            return self.ended(Outcome.BEHIND)
        method = "DELETE" if frame is None else "POST"
        refused = PostRefused(method, self.delivery.connection.connection_id, status)
        return self.ended(Outcome.BEHIND, refused)

    def _go_on_with(self, index: int) -> Receipt | float:
        self.index = index
        self.tries = 0
        return self.ended(Outcome.POSTED) if self.is_over else 0.0

    def ended(self, outcome: Outcome, failure: Exception | None = None) -> Receipt:
        return Receipt(self.delivery, outcome, failure, self.frames, self.sent_bytes, self.retries)


@dataclass(slots=True)
class _Call:
    """What one call of `deliver` has to do, apart from what is in flight."""

    deliveries: Iterator[Delivery]
    ready: deque[Progress] = field(default_factory=deque[Progress])
    later: list[tuple[float, int, Progress]] = field(default_factory=list[tuple[float, int, Progress]])
    """A heap of what is tried again, by when."""
    receipts: deque[Receipt] = field(default_factory=deque[Receipt])
    """That the caller has not had yet."""
    failures: Counter[str] = field(default_factory=Counter[str])
    """Why requests failed, apart from connections that were gone."""
    _order: count[int] = field(default_factory=count)

    def note(self, progress: Progress, result: Receipt | float, now: float) -> None:
        """Take up what followed from an answer."""
        if isinstance(result, Receipt):
            self.receipts.append(result)
        elif result:
            heappush(self.later, (now + result, next(self._order), progress))
        else:
            self.ready.append(progress)

    def is_ready(self, now: float) -> bool:
        """Whether a request could be made now; asks for another delivery only where nothing else is ready."""
        while self.later and self.later[0][0] <= now:
            self.ready.append(heappop(self.later)[2])
        if not self.ready:
            for delivery in self.deliveries:
                progress = Progress(delivery)
                if not progress.is_over:
                    self.ready.append(progress)
                    break
                self.receipts.append(progress.ended(Outcome.POSTED))
        return bool(self.ready)

    @property
    def waits(self) -> bool:
        """Whether there is anything left that was asked for and is not in flight."""
        return bool(self.ready or self.later)

    def rest(self) -> Iterator[Progress]:
        """What waits, and what was never asked for."""
        return chain(self.ready, (progress for _, _, progress in self.later), map(Progress, self.deliveries))


class ConnectionPoster:
    """Keeps its connections from one invocation of a warm Lambda to the next.

    It is for one thread, and one call at a time: a call ends the one before, where that was left half-way.
    """

    def __init__(
        self, signer: Signer, pacer: Pacer, *, most_at_a_time: int = MOST_AT_A_TIME, ca_file: str | None = None
    ) -> None:
        """`ca_file` holds the authorities that are trusted, where they are not botocore's."""
        self._signer = signer
        self._pacer = pacer
        self._at_a_time = min(FIRST_AT_A_TIME, most_at_a_time)
        self._most_at_a_time = most_at_a_time
        self._ca_file = ca_file or session().get_config_variable("ca_bundle") or get_cert_path(verify=True)
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_MAXCONNECTS, most_at_a_time)
        # Not pycurl's own `select`, which is blind to descriptors from 1,024 on.
        self._sockets = select.poll()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, _watching(self._sockets))
        self._free: list[Any] = []
        """libcurl's handles of requests, to be used again, and those in flight."""
        self._busy: dict[Any, Progress] = {}
        self._call: _Call | None = None

    def deliver(self, deliveries: Iterable[Delivery], deadline: float) -> Iterator[Receipt]:
        """As `Poster` says."""
        self._abort()  # what a call left that was not taken to its end
        call = self._call = _Call(iter(deliveries))
        try:
            while (now := time.monotonic()) < deadline:
                pause = self._start(call, deadline)
                self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
                if self._collect(call) or call.receipts:
                    pause = 0.0
                elif not (self._busy or call.waits):
                    return
                self._wait(call, min(pause, deadline - now))
                yield from self._ended(call)
            # What came while the caller had its turn still counts.
            self._wait(call, 0)
            yield from self._ended(call)
            begun = [*self._busy.values()]
            self._abort()
            for progress in chain(begun, call.rest()):
                yield progress.ended(Outcome.BEHIND)
        finally:
            if call.failures:
                log("failed posts", {"reasons": dict(call.failures)})

    def _ended(self, call: _Call) -> Iterator[Receipt]:
        while call.receipts:
            yield call.receipts.popleft()
            if self._call is not call:
                raise RuntimeError("another call of `deliver` has ended this one")

    def _start(self, call: _Call, deadline: float) -> float:
        """Make what requests there are room and leave for; after how many seconds there may be more, whatever comes.

        After a delivery that was slow to come it ends: the next may be as slow, and meanwhile nobody takes up answers.
        """
        while len(self._busy) < self._at_a_time and (now := time.monotonic()) < deadline:
            if not call.is_ready(now):
                return call.later[0][0] - now if call.later else math.inf
            if pause := self._pacer.take():
                return pause
            self._request(call.ready.popleft())
            if time.monotonic() - now > SLOW_SECONDS:
                return 0.0
        return math.inf

    def _request(self, progress: Progress) -> None:
        frame = progress.frame
        method = "DELETE" if frame is None else "POST"
        url, headers = self._signer.signed(method, progress.delivery.connection.connection_id, frame or b"")
        handle = self._free.pop() if self._free else self._new_handle()
        handle.setopt(pycurl.URL, url)
        handle.setopt(pycurl.CUSTOMREQUEST, method)
        handle.setopt(pycurl.HTTPHEADER, headers)
        handle.setopt(pycurl.POSTFIELDS, frame or b"")
        # Where one kept connection leads nowhere, the others may as well.
        handle.setopt(pycurl.FRESH_CONNECT, progress.had_no_answer)
        self._multi.add_handle(handle)
        self._busy[handle] = progress

    def _new_handle(self) -> Any:
        handle = pycurl.Curl()
        handle.setopt(pycurl.POST, True)
        handle.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        handle.setopt(pycurl.CAINFO, self._ca_file)
        handle.setopt(pycurl.CONNECTTIMEOUT_MS, int(CONNECT_SECONDS * 1000))
        handle.setopt(pycurl.TIMEOUT_MS, int(REQUEST_SECONDS * 1000))
        handle.setopt(pycurl.NOSIGNAL, True)
        handle.setopt(pycurl.PROXY, "")
        # Nobody reads what an answer says beside its status: `len` takes it, and keeps nothing.
        handle.setopt(pycurl.WRITEFUNCTION, len)
        return handle

    def _collect(self, call: _Call) -> bool:
        """Take up the answers that there are; whether there was any."""
        left, answered, failed = self._multi.info_read()
        for handle in answered:
            self._end(call, handle, handle.getinfo(pycurl.RESPONSE_CODE))
        for handle, error, _ in failed:
            self._end(call, handle, NO_ANSWER, error)
        return bool(answered or failed or left)

    def _end(self, call: _Call, handle: Any, status: int, error: int = 0) -> None:
        progress = self._busy.pop(handle)
        self._multi.remove_handle(handle)
        self._free.append(handle)
        if 200 <= status < 300:
            self._at_a_time = min(self._at_a_time + 1, self._most_at_a_time)
        elif status != 410:
            call.failures[f"curl {error}" if error else f"status {status}"] += 1
        call.note(progress, progress.answered(status), time.monotonic())

    def _wait(self, call: _Call, seconds: float) -> None:
        """Until there is something to do for a request in flight, and do it; no longer than that."""
        due_ms = self._multi.timeout()
        wait_ms = seconds * 1000 if due_ms < 0 else min(seconds * 1000, due_ms)
        for socket, _ in self._sockets.poll(math.ceil(min(wait_ms, 1_000))):
            self._multi.socket_action(socket, 0)  # 0: libcurl sees for itself what can be done
        self._collect(call)

    def _abort(self) -> None:
        """Take back what is in flight; its connections are closed, since their next answers would be these."""
        for handle in self._busy:
            self._multi.remove_handle(handle)
        self._free.extend(self._busy)
        self._busy.clear()


def _watching(sockets: select.poll) -> Callable[..., None]:
    """What libcurl calls to say what it waits for on a socket. It knows no poster, which therefore ends with its last
    reference, and its connections with it."""

    def watch(wanted: int, socket: int, *_: object) -> None:
        if wanted == pycurl.POLL_REMOVE:
            sockets.unregister(socket)
        else:
            sockets.register(socket, EVENTS[wanted])

    return watch
