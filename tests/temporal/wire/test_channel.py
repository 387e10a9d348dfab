"""Calls over connections that fill, end, fail and come back: none is lost, none is made twice, none waits for ever."""

from __future__ import annotations

import asyncio
import gc
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import psutil
import pytest

from auroral.temporal.wire import channel as channel_module
from auroral.temporal.wire import frames
from auroral.temporal.wire.channel import Channel
from auroral.temporal.wire.status import CANCELLED, DEADLINE_EXCEEDED, UNAVAILABLE, Status
from tests.temporal.wire.calls import PATH, Asked, Echo, endpoint_at
from tests.temporal.wire.peers import Line, Script, ScriptedServer, goaway, greeting

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deadlines are looked at every 20 ms."""
    monkeypatch.setattr(channel_module, "_LOOK_S", 0.02)


@asynccontextmanager
async def channel_to(port: int, *, connect_timeout_s: float = 10.0) -> AsyncIterator[Channel]:
    channel = Channel(endpoint_at(port, connect_timeout_s=connect_timeout_s))
    try:
        yield channel
    finally:
        await channel.close()
        assert channel.open == 0


@asynccontextmanager
async def scripted(script: Script) -> AsyncIterator[tuple[Channel, ScriptedServer]]:
    async with ScriptedServer(script) as server, channel_to(server.port) as channel:
        yield channel, server


@asynccontextmanager
async def grpc_server(handler: grpc.GenericRpcHandler, **options: int) -> AsyncIterator[int]:
    server = grpc.aio.server(options=[(f"grpc.{name}", value) for name, value in options.items()])
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield port
    finally:
        await server.stop(grace=None)


async def serve(line: Line) -> None:
    line.send(greeting())
    await line.serve(b"world")


async def until(condition: Any, within_s: float = 10.0) -> None:
    end_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end_s, "it did not come to pass"
        await asyncio.sleep(0.002)


def calls_seen(server: ScriptedServer) -> int:
    return sum(one.kind == frames.HEADERS for line in server.lines for one in line.seen)


# A real gRPC server


async def test_many_calls_at_a_time_to_a_grpc_server() -> None:
    async with grpc_server(Echo()) as port, channel_to(port) as channel:
        asked = [Asked(channel, str(number).encode()) for number in range(1_000)]
        assert [await one.message() for one in asked] == [str(number).encode() for number in range(1_000)]
        assert channel.attempts == 1


async def test_three_mebibytes_there_and_back() -> None:
    message = bytes(range(256)) * 4_096 * 3
    async with grpc_server(Echo()) as port, channel_to(port) as channel:
        asked = [Asked(channel, message), *(Asked(channel, b"small") for _ in range(5)), Asked(channel, message)]
        assert [await one.message() for one in asked] == [message, *[b"small"] * 5, message]


async def test_where_a_server_takes_few_calls_a_connection_there_are_more_of_them() -> None:
    handler = Echo()
    handler.let.clear()
    async with grpc_server(handler, max_concurrent_streams=5) as port, channel_to(port) as channel:
        asked = [Asked(channel) for _ in range(50)]
        await until(lambda: handler.inside == 50)
        handler.let.set()
        assert {await one.message() for one in asked} == {b"hello"}
        assert channel.attempts == 10


async def test_connections_are_bounded_and_calls_beyond_wait_for_a_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_module, "_MOST_CONNECTIONS", 3)
    handler = Echo()
    handler.let.clear()
    async with grpc_server(handler, max_concurrent_streams=5) as port, channel_to(port) as channel:
        asked = [Asked(channel, str(number).encode()) for number in range(50)]
        await until(lambda: handler.inside == 15)
        late = Asked(channel, timeout_s=0.05)
        assert (await late.status()).code == DEADLINE_EXCEEDED
        asked[0].call.cancel()  # makes room for one that waits
        await until(lambda: handler.count == 16)
        handler.let.set()
        assert [await one.message() for one in asked[1:]] == [str(number).encode() for number in range(1, 50)]
        assert asked[0].ends == []
        assert (handler.most_inside, handler.count, channel.attempts) == (15, 50, 3)


async def test_connections_of_a_maximum_age_are_replaced_without_an_error() -> None:
    handler = Echo()
    ages = {"max_connection_age_ms": 150, "max_connection_age_grace_ms": 5_000}
    async with grpc_server(handler, **ages) as port, channel_to(port) as channel:
        count, end_s = 0, time.monotonic() + 1.5
        while time.monotonic() < end_s:
            asked = [Asked(channel, str(number).encode()) for number in range(10)]
            assert [await one.message() for one in asked] == [str(number).encode() for number in range(10)]
            count += 10
        assert handler.count == count, "none was made twice"
        assert 4 <= channel.attempts <= 40


async def test_a_call_that_takes_longer_than_its_connection_is_answered() -> None:
    handler = Echo()
    ages = {"max_connection_age_ms": 100, "max_connection_age_grace_ms": 10_000}
    async with grpc_server(handler, **ages) as port, channel_to(port) as channel:
        handler.let.clear()
        slow = Asked(channel, b"slow")
        await until(lambda: channel._connections and channel._connections[0].leaving)
        other = Asked(channel, b"other")
        await until(lambda: handler.inside == 2)
        handler.let.set()
        assert (await slow.message(), await other.message()) == (b"slow", b"other")


# Goodbyes, refusals, resets


async def test_what_a_leaving_server_has_not_looked_at_goes_to_the_next_and_the_rest_is_answered() -> None:
    async def script(line: Line) -> None:
        line.send(greeting())
        if line.number:
            return await line.serve(b"second")
        first, second, *_ = await line.until(frames.HEADERS, count=5)
        # Answers and the goodbye in one piece, as one segment brings them.
        line.send(
            line.peer.answer(second.stream_id, b"first") + goaway(second.stream_id) + line.peer.answer(first.stream_id)
        )
        return await line.drain()

    async with scripted(script) as (channel, server):
        asked = [Asked(channel) for _ in range(5)]
        assert [await one.message() for one in asked] == [b"", b"first", b"second", b"second", b"second"]
        assert calls_seen(server) == 5 + 3
        await until(lambda: len(channel._connections) == 1)


async def test_a_call_that_is_refused_again_and_again_ends() -> None:
    async def script(line: Line) -> None:
        line.send(greeting())
        refused = 0
        while True:
            calls = await line.until(frames.HEADERS, count=refused + 1)
            for call in calls[refused:]:
                line.send(frames.reset(call.stream_id, frames.REFUSED_STREAM))
            refused = len(calls)

    async with scripted(script) as (channel, server):
        status = await Asked(channel).status()
        assert (status.code, status.message) == (UNAVAILABLE, "the server reset the call: REFUSED_STREAM")
        assert (calls_seen(server), channel.attempts) == (4, 1)
        given_up = Asked(channel)
        await until(lambda: calls_seen(server) == 5)
        given_up.call.cancel()
        assert (await Asked(channel, timeout_s=0.1).status()).code == DEADLINE_EXCEEDED
        assert given_up.ends == []


async def test_a_place_that_is_free_is_taken_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_module, "_LOOK_S", 100.0)
    monkeypatch.setattr(channel_module, "_MOST_CONNECTIONS", 1)

    async def script(line: Line) -> None:
        line.send(greeting(MAX_CONCURRENT_STREAMS=1))
        await line.until(frames.RST_STREAM)
        await line.serve(b"world")

    async with scripted(script) as (channel, server):
        first, second, third = (Asked(channel) for _ in range(3))
        await until(lambda: calls_seen(server) == 1)
        first.call.cancel()
        async with asyncio.timeout(5):
            assert [await second.message(), await third.message()] == [b"world", b"world"]


async def test_a_server_that_resets_at_the_deadline_means_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_module, "_LOOK_S", 100.0)

    async def script(line: Line) -> None:
        line.send(greeting())
        [call, *_] = await line.until(frames.HEADERS)
        assert line.peer.headers(call)[b"grpc-timeout"] == b"50m"
        await asyncio.sleep(0.06)
        line.send(frames.reset(call.stream_id, frames.CANCEL))
        [_, call] = await line.until(frames.HEADERS, count=2)
        line.send(frames.reset(call.stream_id, frames.CANCEL))
        await line.drain()

    async with scripted(script) as (channel, _):
        status = await Asked(channel, timeout_s=0.05).status()
        assert (status.code, status.message) == (DEADLINE_EXCEEDED, "no answer within 0.05 s")
        assert (await Asked(channel).status()).code == CANCELLED


async def test_a_server_that_is_killed_ends_its_calls_at_once_and_when_it_is_back_calls_go_on() -> None:
    async with ScriptedServer(Line.drain) as door:
        pass  # a port that is free
    server = ScriptedServer(hang)
    server.port = door.port
    async with channel_to(door.port) as channel:
        async with server:
            asked = [Asked(channel) for _ in range(10)]
            await until(lambda: calls_seen(server) == 10)
            began_s = time.monotonic()
            await server.stop()
            assert {(await one.status()).code for one in asked} == {UNAVAILABLE}
            assert time.monotonic() - began_s < 1
        began_s, before, failures = time.monotonic(), channel.attempts, Counter[str]()
        while time.monotonic() - began_s < 0.8:
            failures[(await Asked(channel).status()).message] += 1
            await asyncio.sleep(0.001)
        # Pauses of 0.1, 0.2, 0.4 s … between the attempts, while hundreds of calls failed.
        assert 2 <= channel.attempts - before <= 5
        assert list(failures) == [f"cannot connect to 127.0.0.1:{door.port}: Connection refused"]
        assert failures.total() > 50
        back = ScriptedServer(serve)
        back.port = door.port
        async with back:
            await until(lambda: channel._backoff.due_s < channel._loop.time())
            assert await Asked(channel).message() == b"world"
            await channel.close()


async def hang(line: Line) -> None:
    """Greets, and answers nothing."""
    line.send(greeting())
    await line.drain()


async def leave(line: Line) -> None:
    """Greets and says goodbye."""
    line.send(greeting() + goaway(0))
    await line.drain()


async def leave_later(line: Line) -> None:
    """Takes a call, and says goodbye without looking at it."""
    line.send(greeting())
    await line.until(frames.HEADERS)
    line.send(goaway(0))
    await line.drain()


async def cut(line: Line) -> None:
    """Closes at once."""


@pytest.mark.parametrize("script", [leave, leave_later, cut])
async def test_servers_that_send_all_away_see_no_storm(script: Script) -> None:
    async with scripted(script) as (channel, server):
        began_s, asked = time.monotonic(), []
        while time.monotonic() - began_s < 0.8:
            asked += [Asked(channel) for _ in range(5)]
            await asyncio.sleep(0.002)
        assert {(await one.status()).code for one in asked} == {UNAVAILABLE}
        assert len(asked) > 200
        assert 2 <= len(server.lines) <= 7


async def test_one_connection_that_is_sent_away_is_not_noticed() -> None:
    async def script(line: Line) -> None:
        await (serve if line.number else leave_later)(line)

    async with scripted(script) as (channel, _):
        assert await Asked(channel).message() == b"world"


async def test_a_server_that_takes_no_calls_is_asked_once_and_until_it_does() -> None:
    now = asyncio.Event()

    async def script(line: Line) -> None:
        line.send(greeting(MAX_CONCURRENT_STREAMS=0))
        await now.wait()
        line.send(greeting(MAX_CONCURRENT_STREAMS=1))
        await line.serve(b"world")

    async with scripted(script) as (channel, server):
        waiting = [Asked(channel) for _ in range(3)]
        assert (await Asked(channel, timeout_s=0.2).status()).code == DEADLINE_EXCEEDED
        assert len(server.lines) == 1
        now.set()
        assert [await one.message() for one in waiting] == [b"world"] * 3


async def test_calls_that_wait_in_vain_are_not_kept() -> None:
    async def script(line: Line) -> None:
        line.send(greeting(MAX_CONCURRENT_STREAMS=0))
        await line.drain()

    async with scripted(script) as (channel, _):
        for _ in range(3):
            asked = [Asked(channel, timeout_s=0.02) for _ in range(50)]
            assert {(await one.status()).code for one in asked} == {DEADLINE_EXCEEDED}
        await until(lambda: len(channel._queued) <= 50)


async def test_who_calls_again_while_the_channel_closes_is_told_so() -> None:
    async with ScriptedServer(hang) as server:
        channel = Channel(endpoint_at(server.port))
        await channel.connect()
        again: list[Asked] = []
        channel.call(PATH, b"", lambda *_: again.append(Asked(channel)), timeout_s=5)
        await channel.close()
        assert await again[0].status() == Status(CANCELLED, "the channel is closed")


async def test_a_second_connection_that_fails_is_not_tried_in_a_loop() -> None:
    let = asyncio.Event()

    async def script(line: Line) -> None:
        line.send(greeting(MAX_CONCURRENT_STREAMS=1))
        if line.number:
            return
        [call] = await line.until(frames.HEADERS)
        await let.wait()
        line.send(line.peer.answer(call.stream_id))
        [_, call] = await line.until(frames.HEADERS, count=2)
        line.send(line.peer.answer(call.stream_id, b"second"))
        await line.drain()

    async with scripted(script) as (channel, server):
        first = Asked(channel)
        await until(lambda: calls_seen(server) == 1)
        second = Asked(channel)
        await asyncio.sleep(0.5)
        assert 2 <= len(server.lines) <= 6
        let.set()
        assert (await first.message(), await second.message()) == (b"", b"second")


# Waits


async def test_a_server_that_accepts_and_is_silent_is_given_up() -> None:
    async with ScriptedServer(Line.drain) as server, channel_to(server.port, connect_timeout_s=0.3) as channel:
        soon, later = Asked(channel, timeout_s=0.1), Asked(channel)
        assert (await soon.status()).code == DEADLINE_EXCEEDED
        status = await later.status()
        assert (status.code, status.message) == (
            UNAVAILABLE,
            f"cannot connect to 127.0.0.1:{server.port}: no answer within 0.3 s",
        )
        with pytest.raises(ConnectionError, match=r"^no answer within 0.3 s$"):
            await channel.connect()


async def test_a_deadline_that_the_server_ignores_is_kept_and_frees_the_stream() -> None:
    async def script(line: Line) -> None:
        line.send(greeting(MAX_CONCURRENT_STREAMS=1))
        await line.until(frames.RST_STREAM)
        await line.serve(b"world")

    async with scripted(script) as (channel, server):
        began_s = time.monotonic()
        status = await Asked(channel, timeout_s=0.1).status()
        assert (status.code, status.message) == (DEADLINE_EXCEEDED, "no answer within 0.1 s")
        assert 0.1 <= time.monotonic() - began_s < 1
        await server.lines[0].until(frames.RST_STREAM)
        assert await Asked(channel).message() == b"world"
        assert channel.attempts == 1


async def test_deadlines_of_any_order_are_kept() -> None:
    async with scripted(hang) as (channel, _):
        await channel.connect()
        began_s = time.monotonic()
        asked = {timeout_s: Asked(channel, timeout_s=timeout_s) for timeout_s in (0.3, 0.1, 0.2)}
        ended = {}
        for timeout_s, one in sorted(asked.items()):
            assert (await one.status()).code == DEADLINE_EXCEEDED
            ended[timeout_s] = time.monotonic() - began_s
        assert all(timeout_s <= took_s < timeout_s + 0.5 for timeout_s, took_s in ended.items()), ended


async def test_calls_that_are_over_are_not_kept_while_an_older_one_waits() -> None:
    async with grpc_server(handler := Echo()) as port, channel_to(port) as channel:
        handler.let.clear()
        slow = Asked(channel)
        await until(lambda: handler.inside == 1)
        handler.let = asyncio.Event()
        handler.let.set()
        for _ in range(3):
            await asyncio.gather(*[Asked(channel).message() for _ in range(100)])
        assert channel.open == 1
        gc.collect()
        assert len([one for one in gc.get_objects() if type(one) is channel_module.Call]) == 1
        slow.call.cancel()
        assert channel.open == 0


async def test_cancelled_calls_are_not_heard_of_and_those_in_the_queue_not_sent() -> None:
    async with scripted(hang) as (channel, server):
        queued, sent = Asked(channel), Asked(channel)
        queued.call.cancel()
        await until(lambda: calls_seen(server) == 1)
        sent.call.cancel()
        sent.call.cancel()
        await server.lines[0].until(frames.RST_STREAM)
        assert (queued.ends, sent.ends, calls_seen(server), channel.open) == ([], [], 1, 0)


# The end


async def test_closing_ends_calls_once_and_leaves_nothing_behind() -> None:
    process = psutil.Process()
    tasks, descriptors = len(asyncio.all_tasks()), process.num_fds()
    async with ScriptedServer(hang) as server:
        channel = Channel(endpoint_at(server.port))
        asked = [Asked(channel) for _ in range(20)]
        await until(lambda: calls_seen(server) == 20)
        sockets = [connection.gone for connection in channel._connections]
        await channel.close()
        assert [one.done() for one in sockets] == [True]
        assert {(await one.status()) for one in asked} == {Status(CANCELLED, "the channel was closed")}
        after = Asked(channel)
        assert await after.status() == Status(CANCELLED, "the channel is closed")
        with pytest.raises(ConnectionError, match="the channel is closed"):
            await channel.connect()
        await channel.close()
    await asyncio.sleep(0)
    assert (len(asyncio.all_tasks()), process.num_fds()) == (tasks, descriptors)
    assert not [handle for handle in channel._loop._scheduled if not handle.cancelled()]  # type: ignore[attr-defined]


@pytest.mark.parametrize("greets", [True, False])
async def test_closing_while_connecting_ends_what_waits(greets: bool) -> None:
    async with ScriptedServer(hang if greets else Line.drain) as server:
        channel = Channel(endpoint_at(server.port))
        asked = Asked(channel)
        connecting = asyncio.create_task(channel.connect())
        await asyncio.sleep(0 if greets else 0.05)
        await channel.close()
        assert await asked.status() == Status(CANCELLED, "the channel was closed")
        with pytest.raises(ConnectionError, match="the channel is closed"):
            await connecting


async def test_nothing_listens_there() -> None:
    async with ScriptedServer(hang) as server:
        pass
    async with channel_to(server.port) as channel:
        asked = [Asked(channel) for _ in range(3)]
        with pytest.raises(ConnectionError, match=r"^Connection refused$"):
            await channel.connect()
        assert {(await one.status()).code for one in asked} == {UNAVAILABLE}
        assert channel.attempts == 1


async def test_a_name_that_is_none() -> None:
    from auroral.temporal.wire.endpoint import Endpoint

    channel = Channel(Endpoint(host="a..b", port=1, authority="a..b:1"))
    with pytest.raises(ConnectionError, match=r"^that is no host's name$"):
        await channel.connect()
    await channel.close()


# Callbacks


async def test_a_callback_that_raises_is_reported_and_harms_no_other() -> None:
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))

    async def script(line: Line) -> None:
        line.send(greeting())
        calls = await line.until(frames.HEADERS, count=3)
        line.send(b"".join(line.peer.answer(one.stream_id) for one in calls))
        await line.drain()

    def fail(status: Status, message: bytes) -> None:
        raise KeyError("ours")

    async with scripted(script) as (channel, _):
        first = Asked(channel)
        channel.call(PATH, b"", fail, timeout_s=5)
        last = Asked(channel)
        assert (await first.message(), await last.message()) == (b"", b"")
        assert [type(one["exception"]) for one in reported] == [KeyError]
        # Nor are deadlines forgotten after one that came to such a callback.
        channel.call(PATH, b"", fail, timeout_s=0.05)
        assert (await Asked(channel, timeout_s=0.1).status()).code == DEADLINE_EXCEEDED
        assert len(reported) == 2


async def test_callbacks_may_call_and_cancel() -> None:
    async with scripted(serve) as (channel, _):
        await channel.connect()
        done = asyncio.get_running_loop().create_future()
        left, others = [30], [Asked(channel) for _ in range(3)]

        def again(status: Status, message: bytes) -> None:
            left[0] -= 1
            for one in others:
                one.call.cancel()
            if left[0]:
                channel.call(PATH, b"", again, timeout_s=5)
            elif not done.done():
                done.set_result(None)

        channel.call(PATH, b"", again, timeout_s=5)
        await asyncio.wait_for(done, 10)
        assert channel.open == 0
        assert all(len(one.ends) <= 1 for one in others)
