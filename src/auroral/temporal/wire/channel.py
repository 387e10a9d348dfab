"""Calls to one address: connects, connects again, sends on what a server has not looked at, and bounds every wait."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Sequence

import msgspec

from auroral.temporal.wire.connection import Connection
from auroral.temporal.wire.session import Answer, header_block
from auroral.temporal.wire.status import CANCELLED, DEADLINE_EXCEEDED, UNAVAILABLE, Status

Headers = Sequence[tuple[bytes, bytes]]
OnEnd = Callable[[Status, bytes], None]
"""Gets the status and, where it is OK, the response's bytes."""

_LOOK_S = 0.5
"""How often deadlines are looked at: a call may end this much late."""
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 2.0
_CONNECT_S = 10.0
_TRIES = 3
_KEPT_BLOCKS = 512


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where to connect to."""

    host: str
    port: int
    authority: str
    """What the requests name: `host:port`, or the certificate's name."""
    tls: ssl.SSLContext | None = None
    server_name: str | None = None


class Call:
    """One call under way."""

    __slots__ = ("block", "connection", "due_s", "message", "on_end", "stream_id", "tries")

    def __init__(self, block: bytes, message: bytes, on_end: OnEnd, due_s: float) -> None:
        self.block = block
        self.message = message
        self.on_end: OnEnd | None = on_end
        self.due_s = due_s
        self.connection: Connection | None = None
        self.stream_id = 0
        self.tries = 0

    def cancel(self) -> None:
        """Give it up: `on_end` is not called."""
        self.on_end = None
        if self.connection is not None:
            self.connection.cancel(self.stream_id)
            self.connection = None

    def end(self, status: Status, message: bytes = b"") -> None:
        """It is over. Only the first end counts."""
        on_end, self.on_end, self.connection = self.on_end, None, None
        if on_end is not None:
            on_end(status, message)

    def answered(self, answer: Answer) -> None:
        """Its stream has ended."""
        self.end(answer.status, answer.message)


