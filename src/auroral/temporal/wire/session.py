"""One HTTP/2 connection of a gRPC client without its socket: bytes in, answers and bytes out. Pure.

Requests and answers are single messages. The header table is kept empty in both directions: a call's headers are
the same bytes each time, and so are a server's answers, which are read once and remembered.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import hpack
import msgspec

from auroral.temporal.wire import frames
from auroral.temporal.wire.status import INTERNAL, UNAVAILABLE, Status, read_status

_CREDIT_BYTES = 1 << 20
"""Received bytes after which the connection's window is opened again."""
_REMEMBERED = 256
_REMEMBERED_BYTES = 512
"""An answer's header block above this is seldom the same twice: it holds an error's text."""
_TABLE_RESIZE = 0x20
"""The first bits of a block that changes the table's size (RFC 7541, 6.3)."""
_HEADER_BYTES = 1 << 16
_MESSAGE_HEADER_BYTES = 5
LARGEST_MESSAGE_BYTES = 128 * 1024 * 1024
"""What an SDK's client takes too."""


class Answer(msgspec.Struct, frozen=True):
    """A stream has ended."""

    stream_id: int
    status: Status
    message: bytes = b""
    """The response, where the status is OK."""
    untouched: bool = False
    """Whether the server says that it has not looked at the request: it may be sent again elsewhere."""


class ProtocolError(Exception):
    """The peer does not speak HTTP/2 as it should; the connection is of no use any more."""


class _Stream:
    __slots__ = ("body", "headers", "unsent", "window_bytes")

    def __init__(self, window_bytes: int) -> None:
        self.window_bytes = window_bytes
        self.body: list[bytes] = []
        self.headers: dict[bytes, bytes] | None = None
        self.unsent = b""


