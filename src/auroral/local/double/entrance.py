"""The way into the double: TLS, the start-up message, admission, the token, and then PostgreSQL as the role."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import struct
import time
from collections.abc import Mapping
from pathlib import Path

from auroral.errors import AuroralError
from auroral.local.double import refusals, wire
from auroral.local.double import token as tokens
from auroral.local.double.admission import Door
from auroral.local.double.connections import ClientSide, ServerSide
from auroral.local.double.manager import Manager
from auroral.local.double.refusals import Refusal
from auroral.local.double.session import Session
from auroral.local.double.shared import Shared
from auroral.local.double.tls import ServerTls

STARTUP_TIMEOUT_S = 60.0
"""How long a client may take from its connection to its token: PostgreSQL's own `authentication_timeout`."""
_TLS_RECORD = 0x16
_MOST_STARTUP_BYTES = 10_000
# What a client may set in its start-up message; the isolation level is not among it.
_REFUSED_PARAMETERS = ("user", "database", "options", "replication", "default_transaction_isolation")


class Entrance:
    """What clients have to come past: whom it knows, and how many are in."""

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

    async def let_in(self, client: ClientSide) -> None:
        """Take a client up to its first statement, or tell it why it may not come so far and end its connection."""
        try:
            async with asyncio.timeout(STARTUP_TIMEOUT_S):
                refused = await _Arrival(self, client).admit()
        except (TimeoutError, ConnectionError, EOFError, ssl.SSLError, struct.error):
            client.abort()
            return
        except AuroralError as error:
            refused = Refusal("58000", f"the double failed: {error.message}", severity="FATAL")
        except BaseException:
            client.abort()  # a bug of ours: the client must not wait for it
            raise
        if refused is not None:
            self.shared.statistics.refused_one(time.time(), client.role, refused.code)
            client.write(wire.error(refused))
            client.end()

    def left(self, client: ClientSide) -> None:
        """A client's connection is gone: its place is free."""
        if client.admitted:
            client.admitted = False
            self.door.open -= 1
            self.shared.statistics.closed_one(client.role)


class _Arrival:
    """One client on its way in."""

    def __init__(self, entrance: Entrance, client: ClientSide) -> None:
        self._entrance = entrance
        self._client = client
        self._pending = b""
        """What the client has sent that was not looked at."""

    async def admit(self) -> Refusal | None:
        """Everything up to the client's first statement; why it may not come so far, or nothing."""
        parameters = await self._negotiate()
        if parameters is None:
            return None
        client, shared, door = self._client, self._entrance.shared, self._entrance.door
        client.role = parameters.get("user", "")
        client.database = parameters.get("database") or "postgres"
        refused: Refusal | None = None
        if shared.settings.require_tls:
            if client.tls is None:
                refused = refusals.NO_TLS
            elif client.tls.server_name is None:
                refused = refusals.NO_SNI
        refused = refused or door.knock(time.monotonic())
        if refused is not None:
            return refused
        # Counted from here on, so that the cap holds while tokens are looked at.
        door.open += 1
        try:
            refused = await self._authenticate(parameters)
        except BaseException:
            door.open -= 1
            raise
        if refused is not None or client.closing:
            door.open -= 1
            return refused
        client.admitted = True
        shared.statistics.opened_one(time.time(), client.role)
        client.expire_after(shared.settings.session_lifetime_s)
        client.flush()
        return None

    async def _authenticate(self, parameters: dict[str, str]) -> Refusal | None:
        entrance, client = self._entrance, self._client
        client.write(wire.ASK_PASSWORD)
        kind, payload = await self._message()
        if kind != b"p":
            raise ConnectionError("the client sent no password")
        principal = tokens.check(
            payload.rstrip(b"\0").decode(errors="replace"),
            user=client.role,
            endpoint=entrance.endpoint,
            principals=entrance.principals,
            now_s=time.time(),
        )
        if isinstance(principal, Refusal):
            return principal
        refused = await entrance.manager.role_refusal(client.database, client.role, principal)
        if refused is not None:
            return refused
        await asyncio.sleep(entrance.shared.settings.connect_latency_s)
        await self._open_server(parameters)
        return None

    async def _open_server(self, parameters: dict[str, str]) -> None:
        """Connect to PostgreSQL as the role; its refusal is the client's."""
        entrance, client = self._entrance, self._client
        loop = asyncio.get_running_loop()
        ours = {
            key: value for key, value in parameters.items() if key not in _REFUSED_PARAMETERS and key[:5] != "_pq_."
        }
        ours |= {"user": client.role, "database": client.database}
        ours["auroral.index_build_s"] = f"{entrance.shared.settings.index_build_s:g}"
        _, server = await loop.create_unix_connection(lambda: ServerSide(client), str(entrance.socket_path))
        client.server = server
        greeting = await server.greet(wire.startup(ours))
        if greeting[:1] == b"E":
            client.write(greeting)
            client.end()
            raise ConnectionError("PostgreSQL refused the session")
        client.begin(Session(entrance.shared, entrance.manager.catalogue(client.database)), greeting, self._take_all())

    async def _negotiate(self) -> dict[str, str] | None:
        """TLS and the start-up message; nothing where the client only wanted to cancel."""
        client = self._client
        while True:
            if client.tls is None and self._pending[:1] == bytes([_TLS_RECORD]):
                self._begin_tls()  # TLS without asking first (PostgreSQL 17's `sslnegotiation=direct`)
                continue
            length, code = struct.unpack("!II", await self._bytes(8))
            if not 8 <= length <= _MOST_STARTUP_BYTES:
                raise ConnectionError(f"a start-up message of {length} bytes")
            rest = await self._bytes(length - 8)
            if code == wire.SSL_REQUEST and client.tls is None:
                client.write(b"S")
                self._begin_tls()
            elif code in (wire.SSL_REQUEST, wire.GSSENC_REQUEST):
                client.write(b"N")
            elif code == wire.CANCEL_REQUEST:
                await self._cancel(rest)
                client.end()
                return None
            elif code >> 16 == 3:
                return wire.read_startup(rest)
            else:
                raise ConnectionError(f"protocol {code}")

    def _begin_tls(self) -> None:
        self._client.begin_tls(ServerTls(self._entrance.context), self._take_all())

    def _take_all(self) -> bytes:
        """What has come and was not looked at, without waiting."""
        early, self._pending = self._pending, b""
        while not self._client.starting.empty():
            early += self._client.starting.get_nowait() or b""
        return early

    async def _message(self) -> tuple[bytes, bytes]:
        head = await self._bytes(5)
        return head[:1], await self._bytes(struct.unpack("!I", head[1:])[0] - 4)

    async def _bytes(self, count: int) -> bytes:
        while len(self._pending) < count:
            more = await self._client.starting.get()
            if more is None:
                raise EOFError
            self._pending += more
            if self._client.tls is None and self._pending[:1] == bytes([_TLS_RECORD]):
                self._begin_tls()
        taken, self._pending = self._pending[:count], self._pending[count:]
        return taken

    async def _cancel(self, key: bytes) -> None:
        """Hand a request to cancel to PostgreSQL, whose keys the clients have."""
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_unix_connection(str(self._entrance.socket_path))
            writer.write(struct.pack("!II", 8 + len(key), wire.CANCEL_REQUEST) + key)
            await writer.drain()
            writer.close()
