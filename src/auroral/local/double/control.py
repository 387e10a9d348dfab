"""The control endpoint: settings, faults, principals, databases and counters of a double over HTTP and JSON.

It listens on the loopback only and asks for nothing: whoever reaches it owns the double.

==========================  ====================================================================================
`GET /settings`             the settings in force
`PATCH /settings`           change some: `{"conflict_rate": 0.1, "conflict_seed": 7}`
`GET /statistics`           all counters, with every opening; `?openings=0` leaves those out
`POST /statistics/reset`    counters to nought
`POST /refuse`              `{"seconds": 5}`: refuse connections for so long
`POST /stall`               `{"seconds": 5}`: no byte flows for so long
`POST /cut`                 cut sessions: `{"count": 3, "idle_only": true, "role": "temporal_server"}`, all optional
`POST /expire`              end all sessions as if their lifetime were over
`POST /cut-commits`         `{"count": 1}`: so many of the next commits happen without their client being told
`POST /principals`          `{"arn": "…", "actions": ["DbConnect"]}` → credentials
`GET /databases`            the databases
`POST /databases`           `{"name": "x"}`: another one
`DELETE /databases`         `{"name": "x"}`: drop it with its sessions
==========================  ====================================================================================
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import msgspec

from auroral.errors import AuroralError, TargetError

if TYPE_CHECKING:
    from auroral.local.double.server import DsqlDouble

_MOST_BODY_BYTES = 1 << 20
_PHRASES = {200: "OK", 400: "Bad Request", 404: "Not Found", 500: "Internal Server Error"}


class _Seconds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    seconds: float


class _Cut(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    count: int | None = None
    idle_only: bool = False
    role: str | None = None


class _Count(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    count: int


class _Named(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str


class _NewPrincipal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    arn: str
    actions: list[str]


class ControlServer:
    """Answers one request a connection."""

    def __init__(self, double: DsqlDouble) -> None:
        self._double = double
        self._server: asyncio.Server | None = None
        self.url = ""
        self._routes: dict[tuple[str, str], Callable[[str, bytes], Awaitable[Any]]] = {
            ("GET", "/settings"): self._settings,
            ("PATCH", "/settings"): self._change_settings,
            ("GET", "/statistics"): self._statistics,
            ("POST", "/statistics/reset"): self._reset,
            ("POST", "/refuse"): self._refuse,
            ("POST", "/stall"): self._stall,
            ("POST", "/cut"): self._cut,
            ("POST", "/expire"): self._expire,
            ("POST", "/cut-commits"): self._cut_commits,
            ("POST", "/principals"): self._principals,
            ("GET", "/databases"): self._databases,
            ("POST", "/databases"): self._create_database,
            ("DELETE", "/databases"): self._drop_database,
        }

    async def listen(self, host: str, port: int) -> None:
        """Begin to answer. Raises `TargetError`."""
        try:
            self._server = await asyncio.start_server(self._serve, host, port)
        except OSError as error:
            raise TargetError(
                f"the control endpoint cannot listen on {host}:{port}: {error.strerror or error}",
                hint="give another --control-port, or 0 for a free one",
            ) from error
        self.url = f"http://{host}:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        """Answer no more."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            status, body = await self._answer(reader)
            head = f"HTTP/1.1 {status} {_PHRASES[status]}\r\nContent-Type: application/json\r\n"
            writer.write(f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader) -> tuple[int, bytes]:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, *_ = [*head[0].split(" "), "", ""]
        fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        length = int(fields.get("content-length") or 0)
        if length > _MOST_BODY_BYTES:
            return _error(400, f"a body of {length} bytes; the most is {_MOST_BODY_BYTES}")
        body = await reader.readexactly(length)
        path, _, query = target.partition("?")
        route = self._routes.get((method, path))
        if route is None:
            known = ", ".join(f"{one} {where}" for one, where in self._routes)
            return _error(404, f"there is no {method} {path}; there are {known}")
        try:
            return 200, msgspec.json.encode(await route(query, body))
        except (msgspec.MsgspecError, ValueError) as error:
            return _error(400, str(error))
        except AuroralError as error:
            return _error(500, str(error))

    async def _settings(self, query: str, body: bytes) -> Any:
        return self._double.settings

    async def _change_settings(self, query: str, body: bytes) -> Any:
        changes = msgspec.json.decode(body, type=dict[str, Any])
        merged = {**msgspec.to_builtins(self._double.settings), **changes}
        self._double.change(msgspec.convert(merged, type(self._double.settings)))
        return self._double.settings

    async def _statistics(self, query: str, body: bytes) -> Any:
        snapshot = self._double.snapshot()
        return msgspec.structs.replace(snapshot, openings=()) if "openings=0" in query else snapshot

    async def _reset(self, query: str, body: bytes) -> Any:
        self._double.reset_statistics()
        return {}

    async def _refuse(self, query: str, body: bytes) -> Any:
        self._double.proxy.door.shut(time.monotonic() + msgspec.json.decode(body, type=_Seconds).seconds)
        return {}

    async def _stall(self, query: str, body: bytes) -> Any:
        self._double.proxy.stall(msgspec.json.decode(body, type=_Seconds).seconds)
        return {}

    async def _cut(self, query: str, body: bytes) -> Any:
        wanted = msgspec.json.decode(body or b"{}", type=_Cut)
        return {"cut": self._double.proxy.cut(count=wanted.count, idle_only=wanted.idle_only, role=wanted.role)}

    async def _expire(self, query: str, body: bytes) -> Any:
        return {"expired": self._double.proxy.expire()}

    async def _cut_commits(self, query: str, body: bytes) -> Any:
        self._double.cut_next_commits(msgspec.json.decode(body, type=_Count).count)
        return {}

    async def _principals(self, query: str, body: bytes) -> Any:
        wanted = msgspec.json.decode(body, type=_NewPrincipal)
        made = self._double.add_principal(wanted.arn, wanted.actions)
        return {"arn": made.arn, "access_key_id": made.access_key, "secret_access_key": made.secret_key}

    async def _databases(self, query: str, body: bytes) -> Any:
        return await self._double.manager.databases()

    async def _create_database(self, query: str, body: bytes) -> Any:
        await self._double.manager.create_database(msgspec.json.decode(body, type=_Named).name)
        return {}

    async def _drop_database(self, query: str, body: bytes) -> Any:
        await self._double.manager.drop_database(msgspec.json.decode(body, type=_Named).name)
        return {}


def _error(status: int, message: str) -> tuple[int, bytes]:
    return status, msgspec.json.encode({"error": message})