def header_block(headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Encode headers so that they change no table: the bytes serve any number of requests."""
    encoder = hpack.Encoder()
    encoder.header_table_size = 0
    encoder.table_size_changes.clear()
    return encoder.encode([hpack.NeverIndexedHeaderTuple(name, value) for name, value in headers])


class Session:
    """The client's side of one connection."""

    def __init__(self) -> None:
        self._streams: dict[int, _Stream] = {}
        self._next_id = 1
        self._received = b""
        self._decoder = hpack.Decoder(max_header_list_size=_HEADER_BYTES)
        self._remembered: dict[bytes, dict[bytes, bytes]] = {}
        self._block: tuple[int, int, bytes] | None = None
        self._window_bytes = frames.DEFAULT_WINDOW_BYTES
        self._stream_window_bytes = frames.DEFAULT_WINDOW_BYTES
        self._frame_bytes = frames.DEFAULT_FRAME_BYTES
        self._credit_bytes = 0
        self._waiting: deque[int] = deque()
        self._out: list[bytes] = [
            frames.PREFACE,
            frames.settings(
                {
                    frames.HEADER_TABLE_SIZE: 0,
                    frames.ENABLE_PUSH: 0,
                    frames.INITIAL_WINDOW_SIZE: frames.LARGEST_WINDOW_BYTES,
                }
            ),
            frames.window_update(0, frames.LARGEST_WINDOW_BYTES - frames.DEFAULT_WINDOW_BYTES),
        ]
        self.most_streams = frames.LARGEST_WINDOW_BYTES
        """How many streams the server takes at a time."""
        self.ready = False
        """Whether the server has sent its settings."""
        self.leaving = ""
        """Why no further stream can be begun here; empty: they can."""

    @property
    def open(self) -> int:
        """Streams that await their answer."""
        return len(self._streams)

    @property
    def takes_more(self) -> bool:
        """Whether another stream may be begun."""
        return not self.leaving and len(self._streams) < self.most_streams

    def take_output(self) -> bytes:
        """What is to be written now."""
        out = b"".join(self._out)
        self._out.clear()
        return out

    def request(self, block: bytes, message: bytes) -> int:
        """Begin a call with these headers (see `header_block`) and this message; returns the stream's id."""
        stream_id = self._next_id
        self._next_id += 2
        if self._next_id > frames.LAST_STREAM_ID:
            self.leaving = "its stream ids are used up"
        stream = self._streams[stream_id] = _Stream(self._stream_window_bytes)
        length = len(message) + _MESSAGE_HEADER_BYTES
        number = stream_id.to_bytes(4, "big")
        body = b"".join((b"\0", len(message).to_bytes(4, "big"), message))
        if length <= min(self._window_bytes, stream.window_bytes, self._frame_bytes) and not self._waiting:
            self._window_bytes -= length
            # HEADERS (END_HEADERS) and DATA (END_STREAM) in one piece.
            self._out.append(
                b"".join(
                    (
                        len(block).to_bytes(3, "big"),
                        b"\x01\x04",
                        number,
                        block,
                        length.to_bytes(3, "big"),
                        b"\x00\x01",
                        number,
                        body,
                    )
                )
            )
            return stream_id
        self._out.append(frames.frame(frames.HEADERS, frames.END_HEADERS, stream_id, block))
        stream.unsent = body
        self._waiting.append(stream_id)
        self._send_waiting()
        return stream_id

    def cancel(self, stream_id: int) -> None:
        """Give a call up; its answer, should it come, is ignored."""
        if self._streams.pop(stream_id, None) is not None:
            self._out.append(frames.reset(stream_id, frames.CANCEL))

    def ping(self) -> None:
        """Ask the peer for a sign of life."""
        self._out.append(frames.frame(frames.PING, 0, 0, b"auroral\0"))

    def leave(self) -> None:
        """Say goodbye."""
        self.leaving = self.leaving or "it is closed"
        self._out.append(frames.goaway(frames.NO_ERROR))

    def lost(self, reason: str) -> list[Answer]:
        """The connection is gone: the answers that will never come."""
        self.leaving = self.leaving or reason
        ended = [Answer(stream_id, Status(UNAVAILABLE, reason)) for stream_id in self._streams]
        self._streams.clear()
        return ended

    def receive(self, data: bytes) -> list[Answer]:
        """Take what the peer sent. Raises `ProtocolError`, after which `lost` has what was open."""
        answers: list[Answer] = []
        if self._received:
            data = self._received + data
        at, end = 0, len(data)
        while end - at >= frames.HEADER_BYTES:
            length = (data[at] << 16) | (data[at + 1] << 8) | data[at + 2]
            if length > frames.DEFAULT_FRAME_BYTES:
                raise ProtocolError(f"a frame of {length:,} bytes, of at most {frames.DEFAULT_FRAME_BYTES:,}")
            begin = at + frames.HEADER_BYTES
            if end - begin < length:
                break
            kind, flags = data[at + 3], data[at + 4]
            stream_id = int.from_bytes(data[at + 5 : begin], "big") & frames.LAST_STREAM_ID
            at = begin + length
            self._take(kind, flags, stream_id, data[begin:at], answers)
        self._received = data[at:]
        return answers

    # Frames

    def _take(  # noqa: PLR0912 # one line for each kind of frame
        self, kind: int, flags: int, stream_id: int, payload: bytes, answers: list[Answer]
    ) -> None:
        if self._block is not None and kind != frames.CONTINUATION:
            raise ProtocolError("a header block that does not go on")
        if not self.ready and kind != frames.SETTINGS:
            raise ProtocolError("it does not begin with its settings")
        if kind == frames.PUSH_PROMISE:
            raise ProtocolError("a push that was declined")
        try:
            match kind:
                case frames.DATA:
                    self._take_data(flags, stream_id, payload, answers)
                case frames.HEADERS:
                    self._take_block(flags, stream_id, frames.unpadded(flags, payload), answers)
                case frames.CONTINUATION:
                    self._continue_block(flags, stream_id, payload, answers)
                case frames.WINDOW_UPDATE:
                    self._widen(stream_id, int.from_bytes(payload[:4], "big") & frames.LARGEST_WINDOW_BYTES)
                case frames.SETTINGS:
                    self._take_settings(flags, payload)
                case frames.PING:
                    if not flags & frames.ACK:
                        self._out.append(frames.frame(frames.PING, frames.ACK, 0, payload))
                case frames.RST_STREAM:
                    self._take_reset(stream_id, int.from_bytes(payload[:4], "big"), answers)
                case frames.GOAWAY:
                    self._take_goaway(payload, answers)
                case _:
                    pass  # RFC 9113, 4.1: frames of unknown types are ignored
        except ValueError as error:
            raise ProtocolError(str(error)) from error

    def _take_data(self, flags: int, stream_id: int, payload: bytes, answers: list[Answer]) -> None:
        self._credit_bytes += len(payload)
        if self._credit_bytes >= _CREDIT_BYTES:
            self._out.append(frames.window_update(0, self._credit_bytes))
            self._credit_bytes = 0
        stream = self._streams.get(stream_id)
        if stream is None:
            return
        stream.body.append(frames.unpadded(frames.PADDED, payload) if flags & frames.PADDED else payload)
        if flags & frames.END_STREAM:
            self._end(stream_id, stream.headers or {}, answers)

    def _take_block(self, flags: int, stream_id: int, block: bytes, answers: list[Answer]) -> None:
        if not flags & frames.END_HEADERS:
            self._block = (stream_id, flags, block)
            return
        headers = self._remembered.get(block)
        if headers is None:
            headers = self._decode(block)
        stream = self._streams.get(stream_id)
        if stream is None:
            return
        if flags & frames.END_STREAM:
            if stream.headers is not None and b"grpc-status" not in headers:
                headers = stream.headers
            self._end(stream_id, headers, answers)
        else:
            stream.headers = headers

    def _continue_block(self, flags: int, stream_id: int, payload: bytes, answers: list[Answer]) -> None:
        if self._block is None or self._block[0] != stream_id:
            raise ProtocolError("a header block that nothing began")
        _, first, block = self._block
        block += payload
        if len(block) > _HEADER_BYTES:
            raise ProtocolError(f"a header block above {_HEADER_BYTES:,} bytes")
        self._block = None
        self._take_block(first | (flags & frames.END_HEADERS), stream_id, block, answers)

    def _decode(self, block: bytes) -> dict[bytes, bytes]:
        try:
            headers = dict(self._decoder.decode(block, raw=True))
        except hpack.HPACKError as error:
            raise ProtocolError(f"headers that cannot be read: {error}") from error
        # Only while the table holds nothing do the same bytes mean the same.
        resizes = (block[:1] or b"\0")[0] & 0xE0 == _TABLE_RESIZE
        if self._decoder.header_table_size == 0 and len(block) <= _REMEMBERED_BYTES and not resizes:
            if len(self._remembered) >= _REMEMBERED:
                self._remembered.clear()
            self._remembered[block] = headers
        return headers

    def _end(self, stream_id: int, headers: dict[bytes, bytes], answers: list[Answer]) -> None:
        stream = self._streams.pop(stream_id)
        if stream.unsent:
            # The server has answered without hearing all: the rest need not be sent.
            stream.unsent = b""
            self._out.append(frames.reset(stream_id, frames.NO_ERROR))
        status = read_status(headers)
        if status.code:
            answers.append(Answer(stream_id, status))
            return
        body = stream.body[0] if len(stream.body) == 1 else b"".join(stream.body)
        if (
            len(body) < _MESSAGE_HEADER_BYTES
            or body[0]
            or len(body) - _MESSAGE_HEADER_BYTES != int.from_bytes(body[1:_MESSAGE_HEADER_BYTES], "big")
        ):
            answers.append(Answer(stream_id, Status(INTERNAL, "expected one uncompressed message as the answer")))
            return
        answers.append(Answer(stream_id, status, body[_MESSAGE_HEADER_BYTES:]))

    def _take_settings(self, flags: int, payload: bytes) -> None:
        if flags & frames.ACK:
            return
        self.ready = True
        for name, value in frames.read_settings(payload).items():
            match name:
                case frames.MAX_CONCURRENT_STREAMS:
                    self.most_streams = value
                case frames.INITIAL_WINDOW_SIZE:
                    if value > frames.LARGEST_WINDOW_BYTES:
                        raise ProtocolError(f"a window of {value:,} bytes")
                    for stream in self._streams.values():
                        stream.window_bytes += value - self._stream_window_bytes
                    self._stream_window_bytes = value
                case frames.MAX_FRAME_SIZE:
                    self._frame_bytes = min(max(value, frames.DEFAULT_FRAME_BYTES), frames.LARGEST_FRAME_BYTES)
        self._out.append(frames.frame(frames.SETTINGS, frames.ACK, 0))
        self._send_waiting()

    def _widen(self, stream_id: int, increment: int) -> None:
        if stream_id == 0:
            self._window_bytes += increment
        elif (stream := self._streams.get(stream_id)) is not None:
            stream.window_bytes += increment
        self._send_waiting()

    def _send_waiting(self) -> None:
        for _ in range(len(self._waiting)):
            stream_id = self._waiting.popleft()
            stream = self._streams.get(stream_id)
            if stream is None:
                continue
            while stream.unsent:
                size = min(len(stream.unsent), self._window_bytes, stream.window_bytes, self._frame_bytes)
                if size <= 0:
                    break
                piece, stream.unsent = stream.unsent[:size], stream.unsent[size:]
                self._window_bytes -= size
                stream.window_bytes -= size
                flags = 0 if stream.unsent else frames.END_STREAM
                self._out.append(frames.frame(frames.DATA, flags, stream_id, piece))
            if stream.unsent:
                self._waiting.append(stream_id)

    def _take_reset(self, stream_id: int, code: int, answers: list[Answer]) -> None:
        if self._streams.pop(stream_id, None) is None:
            return
        refused = code == frames.REFUSED_STREAM
        name = frames.error_name(code)
        answers.append(Answer(stream_id, Status(UNAVAILABLE, f"the server reset the call: {name}"), untouched=refused))

    def _take_goaway(self, payload: bytes, answers: list[Answer]) -> None:
        last_id = int.from_bytes(payload[:4], "big") & frames.LAST_STREAM_ID
        code = int.from_bytes(payload[4:8], "big")
        self.leaving = f"the server ends the connection ({frames.error_name(code)})"
        for stream_id in [one for one in self._streams if one > last_id]:
            del self._streams[stream_id]
            answers.append(Answer(stream_id, Status(UNAVAILABLE, self.leaving), untouched=True))
