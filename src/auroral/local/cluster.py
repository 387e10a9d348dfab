"""A cluster of Temporal on this machine: the image's binary and configuration, a process for each service.

`async with LocalCluster(...)` ends all of it, and none of it outlives the process that started it.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from auroral.errors import TargetError, UsageError
from auroral.local.binaries import LOCALDB, SCHEMA, SERVER, find_configuration, obtain_binaries
from auroral.local.dynamic import LOCAL_VALUES, merged
from auroral.local.health import listens, why_unhealthy
from auroral.local.plan import (
    DEFAULT_FRONTEND_PORT,
    HOST,
    ClusterOptions,
    Database,
    Role,
    ServerProcess,
    ports_needed,
    processes,
    server_environment,
)
from auroral.local.ports import free_ports, is_free
from auroral.local.processes import GuardedProcess
from auroral.local.startable import Startable
from auroral.local.stores import DsqlDouble, Part, Store, plain_postgres
from auroral.temporal.spec import ConnectionSpec
from auroral.temporal.toolchain import Report

if TYPE_CHECKING:
    from temporalio.client import Client

START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 30.0
"""Of each process, its drain included; then it is killed."""
_POLL_S = 0.1


class LocalCluster(Startable):
    """The processes of one cluster, named `history`, `matching`, `frontend`, `worker`; several histories have numbers.

    Raises `TargetError` where it cannot be started, and `UsageError` for what it cannot be.
    """

    def __init__(
        self,
        directory: Path,
        options: ClusterOptions | None = None,
        *,
        report: Report = lambda line: None,
        changed: Callable[[], None] = lambda: None,
        environ: Mapping[str, str] = os.environ,
        log_directory: Path | None = None,
        start_timeout_s: float = START_TIMEOUT_S,
    ) -> None:
        """`directory` holds data and logs of this cluster alone; `changed` is called when a process came or went.

        `log_directory` takes the logs elsewhere.
        """
        self.options = options or ClusterOptions()
        self.options.check()
        self.directory = directory
        self.logs = log_directory or directory / "logs"
        """The directory of the server's logs."""
        self.plan: list[ServerProcess] = []
        self._report = report
        self._changed = changed
        self._environ = environ
        self._start_timeout_s = start_timeout_s
        self._store: Store | None = None
        self._running: dict[str, GuardedProcess] = {}

    @property
    def address(self) -> str:
        """Of the frontend, `host:port`."""
        return f"{HOST}:{self._one(Role.FRONTEND).grpc_port}"

    @property
    def connection(self) -> ConnectionSpec:
        """How a client reaches it."""
        return ConnectionSpec(address=self.address, namespace=self.options.namespace)

    @property
    def metrics_urls(self) -> dict[str, str]:
        """Each process's Prometheus endpoint, by its name."""
        return {one.name: one.metrics_url for one in self.plan}

    @property
    def control_url(self) -> str:
        """Of the double of DSQL; empty on PostgreSQL."""
        return self._store.control_url if self._store else ""

    def pids(self) -> dict[str, int]:
        """The process ids of the server's running processes, by name; a restart changes them."""
        return {name: process.pid for name, process in self._running.items() if process.running}

    def started(self) -> list[GuardedProcess]:
        """The server's processes that were started, whether or not they still run."""
        return [process for process in self._running.values() if process.pid]

    def store_parts(self) -> list[Part]:
        """The processes of the databases."""
        return self._store.parts() if self._store else []

    def process(self, name: str) -> GuardedProcess:
        """One of the server's processes. Raises `UsageError` for an unknown name."""
        if name not in self._running:
            raise UsageError(f"expected one of {', '.join(self._running) or 'no processes'}, got {name!r}")
        return self._running[name]

    async def stop(self) -> None:
        """Drain and end the server's processes, kill those that do not end, then end the databases."""
        ending = [process for process in self._running.values() if process.running]
        if ending:
            self._report(f"stopping {', '.join(process.name for process in ending)}")
        try:
            # Temporal's own workers first: without a frontend they try for some ten seconds to take their leave of it.
            workers = {one.name for one in self.plan if one.role is Role.WORKER}
            await self._end([process for process in self._running.values() if process.name in workers])
            await self._end([process for process in self._running.values() if process.name not in workers])
        finally:
            if self._store:
                await self._store.stop()
            self._changed()

    async def _end(self, processes: list[GuardedProcess]) -> None:
        ended = await asyncio.gather(*(process.stop(STOP_TIMEOUT_S) for process in processes))
        for process, itself in zip(processes, ended, strict=True):
            if not itself:
                self._report(f"{process.name} was killed: it had not ended after {STOP_TIMEOUT_S:g} s")

    async def kill(self, name: str) -> None:
        """Kill a process as a crash would."""
        await self.process(name).kill()
        self._changed()

    def pause(self, name: str) -> None:
        """Stop a process in its tracks; its peers will take it for lost."""
        self.process(name).pause()

    def resume(self, name: str) -> None:
        """Let a paused process go on."""
        self.process(name).resume()

    async def restart(self, name: str, *, wait: bool = True) -> None:
        """Drain and end a process (it may have ended), start it again on its ports, and wait until it serves."""
        await self.process(name).stop(STOP_TIMEOUT_S)
        self._launch(name)
        if wait:
            await self._until_healthy([self._named(name)])

    async def roll(self) -> None:
        """Restart every process, one after the other, as a deployment does."""
        for one in self.plan:
            await self.restart(one.name)

    async def unhealthy(self) -> dict[str, str]:
        """Say what is wrong, by process; empty: all serve."""
        reasons = await asyncio.gather(*(self._why_unhealthy(one) for one in self.plan))
        return {one.name: reason for one, reason in zip(self.plan, reasons, strict=True) if reason}

    async def client(self) -> Client:
        """A new client of the namespace."""
        from auroral.temporal.connect import connect

        return await connect(self.connection, retry=True)

    async def _start(self) -> None:
        on_double = self.options.database is Database.DSQL_DOUBLE
        programs = await obtain_binaries(
            [SERVER, LOCALDB, *([SCHEMA] if on_double else [])], report=self._report, environ=self._environ
        )
        configuration = find_configuration(self._environ)
        self.logs.mkdir(parents=True, exist_ok=True)
        dynamic_config = self.directory / "dynamicconfig.yaml"
        shipped = configuration.dynamic_config.read_text()
        dynamic_config.write_text(merged(shipped, LOCAL_VALUES, self.options.dynamic_config))
        self._store = self._choose_store(programs)
        await self._store.start(self._report)
        self._changed()
        self.plan = processes(self.options, iter(free_ports(ports_needed(self.options))))
        self._write_scrape_list()
        for one in self.plan:
            self._running[one.name] = GuardedProcess(
                one.name,
                [str(programs[SERVER]), "run", "--config", str(configuration.template), "--services", one.role],
                environment=server_environment(
                    one,
                    self.plan,
                    self.options,
                    store=self._store.environment,
                    dynamic_config_path=dynamic_config,
                    inherited=self._environ,
                ),
                directory=self.directory,
                log_path=self.logs / f"{one.name}.log",
            )
        self._report(f"starting {', '.join(self._running)}")
        first, *others = self.plan
        self._launch(first.name)
        # The first process writes the cluster's metadata; two that do so at once would refuse each other.
        await self._until_all([first], self._why_not_listening)
        for one in others:
            self._launch(one.name)
        await self._until_healthy(self.plan)
        await self._until_usable()
        self._report(f"a local cluster serves at {self.address}")

    def _choose_store(self, programs: Mapping[str, Path]) -> Store:
        folder = self.directory / "data"
        shutil.rmtree(folder, ignore_errors=True)  # of an earlier cluster, whose end was not seen
        if self.options.database is Database.DSQL_DOUBLE:
            return DsqlDouble(folder, programs, self.options)
        return plain_postgres(folder / "postgres", programs)

    def _write_scrape_list(self) -> None:
        """Prometheus's `file_sd_configs` format."""
        groups = [
            {"targets": [f"{HOST}:{one.metrics_port}"], "labels": {"service_name": one.role, "instance": one.name}}
            for one in self.plan
        ]
        (self.directory / "scrape.json").write_text(json.dumps(groups, indent=2) + "\n")

    def _launch(self, name: str) -> None:
        self._running[name].start()
        self._changed()

    async def _until_healthy(self, waited_for: list[ServerProcess]) -> None:
        await self._until_all(waited_for, why_unhealthy)

    async def _until_all(
        self, waited_for: list[ServerProcess], why_not: Callable[[ServerProcess], Awaitable[str]]
    ) -> None:
        deadline = time.monotonic() + self._start_timeout_s
        waiting = {one.name: "it has not been asked" for one in waited_for}
        said = ""
        while waiting:
            for one in waited_for:
                if one.name not in waiting:
                    continue
                if not self._running[one.name].running:
                    raise TargetError(
                        f"{one.name} ended while starting:\n{self._running[one.name].log_tail()}",
                        hint=f"its whole log is {self._running[one.name].log_path}",
                    )
                waiting[one.name] = await why_not(one)
            waiting = {name: reason for name, reason in waiting.items() if reason}
            if waiting and time.monotonic() > deadline:
                name = next(iter(waiting))
                raise TargetError(
                    f"not healthy after {self._start_timeout_s:g} s: "
                    + "; ".join(f"{one}: {reason}" for one, reason in waiting.items())
                    + f"\n{self._running[name].log_tail()}",
                    hint=f"the logs are in {self.logs}",
                )
            if waiting:
                if (text := f"waiting for {', '.join(waiting)}") != said:
                    self._report(said := text)
                await asyncio.sleep(_POLL_S)

    async def _until_usable(self) -> None:
        """Register the namespace, and wait until a workflow could be started in it."""
        from auroral.local.namespace import ensure_usable

        await ensure_usable(self.connection, timeout_s=self._start_timeout_s)

    async def _why_not_listening(self, one: ServerProcess) -> str:
        return "" if await listens(one) else f"nothing answers on {HOST}:{one.grpc_port}"

    async def _why_unhealthy(self, one: ServerProcess) -> str:
        process = self._running.get(one.name)
        return await why_unhealthy(one) if process and process.running else "its process has ended"

    def _one(self, role: Role) -> ServerProcess:
        found = next((one for one in self.plan if one.role is role), None)
        if found is None:
            raise UsageError("the cluster has not been started")
        return found

    def _named(self, name: str) -> ServerProcess:
        return next(one for one in self.plan if one.name == name)


def usual_frontend_port() -> int | None:
    """Temporal's own port where it is free, so that Temporal's tools need no address."""
    return DEFAULT_FRONTEND_PORT if is_free(DEFAULT_FRONTEND_PORT) else None
