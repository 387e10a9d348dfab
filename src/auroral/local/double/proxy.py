"""The double's listening socket: clients come in, each with a connection of its own to PostgreSQL."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

from auroral.errors import TargetError
from auroral.local.double.admission import Door
from auroral.local.double.connections import ClientSide
from auroral.local.double.entrance import Entrance
from auroral.local.double.settings import DoubleSettings


class Proxy:
    """Listens for clients, and does to all of them what the control endpoint asks for."""

    def __init__(self, entrance: Entrance) -> None:
        self.clients: set[ClientSide] = set()
        self.stalling = False
        self._entrance = entrance
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def door(self) -> Door:
        """Who may come in, and how many are."""
        return self._entrance.door

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

    # What the clients' connections ask for.

    def arrived(self, client: ClientSide) -> None:
        """A client has connected."""
        self.clients.add(client)
        self.run(self._entrance.let_in(client))

    def left(self, client: ClientSide) -> None:
        """A client's connection is gone."""
        self.clients.discard(client)
        self._entrance.left(client)

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something beside, and keep it until it ends."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def read_catalogue(self, database: str) -> None:
        """Make a database's catalogue fresh. Raises `AuroralError`."""
        await self._entrance.manager.read_catalogue(database)

    # What the control endpoint asks for.

    def change(self, settings: DoubleSettings) -> None:
        """Take new settings; a new lifetime counts for open sessions too."""
        shared = self._entrance.shared
        old = shared.settings
        shared.change(settings)
        self.door.change(settings, time.monotonic())
        if old.session_lifetime_s != settings.session_lifetime_s:
            for client in list(self.clients):
                client.expire_after(settings.session_lifetime_s)

    def stall(self, duration_s: float) -> None:
        """Let no byte flow to or from any client for a while; 0 ends it."""
        self.stalling = duration_s > 0
        if self.stalling:
            asyncio.get_running_loop().call_later(duration_s, self.stall, 0.0)
        for client in list(self.clients):
            client.hold(self.stalling)

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
