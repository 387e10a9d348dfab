"""A TCP proxy on the loopback address that dislikes clients by the HTTP/2 settings that they begin with."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from types import TracebackType

from auroral.temporal.wire import frames

_HEAD_BYTES = len(frames.PREFACE) + frames.HEADER_BYTES


def is_ours(settings: dict[int, int]) -> bool:
    """Whether auroral's own transport begins so: no other client here asks for an empty header table."""
    return settings.get(frames.HEADER_TABLE_SIZE) == 0


class Middlebox:
    """Passes connections on to one address, or closes them. `async with` it."""

    def __init__(
        self, address: str, dislikes: Callable[[dict[int, int]], bool] = is_ours, *, deaf: int = 0, greets: bool = False
    ) -> None:
        """The first `deaf` connections it closes, whoever they are of. With `greets` it says a server's first words
        to those that it dislikes too, and closes when they call.
        """
        self.address = ""
        self.passed = 0
        self.disliked = 0
        self._host, _, self._port = address.rpartition(":")
        self._dislikes = dislikes
        self._deaf = deaf
        self._greets = greets
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Middlebox:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        failed = await asyncio.gather(*self._tasks, return_exceptions=True)
        for failure in failed:
            if isinstance(failure, Exception):
                raise failure

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._tasks.add(task)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self._deaf:
                self._deaf -= 1
                return
            head = await reader.readexactly(_HEAD_BYTES)
            size = int.from_bytes(head[len(frames.PREFACE) :][:3], "big")
            payload = await reader.readexactly(size)
            if self._dislikes(frames.read_settings(payload)):
                self.disliked += 1
                if self._greets:
                    writer.write(frames.settings({}))
                    await _until_it_calls(reader)
                writer.write_eof()
                await reader.read()  # what is closed with bytes unread is reset, and the client told otherwise
                return
            self.passed += 1
            server_reader, server_writer = await asyncio.open_connection(self._host, int(self._port))
            server_writer.write(head + payload)
            ways = [_pass_on(reader, server_writer), _pass_on(server_reader, writer)]
            tasks = [asyncio.ensure_future(way) for way in ways]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                server_writer.transport.abort()
                await _closed(server_writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            await _closed(writer)


async def _closed(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def _until_it_calls(reader: asyncio.StreamReader) -> None:
    while True:
        head = await reader.readexactly(frames.HEADER_BYTES)
        await reader.readexactly(int.from_bytes(head[:3], "big"))
        if head[3] == frames.HEADERS:
            return


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
