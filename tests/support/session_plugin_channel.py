"""The far side of a session, for the real plugin: a WebSocket server that speaks Session Manager's data channel.

As much of it as one shell and one forwarded port need: messages as the plugin's `message` package lays them out, the
handshake, acknowledgements, and the older way of forwarding, one connection at a time. What was read for it: the
plugin's source, version 1.3.0.0.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import pty
import queue
import shlex
import signal
import socket
import struct
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

_MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455
_HEADER = struct.Struct(">I32sIQqQ16s32sII")
_BINARY, _TEXT, _CLOSE, _PING = 2, 1, 8, 9
OUTPUT, SIZE, HANDSHAKE, ANSWERED, COMPLETE, FLAG = 1, 3, 5, 6, 7, 10
DISCONNECT, TERMINATE = 1, 2
AGENT = "2.3.750.0"
"""Of an agent that forwards without multiplexing: that comes after 3.0.196."""


class Channel:
    """One server; each connection is a session, whose work is that of `work` when it comes."""

    def __init__(self, work: Mapping[str, Any]) -> None:
        self.work = work
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"ws://127.0.0.1:{self._listener.getsockname()[1]}/v1/data-channel/test?role=publish_subscribe"
        self.opened: list[dict[str, Any]] = []
        """What each plugin said first."""
        self.headers: list[str] = []
        self.sizes: list[dict[str, int]] = []
        self.ended: list[str] = []
        """How each session ended."""
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._session, args=(connection,), daemon=True).start()

    def _session(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError):
            _Session(self, connection, self.work).run()


class _Session:
    def __init__(self, channel: Channel, connection: socket.socket, work: Mapping[str, Any]) -> None:
        self._channel = channel
        self._connection = connection
        self._stream = connection.makefile("rb")
        self._work = work
        self._writing = threading.Lock()
        self._sequence = 0
        self._acknowledged: queue.Queue[int] = queue.Queue()
        self._handshaken = threading.Event()
        self._terminal = -1
        self._child = 0
        self._behind: socket.socket | None = None

    def run(self) -> None:
        self._upgrade()
        first = json.loads(next(self._frames()))
        self._channel.opened.append(first)
        if first["TokenValue"] != self._work["token"]:
            self._channel.ended.append("wrong token")
            self._connection.close()
            return
        threading.Thread(target=self._lead, daemon=True).start()
        for data in self._frames():
            self._heard(data)

    def _lead(self) -> None:
        """The agent's part: handshake, then work."""
        with contextlib.suppress(OSError, EOFError):
            port = "to" in self._work
            local = str(self._work.get("listen", ""))
            properties = {"portNumber": "0", "localPortNumber": local, "type": "LocalPortForwarding"} if port else None
            action = {
                "ActionType": "SessionType",
                "ActionParameters": {"SessionType": "Port" if port else "Standard_Stream", "Properties": properties},
            }
            self._send(HANDSHAKE, json.dumps({"AgentVersion": AGENT, "RequestedClientActions": [action]}).encode())
            assert self._handshaken.wait(10)
            self._send(COMPLETE, json.dumps({"HandshakeTimeToComplete": 1, "CustomerMessage": ""}).encode())
            if not port:
                self._command(str(self._work["command"]))

    def _command(self, command: str) -> None:
        self._child, self._terminal = pty.fork()
        if self._child == 0:
            words = shlex.split(command)
            os.execvp(words[0], words)
        with contextlib.suppress(OSError):
            while data := os.read(self._terminal, 1024):
                self._send(OUTPUT, data)
        os.waitpid(self._child, 0)
        self._closed("the command ended")

    def _heard(self, data: bytes) -> None:
        head, payload = _HEADER.unpack_from(data), data[_HEADER.size :]
        kind, sequence, ident, number = head[1].strip(b" \0").decode(), head[4], head[6], head[8]
        assert hashlib.sha256(payload).digest() == head[7]
        if kind == "acknowledge":
            self._acknowledged.put(json.loads(payload)["AcknowledgedMessageSequenceNumber"])
            return
        assert kind == "input_stream_data", kind
        self._acknowledge(kind, sequence, ident)
        if number == ANSWERED:
            assert json.loads(payload)["ProcessedClientActions"][0]["ActionStatus"] == 1, payload
            self._handshaken.set()
        elif number == SIZE:
            self._channel.sizes.append(json.loads(payload))
        elif number == FLAG:
            self._flag(struct.unpack(">I", payload)[0])
        elif number == OUTPUT and self._terminal >= 0:
            os.write(self._terminal, payload)
        elif number == OUTPUT:
            self._forward(payload)

    def _flag(self, flag: int) -> None:
        if flag == TERMINATE:
            self._closed("terminated by the client")
        elif flag == DISCONNECT and self._behind is not None:
            self._behind.close()
            self._behind = None

    def _forward(self, data: bytes) -> None:
        if self._behind is None:
            self._behind = socket.create_connection(("127.0.0.1", int(self._work["to"])))
            threading.Thread(target=self._back, args=(self._behind,), daemon=True).start()
        self._behind.sendall(data)

    def _back(self, behind: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := behind.recv(1024):
                self._send(OUTPUT, data)

    def _closed(self, how: str) -> None:
        self._channel.ended.append(how)
        told = {"MessageType": "channel_closed", "SessionId": "", "SchemaVersion": 1, "Output": ""}
        self._write(_message("channel_closed", 0, 0, json.dumps(told).encode()))

    def _send(self, number: int, payload: bytes) -> None:
        """One message, again until it is acknowledged: the plugin drops what comes before its handlers are there."""
        sequence, self._sequence = self._sequence, self._sequence + 1
        for _ in range(50):
            self._write(_message("output_stream_data", sequence, number, payload))
            with contextlib.suppress(queue.Empty):
                until_s = time.monotonic() + 0.2
                while self._acknowledged.get(timeout=max(0.01, until_s - time.monotonic())) != sequence:
                    pass
                return
        raise EOFError(f"message {sequence} was not acknowledged")

    def _acknowledge(self, kind: str, sequence: int, ident: bytes) -> None:
        told = {
            "AcknowledgedMessageType": kind,
            "AcknowledgedMessageId": str(uuid.UUID(bytes=ident[8:] + ident[:8])),
            "AcknowledgedMessageSequenceNumber": sequence,
            "IsSequentialMessage": True,
        }
        self._write(_message("acknowledge", 0, 0, json.dumps(told).encode()))

    def _upgrade(self) -> None:
        lines = []
        while (line := self._stream.readline().decode().strip()) or not lines:
            lines.append(line)
        self._channel.headers += lines
        key = next(line.split(":", 1)[1].strip() for line in lines if line.lower().startswith("sec-websocket-key:"))
        accept = base64.b64encode(hashlib.sha1((key + _MAGIC).encode()).digest()).decode()
        head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        self._connection.sendall(f"{head}Sec-WebSocket-Accept: {accept}\r\n\r\n".encode())

    def _frames(self) -> Iterator[bytes]:
        """The data of text and binary frames; the plugin does not split them."""
        while head := self._stream.read(2):
            operation, size = head[0] & 15, head[1] & 127
            if size == 126:
                size = struct.unpack(">H", self._stream.read(2))[0]
            elif size == 127:
                size = struct.unpack(">Q", self._stream.read(8))[0]
            mask = self._stream.read(4)
            data = bytes(one ^ mask[at % 4] for at, one in enumerate(self._stream.read(size)))
            if operation == _CLOSE:
                break
            if operation in (_BINARY, _TEXT):
                yield data
        if self._child and not self._channel.ended:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._child, signal.SIGKILL)

    def _write(self, data: bytes) -> None:
        size = len(data)
        short = bytes([128 | _BINARY, size]) if size < 126 else bytes([128 | _BINARY, 126]) + struct.pack(">H", size)
        with self._writing:
            self._connection.sendall(short + data)


def _message(kind: str, sequence: int, number: int, payload: bytes) -> bytes:
    head = _HEADER.pack(
        _HEADER.size - 4,
        f"{kind:32}".encode(),
        1,
        int(time.time() * 1000),
        sequence,
        0,
        uuid.uuid4().bytes,
        hashlib.sha256(payload).digest(),
        number,
        len(payload),
    )
    return head + payload
