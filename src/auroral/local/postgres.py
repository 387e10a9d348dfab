"""Start a PostgreSQL on this machine, in a directory of its own, and end it whatever happens to this process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from auroral.errors import TargetError
from auroral.local.postgres_data import SUPERUSER, reachable, short_temporary_directory, template
from auroral.local.postgres_programs import Programs, find_programs
from auroral.local.startable import Startable

START_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 15.0  # the guard kills the server after 10
_POLL_S = 0.01


class Postgres(Startable):
    """A PostgreSQL server. `async with` starts it and stops it at the end.

    `settings` are `postgresql.conf` names with their values. With `durable` off a crash of the machine loses data:
    right for tests. `port` 0 takes a free one. Raises `TargetError`.
    """

    def __init__(
        self,
        directory: Path,
        *,
        port: int = 0,
        durable: bool = True,
        settings: Mapping[str, str] | None = None,
        start_timeout_s: float = START_TIMEOUT_S,
    ) -> None:
        self.directory = directory
        self.port = port
        self.password = ""
        """Of the superuser over TCP; the unix socket asks for none."""
        self.log_path = directory / "postgres.log"
        self.data_directory = directory / "data"
        """Elsewhere than asked for where root's data must lie where an unprivileged user reaches it."""
        self.socket_directory = Path()
        self.pid = 0
        self._fixed_port = port != 0
        self._durable = durable
        self._settings = dict(settings or {})
        self._start_timeout_s = start_timeout_s
        self._guard: subprocess.Popen[bytes] | None = None

    @property
    def socket_path(self) -> Path:
        """The unix socket itself."""
        return self.socket_directory / f".s.PGSQL.{self.port}"

    def dsn(self, database: str = "postgres", *, user: str = SUPERUSER) -> str:
        """Over the unix socket, without a password."""
        return f"host={self.socket_directory} port={self.port} user={user} dbname={database}"

    def tcp_url(self, database: str = "postgres") -> str:
        """Over TCP, as the superuser, with its password."""
        return f"postgresql://{SUPERUSER}:{self.password}@127.0.0.1:{self.port}/{database}?sslmode=disable"

    @property
    def running(self) -> bool:
        """Whether the server's process is there."""
        return self._guard is not None and self._guard.poll() is None

    async def _start(self) -> None:
        programs = await asyncio.to_thread(find_programs)
        self.directory.mkdir(parents=True, exist_ok=True)
        await asyncio.to_thread(self._prepare, programs)
        for attempt in range(3):
            if not self._fixed_port:
                self.port = _free_port()
            try:
                self._launch(programs)
                await self._until_ready()
            except TargetError:
                await self._end()
                if attempt == 2 or self._fixed_port or "in use" not in self._log_tail():
                    raise
            else:
                self._fixed_port = True  # a restart keeps the address
                return

    async def stop(self) -> None:
        """End the server and wait for that. Harmless where it has ended."""
        await self._end()
        if self.socket_directory.name.startswith("auroral-pg-"):
            shutil.rmtree(self.socket_directory, ignore_errors=True)

    async def kill(self) -> None:
        """Kill the server's process as a crash would, and wait for that."""
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        await self._end()

    def _prepare(self, programs: Programs) -> None:
        """Lay out the data directory (from the template where there is none) and the socket's."""
        self.data_directory = reachable(self.directory / "data", programs)
        if not (self.data_directory / "PG_VERSION").exists():
            shutil.copytree(template(programs), self.data_directory, dirs_exist_ok=True, symlinks=True)
            self.data_directory.chmod(0o700)
        self._check_version(programs)
        password_file = self.directory / "postgres.password"
        if not password_file.exists():
            descriptor = os.open(password_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_urlsafe(18))
            (self.data_directory / "auroral.password-unset").touch()
        self.password = password_file.read_text()
        (self.data_directory / "pg_hba.conf").write_text(
            "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\nhost all all ::1/128 scram-sha-256\n"
        )
        programs.give(self.data_directory)
        if not self.socket_directory.name:
            self.socket_directory = Path(tempfile.mkdtemp(prefix="auroral-pg-", dir=short_temporary_directory()))
        self.socket_directory.mkdir(exist_ok=True)
        programs.give(self.socket_directory)

    def _check_version(self, programs: Programs) -> None:
        has = (self.data_directory / "PG_VERSION").read_text().strip()
        if not programs.version.startswith(f"{has}."):
            raise TargetError(
                f"the data in {self.data_directory} is of PostgreSQL {has}, the programs are {programs.version}",
                hint="remove that directory, or put the programs of that release on PATH",
            )

    def _launch(self, programs: Programs) -> None:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.socket_directory),
            "unix_socket_permissions": "0700" if programs.user_id is None else "0777",
            "default_transaction_isolation": "repeatable read",
            "max_connections": "400",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        if not self._durable:
            settings |= {"fsync": "off", "full_page_writes": "off"}
        settings |= self._settings
        arguments = ["-D", str(self.data_directory)]
        for name, value in settings.items():
            arguments += ["-c", f"{name}={value}"]
        with self.log_path.open("ab") as log:
            self._guard = subprocess.Popen(
                [sys.executable, "-m", "auroral.temporal.guard", "--", *programs.command("postgres", *arguments)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )
        assert self._guard.stdout is not None
        with self._guard.stdout as announced:
            self.pid = int(announced.readline() or 0)

    async def _until_ready(self) -> None:
        deadline = time.monotonic() + self._start_timeout_s
        reason = "it does not listen"
        while time.monotonic() < deadline:
            if not self.running:
                raise TargetError(
                    f"PostgreSQL ended while starting:\n{self._log_tail()}", hint=f"its whole log is {self.log_path}"
                )
            if self._ready_line():
                reason = await self._why_not_ready()
                if not reason:
                    return
            await asyncio.sleep(_POLL_S)
        raise TargetError(
            f"PostgreSQL does not accept connections after {self._start_timeout_s:g} s: {reason}\n{self._log_tail()}",
            hint=f"its whole log is {self.log_path}",
        )

    def _ready_line(self) -> bool:
        """Whether the postmaster itself says so, in the eighth line of its pid file; that very postmaster."""
        try:
            lines = (self.data_directory / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) > 7 and lines[0].strip() == str(self.pid) and lines[7].strip() == "ready"

    async def _why_not_ready(self) -> str:
        import psycopg

        try:
            async with await psycopg.AsyncConnection.connect(self.dsn(), autocommit=True, connect_timeout=5) as one:
                unset = self.data_directory / "auroral.password-unset"
                if unset.exists():
                    await one.execute(f"ALTER ROLE {SUPERUSER} PASSWORD '{self.password}'".encode())
                    unset.unlink()
        except psycopg.Error as error:
            return str(error).strip()
        return ""

    async def _end(self) -> None:
        guard, self._guard = self._guard, None
        if guard is None:
            return
        assert guard.stdin is not None
        if guard.poll() is None and self.pid:
            # Fast shutdown: the guard's SIGTERM would wait until every client has gone.
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGINT)
        if not await _ended(guard, _STOP_TIMEOUT_S / 3):
            with contextlib.suppress(OSError):
                guard.stdin.close()
            if not await _ended(guard, _STOP_TIMEOUT_S):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.pid, signal.SIGKILL)
                guard.kill()
                await _ended(guard, _STOP_TIMEOUT_S)
        with contextlib.suppress(OSError):
            guard.stdin.close()

    def _log_tail(self, lines: int = 15) -> str:
        try:
            text = self.log_path.read_text(errors="replace")
        except OSError as error:
            return f"(no log: {error.strerror})"
        return "\n".join(f"  | {line}" for line in text.splitlines()[-lines:])


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


async def _ended(process: subprocess.Popen[bytes], timeout_s: float) -> bool:
    """Wait for a process without a thread and without belonging to one event loop."""
    deadline = time.monotonic() + timeout_s
    while process.poll() is None:
        if time.monotonic() >= deadline:
            return False
        await asyncio.sleep(_POLL_S)
    return True
