"""One connection over a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from auroral.temporal.wire import connection, frames
from auroral.temporal.wire.connection import Connection
from auroral.temporal.wire.headers import header_block
from auroral.temporal.wire.session import Answer, Session, Stream
from auroral.temporal.wire.status import OK, UNAVAILABLE
from tests.temporal.wire.peers import Line, Script, ScriptedServer, goaway, greeting

pytestmark = pytest.mark.filterwarnings("error")

BLOCK = header_block([(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/a.B/C")])


class End:
    """A client's end: what it was told, in its order."""

    def __init__(self) -> None:
        self.answers: asyncio.Queue[Answer[Stream]] = asyncio.Queue()
        self.lost: list[Connection[Stream]] = []
        self.connection: Connection[Stream] = Connection(self.answers.put_nowait, self.lost.append)

    def call(self, message: bytes = b"hello") -> Stream:
        stream = Stream()
        self.connection.call(stream, BLOCK, message)
        return stream


@asynccontextmanager
async def connected(script: Script) -> AsyncIterator[tuple[End, ScriptedServer]]:
    async with ScriptedServer(script) as server:
        end = End()
        await asyncio.get_running_loop().create_connection(lambda: end.connection, "127.0.0.1", server.port)
        try:
            yield end, server
        finally:
            end.connection.close()
            await end.connection.gone


async def serve(line: Line) -> None:
    line.send(greeting())
    await line.serve(b"world")


async def test_a_call_and_its_answer() -> None:
    async with connected(serve) as (end, server):
        await end.connection.greeted()
        stream = end.call()
        assert end.connection.open == 1
        answer = await end.answers.get()
        assert (answer.stream, answer.status.code, answer.message) == (stream, OK, b"world")
        assert (end.connection.open, end.connection.answered) == (0, True)
        assert server.lines[0].peer.messages == {1: b"\0\0\0\0\5hello"}
    assert len(end.lost) == 1


async def test_calls_of_one_turn_are_written_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async with connected(serve) as (end, _):
        await end.connection.greeted()
        turns: list[int] = []
        session = end.connection._session

        def take_output() -> bytes:
            turns.append(session.open)
            return Session.take_output(session)

        monkeypatch.setattr(session, "take_output", take_output)
        for _ in range(20):
            end.call()
        for _ in range(20):
            await end.answers.get()
        assert turns[0] == 20


async def test_a_call_given_up_is_reset_and_never_heard_of() -> None:
    async def script(line: Line) -> None:
        line.send(greeting())
        [call, *_] = await line.until(frames.HEADERS)
        await line.until(frames.RST_STREAM)
        line.send(line.peer.answer(call.stream_id, b"late"))
        [_, other] = await line.until(frames.HEADERS, count=2)
        line.send(line.peer.answer(other.stream_id, b"other"))
        await line.drain()

    async with connected(script) as (end, _):
        await end.connection.greeted()
        stream = end.call()
        await asyncio.sleep(0)
        end.connection.cancel(stream)
        other = end.call()
        answer = await end.answers.get()
        assert (answer.stream, answer.message) == (other, b"other")
        assert end.answers.empty()


async def test_an_end_before_the_greeting_is_an_error() -> None:
    async def script(line: Line) -> None:
        await line.receive()

    async with connected(script) as (end, _):
        with pytest.raises(ConnectionError, match="the server closed the connection"):
            await end.connection.greeted()
        assert end.lost == [end.connection]


async def test_a_web_server_is_told_before_the_greeting() -> None:
    async def script(line: Line) -> None:
        line.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await line.drain()

    async with connected(script) as (end, _):
        with pytest.raises(ConnectionError, match="as a web server does"):
            await end.connection.greeted()


