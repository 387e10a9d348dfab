"""A child process's side of the protocol: lines on stdin, frames on stdout, and the signals it leaves to its parent."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import msgspec

from auroral.bench.protocol import encode

_LINE_LIMIT_BYTES = 64 * 1024 * 1024


class Pipes:
    """Non-blocking stdin and stdout: a slow parent must not hold up the schedule."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls) -> Pipes:
        """Take over stdin and stdout of this process.

        What anything else prints goes to stderr from then on: the SDK's core writes its log to descriptor 1.
        """
        loop = asyncio.get_running_loop()
        frames = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        reader = asyncio.StreamReader(limit=_LINE_LIMIT_BYTES)
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, frames)
        transport.set_write_buffer_limits(high=0)
        return cls(reader, asyncio.StreamWriter(transport, protocol, None, loop))

    async def read_line(self) -> bytes | None:
        """The next line; None when the parent is gone."""
        line = await self._reader.readline()
        return line or None

    def emit(self, frame: msgspec.Struct) -> None:
        """Send a frame."""
        self._writer.write(encode(frame))

    async def flush(self) -> None:
        """Wait until everything is sent."""
        await self._writer.drain()


def leave_interrupts_to_parent() -> None:
    """Ignore what a terminal sends to the whole group: the parent decides, over stdin."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def exit_now(status: int) -> None:
    """End the process without waiting for anything: the parent is gone, or has been told all."""
    sys.stderr.flush()
    os._exit(status)
