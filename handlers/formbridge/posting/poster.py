"""A poster that sends frames through API Gateway's @connections endpoint.

The poster makes many requests at a time and keeps its HTTP connections open. It uses libcurl, because libcurl does HTTP
and TLS in one thread and needs a fraction of the CPU time of botocore's client.
"""

from __future__ import annotations

import math
import random
import select
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import chain, count
from typing import TYPE_CHECKING, Any, Final

import pycurl
from botocore.httpsession import get_cert_path

from ..runtime import environment
from ..runtime.aws import session
from ..runtime.logs import log
from .delivery import Deadlines, Delivery, Outcome, Receipt
from .pacing import Pacer
from .signing import Signer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

CONNECT_SECONDS: Final = 2
"""Time limit for opening a connection to API Gateway."""
REQUEST_SECONDS: Final = 5
"""Time limit for one request, including opening a connection."""
MAX_TRIES: Final = 3
"""Maximum number of attempts of one request. Only a request that got no response, 429 or a server error is repeated."""
BACKOFF_SECONDS: Final = 0.1
"""Longest pause before the second attempt. The longest pause doubles with each further attempt."""
INITIAL_CONCURRENCY: Final = 32
"""Limit of requests in flight when the poster is new. Each successful request raises the limit by one, up to
`MAX_CONCURRENCY`. The limit never falls, because the pacer already controls the number of requests per second."""
MAX_CONCURRENCY: Final = 256
"""Maximum number of requests in flight, and therefore of HTTP connections to API Gateway. It is limited because opening
a connection takes as much CPU time as a dozen posts."""
SLOW_DELIVERY_SECONDS: Final = 0.001
"""Time above which a delivery counts as slow. It includes reading the delivery, for example from a table, and starting
its request."""
MAX_WAIT_MS: Final = 1_000
"""Longest wait for socket events, in milliseconds. After the wait, the deadlines are checked again."""
MILLISECONDS_PER_SECOND: Final = 1_000
POLL_EVENTS: Final = {
    pycurl.POLL_IN: select.POLLIN,
    pycurl.POLL_OUT: select.POLLOUT,
    pycurl.POLL_INOUT: select.POLLIN | select.POLLOUT,
}
"""The flags of `poll` for each set of socket events that libcurl can ask for."""
NO_RESPONSE: Final = 0
"""Status of a request that got no response or an incomplete response."""
SUCCESS_STATUSES: Final = range(200, 300)
GONE_STATUS: Final = 410
"""Status with which API Gateway answers if it has no connection with this id."""
TOO_LARGE_STATUS: Final = 413
THROTTLED_STATUS: Final = 429
FIRST_SERVER_ERROR_STATUS: Final = 500


class PostRefused(Exception):
    """A request that @connections rejected as forbidden or invalid.

    The fault is in the stack, not in the connection.
    """

    def __init__(self, method: str, connection_id: str, status: int) -> None:
        """Keep the status.

        Args:
            method: HTTP method of the request.
            connection_id: The connection that the request was about.
            status: HTTP status of the response.
        """
        super().__init__(f"{method} of connection {connection_id} was answered with status {status}")
        self.status = status


def build_connection_poster() -> ConnectionPoster:
    """Return a poster for the gateway at `MANAGEMENT_ENDPOINT`, with the rate `POSTS_PER_SECOND`.

    Raises:
        EnvironmentVariableError: An environment variable is not set, or the rate is not an integer.
        ValueError: The endpoint is not a valid URL, or the rate is below 1.
    """
    endpoint, per_second = environment.string("MANAGEMENT_ENDPOINT"), environment.integer("POSTS_PER_SECOND")
    return ConnectionPoster(Signer.from_environment(endpoint), Pacer(per_second, time.monotonic_ns))


def invocation_deadlines(context: Any) -> Deadlines:
    """Return the deadlines of an invocation, computed from the remaining time in its Lambda `context`."""
    return Deadlines.split(time.monotonic(), context.get_remaining_time_in_millis() / 1000)


