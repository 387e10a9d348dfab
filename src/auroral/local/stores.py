"""What keeps a local cluster's data: PostgreSQL, or the double of DSQL with PostgreSQL for visibility."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from auroral.errors import TargetError
from auroral.local.binaries import LOCALDB
from auroral.local.plan import HOST, MAIN_DATABASE, VISIBILITY_DATABASE
from auroral.local.postgres import Postgres
from auroral.temporal.toolchain import Report

SETUP_TIMEOUT_S = 300.0
"""Each statement of the schema is a transaction of its own, through the double some minutes on a busy machine."""


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