class Channel:
    """Unary calls to one endpoint, over one connection, or more where the server limits the calls of each."""

    def __init__(self, endpoint: Endpoint, headers: Headers = ()) -> None:
        """`headers` go with every call. Use within one running event loop."""
        self._endpoint = endpoint
        self._headers = list(headers)
        self._loop = asyncio.get_running_loop()
        self._connections: list[Connection] = []
        self._blocks: dict[tuple[str, float, Headers], bytes] = {}
        self._queued: deque[Call] = deque()
        self._deadlines: dict[float, deque[Call]] = {}
        self._connecting: asyncio.Task[None] | None = None
        self._looking: asyncio.TimerHandle | None = None
        self._pause_s = 0.0
        self._closed = False
        self._failed = ""
        """Why the last attempt to connect failed, while the next one is not due."""

    @property
    def open(self) -> int:
        """Calls that await their answer."""
        return sum(connection.open for connection in self._connections) + len(self._queued)

    async def connect(self) -> None:
        """Connect now. Raises `ConnectionError` with the reason."""
        if not self._connections:
            self._begin_connecting()
            if self._connecting is not None:
                await asyncio.shield(self._connecting)
        if not self._connections:
            raise ConnectionError(self._failed or "the channel is closed")

    def call(
        self,
        path: str,
        message: bytes,
        on_end: OnEnd,
        *,
        timeout_s: float,
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> Call:
        """Make a call; `on_end` hears of its end later, never from within. `path`: `/package.Service/Method`."""
        key = (path, timeout_s, headers)
        block = self._blocks.get(key)
        if block is None:
            if len(self._blocks) >= _KEPT_BLOCKS:
                self._blocks.clear()
            block = self._blocks[key] = self._block(path, timeout_s, headers)
        call = Call(block, message, on_end, self._loop.time() + timeout_s)
        waiting = self._deadlines.get(timeout_s)
        if waiting is None:
            waiting = self._deadlines[timeout_s] = deque()
        waiting.append(call)
        if self._looking is None:
            self._looking = self._loop.call_later(_LOOK_S, self._look)
        self._send(call)
        return call

    async def close(self) -> None:
        """End every call as cancelled, and every connection."""
        self._closed = True
        if self._looking is not None:
            self._looking.cancel()
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.gather(self._connecting, return_exceptions=True)
        for connection in list(self._connections):
            connection.close()
        self._fail_queued(Status(CANCELLED, "the channel was closed"))

    # Sending

    def _send(self, call: Call) -> None:
        for connection in self._connections:
            if connection.takes_more:
                call.connection = connection
                call.tries += 1
                call.stream_id = connection.call(call.block, call.message, lambda answer: self._answered(call, answer))
                return
        if self._closed:
            self._loop.call_soon(call.end, Status(CANCELLED, "the channel is closed"))
        elif self._failed and not self._connections:
            self._loop.call_soon(call.end, Status(UNAVAILABLE, self._failed))
        else:
            self._queued.append(call)
            self._begin_connecting()

    def _answered(self, call: Call, answer: Answer) -> None:
        # What the server has not looked at may be sent again, to another of its processes for instance.
        if answer.untouched and call.tries < _TRIES and call.on_end is not None and not self._closed:
            call.connection = None
            self._send(call)
        else:
            call.answered(answer)

    def _send_queued(self) -> None:
        queued, self._queued = self._queued, deque()
        for call in queued:
            if call.on_end is not None:
                self._send(call)

    def _fail_queued(self, status: Status) -> None:
        queued, self._queued = self._queued, deque()
        for call in queued:
            call.end(status)

    def _block(self, path: str, timeout_s: float, headers: Headers) -> bytes:
        scheme = b"https" if self._endpoint.tls is not None else b"http"
        own = [
            (b":method", b"POST"),
            (b":scheme", scheme),
            (b":path", path.encode()),
            (b":authority", self._endpoint.authority.encode()),
            (b"te", b"trailers"),
            (b"content-type", b"application/grpc"),
            # At most eight digits (gRPC over HTTP/2): milliseconds serve up to 27 hours.
            (b"grpc-timeout", b"%dm" % min(99_999_999, max(1, round(timeout_s * 1e3)))),
        ]
        return header_block([*own, *self._headers, *headers])

    # Connecting

    def _begin_connecting(self) -> None:
        if self._connecting is None and not self._closed:
            self._connecting = self._loop.create_task(self._connect())
            self._connecting.add_done_callback(self._connected)

    async def _connect(self) -> None:
        endpoint = self._endpoint
        try:
            async with asyncio.timeout(_CONNECT_S):
                transport, connection = await self._loop.create_connection(
                    lambda: Connection(self._lost),
                    endpoint.host,
                    endpoint.port,
                    ssl=endpoint.tls,
                    server_hostname=endpoint.server_name if endpoint.tls is not None else None,
                )
                try:
                    await connection.greeted()
                except BaseException:
                    transport.abort()
                    raise
        except TimeoutError:
            self._fail(f"no answer from {endpoint.authority} within {_CONNECT_S:g} s")
        except OSError as error:
            self._fail(f"cannot connect to {endpoint.authority}: {error.strerror or error}")
        else:
            self._failed, self._pause_s = "", 0.0
            self._connections.append(connection)

    def _connected(self, task: asyncio.Task[None]) -> None:
        self._connecting = None
        if not task.cancelled() and task.exception() is None and not self._closed:
            self._send_queued()

    def _fail(self, reason: str) -> None:
        self._failed = reason
        self._pause_s = min(max(_FIRST_PAUSE_S, self._pause_s * 2), _LONGEST_PAUSE_S)
        self._loop.call_later(self._pause_s, self._forgive)
        if not self._connections:
            self._fail_queued(Status(UNAVAILABLE, reason))

    def _forgive(self) -> None:
        self._failed = ""

    def _lost(self, connection: Connection) -> None:
        if connection in self._connections:
            self._connections.remove(connection)

    # Time

    def _look(self) -> None:
        now_s = self._loop.time()
        for timeout_s, waiting in list(self._deadlines.items()):
            while waiting and (waiting[0].on_end is None or waiting[0].due_s <= now_s):
                call = waiting.popleft()
                if call.on_end is None:
                    continue
                if call.connection is not None:
                    call.connection.cancel(call.stream_id)
                call.end(Status(DEADLINE_EXCEEDED, f"no answer within {timeout_s:g} s"))
            if not waiting:
                del self._deadlines[timeout_s]
        for connection in list(self._connections):
            connection.look()
        self._looking = self._loop.call_later(_LOOK_S, self._look) if self._deadlines else None