@dataclass(slots=True)
class Progress:
    """The progress of a delivery: its next request, and how a response is interpreted."""

    delivery: Delivery
    index: int = 0
    """Index of the next frame. After the last frame, the next request closes or probes the connection."""
    tries: int = 0
    """Number of failed attempts of the next request."""
    frames: int = 0
    """Number of frames that API Gateway accepted."""
    sent_bytes: int = 0
    """Total size of the accepted frames."""
    retries: int = 0
    """Number of repeated requests."""
    had_no_response: bool = False
    """Whether the last request got no response. If true, the next request uses a new HTTP connection."""

    @property
    def next_frame(self) -> bytes | None:
        """The next frame to post, or None after the last frame."""
        frames = self.delivery.frames
        return frames[self.index] if self.index < len(frames) else None

    @property
    def next_method(self) -> str:
        """HTTP method of the next request of a delivery that is not complete."""
        if self.next_frame is not None:
            return "POST"
        return "GET" if self.delivery.probes else "DELETE"

    @property
    def is_complete(self) -> bool:
        """Whether no request is left to make."""
        return self.next_frame is None and not (self.delivery.closes or self.delivery.probes)

    def handle_status(self, status: int) -> Receipt | float:
        """Record the response to a request.

        Args:
            status: HTTP status, or `NO_RESPONSE`.

        Returns:
            The receipt if the delivery has ended, otherwise the seconds to wait before the next request.
        """
        frame = self.next_frame
        self.had_no_response = status == NO_RESPONSE
        if status in SUCCESS_STATUSES:
            if frame is None:
                return self.build_receipt(Outcome.POSTED)
            self.frames += 1
            self.sent_bytes += len(frame)
            return self._advance_to(self.index + 1)
        self.tries += 1
        is_transient = status in (NO_RESPONSE, THROTTLED_STATUS) or status >= FIRST_SERVER_ERROR_STATUS
        if is_transient and self.tries < MAX_TRIES:
            self.retries += 1
            return random.uniform(0, BACKOFF_SECONDS * 2 ** (self.tries - 1))  # noqa: S311 - jitter needs no secure randomness
        if frame is not None and self.delivery.closes:
            return self._advance_to(len(self.delivery.frames))
        if status == GONE_STATUS:
            return self.build_receipt(Outcome.GONE)
        # API Gateway never accepts a frame that is too large, so a retry cannot help. After a resync, the client has
        # the updates of that frame from the reply.
        if is_transient or status == TOO_LARGE_STATUS:
            return self.build_receipt(Outcome.BEHIND)
        refused = PostRefused(self.next_method, self.delivery.connection.connection_id, status)
        return self.build_receipt(Outcome.BEHIND, refused)

    def _advance_to(self, index: int) -> Receipt | float:
        self.index = index
        self.tries = 0
        return self.build_receipt(Outcome.POSTED) if self.is_complete else 0.0

    def build_receipt(self, outcome: Outcome, failure: Exception | None = None) -> Receipt:
        """Return the receipt of the delivery."""
        return Receipt(self.delivery, outcome, failure, self.frames, self.sent_bytes, self.retries)


@dataclass(slots=True)
class _Call:
    """The state of one call of `deliver`, except the requests in flight."""

    deliveries: Iterator[Delivery]
    """Deliveries that have not been read yet."""
    ready: deque[Progress] = field(default_factory=deque[Progress])
    """Deliveries whose next request can be made now."""
    retries: list[tuple[float, int, Progress]] = field(default_factory=list[tuple[float, int, Progress]])
    """A heap of deliveries whose next request is a retry: the time of the retry, a serial number, the delivery."""
    receipts: deque[Receipt] = field(default_factory=deque[Receipt])
    """Receipts that the caller has not received yet."""
    failures: Counter[str] = field(default_factory=Counter[str])
    """Number of failed requests by reason. Requests to connections that are gone are not counted."""
    _serial_numbers: count[int] = field(default_factory=count)
    """Serial numbers for `retries`. They order retries that have the same time, because `Progress` objects cannot be
    compared."""

    def record(self, progress: Progress, result: Receipt | float, now: float) -> None:
        """Record a result of `Progress.handle_status`."""
        if isinstance(result, Receipt):
            self.receipts.append(result)
        elif result:
            heappush(self.retries, (now + result, next(self._serial_numbers), progress))
        else:
            self.ready.append(progress)

    def prepare_request(self, now: float) -> bool:
        """Prepare the next request. Return whether there is a request that can be made now.

        A retry is ready when its time has come. If no request is ready, another delivery is read.
        """
        while self.retries and self.retries[0][0] <= now:
            self.ready.append(heappop(self.retries)[2])
        if not self.ready:
            for delivery in self.deliveries:
                progress = Progress(delivery)
                if not progress.is_complete:
                    self.ready.append(progress)
                    break
                self.receipts.append(progress.build_receipt(Outcome.POSTED))
        return bool(self.ready)

    @property
    def has_waiting_requests(self) -> bool:
        """Whether a delivery that was read waits for its next request."""
        return bool(self.ready or self.retries)

    def remaining(self) -> Iterator[Progress]:
        """Return the deliveries that wait for a request, then those that have not been read yet."""
        return chain(self.ready, (progress for _, _, progress in self.retries), map(Progress, self.deliveries))


