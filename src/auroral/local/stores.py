"""What keeps a local cluster's data: PostgreSQL, or the double of DSQL with PostgreSQL for visibility."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from auroral.errors import TargetError
from auroral.local.binaries import LOCALDB, SCHEMA
from auroral.local.plan import HOST, MAIN_DATABASE, VISIBILITY_DATABASE, ClusterOptions
from auroral.local.postgres import Postgres
from auroral.local.processes import log_tail
from auroral.temporal.toolchain import Report

if TYPE_CHECKING:
    from auroral.local.double.server import Announcement

SERVER_ARN = "arn:aws:iam::123456789012:role/temporal-server"
"""Of the principal that the server's processes are; the role `temporal_server` is mapped to it."""
SETUP_TIMEOUT_S = 300.0
"""Each statement of the schema is a transaction of its own, through the double some minutes on a busy machine."""

_DOUBLE_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 20.0


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A process of a store, for the state file and for whoever measures CPU."""

    name: str
    pid: int
    address: str
    log_path: str


class Store(Protocol):
    """The databases of a cluster, from their start to their end."""

    control_url: str
    """Of the double; empty without one."""

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables by which a server process reaches the main store and visibility."""

    def parts(self) -> list[Part]:
        """The processes that are there."""

    async def start(self, report: Report) -> None:
        """Start it and set up the schemas. Raises `TargetError`."""

    async def stop(self) -> None:
        """End all of it. Harmless where it has ended."""


class PlainPostgres:
    """One PostgreSQL with Temporal's stock schemas; by itself it serves the stock plugin."""

    control_url = ""

    def __init__(self, directory: Path, programs: Mapping[str, Path], databases: Mapping[str, str]) -> None:
        """`databases`: the stock schema of each, `temporal` or `visibility`, by its name."""
        self._programs = programs
        self._databases = dict(databases)
        self._postgres = Postgres(
            directory,
            durable=False,
            # The stock plugin is made for PostgreSQL's own default.
            settings={"default_transaction_isolation": "read committed"},
        )

    @property
    def environment(self) -> Mapping[str, str]:
        """How the stock plugin reaches it."""
        return {
            "TEMPORAL_PERSISTENCE": "postgres",
            "TEMPORAL_VISIBILITY": "postgres",
            "POSTGRES_SEEDS": HOST,
            "DB_PORT": str(self._postgres.port),
            "POSTGRES_USER": "postgres",
            "POSTGRES_PWD": self._postgres.password,
            "DBNAME": MAIN_DATABASE,
            "VISIBILITY_DBNAME": VISIBILITY_DATABASE,
        }

    def parts(self) -> list[Part]:
        """The one process."""
        one = self._postgres
        address = f"{HOST}:{one.port}"
        return [Part(name="postgres", pid=one.pid, address=address, log_path=str(one.log_path))] if one.running else []

    async def start(self, report: Report) -> None:
        """Start PostgreSQL and make the databases."""
        report("starting PostgreSQL")
        await self._postgres.start()
        for name, schema in self._databases.items():
            arguments = ["--address", f"{HOST}:{self._postgres.port}", "--database", name, "--schema", schema]
            await run_tool(
                [str(self._programs[LOCALDB]), *arguments],
                f"making the database {name}",
                environment={"SQL_PASSWORD": self._postgres.password},
            )

    async def stop(self) -> None:
        """End PostgreSQL, and drop its data."""
        await self._postgres.stop()
        if self._postgres.data_directory.name:
            shutil.rmtree(self._postgres.data_directory, ignore_errors=True)  # it may be outside of ours


