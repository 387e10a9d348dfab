"""One HTTP/2 connection of a gRPC client without its socket: bytes in, answers and bytes out. Pure.

Requests and answers are single messages.
"""

from __future__ import annotations

import struct
from collections import deque
from typing import Any, Generic, NoReturn, TypeVar

import msgspec

from auroral.temporal.wire import frames
from auroral.temporal.wire.headers import LARGEST_BYTES, HeaderReader
from auroral.temporal.wire.status import INTERNAL, RESOURCE_EXHAUSTED, UNAVAILABLE, Status, of_reset, read_status

_CREDIT_BYTES = 1 << 20
"""Received bytes after which the connection's window is opened again."""
_WORDS_BYTES = 200
_MESSAGE_HEADER_BYTES = 5
LARGEST_MESSAGE_BYTES = 128 * 1024 * 1024
"""What an SDK's client takes too."""

# What is looked at for every frame.
_HEAD = struct.Struct(">BHBBI").unpack_from
_DATA, _HEADERS = frames.DATA, frames.HEADERS
_END_STREAM, _END_HEADERS, _PADDED = frames.END_STREAM, frames.END_HEADERS, frames.PADDED


class Stream:
    """One call's part of a session. Whoever makes calls adds what is theirs in a subclass."""

    __slots__ = ("headers", "id", "parts", "sent_bytes", "size_bytes", "unsent", "window_bytes")

    def __init__(self) -> None:
        self.id = 0
        """0: not begun."""
        self.window_bytes = 0
        self.unsent = b""
        self.sent_bytes = 0
        self.parts: list[bytes] = []
        self.size_bytes = 0
        self.headers: dict[bytes, bytes] | None = None


S = TypeVar("S", bound=Stream)


class Answer(msgspec.Struct, Generic[S], frozen=True):
    """A stream has ended."""

    stream: S
    status: Status
    message: bytes = b""
    """The response, where the status is OK."""
    untouched: bool = False
    """Whether the server says that it has not looked at the request: it may be sent again elsewhere."""


class ProtocolError(Exception):
    """The peer does not speak HTTP/2 as it should; the connection is of no use any more."""

    def __init__(self, reason: str, answers: list[Any]) -> None:
        super().__init__(reason)
        self.answers = answers
        """What came before it, and counts."""