async def test_garbage_ends_the_connection_and_answers_all_calls_and_raises_nowhere() -> None:
    said: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context))

    async def script(line: Line) -> None:
        line.send(greeting())
        calls = await line.until(frames.HEADERS, count=3)
        line.send(line.peer.answer(calls[1].stream_id, b"in time") + b"\xff" * 100)
        goodbye = await line.until(frames.GOAWAY)
        assert frames.read_goaway(goodbye[0].payload)[1] == frames.PROTOCOL_ERROR
        await line.drain()

    async with connected(script) as (end, _):
        await end.connection.greeted()
        streams = [end.call() for _ in range(3)]
        answers = [await end.answers.get() for _ in range(3)]
        assert [(one.stream, one.status.code) for one in answers] == [
            (streams[1], OK),
            (streams[0], UNAVAILABLE),
            (streams[2], UNAVAILABLE),
        ]
        assert "does not speak HTTP/2 as expected" in answers[1].status.message
        assert end.lost == [end.connection]
    assert said == []


async def test_a_goodbye_closes_once_the_last_call_is_over() -> None:
    async def script(line: Line) -> None:
        line.send(greeting())
        first, second = await line.until(frames.HEADERS, count=2)
        line.send(goaway(second.stream_id) + line.peer.answer(first.stream_id))
        await line.until(frames.RST_STREAM)
        await line.drain()

    async with connected(script) as (end, _):
        await end.connection.greeted()
        _, second = end.call(), end.call()
        await end.answers.get()
        assert not end.connection.takes_more
        assert end.lost == []
        end.connection.cancel(second)
        await end.connection.gone
        assert end.lost == [end.connection]


async def test_a_server_that_ends_ends_its_calls_at_once() -> None:
    async def script(line: Line) -> None:
        line.send(greeting())
        await line.until(frames.HEADERS)
        line.writer.transport.abort()

    async with connected(script) as (end, _):
        await end.connection.greeted()
        end.call()
        answer = await asyncio.wait_for(end.answers.get(), 2)
        assert answer.status.code == UNAVAILABLE
        assert "connection" in answer.status.message


async def test_a_silent_server_is_asked_for_a_sign_of_life_and_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def script(line: Line) -> None:
        line.send(greeting())
        ping = (await line.until(frames.PING))[-1]
        line.send(frames.frame(frames.PING, frames.ACK, 0, ping.payload))
        await line.drain()

    async with connected(script) as (end, server):
        await end.connection.greeted()
        end.call()
        end.connection.look()
        await server.lines[0].until(frames.HEADERS)
        assert frames.PING not in [one.kind for one in server.lines[0].seen]
        monkeypatch.setattr(connection, "_QUIET_S", -1.0)
        heard_s = end.connection._heard_s
        end.connection.look()
        while end.connection._heard_s == heard_s:  # until the sign of life has come
            await asyncio.sleep(0.001)
        monkeypatch.setattr(connection, "_SIGN_S", -1.0)
        end.connection.look()  # quiet again: asked a second time, and not answered
        assert end.answers.empty()
        end.connection.look()
        answer = await end.answers.get()
        assert (answer.status.code, answer.status.message) == (
            UNAVAILABLE,
            "the server has given no sign of life for 0 s",
        )
        await asyncio.wait_for(end.connection.gone, 2)


async def test_an_idle_connection_is_left_in_peace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_QUIET_S", -1.0)
    async with connected(serve) as (end, server):
        await end.connection.greeted()
        end.connection.look()
        end.call()
        await end.answers.get()
        assert frames.PING not in [one.kind for one in server.lines[0].seen]


async def test_a_peer_that_does_not_read_does_not_hold_the_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_GOODBYE_S", 0.05)

    async def script(line: Line) -> None:
        line.send(greeting(INITIAL_WINDOW_SIZE=2**31 - 1) + frames.window_update(0, 2**30))
        await asyncio.Event().wait()

    async with connected(script) as (end, _):
        await end.connection.greeted()
        end.call(bytes(30_000_000))  # more than the sockets hold
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        end.connection.close()
        await asyncio.wait_for(end.connection.gone, 5)
        assert (await end.answers.get()).status.message == "the connection was closed"
