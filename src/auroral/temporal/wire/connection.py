"""One connection: the session's bytes to and from a socket, written once per turn of the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Generic, cast

from auroral.temporal.wire import frames
from auroral.temporal.wire.endpoint import plainly
from auroral.temporal.wire.session import Answer, ProtocolError, S, Session

_QUIET_S = 30.0
"""After this long without a byte, while calls wait, the peer is asked for a sign of life: an SDK's own interval."""
_SIGN_S = 15.0
_GOODBYE_S = 0.25
"""How long a closing socket may take to pass on what was written, and over TLS to hear the peer's goodbye."""


class Connection(asyncio.Protocol, Generic[S]):
    """A session with its socket. Lives in one event loop; no method may be called from elsewhere."""

    def __init__(self, on_answer: Callable[[Answer[S]], None], on_lost: Callable[[Connection[S]], None]) -> None:
        """`on_answer` hears of each call's end, later than `call` and never after `cancel`; it must not raise.

        `on_lost` hears of the connection's end, whoever brought it about, after the last answers are given.
        """
        self._loop = asyncio.get_running_loop()
        self._session: Session[S] = Session()
        self._transport: asyncio.Transport | None = None
        self._flushing = False
        self._on_answer = on_answer
        self._on_lost = on_lost
        self._greeted: asyncio.Future[None] = self._loop.create_future()
        self._gone: asyncio.Future[None] = self._loop.create_future()
        self._goodbye: asyncio.TimerHandle | None = None
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
    def answered(self) -> bool:
        """Whether it has answered a call."""
        return self._session.answered

    @property
    def open(self) -> int:
        """Calls that await their answer."""
        return self._session.open

    async def greeted(self) -> None:
        """Wait for the server's settings. Raises `ConnectionError` when the connection ends first."""
        await self._greeted

    @property
    def gone(self) -> asyncio.Future[None]:
        """Done when the socket is closed: at most a quarter of a second after the connection's end."""
        return self._gone

    def call(self, stream: S, block: bytes, message: bytes) -> None:
        """Make a call; the answer comes later, never from within."""
        self._session.request(stream, block, message)
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def cancel(self, stream: S) -> None:
        """Give a call up: its answer is not given."""
        self._session.cancel(stream)
        if self._session.leaving and not self._session.open:
            self._flush()
            self._end(self._session.leaving)
        elif not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def look(self) -> None:
        """Once in a while: ask a silent peer for a sign of life, and give it up when none comes."""
        now_s = self._loop.time()
        if self._asked_s is not None and now_s - self._asked_s > _SIGN_S:
            self._end(f"the server has given no sign of life for {now_s - self._heard_s:.0f} s", abort=True)
        elif self._asked_s is None and self._session.open and now_s - self._heard_s > _QUIET_S:
            self._asked_s = now_s
            self._session.ping()
            self._flush()

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
        if self._transport is None:
            return  # TLS still gives what had come before the end
        self._heard_s, self._asked_s = self._loop.time(), None
        session = self._session
        broken = ""
        try:
            answers = session.receive(data)
        except ProtocolError as error:
            answers, broken = error.answers, str(error)
        self._flushing = True  # what is called for below goes out with the rest
        for answer in answers:
            self._on_answer(answer)
        self._flush()
        if broken:
            self._end(broken, code=frames.PROTOCOL_ERROR)
            return
        if session.ready and not self._greeted.done():
            self._greeted.set_result(None)
        if session.leaving and not session.open:
            self._end(session.leaving)

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        self._transport = None
        if not self._gone.done():
            self._gone.set_result(None)
        if self._goodbye is not None:
            self._goodbye.cancel()
        self._end(f"the connection was lost: {plainly(exc)}" if exc is not None else "the server closed the connection")

    # Within

    def _flush(self) -> None:
        self._flushing = False
        if self._transport is not None and (out := self._session.take_output()):
            self._transport.write(out)

    def _end(self, reason: str, *, code: int | None = None, abort: bool = False) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            if code is not None:
                transport.write(frames.goaway(code))
            if abort:
                transport.abort()
            else:
                transport.close()
                # A peer that does not read would hold it open.
                self._goodbye = self._loop.call_later(_GOODBYE_S, transport.abort)
        for answer in self._session.lost(reason):
            self._on_answer(answer)
        if not self._greeted.done():
            self._greeted.set_exception(ConnectionError(reason))
            self._greeted.exception()  # looked at: nobody may be waiting
        on_lost, self._on_lost = self._on_lost, _ignore
        on_lost(self)


def _ignore(_: Any) -> None:
    """What hears of the end once does not hear of it again."""
