"""One connection: the session's bytes to and from a socket, written once per turn of the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from auroral.temporal.wire import frames
from auroral.temporal.wire.session import Answer, ProtocolError, Session

OnAnswer = Callable[[Answer], None]

_QUIET_S = 30.0
"""After this long without a byte, while calls wait, the peer is asked for a sign of life: an SDK's own interval."""
_SIGN_S = 15.0


class Connection(asyncio.Protocol):
    """A session with its socket. Lives in one event loop; no method may be called from elsewhere."""

    def __init__(self, on_lost: Callable[[Connection], None]) -> None:
        """`on_lost` hears of the end, whoever brought it about, after the last answers are given."""
        self._loop = asyncio.get_running_loop()
        self._session = Session()
        self._calls: dict[int, OnAnswer] = {}
        self._transport: asyncio.Transport | None = None
        self._flushing = False
        self._on_lost = on_lost
        self._greeted: asyncio.Future[None] = self._loop.create_future()
        self._heard_s = self._loop.time()
        self._asked_s: float | None = None

    @property
    def takes_more(self) -> bool:
        """Whether another call may be made here."""
        return self._session.takes_more

    @property
    def leaving(self) -> str:
        """Why no call will be taken any more; empty: they will."""
        return self._session.leaving

    @property
    def open(self) -> int:
        """Calls that await their answer."""
        return len(self._calls)

    async def greeted(self) -> None:
        """Wait for the server's settings. Raises `ConnectionError` when the connection ends first."""
        await self._greeted

    def call(self, block: bytes, message: bytes, on_answer: OnAnswer) -> int:
        """Make a call; the answer comes later, never from within. Returns what `cancel` takes."""
        stream_id = self._session.request(block, message)
        self._calls[stream_id] = on_answer
        self._flush_soon()
        return stream_id

    def cancel(self, stream_id: int) -> None:
        """Give a call up: its answer is not given."""
        if self._calls.pop(stream_id, None) is not None:
            self._session.cancel(stream_id)
            self._flush_soon()
            self._leave_when_done()

    def look(self) -> None:
        """Once in a while: ask a silent peer for a sign of life, and give it up when none comes."""
        now_s = self._loop.time()
        if self._asked_s is not None and now_s - self._asked_s > _SIGN_S:
            self._end(f"the server has given no sign of life for {now_s - self._heard_s:.0f} s")
        elif self._asked_s is None and self._calls and now_s - self._heard_s > _QUIET_S:
            self._asked_s = now_s
            self._session.ping()
            self._flush_soon()

    def close(self) -> None:
        """Say goodbye and close; open calls end as unavailable."""
        self._session.leave()
        self._flush()
        self._end("the connection was closed")

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is connected."""
        self._transport = cast(asyncio.Transport, transport)
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        self._heard_s, self._asked_s = self._loop.time(), None
        try:
            answers = self._session.receive(data)
        except ProtocolError as error:
            self._end(f"the server does not speak HTTP/2 as expected: {error}", code=frames.PROTOCOL_ERROR)
            return
        if not self._greeted.done() and self._session.ready:
            self._greeted.set_result(None)
        for answer in answers:
            on_answer = self._calls.pop(answer.stream_id, None)
            if on_answer is not None:
                on_answer(answer)
        self._flush()
        if self._session.leaving:
            self._leave_when_done()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        self._end(f"the connection was lost: {exc}" if exc is not None else "the server closed the connection")

    # Within

    def _flush_soon(self) -> None:
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        if self._transport is not None and (out := self._session.take_output()):
            self._transport.write(out)

    def _leave_when_done(self) -> None:
        if self._session.leaving and not self._calls:
            self._end(self._session.leaving)

    def _end(self, reason: str, code: int | None = None) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            if code is not None:
                transport.write(frames.goaway(code))
            transport.close()
        if not self._greeted.done():
            self._greeted.set_exception(ConnectionError(reason))
            self._greeted.exception()  # looked at: nobody may be waiting
        calls, self._calls = self._calls, {}
        for answer in self._session.lost(reason):
            on_answer = calls.pop(answer.stream_id, None)
            if on_answer is not None:
                on_answer(answer)
        on_lost, self._on_lost = self._on_lost, _ignore
        on_lost(self)


def _ignore(_: Any) -> None:
    """What hears of the end once does not hear of it again."""
