"""The two connections of a session: bytes between the client, the session and PostgreSQL."""

from __future__ import annotations

import asyncio
import ssl
import struct
import time
from collections.abc import Coroutine
from typing import Any, Protocol

from auroral.errors import AuroralError
from auroral.local.double.session import Session
from auroral.local.double.tls import ServerTls

_HIGH_WATER_BYTES = 1 << 20


class Host(Protocol):
    """Whoever listens for clients, as their connections see it."""

    @property
    def stalling(self) -> bool:
        """Whether no byte may flow."""

    def arrived(self, client: ClientSide) -> None:
        """A client has connected."""

    def left(self, client: ClientSide) -> None:
        """A client's connection is gone."""

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something beside, and keep it until it ends."""

    async def read_catalogue(self, database: str) -> None:
        """Make a database's catalogue fresh. Raises `AuroralError`."""


class ClientSide(asyncio.Protocol):
    """A client's connection. What comes goes to `starting`, and once there is a session to that."""

    _count = 0

    def __init__(self, host: Host) -> None:
        ClientSide._count += 1
        self.number = ClientSide._count
        self.role = ""
        self.database = ""
        self.admitted = False
        """It counts among the open sessions."""
        self.session: Session | None = None
        self.server: ServerSide | None = None
        self.tls: ServerTls | None = None
        self.starting: asyncio.Queue[bytes | None] = asyncio.Queue()
        """What the client says before there is a session; None when the connection is gone."""
        self._host = host
        self._transport: asyncio.Transport | None = None
        self._held = bytearray()
        self._holding = host.stalling
        self._reading_catalogue = False
        self._opened_s = 0.0
        self._expiry: asyncio.TimerHandle | None = None
        self._expired = False

    @property
    def closing(self) -> bool:
        """The connection is gone, or about to go."""
        return self._transport is None or self._transport.is_closing()

    # asyncio's callbacks.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=_HIGH_WATER_BYTES)
        self._host.arrived(self)

    def data_received(self, data: bytes) -> None:
        if self._holding:
            self._held += data
            return
        if self.tls is not None:
            try:
                data = self.tls.receive(data)
            except ssl.SSLError:
                self.abort()
                return
            self._write_tls()
            if self.tls.ended:
                self.end()
                return
            if not data:
                return
        if self.session is None:
            self.starting.put_nowait(data)
        else:
            self.session.from_client(data, time.monotonic())
            self.flush()

    def eof_received(self) -> bool:
        self.end()
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self.starting.put_nowait(None)
        if self._expiry is not None:
            self._expiry.cancel()
        if self.server is not None:
            self.server.end()
        self._host.left(self)

    def pause_writing(self) -> None:
        if self.server is not None:
            self.server.pause()

    def resume_writing(self) -> None:
        if self.server is not None:
            self.server.resume()

    # How its session begins.

    def begin_tls(self, tls: ServerTls, early: bytes) -> None:
        """Speak TLS from now on; `early` is what the client has sent of it."""
        self.tls = tls
        if early:
            self.data_received(early)

    def begin(self, session: Session, greeting: bytes, early: bytes) -> None:
        """Say PostgreSQL's greeting, and let the session hear what comes; `early` is what came ahead of that."""
        self.session = session
        self._opened_s = time.monotonic()
        self.write(greeting)
        if early:
            session.from_client(early, time.monotonic())

    # What whoever holds it and PostgreSQL's side ask for.

    def flush(self) -> None:
        """Send what the session has to say to both sides, and do what it asks for."""
        session = self.session
        assert session is not None
        assert self.server is not None
        if session.cut:
            self.abort()
            return
        if session.to_server:
            self.server.write(bytes(session.to_server))
            session.to_server.clear()
        if session.to_client:
            self.write(session.to_client)
            session.to_client.clear()
        if session.wants_catalogue and not self._reading_catalogue:
            self._reading_catalogue = True
            self._host.run(self._read_catalogue())
        if self._expired and session.idle:
            self.end()

    def write(self, data: bytes | bytearray) -> None:
        """Send bytes to the client."""
        if self._transport is None or self._transport.is_closing():
            return
        if self.tls is None:
            self._transport.write(bytes(data))
            return
        self.tls.send(data)
        self._write_tls()

    def abort(self) -> None:
        """Cut the connection: the client sees a reset or an end, and no answer."""
        if self._transport is not None:
            self._transport.abort()
        if self.server is not None:
            self.server.end()

    def end(self) -> None:
        """Close the connection in order."""
        if self._transport is not None and not self._transport.is_closing():
            if self.tls is not None:
                self.tls.close()
                self._write_tls()
            self._transport.close()
        if self.server is not None:
            self.server.end()

    def expire(self) -> None:
        """The session's lifetime is over: it ends once it is idle."""
        self._expired = True
        if self.session is not None and self.session.idle:
            self.end()

    def expire_after(self, lifetime_s: float) -> None:
        """Have the session end that long after its beginning."""
        if self.session is None:
            return
        if self._expiry is not None:
            self._expiry.cancel()
        left_s = self._opened_s + lifetime_s - time.monotonic()
        self._expiry = asyncio.get_running_loop().call_later(max(0.0, left_s), self.expire)

    def hold(self, holding: bool) -> None:
        """Hold all bytes of and to this client back, or let them go on."""
        if self._holding == holding:
            return
        self._holding = holding
        if self.server is not None:
            self.server.pause() if holding else self.server.resume()
        if not holding and self._held:
            held = bytes(self._held)
            self._held.clear()
            self.data_received(held)

    async def _read_catalogue(self) -> None:
        try:
            await self._host.read_catalogue(self.database)
        except AuroralError:
            self.abort()
            return
        finally:
            self._reading_catalogue = False
        if self.session is not None and not self.closing:
            self.session.catalogue_read()
            self.flush()

    def _write_tls(self) -> None:
        assert self.tls is not None
        data = self.tls.outgoing()
        if data and self._transport is not None:
            self._transport.write(data)


