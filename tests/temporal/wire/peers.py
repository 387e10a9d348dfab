"""The server's side of HTTP/2 as a script: what tests let a peer say, and what they look at of a client's."""

from __future__ import annotations

import asyncio
import ssl
import struct
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import NamedTuple

import hpack

from auroral.temporal.wire import frames

Script = Callable[["Line"], Awaitable[None]]


class Frame(NamedTuple):
    """One frame."""

    kind: int
    flags: int
    stream_id: int
    payload: bytes


def split(data: bytes) -> tuple[list[Frame], bytes]:
    """The whole frames at the beginning of some bytes, and the rest."""
    found = []
    while len(data) >= 9:
        length = int.from_bytes(data[:3], "big")
        if len(data) < 9 + length:
            break
        found.append(Frame(data[3], data[4], int.from_bytes(data[5:9], "big"), data[9 : 9 + length]))
        data = data[9 + length :]
    return found, data


def framed(message: bytes) -> bytes:
    """A gRPC message with its prefix."""
    return b"\0" + struct.pack(">I", len(message)) + message


class Peer:
    """A server's half of one connection, without a socket."""

    def __init__(self, *, table_bytes: int = 0) -> None:
        """`table_bytes` above 0: a peer that keeps a header table although it was asked not to."""
        self._encoder = hpack.Encoder()
        self._encoder.header_table_size = table_bytes
        self._decoder = hpack.Decoder()
        self._received = b""
        self._greeted = False
        self.messages: dict[int, bytes] = {}
        """Bytes of the client's DATA by stream."""

    def read(self, data: bytes) -> list[Frame]:
        """The client's frames, its preface taken off."""
        self._received += data
        if not self._greeted:
            if len(self._received) < len(frames.PREFACE):
                return []
            assert self._received.startswith(frames.PREFACE)
            self._received = self._received[len(frames.PREFACE) :]
            self._greeted = True
        found, self._received = split(self._received)
        for one in found:
            if one.kind == frames.DATA:
                self.messages[one.stream_id] = self.messages.get(one.stream_id, b"") + one.payload
        return found

    def headers(self, frame: Frame) -> dict[bytes, bytes]:
        """What a HEADERS frame of the client's says."""
        assert frame.flags & frames.END_HEADERS
        return dict(self._decoder.decode(frame.payload, raw=True))

    def block(self, headers: Sequence[tuple[str, str]]) -> bytes:
        """An encoded header block."""
        return self._encoder.encode(headers)

    def resize(self, table_bytes: int) -> None:
        """Keep a larger or smaller header table from the next block on."""
        self._encoder.header_table_size = table_bytes

    def begin(self, stream_id: int) -> bytes:
        """The first headers of an answer."""
        block = self.block([(":status", "200"), ("content-type", "application/grpc")])
        return frames.frame(frames.HEADERS, frames.END_HEADERS, stream_id, block)

    def end(self, stream_id: int, status: int = 0, message: str = "", details: str = "") -> bytes:
        """The trailers of an answer."""
        trailers = [("grpc-status", str(status)), ("grpc-message", message)]
        if details:
            trailers.append(("grpc-status-details-bin", details))
        block = self.block(trailers)
        return frames.frame(frames.HEADERS, frames.END_HEADERS | frames.END_STREAM, stream_id, block)

    def answer(self, stream_id: int, message: bytes = b"") -> bytes:
        """A whole answer."""
        data = frames.frame(frames.DATA, 0, stream_id, framed(message))
        return self.begin(stream_id) + data + self.end(stream_id)


def greeting(**settings: int) -> bytes:
    """A server's first frame. Settings by the names in `frames`."""
    return frames.settings({getattr(frames, name): value for name, value in settings.items()})


def goaway(last_id: int, code: int = frames.NO_ERROR, words: bytes = b"") -> bytes:
    """A GOAWAY frame."""
    return frames.frame(frames.GOAWAY, 0, 0, struct.pack(">II", last_id, code) + words)


class Line:
    """One accepted connection of a scripted server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        self.peer = Peer()
        self.number = number
        """From 0, in the order of their coming."""
        self.seen: list[Frame] = []
        """All that the client has sent."""
        self.writer = writer
        self._changed = asyncio.Event()
        self._ended = False
        self.reading = asyncio.ensure_future(self._read(reader))

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while data := await reader.read(1 << 16):
                self.seen += self.peer.read(data)
                self._change()
        except ConnectionError:
            pass
        finally:
            self._ended = True
            self._change()

    def _change(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def send(self, data: bytes) -> None:
        """Write these bytes."""
        self.writer.write(data)

    async def receive(self) -> None:
        """Wait until the client has sent more. Raises `EOFError` at the end."""
        if self._ended:
            raise EOFError
        await self._changed.wait()

    async def until(self, kind: int, *, count: int = 1) -> list[Frame]:
        """Wait until the client has sent so many frames of a kind (acknowledgements apart) in all; returns them."""
        while True:
            found = [one for one in self.seen if one.kind == kind and not (kind == frames.SETTINGS and one.flags)]
            if len(found) >= count:
                return found
            await self.receive()

    async def serve(self, message: bytes = b"") -> None:
        """Answer every call for as long as the client stays."""
        answered = 0
        while True:
            calls = [one for one in self.seen if one.kind == frames.HEADERS]
            for call in calls[answered:]:
                self.send(self.peer.answer(call.stream_id, message))
            answered = len(calls)
            await self.receive()

    async def drain(self) -> None:
        """Take what comes and say nothing, for as long as the client stays."""
        while True:
            await self.receive()


class ScriptedServer:
    """Listens on the loopback interface and lets a script talk to each client; its failures fail the test."""

    def __init__(self, script: Script, *, tls: ssl.SSLContext | None = None) -> None:
        self._script = script
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.lines: list[Line] = []
        self.port = 0

    async def __aenter__(self) -> ScriptedServer:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
        for task in self._tasks:
            if not task.cancelled() and (failure := task.exception()) is not None:
                raise failure

    async def stop(self) -> None:
        """Close the door and cut every line, as the end of a process does."""
        assert self._server is not None
        self._server.close()
        for line in self.lines:
            line.writer.transport.abort()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = Line(reader, writer, len(self.lines))
        self.lines.append(line)
        self._tasks.append(asyncio.ensure_future(self._talk(line)))

    async def _talk(self, line: Line) -> None:
        try:
            await self._script(line)
        except (EOFError, ConnectionError):
            pass
        finally:
            line.reading.cancel()
            line.writer.transport.abort()
