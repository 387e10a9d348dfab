"""Calls to one address: connects, connects again, sends on what a server has not looked at, and bounds every wait."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from auroral.temporal.wire.backoff import Backoff
from auroral.temporal.wire.connection import Connection
from auroral.temporal.wire.endpoint import Endpoint, plainly
from auroral.temporal.wire.headers import header_block
from auroral.temporal.wire.session import Answer, Stream
from auroral.temporal.wire.status import CANCELLED, DEADLINE_EXCEEDED, UNAVAILABLE, Status

Headers = Sequence[tuple[bytes, bytes]]
OnEnd = Callable[[Status, bytes], None]
"""Gets the status and, where it is OK, the response's bytes."""

_LOOK_S = 0.5
"""How often deadlines are looked at: a call may end this much late."""
_MOST_CONNECTIONS = 64
"""Where a server or proxy takes 128 calls a connection, as many proxies do: 8,192 at a time. Further ones wait."""
_TRIES = 4
_REFUSED_PAUSE_S = 0.02
"""Before a refused call is sent again; four times as long each time. Servers refuse for a moment after calls were
given up: grpc's C core counts them until it has cleared them away."""
_KEPT_BLOCKS = 512


class Call(Stream):
    """One call under way."""

    __slots__ = ("_alike", "_channel", "block", "connection", "due_s", "message", "on_end", "timeout_s", "tries")

    def __init__(
        self,
        channel: Channel,
        alike: dict[Call, None],
        block: bytes,
        message: bytes,
        on_end: OnEnd,
        *,
        now_s: float,
        timeout_s: float,
    ) -> None:
        super().__init__()
        self._channel = channel
        self._alike = alike
        self.block = block
        self.message = message
        self.on_end: OnEnd | None = on_end
        self.timeout_s = timeout_s
        self.due_s = now_s + timeout_s
        self.connection: Connection[Call] | None = None
        self.tries = 0
        alike[self] = None

    def cancel(self) -> None:
        """Give it up: `on_end` is not called. Harmless when it is over."""
        if self.on_end is not None:
            self._drop()
            self._channel.left()

    def end(self, status: Status, message: bytes = b"") -> None:
        """It is over. Only the first end counts; a callback that raises is reported to the loop's exception handler."""
        on_end = self.on_end
        if on_end is None:
            return
        self._drop()
        try:
            on_end(status, message)
        except Exception as error:
            asyncio.get_running_loop().call_exception_handler(
                {"message": f"what takes the answer of a call raised: {error!r}", "exception": error}
            )

    def _drop(self) -> None:
        self.on_end = None
        self.message = b""
        del self._alike[self]
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.cancel(self)