class Session(Generic[S]):
    """The client's side of one connection."""

    def __init__(self) -> None:
        self._streams: dict[int, S] = {}
        self._next_id = 1
        self._received = b""
        self._reader = HeaderReader()
        self._block: tuple[int, int, bytes] | None = None
        self._window_bytes = frames.DEFAULT_WINDOW_BYTES
        self._stream_window_bytes = frames.DEFAULT_WINDOW_BYTES
        self._frame_bytes = frames.DEFAULT_FRAME_BYTES
        self._credit_bytes = 0
        self._waiting: deque[S] = deque()
        self._out: list[bytes] = [
            frames.PREFACE,
            frames.settings(
                {
                    frames.HEADER_TABLE_SIZE: 0,
                    frames.ENABLE_PUSH: 0,
                    frames.INITIAL_WINDOW_SIZE: frames.LARGEST_WINDOW_BYTES,
                    frames.MAX_HEADER_LIST_SIZE: LARGEST_BYTES,
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
        self.answered = False
        """Whether the server has answered a call."""

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

    def request(self, stream: S, block: bytes, message: bytes) -> None:
        """Begin a call, as `stream`, with these headers (see `header_block`) and this message."""
        stream.id = stream_id = self._next_id
        self._next_id += 2
        if self._next_id > frames.LAST_STREAM_ID:
            self.leaving = "its stream ids are used up"
        self._streams[stream_id] = stream
        stream.window_bytes = self._stream_window_bytes
        stream.headers = None
        stream.parts = []
        stream.size_bytes = 0
        length = len(message) + _MESSAGE_HEADER_BYTES
        number = stream_id.to_bytes(4, "big")
        if length <= min(self._window_bytes, stream.window_bytes, self._frame_bytes) and not self._waiting:
            self._window_bytes -= length
            # HEADERS (END_HEADERS) and DATA (END_STREAM) in one piece.
            self._out += (
                len(block).to_bytes(3, "big"),
                b"\x01\x04",
                number,
                block,
                length.to_bytes(3, "big"),
                b"\x00\x01",
                number,
                b"\0",
                len(message).to_bytes(4, "big"),
                message,
            )
            return
        self._out.append(frames.frame(frames.HEADERS, frames.END_HEADERS, stream_id, block))
        stream.unsent = b"".join((b"\0", len(message).to_bytes(4, "big"), message))
        stream.sent_bytes = 0
        self._waiting.append(stream)
        self._send_waiting()

    def cancel(self, stream: S) -> None:
        """Give a call up; its answer, should it come, is ignored."""
        if stream.id in self._streams:
            self._forget(stream)
            self._out.append(frames.reset(stream.id, frames.CANCEL))

    def ping(self) -> None:
        """Ask the peer for a sign of life."""
        self._out.append(frames.frame(frames.PING, 0, 0, b"auroral\0"))

    def leave(self) -> None:
        """Say goodbye."""
        self.leaving = self.leaving or "it is closed"
        self._out.append(frames.goaway(frames.NO_ERROR))

    def lost(self, reason: str) -> list[Answer[S]]:
        """The connection is gone: the answers that will never come."""
        self.leaving = self.leaving or reason
        ended = [Answer(stream, Status(UNAVAILABLE, reason)) for stream in self._streams.values()]
        for stream in self._waiting:
            stream.unsent = b""
        self._waiting.clear()
        self._streams.clear()
        return ended

    def receive(self, data: bytes) -> list[Answer[S]]:
        """Take what the peer sent. Raises `ProtocolError`, after which `lost` has what is still open."""
        answers: list[Answer[S]] = []
        if self._received:
            data = self._received + data
        at, end = 0, len(data)
        try:
            if not self.ready:
                _require_http2(data)
            while end - at >= frames.HEADER_BYTES:
                high, low, kind, flags, stream_id = _HEAD(data, at)
                length = (high << 16) | low
                if length > frames.DEFAULT_FRAME_BYTES:
                    _refuse(length)
                begin = at + frames.HEADER_BYTES
                if end - begin < length:
                    break
                at = begin + length
                self._take(kind, flags, stream_id & frames.LAST_STREAM_ID, data[begin:at], answers)
        except ValueError as error:
            self.leaving = f"the server does not speak HTTP/2 as expected: {error}"
            raise ProtocolError(self.leaving, answers) from error
        self._received = data[at:]
        return answers

    # Frames: each raises `ValueError` for what a peer must not send

    def _take(self, kind: int, flags: int, stream_id: int, payload: bytes, answers: list[Answer[S]]) -> None:
        if self._block is not None and kind != frames.CONTINUATION:
            raise ValueError("a header block that does not go on")
        if not self.ready and kind != frames.SETTINGS:
            raise ValueError("it does not begin with its settings")
        if kind == _HEADERS:
            block = payload if not flags & (_PADDED | frames.PRIORITY) else frames.unpadded(flags, payload)
            self._take_block(flags, stream_id, block, answers)
        elif kind == _DATA:
            self._take_data(flags, stream_id, payload, answers)
        else:
            self._take_rare(kind, flags, stream_id, payload, answers)

    def _take_rare(self, kind: int, flags: int, stream_id: int, payload: bytes, answers: list[Answer[S]]) -> None:
        match kind:
            case frames.CONTINUATION:
                self._continue_block(flags, stream_id, payload, answers)
            case frames.WINDOW_UPDATE:
                self._widen(stream_id, frames.number(payload) & frames.LARGEST_WINDOW_BYTES)
            case frames.SETTINGS:
                self._take_settings(flags, payload)
            case frames.PING:
                if len(payload) != frames.PING_BYTES:
                    raise ValueError(f"a PING frame of {len(payload)} bytes")
                if not flags & frames.ACK:
                    self._out.append(frames.frame(frames.PING, frames.ACK, 0, payload))
            case frames.RST_STREAM:
                self._take_reset(stream_id, frames.number(payload), answers)
            case frames.GOAWAY:
                self._take_goaway(payload, answers)
            case frames.PUSH_PROMISE:
                raise ValueError("a push that was declined")
            case _:
                pass  # RFC 9113, 4.1: frames of unknown types are ignored

    def _stream(self, stream_id: int) -> S | None:
        """The open stream of that id; None: it was given up, or has ended."""
        stream = self._streams.get(stream_id)
        if stream is None and (stream_id >= self._next_id or not stream_id & 1):
            raise ValueError(f"a frame of stream {stream_id}, which nobody began")
        return stream

    def _forget(self, stream: S) -> bool:
        """A stream is over: what it would still have sent is not. Returns whether there was any."""
        del self._streams[stream.id]
        if not stream.unsent:
            return False
        # It may be begun anew, in another session: nothing here may send of it then.
        stream.unsent = b""
        self._waiting.remove(stream)
        return True

    def _take_data(self, flags: int, stream_id: int, payload: bytes, answers: list[Answer[S]]) -> None:
        self._credit_bytes += len(payload)
        if self._credit_bytes >= _CREDIT_BYTES:
            self._out.append(frames.window_update(0, self._credit_bytes))
            self._credit_bytes = 0
        if flags & _PADDED:
            payload = frames.unpadded(_PADDED, payload)
        stream = self._stream(stream_id)
        if stream is None:
            return
        if payload:
            stream.parts.append(payload)
            stream.size_bytes += len(payload)
            if stream.size_bytes > LARGEST_MESSAGE_BYTES + _MESSAGE_HEADER_BYTES:
                self.cancel(stream)
                too_large = f"an answer above {LARGEST_MESSAGE_BYTES:,} bytes"
                answers.append(Answer(stream, Status(RESOURCE_EXHAUSTED, too_large)))
                return
        if flags & _END_STREAM:
            self._end(stream, stream.headers or {}, answers)

    def _take_block(self, flags: int, stream_id: int, block: bytes, answers: list[Answer[S]]) -> None:
        if not flags & _END_HEADERS:
            self._block = (stream_id, flags, block)
            return
        headers = self._reader.read(block)
        stream = self._stream(stream_id)
        if stream is None:
            return
        if flags & _END_STREAM:
            if stream.headers is not None and b"grpc-status" not in headers:
                headers = stream.headers
            self._end(stream, headers, answers)
        else:
            stream.headers = headers

    def _continue_block(self, flags: int, stream_id: int, payload: bytes, answers: list[Answer[S]]) -> None:
        if self._block is None or self._block[0] != stream_id:
            raise ValueError("a header block that nothing began")
        _, first, block = self._block
        block += payload
        if len(block) > LARGEST_BYTES:
            raise ValueError(f"a header block above {LARGEST_BYTES:,} bytes")
        self._block = None
        self._take_block(first | (flags & _END_HEADERS), stream_id, block, answers)

    def _end(self, stream: S, headers: dict[bytes, bytes], answers: list[Answer[S]]) -> None:
        self.answered = True
        if self._forget(stream):
            # The server has answered without hearing all: the rest need not be sent.
            self._out.append(frames.reset(stream.id, frames.NO_ERROR))
        status = read_status(headers)
        if status.code:
            answers.append(Answer(stream, status))
            return
        parts = stream.parts
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        if (
            len(body) < _MESSAGE_HEADER_BYTES
            or body[0]
            or len(body) - _MESSAGE_HEADER_BYTES != int.from_bytes(body[1:_MESSAGE_HEADER_BYTES], "big")
        ):
            answers.append(Answer(stream, Status(INTERNAL, "expected one uncompressed message as the answer")))
            return
        answers.append(Answer(stream, status, body[_MESSAGE_HEADER_BYTES:]))

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
                        raise ValueError(f"a window of {value:,} bytes")
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
        elif (stream := self._stream(stream_id)) is not None:
            stream.window_bytes += increment
        if self._waiting:
            self._send_waiting()

    def _send_waiting(self) -> None:
        for _ in range(len(self._waiting)):
            stream = self._waiting.popleft()
            length = len(stream.unsent)
            while stream.sent_bytes < length:
                size = min(length - stream.sent_bytes, self._window_bytes, stream.window_bytes, self._frame_bytes)
                if size <= 0:
                    self._waiting.append(stream)
                    break
                piece = stream.unsent[stream.sent_bytes : stream.sent_bytes + size]
                stream.sent_bytes += size
                self._window_bytes -= size
                stream.window_bytes -= size
                flags = frames.END_STREAM if stream.sent_bytes == length else 0
                self._out.append(frames.frame(frames.DATA, flags, stream.id, piece))
            else:
                stream.unsent = b""

    def _take_reset(self, stream_id: int, code: int, answers: list[Answer[S]]) -> None:
        stream = self._stream(stream_id)
        if stream is not None:
            self._forget(stream)
            answers.append(Answer(stream, of_reset(code), untouched=code == frames.REFUSED_STREAM))

    def _take_goaway(self, payload: bytes, answers: list[Answer[S]]) -> None:
        last_id, code, words = frames.read_goaway(payload)
        name = frames.error_name(code)
        if code and words:
            name += f": {words[:_WORDS_BYTES].decode(errors='replace')}"
        self.leaving = f"the server ends the connection ({name})"
        for stream in [one for one in self._streams.values() if one.id > last_id]:
            self._forget(stream)
            answers.append(Answer(stream, Status(UNAVAILABLE, self.leaving), untouched=True))


def _refuse(length: int) -> NoReturn:
    raise ValueError(f"a frame of {length:,} bytes, of at most {frames.DEFAULT_FRAME_BYTES:,}")


def _require_http2(data: bytes) -> None:
    """See that a peer's first bytes may be HTTP/2's. Raises `ValueError`."""
    if data.startswith(b"HTTP/"):
        raise ValueError("it answers in HTTP/1, as a web server does")
    # A TLS record: an alert (21) or handshake (22), version 3.x.
    if data[:1] in (b"\x15", b"\x16") and data[1:2] == b"\x03":
        raise ValueError("it answers in TLS")