class ServerSide(asyncio.Protocol):
    """A client's connection to PostgreSQL."""

    def __init__(self, client: ClientSide) -> None:
        self._client = client
        self._transport: asyncio.Transport | None = None
        self._greeting = bytearray()
        self._greeted: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._greeted is not None:
            self._greeting += data
            self._look_for_greeting()
            return
        client = self._client
        if client.session is not None:
            client.session.from_server(data, time.monotonic())
            client.flush()

    def connection_lost(self, error: Exception | None) -> None:
        if self._greeted is not None and not self._greeted.done():
            self._greeted.set_exception(ConnectionError("PostgreSQL ended the connection"))
        self._client.end()

    async def greet(self, startup: bytes) -> bytes:
        """Send the start-up message; return all up to PostgreSQL's first ReadyForQuery, or its error."""
        self._greeted = asyncio.get_running_loop().create_future()
        self.write(startup)
        greeting = await self._greeted
        self._greeted = None
        return greeting

    def write(self, data: bytes) -> None:
        """Send bytes to PostgreSQL."""
        if self._transport is not None:
            self._transport.write(data)

    def pause(self) -> None:
        """Read nothing for now."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def end(self) -> None:
        """Close the connection; what PostgreSQL still runs is rolled back."""
        if self._transport is not None:
            self._transport.close()

    def _look_for_greeting(self) -> None:
        at = 0
        data = self._greeting
        while len(data) - at >= 5:
            end = at + 1 + struct.unpack_from("!I", data, at + 1)[0]
            if len(data) < end:
                return
            if data[at] in b"ZE" and self._greeted is not None and not self._greeted.done():
                whole = bytes(data[:end]) if data[at] == ord("Z") else bytes(data[at:end])
                self._greeted.set_result(whole)
                return
            at = end