class ConnectionPoster:
    """A poster that keeps its connections open between the invocations of a warm Lambda.

    It may be used by only one thread, and for only one call of `deliver` at a time. A new call ends an
    earlier call that has not finished.
    """

    def __init__(
        self, signer: Signer, pacer: Pacer, *, max_concurrency: int = MAX_CONCURRENCY, ca_file: str | None = None
    ) -> None:
        """Create the poster without opening a connection.

        Args:
            signer: Signs the requests.
            pacer: Limits the requests per second.
            max_concurrency: Limit of requests in flight.
            ca_file: File with the trusted certificate authorities; by default those of botocore.
        """
        self._signer = signer
        self._pacer = pacer
        self._concurrency = min(INITIAL_CONCURRENCY, max_concurrency)
        self._max_concurrency = max_concurrency
        self._ca_file = ca_file or session().get_config_variable("ca_bundle") or get_cert_path(verify=True)
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_MAXCONNECTS, max_concurrency)
        # pycurl's own `select` does not support file descriptors of 1,024 and above.
        self._sockets = select.poll()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, _build_socket_callback(self._sockets))
        self._idle_handles: list[Any] = []
        """libcurl's handles of finished requests. They are used again."""
        self._in_flight: dict[Any, Progress] = {}
        """The deliveries of requests in flight, by libcurl's handle."""
        self._call: _Call | None = None

    def deliver(self, deliveries: Iterable[Delivery], deadline: float) -> Iterator[Receipt]:
        """Make deliveries, as `Poster.deliver` describes.

        Args:
            deliveries: The deliveries. The next one is read only when there is capacity for it.
            deadline: A time of `time.monotonic`, in seconds.
        """
        self._abort_requests()  # an earlier call may have left requests in flight, if its caller stopped iterating
        call = self._call = _Call(iter(deliveries))
        try:
            while (now := time.monotonic()) < deadline:
                pause = self._start_requests(call, deadline)
                self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
                if self._collect_responses(call) or call.receipts:
                    pause = 0.0
                elif not (self._in_flight or call.has_waiting_requests):
                    return
                self._wait(call, min(pause, deadline - now))
                yield from self._take_receipts(call)
            # The deadline has passed. Responses that arrived while the caller processed the last receipts still count.
            self._wait(call, 0)
            yield from self._take_receipts(call)
            unfinished = [*self._in_flight.values()]
            self._abort_requests()
            for progress in chain(unfinished, call.remaining()):
                yield progress.build_receipt(Outcome.BEHIND)
        finally:
            if call.failures:
                log("failed posts", {"reasons": dict(call.failures)})

    def _take_receipts(self, call: _Call) -> Iterator[Receipt]:
        """Yield the receipts that the caller has not received yet.

        Raises:
            RuntimeError: Another call of `deliver` began meanwhile and ended this one.
        """
        while call.receipts:
            yield call.receipts.popleft()
            if self._call is not call:
                raise RuntimeError("another call of `deliver` has ended this one")

    def _start_requests(self, call: _Call, deadline: float) -> float:
        """Start requests until a limit is reached or no request is ready.

        Stop after a delivery that was slow to read. The next delivery may be as slow, and no responses are collected
        while this method reads a delivery.

        Returns:
            The seconds after which another request can be started even if no response arrives.
        """
        while len(self._in_flight) < self._concurrency and (now := time.monotonic()) < deadline:
            if not call.prepare_request(now):
                return call.retries[0][0] - now if call.retries else math.inf
            if pause := self._pacer.take():
                return pause
            self._start_request(call.ready.popleft())
            if time.monotonic() - now > SLOW_DELIVERY_SECONDS:
                return 0.0
        return math.inf

    def _start_request(self, progress: Progress) -> None:
        frame, method = progress.next_frame, progress.next_method
        url, headers = self._signer.sign(method, progress.delivery.connection.connection_id, frame or b"")
        handle = self._idle_handles.pop() if self._idle_handles else self._create_handle()
        handle.setopt(pycurl.URL, url)
        handle.setopt(pycurl.CUSTOMREQUEST, method)
        handle.setopt(pycurl.HTTPHEADER, headers)
        handle.setopt(pycurl.POSTFIELDS, frame or b"")
        # If the last request got no response, its kept-alive connection may be dead. The others may be dead too, so
        # this request then opens a new connection.
        handle.setopt(pycurl.FRESH_CONNECT, progress.had_no_response)
        self._multi.add_handle(handle)
        self._in_flight[handle] = progress

    def _create_handle(self) -> Any:
        handle = pycurl.Curl()
        handle.setopt(pycurl.POST, True)
        handle.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        handle.setopt(pycurl.CAINFO, self._ca_file)
        handle.setopt(pycurl.CONNECTTIMEOUT_MS, int(CONNECT_SECONDS * MILLISECONDS_PER_SECOND))
        handle.setopt(pycurl.TIMEOUT_MS, int(REQUEST_SECONDS * MILLISECONDS_PER_SECOND))
        handle.setopt(pycurl.NOSIGNAL, True)
        handle.setopt(pycurl.PROXY, "")
        # Only the status of a response is used. `len` accepts the body and keeps none of it.
        handle.setopt(pycurl.WRITEFUNCTION, len)
        return handle

    def _collect_responses(self, call: _Call) -> bool:
        """Record finished requests. Return whether there were any."""
        remaining, succeeded, failed = self._multi.info_read()
        for handle in succeeded:
            self._finish_request(call, handle, handle.getinfo(pycurl.RESPONSE_CODE))
        for handle, error, _ in failed:
            self._finish_request(call, handle, NO_RESPONSE, error)
        return bool(succeeded or failed or remaining)

    def _finish_request(self, call: _Call, handle: Any, status: int, error: int = 0) -> None:
        progress = self._in_flight.pop(handle)
        self._multi.remove_handle(handle)
        self._idle_handles.append(handle)
        if status in SUCCESS_STATUSES:
            self._concurrency = min(self._concurrency + 1, self._max_concurrency)
        elif status != GONE_STATUS:
            call.failures[f"curl {error}" if error else f"status {status}"] += 1
        call.record(progress, progress.handle_status(status), time.monotonic())

    def _wait(self, call: _Call, seconds: float) -> None:
        """Wait at most `seconds` for a socket event of a request in flight, then collect responses."""
        timeout_ms = self._multi.timeout()
        wait_ms = seconds * MILLISECONDS_PER_SECOND
        if timeout_ms >= 0:
            wait_ms = min(wait_ms, timeout_ms)
        for socket, _ in self._sockets.poll(math.ceil(min(wait_ms, MAX_WAIT_MS))):
            self._multi.socket_action(socket, 0)  # 0: libcurl finds out which events occurred
        self._collect_responses(call)

    def _abort_requests(self) -> None:
        """Abort the requests in flight.

        Their connections are closed, so that no later request gets their responses.
        """
        for handle in self._in_flight:
            self._multi.remove_handle(handle)
        self._idle_handles.extend(self._in_flight)
        self._in_flight.clear()


def _build_socket_callback(sockets: select.poll) -> Callable[..., None]:
    """Return a callback for libcurl that registers a socket in `sockets`, or removes it.

    The callback holds no reference to the poster. Without a reference cycle, the poster and its connections are freed
    when the last reference to the poster is dropped.
    """

    def watch(event: int, socket: int, *_: object) -> None:
        if event == pycurl.POLL_REMOVE:
            sockets.unregister(socket)
        else:
            sockets.register(socket, POLL_EVENTS[event])

    return watch