class DsqlDouble:
    """The double of DSQL for the main store, in a process of its own, and a PostgreSQL beside it for visibility."""

    def __init__(self, directory: Path, programs: Mapping[str, Path], options: ClusterOptions) -> None:
        self.control_url = ""
        self._directory = directory / "dsql"
        self._programs = programs
        self._options = options
        self._visibility = PlainPostgres(directory / "visibility", programs, {VISIBILITY_DATABASE: "visibility"})
        self._double: asyncio.subprocess.Process | None = None
        self._endpoint: dict[str, str] = {}
        self._address = ""
        self._credentials: dict[str, str] = {}

    @property
    def environment(self) -> Mapping[str, str]:
        """How our plugin reaches it, with the credentials of a principal that is mapped to the server's role."""
        return {**self._visibility.environment, "TEMPORAL_PERSISTENCE": "dsql", **self._endpoint, **self._credentials}

    def parts(self) -> list[Part]:
        """The double and visibility's PostgreSQL. The double's own PostgreSQL is a process below it."""
        parts = []
        if self._double is not None and self._double.returncode is None:
            log_path = str(self._log_path)
            parts.append(Part(name="dsql-double", pid=self._double.pid, address=self._address, log_path=log_path))
        return parts + [msgspec.structs.replace(one, name="visibility") for one in self._visibility.parts()]

    async def start(self, report: Report) -> None:
        """Start both, make the DSQL schema and the roles, and only then let commits conflict."""
        report("starting the double of Aurora DSQL")
        self._directory.mkdir(parents=True, exist_ok=True)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._visibility.start(lambda line: None))
                group.create_task(self._start_double(report))
        except BaseExceptionGroup as several:
            raise several.exceptions[0] from several

    async def stop(self) -> None:
        """End both, and drop the data."""
        double, self._double = self._double, None
        try:
            if double is not None and double.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    double.terminate()
                try:
                    await asyncio.wait_for(double.wait(), _STOP_TIMEOUT_S)
                except TimeoutError:
                    double.kill()
                    await double.wait()
        finally:
            await self._visibility.stop()
            shutil.rmtree(self._directory, ignore_errors=True)

    @property
    def _log_path(self) -> Path:
        return self._directory.parent / "dsql-double.log"

    async def _start_double(self, report: Report) -> None:
        from auroral.local.double.client import Control

        at = await self._launch()
        self.control_url, self._address = at.control_url, f"{at.host}:{at.port}"
        self._endpoint = {
            "DSQL_ENDPOINT": at.endpoint,
            "DSQL_PORT": str(at.port),
            "DSQL_HOST_ADDRESS": at.host,
            "DSQL_TLS_CA_FILE": at.ca_file,
            "AWS_REGION": at.region,
            # One machine, one burst: nobody else opens connections that a delay would make room for.
            "DSQL_STAGGERED_STARTUP": "false",
        }
        control = Control(at.control_url)
        server = await asyncio.to_thread(control.add_principal, SERVER_ARN, ["DbConnect"])
        self._credentials = _aws(server.access_key_id, server.secret_access_key)
        admin = {**self._endpoint, **_aws(at.access_key_id, at.secret_access_key)}
        report("making the DSQL schema and the database roles")
        schema = str(self._programs[SCHEMA])
        await run_tool([schema, "setup"], "making the DSQL schema", environment=admin)
        await run_tool([schema, "roles", "--server-arn", SERVER_ARN], "making the database roles", environment=admin)
        if self._options.conflicts:
            settings = {"conflict_rate": self._options.conflicts, "conflict_seed": self._options.seed}
            await asyncio.to_thread(lambda: control.change(**settings))

    async def _launch(self) -> Announcement:
        from auroral.local.double.server import Announcement

        settings = msgspec.json.encode(self._options.double).decode()
        with self._log_path.open("ab") as log:
            self._double = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "auroral.local.double"),
                *("--directory", str(self._directory), "--settings", settings),
                stdin=asyncio.subprocess.PIPE,  # it ends when this end closes, however we end
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        assert self._double.stdout is not None
        try:
            async with asyncio.timeout(_DOUBLE_START_TIMEOUT_S):
                line = await self._double.stdout.readline()
        except TimeoutError as error:
            raise TargetError(
                f"the double of DSQL is not ready after {_DOUBLE_START_TIMEOUT_S:g} s\n{log_tail(self._log_path)}"
            ) from error
        if not line:
            raise TargetError(f"the double of DSQL ended while starting:\n{log_tail(self._log_path)}")
        return msgspec.json.decode(line, type=Announcement)


def _aws(access_key_id: str, secret_access_key: str) -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": access_key_id,
        "AWS_SECRET_ACCESS_KEY": secret_access_key,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def plain_postgres(directory: Path, programs: Mapping[str, Path]) -> PlainPostgres:
    """The store of `--database postgres`."""
    return PlainPostgres(directory, programs, {MAIN_DATABASE: "temporal", VISIBILITY_DATABASE: "visibility"})


async def run_tool(
    command: Sequence[str], doing: str, *, environment: Mapping[str, str], timeout_s: float = SETUP_TIMEOUT_S
) -> None:
    """Run one of our programs to its end, ending it with us. Raises `TargetError` with what it said."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=dict(environment),
    )
    try:
        async with asyncio.timeout(timeout_s):
            output, _ = await process.communicate()
    except TimeoutError as error:
        raise TargetError(f"{doing}: not done after {timeout_s:g} s") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        said = "\n".join(f"  | {line}" for line in output.decode(errors="replace").splitlines()[-15:])
        raise TargetError(f"{doing}: {Path(command[0]).name} ended with status {process.returncode}\n{said}")