class Channel:
    """Unary calls to one endpoint, over one connection, or more where the server limits the calls of each."""

    def __init__(self, endpoint: Endpoint, headers: Headers = ()) -> None:
        """`headers` go with every call. Use within one running event loop. Raises `ValueError` for too large ones."""
        self._endpoint = endpoint
        self._headers = list(headers)
        self._block("/", 1.0, ())
        self._loop = asyncio.get_running_loop()
        self._connections: list[Connection[Call]] = []
        self._ended: list[Connection[Call]] = []
        """Connections whose sockets still close."""
        self._blocks: dict[tuple[str, float, Headers], bytes] = {}
        self._queued: deque[Call] = deque()
        self._open: dict[float, dict[Call, None]] = {}
        """Calls by their time-out, each in the order of their deadlines."""
        self._connecting: asyncio.Task[None] | None = None
        self._looking: asyncio.TimerHandle | None = None
        self._backoff = Backoff()
        self._closed = False
        self.attempts = 0
        """Attempts to connect."""

    @property
    def open(self) -> int:
        """Calls that await their answer."""
        return sum(map(len, self._open.values()))

    async def connect(self) -> None:
        """Connect now. Raises `ConnectionError` with the reason."""
        if self._usable():
            return
        if self._connecting is None and not self._closed:
            self._begin_connecting()
        if self._connecting is not None:
            await asyncio.wait({self._connecting})
        if not self._usable():
            raise ConnectionError("the channel is closed" if self._closed else self._backoff.reason)

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
            block = self._block(path, timeout_s, headers)
            if len(self._blocks) >= _KEPT_BLOCKS:
                self._blocks.clear()
            self._blocks[key] = block
        alike = self._open.get(timeout_s)
        if alike is None:
            alike = self._open[timeout_s] = {}
        call = Call(self, alike, block, message, on_end, now_s=self._loop.time(), timeout_s=timeout_s)
        if self._looking is None and not self._closed:
            self._looking = self._loop.call_later(_LOOK_S, self._look)
        self._send(call)
        return call

    def left(self) -> None:
        """A call was given up: its place may be another's."""
        if self._queued:
            self._send_queued()

    async def close(self) -> None:
        """End every call as cancelled, and every connection; a quarter of a second later no socket is left."""
        self._closed = True
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait({self._connecting})
        sockets = [connection.gone for connection in (*self._connections, *self._ended)]
        for alike in list(self._open.values()):
            for call in list(alike):
                call.end(Status(CANCELLED, "the channel was closed"))
        self._queued.clear()
        for connection in list(self._connections):
            connection.close()
        if sockets:
            await asyncio.wait(sockets)

    # Sending

    def _send(self, call: Call) -> None:
        if self._closed:
            self._loop.call_soon(call.end, Status(CANCELLED, "the channel is closed"))
            return
        for connection in self._connections:
            if connection.takes_more:
                call.connection = connection
                call.tries += 1
                connection.call(call, call.block, call.message)
                return
        if not self._connections and self._connecting is None and self._pausing():
            self._loop.call_soon(call.end, self._unreachable())
        else:
            self._queued.append(call)
            self._connect_more()

    def _answered(self, answer: Answer[Call]) -> None:
        call = answer.stream
        connection, call.connection = call.connection, None
        if answer.untouched and call.tries < _TRIES and connection is not None and not self._closed:
            # What the server has not looked at may be sent again, to another of its processes for instance.
            if connection.leaving:
                self._send(call)
            else:
                self._loop.call_later(_REFUSED_PAUSE_S * 4 ** (call.tries - 1), self._send_again, call)
        elif answer.status.code == CANCELLED and self._loop.time() >= call.due_s:
            call.end(_late(call))  # the server gives a call up at its deadline, too
        else:
            call.end(answer.status, answer.message)
        if self._queued:
            self._send_queued()

    def _send_again(self, call: Call) -> None:
        if call.on_end is not None:
            self._send(call)

    def _send_queued(self) -> None:
        queued = self._queued
        while queued and queued[0].on_end is None:
            queued.popleft()
        for connection in self._connections:
            while queued and connection.takes_more:
                call = queued.popleft()
                if call.on_end is not None:
                    call.connection = connection
                    call.tries += 1
                    connection.call(call, call.block, call.message)
        self._connect_more()

    def _fail_queued(self) -> None:
        queued, self._queued = self._queued, deque()
        for call in queued:
            self._loop.call_soon(call.end, self._unreachable())

    def _unreachable(self) -> Status:
        return Status(UNAVAILABLE, f"cannot connect to {self._endpoint.authority}: {self._backoff.reason}")

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

    def _usable(self) -> bool:
        return any(not connection.leaving for connection in self._connections)

    def _pausing(self) -> bool:
        return self._loop.time() < self._backoff.due_s

    def _connect_more(self) -> None:
        """Open a connection for the calls that wait for one, unless another would not help or is not due."""
        if not self._queued or self._connecting is not None or self._closed:
            return
        if self._pausing():
            if not self._connections:
                self._fail_queued()
        elif len(self._connections) < _MOST_CONNECTIONS and not any(map(_takes_none, self._connections)):
            self._begin_connecting()

    def _begin_connecting(self) -> None:
        self._connecting = self._loop.create_task(self._connect())
        self._connecting.add_done_callback(self._connected)

    async def _connect(self) -> None:
        endpoint = self._endpoint
        self.attempts += 1
        try:
            async with asyncio.timeout(endpoint.connect_timeout_s):
                transport, connection = await self._loop.create_connection(
                    lambda: Connection(self._answered, self._lost),
                    endpoint.host,
                    endpoint.port,
                    ssl=endpoint.tls,
                    server_hostname=endpoint.server_name if endpoint.tls is not None else None,
                )
                try:
                    await connection.greeted()
                except BaseException:
                    transport.abort()
                    await connection.gone
                    raise
        except TimeoutError:
            self._backoff.failed(self._loop.time(), f"no answer within {endpoint.connect_timeout_s:g} s")
        except (OSError, ValueError) as error:
            self._backoff.failed(self._loop.time(), plainly(error))
        else:
            if connection.leaving:  # it was ended while this task waited for its turn
                self._backoff.lost(self._loop.time(), connection.leaving, answered=False)
            else:
                self._connections.append(connection)

    def _connected(self, task: asyncio.Task[None]) -> None:
        self._connecting = None
        if not task.cancelled():
            task.result()
        if not self._closed:
            self._send_queued()

    def _lost(self, connection: Connection[Call]) -> None:
        if connection in self._connections:
            self._connections.remove(connection)
            self._ended = [one for one in (*self._ended, connection) if not one.gone.done()]
            self._backoff.lost(self._loop.time(), connection.leaving, answered=connection.answered)
            self._connect_more()

    # Time

    def _look(self) -> None:
        self._looking = None
        now_s = self._loop.time()
        for timeout_s, alike in list(self._open.items()):
            late = []
            for call in alike:
                if call.due_s > now_s:
                    break
                late.append(call)
            for call in late:
                call.end(_late(call))
            if not alike:
                del self._open[timeout_s]
        for connection in list(self._connections):
            connection.look()
        self._send_queued()
        if self._open and not self._closed and self._looking is None:
            self._looking = self._loop.call_later(_LOOK_S, self._look)


def _takes_none(connection: Connection[Call]) -> bool:
    """Whether a connection takes no calls at all: another to the same server would not either."""
    return not connection.open and not connection.takes_more and not connection.leaving


def _late(call: Call) -> Status:
    return Status(DEADLINE_EXCEEDED, f"no answer within {call.timeout_s:g} s")
