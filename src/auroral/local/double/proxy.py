"""The double's sockets: clients come in over TLS, each has a connection of its own to PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import struct
import time
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any

from auroral.errors import AuroralError, TargetError
from auroral.local.double import refusals, wire
from auroral.local.double import token as tokens
from auroral.local.double.admission import Door
from auroral.local.double.manager import Manager
from auroral.local.double.refusals import Refusal
from auroral.local.double.session import Session
from auroral.local.double.settings import DoubleSettings
from auroral.local.double.shared import Shared
from auroral.local.double.tls import ServerTls

STARTUP_TIMEOUT_S = 60.0
"""How long a client may take from its connection to its token: PostgreSQL's own `authentication_timeout`."""
_TLS_RECORD = 0x16
_MOST_STARTUP_BYTES = 10_000
_HIGH_WATER_BYTES = 1 << 20
# What a client may set in its start-up message; the isolation level is not among it.
_REFUSED_PARAMETERS = ("user", "database", "options", "replication", "default_transaction_isolation")


class Proxy:
    """Listens for clients and holds what their sessions share."""

    def __init__(
        self,
        *,
        shared: Shared,
        manager: Manager,
        context: ssl.SSLContext,
        endpoint: tokens.Endpoint,
        principals: Mapping[str, tokens.Principal],
        socket_path: Path,
    ) -> None:
        self.shared = shared
        self.manager = manager
        self.context = context
        self.endpoint = endpoint
        self.principals = principals
        self.socket_path = socket_path
        self.door = Door(shared.settings, time.monotonic())
        self.clients: set[ClientSide] = set()
        self.stalled = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def listen(self, host: str, port: int) -> int:
        """Accept clients; return the port. Raises `TargetError`."""
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(lambda: ClientSide(self), host, port, backlog=2048)
        except OSError as error:
            raise TargetError(
                f"the double cannot listen on {host}:{port}: {error.strerror or error}",
                hint="give another --port, or 0 for a free one",
            ) from error
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop listening and cut all clients."""
        if self._server is not None:
            self._server.close()
        for client in list(self.clients):
            client.abort()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something beside, and keep it until it ends."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def change(self, settings: DoubleSettings) -> None:
        """Take new settings; a new lifetime counts for open sessions too."""
        old = self.shared.settings
        self.shared.change(settings)
        self.door.change(settings, time.monotonic())
        if old.session_lifetime_s != settings.session_lifetime_s:
            for client in list(self.clients):
                client.schedule_expiry()

    def stall(self, duration_s: float) -> None:
        """Let no byte flow to or from any client for a while; 0 ends it."""
        stalling = duration_s > 0
        if stalling:
            self.stalled.set()
            asyncio.get_running_loop().call_later(duration_s, self.stall, 0.0)
        else:
            self.stalled.clear()
        for client in list(self.clients):
            client.hold(stalling)

    def cut(self, *, count: int | None = None, idle_only: bool = False, role: str | None = None) -> int:
        """Cut sessions without a word, the oldest first; return how many."""
        chosen = [
            client
            for client in sorted(self.clients, key=lambda one: one.number)
            if client.session is not None
            and (not idle_only or client.session.idle)
            and (role is None or client.role == role)
        ][:count]
        for client in chosen:
            client.abort()
        return len(chosen)

    def expire(self) -> int:
        """End all sessions as if their lifetime were over; return how many."""
        clients = [client for client in self.clients if client.session is not None]
        for client in clients:
            client.expire()
        return len(clients)


class ClientSide(asyncio.Protocol):
    """One client: TLS, start-up, token, then its session."""

    _count = 0

    def __init__(self, proxy: Proxy) -> None:
        ClientSide._count += 1
        self.number = ClientSide._count
        self.role = ""
        self.session: Session | None = None
        self.server: ServerSide | None = None
        self.transport: asyncio.Transport | None = None
        self._proxy = proxy
        self._tls: ServerTls | None = None
        self._pending = b""
        self._held = bytearray()
        self._holding = proxy.stalled.is_set()
        self._starting: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._busy = False
        self._database = ""
        self._opened_s = 0.0
        self._expiry: asyncio.TimerHandle | None = None
        self._expired = False
        self._counted = False

    # asyncio's callbacks.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.set_write_buffer_limits(high=_HIGH_WATER_BYTES)
        self._proxy.clients.add(self)
        self._proxy.run(self._start())

    def data_received(self, data: bytes) -> None:
        if self._holding:
            self._held += data
            return
        if self._tls is not None:
            try:
                data = self._tls.receive(data)
            except ssl.SSLError:
                self.abort()
                return
            self._write_tls()
            if self._tls.ended:
                self.end()
                return
            if not data:
                return
        if self.session is None:
            self._starting.put_nowait(data)
        else:
            self.session.from_client(data, time.monotonic())
            self.flush()

    def eof_received(self) -> bool:
        self.end()
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self._proxy.clients.discard(self)
        self._starting.put_nowait(None)
        if self._expiry is not None:
            self._expiry.cancel()
        if self.server is not None:
            self.server.end()
        if self._counted:
            self._counted = False
            self._proxy.door.open -= 1
            self._proxy.shared.statistics.closed_one(self.role)

    def pause_writing(self) -> None:
        if self.server is not None:
            self.server.pause()

    def resume_writing(self) -> None:
        if self.server is not None:
            self.server.resume()

    # What the proxy and the server's side ask for.

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
        if session.wants_catalogue and not self._busy:
            self._busy = True
            self._proxy.run(self._read_catalogue())
        if self._expired and session.idle:
            self.end()

    def write(self, data: bytes | bytearray) -> None:
        """Send bytes to the client."""
        if self.transport is None or self.transport.is_closing():
            return
        if self._tls is None:
            self.transport.write(bytes(data))
            return
        self._tls.send(data)
        self._write_tls()

    def abort(self) -> None:
        """Cut the connection: the client sees a reset or an end, and no answer."""
        if self.transport is not None:
            self.transport.abort()
        if self.server is not None:
            self.server.end()

    def end(self) -> None:
        """Close the connection in order."""
        if self.transport is not None and not self.transport.is_closing():
            if self._tls is not None:
                self._tls.close()
                self._write_tls()
            self.transport.close()
        if self.server is not None:
            self.server.end()

    def expire(self) -> None:
        """The session's lifetime is over: it ends once it is idle."""
        self._expired = True
        if self.session is not None and self.session.idle:
            self.end()

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

    def schedule_expiry(self) -> None:
        """Have the session end when its lifetime is over."""
        if self.session is None:
            return
        if self._expiry is not None:
            self._expiry.cancel()
        left_s = self._opened_s + self._proxy.shared.settings.session_lifetime_s - time.monotonic()
        self._expiry = asyncio.get_running_loop().call_later(max(0.0, left_s), self.expire)

    # Start-up.

    async def _start(self) -> None:
        try:
            async with asyncio.timeout(STARTUP_TIMEOUT_S):
                refused = await self._admit()
        except (TimeoutError, ConnectionError, EOFError, ssl.SSLError, struct.error):
            self.abort()
            return
        except AuroralError as error:
            refused = Refusal("58000", f"the double failed: {error.message}", severity="FATAL")
        except BaseException:
            self.abort()  # a bug of ours: the client must not wait for it
            raise
        if refused is not None:
            self._proxy.shared.statistics.refused_one(time.time(), self.role, refused.code)
            self.write(wire.error(refused))
            self.end()

    async def _admit(self) -> Refusal | None:
        """Everything up to the client's first statement; why it may not come so far, or nothing."""
        parameters = await self._negotiate()
        if parameters is None:
            return None
        proxy = self._proxy
        self.role = parameters.get("user", "")
        self._database = parameters.get("database") or "postgres"
        refused: Refusal | None = None
        if proxy.shared.settings.require_tls:
            if self._tls is None:
                refused = refusals.NO_TLS
            elif self._tls.server_name is None:
                refused = refusals.NO_SNI
        refused = refused or proxy.door.knock(time.monotonic())
        if refused is not None:
            return refused
        # Counted from here on, so that the cap holds while tokens are looked at.
        proxy.door.open += 1
        try:
            refused = await self._authenticate(parameters)
        except BaseException:
            proxy.door.open -= 1
            raise
        if refused is not None or self.transport is None or self.transport.is_closing():
            proxy.door.open -= 1
            return refused
        self._counted = True
        proxy.shared.statistics.opened_one(time.time(), self.role)
        self.schedule_expiry()
        self.flush()
        return None

    async def _authenticate(self, parameters: dict[str, str]) -> Refusal | None:
        proxy = self._proxy
        self.write(wire.ASK_PASSWORD)
        kind, payload = await self._message()
        if kind != b"p":
            raise ConnectionError("the client sent no password")
        principal = tokens.check(
            payload.rstrip(b"\0").decode(errors="replace"),
            user=self.role,
            endpoint=proxy.endpoint,
            principals=proxy.principals,
            now_s=time.time(),
        )
        if isinstance(principal, Refusal):
            return principal
        refused = await proxy.manager.role_refusal(self._database, self.role, principal)
        if refused is not None:
            return refused
        await asyncio.sleep(proxy.shared.settings.connect_latency_s)
        return await self._open_server(parameters)

    async def _open_server(self, parameters: dict[str, str]) -> Refusal | None:
        """Connect to PostgreSQL as the role; its refusal is the client's."""
        proxy = self._proxy
        loop = asyncio.get_running_loop()
        ours = {
            key: value for key, value in parameters.items() if key not in _REFUSED_PARAMETERS and key[:5] != "_pq_."
        }
        ours |= {"user": self.role, "database": self._database}
        ours["auroral.index_build_s"] = f"{proxy.shared.settings.index_build_s:g}"
        _, server = await loop.create_unix_connection(lambda: ServerSide(self), str(proxy.socket_path))
        self.server = server
        greeting = await server.greet(wire.startup(ours))
        if greeting[:1] == b"E":
            self.write(greeting)
            self.end()
            raise ConnectionError("PostgreSQL refused the session")
        self.session = Session(proxy.shared, proxy.manager.catalogue(self._database))
        self._opened_s = time.monotonic()
        self.write(greeting)
        # What the client sent ahead of our answer.
        early = self._pending
        while not self._starting.empty():
            early += self._starting.get_nowait() or b""
        if early:
            self.session.from_client(early, time.monotonic())
        return None

    async def _negotiate(self) -> dict[str, str] | None:
        """TLS and the start-up message; nothing where the client only wanted to cancel."""
        while True:
            if self._tls is None and self._pending[:1] == bytes([_TLS_RECORD]):
                self._begin_tls()  # TLS without asking first (PostgreSQL 17's `sslnegotiation=direct`)
                continue
            length, code = struct.unpack("!II", await self._bytes(8))
            if not 8 <= length <= _MOST_STARTUP_BYTES:
                raise ConnectionError(f"a start-up message of {length} bytes")
            rest = await self._bytes(length - 8)
            if code == wire.SSL_REQUEST and self._tls is None:
                assert self.transport is not None
                self.transport.write(b"S")
                self._begin_tls()
            elif code in (wire.SSL_REQUEST, wire.GSSENC_REQUEST):
                self.write(b"N")
            elif code == wire.CANCEL_REQUEST:
                await self._cancel(rest)
                self.end()
                return None
            elif code >> 16 == 3:
                return wire.read_startup(rest)
            else:
                raise ConnectionError(f"protocol {code}")

    def _begin_tls(self) -> None:
        self._tls = ServerTls(self._proxy.context)
        early, self._pending = self._pending, b""
        while not self._starting.empty():
            early += self._starting.get_nowait() or b""
        if early:
            self.data_received(early)

    async def _message(self) -> tuple[bytes, bytes]:
        head = await self._bytes(5)
        return head[:1], await self._bytes(struct.unpack("!I", head[1:])[0] - 4)

    async def _bytes(self, count: int) -> bytes:
        while len(self._pending) < count:
            more = await self._starting.get()
            if more is None:
                raise EOFError
            self._pending += more
            if self._tls is None and self._pending[:1] == bytes([_TLS_RECORD]):
                self._begin_tls()
        taken, self._pending = self._pending[:count], self._pending[count:]
        return taken

    async def _cancel(self, key: bytes) -> None:
        """Hand a request to cancel to PostgreSQL, whose keys the clients have."""
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_unix_connection(str(self._proxy.socket_path))
            writer.write(struct.pack("!II", 8 + len(key), wire.CANCEL_REQUEST) + key)
            await writer.drain()
            writer.close()

    async def _read_catalogue(self) -> None:
        try:
            await self._proxy.manager.read_catalogue(self._database)
        except AuroralError:
            self.abort()
            return
        finally:
            self._busy = False
        if self.session is not None and self.transport is not None and not self.transport.is_closing():
            self.session.catalogue_read()
            self.flush()

    def _write_tls(self) -> None:
        assert self._tls is not None
        data = self._tls.outgoing()
        if data and self.transport is not None:
            self.transport.write(data)


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
