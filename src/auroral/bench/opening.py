"""Everything before the schedule: a cluster, its namespace, our processes, the preflight and the warm-up."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from temporalio.client import Client

from auroral.bench import prepare
from auroral.bench.blueprint import Blueprint
from auroral.bench.environment import describe
from auroral.bench.executions import count_by_status
from auroral.bench.fleet import Child, Fleet
from auroral.bench.manifest import WorkerIdentity
from auroral.bench.own_server import OwnServer, development_server, local_cluster
from auroral.bench.progress import Observer
from auroral.bench.protocol import GeneratorOrder, WorkerOrder, notes_of
from auroral.bench.result import Environment
from auroral.bench.settings import BenchSettings
from auroral.errors import UsageError
from auroral.temporal.connect import connect
from auroral.temporal.spec import ConnectionSpec, TargetSettings

if TYPE_CHECKING:
    from auroral.bench.spread.coordinator import Spread

PATIENCE_APART_S = 120.0
"""How long separate generators and workers try to connect: in ECS the mesh's proxy comes up after the process."""


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster that answers."""

    connection: ConnectionSpec
    client: Client
    environment: Environment
    server: OwnServer | None
    """The one on this machine that is ours, if it is."""

    def server_pids(self) -> dict[str, int]:
        """The processes of our own server, if there is one."""
        return {} if self.server is None else self.server.pids()

    @property
    def server_metrics(self) -> list[str]:
        """Where our own server shows its metrics."""
        return [] if self.server is None else self.server.metrics_urls


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster that answers, with workers that serve any run on their task queues: for several runs, one by one."""

    opened: Opened
    workers: list[Child]
    """Ours; none where they run elsewhere."""
    notes: list[str] = []


class Opening:
    """Takes a run to the point where its schedule can begin. What it starts, `stack` ends."""

    def __init__(
        self,
        settings: BenchSettings,
        blueprint: Blueprint,
        environ: Mapping[str, str],
        *,
        fleet: Fleet,
        log_path: Callable[[str], Path],
        observer: Observer,
        stack: contextlib.AsyncExitStack,
    ) -> None:
        self._settings = settings
        self._blueprint = blueprint
        self._manifest = blueprint.manifest
        self._environ = environ
        self._fleet = fleet
        self._log_path = log_path
        self._observer = observer
        self._stack = stack
        self.notes: list[str] = []
        self.spread: Spread | None = None
        """The generators on machines of their own, if they are."""
        self.workers: list[WorkerIdentity] = []
        """Those that polled when the preflight had all it waited for."""

    async def reach(self, connection: ConnectionSpec | None) -> Opened:
        """Connect to the cluster, or start a local server for the run where there is none. Raises `TargetError`."""
        server = None
        if connection is None and self._settings.spread is not None:
            raise UsageError(
                "expected the address of the cluster to load with --spread, but none was given",
                hint="name it with --address or TEMPORAL_ADDRESS: generators on other machines must reach it",
            )
        if connection is None:
            server = await self._start_server()
            connection = ConnectionSpec(address=server.address, namespace=self._manifest.namespace)
        self._observer.phase("connect", connection.address)
        patience_s = patience_apart_s(connection) if self._settings.generator_only else connection.connect_timeout_s
        client = await connect(connection, retry=True, patience_s=patience_s, report=self._observer.detail)
        await prepare.check_health(client, connection.address, timeout_s=connection.connect_timeout_s)
        environment = await describe(
            client,
            connection,
            local_server=server is not None,
            local_cluster=server.database if server is not None else None,
            environ=self._environ,
        )
        return Opened(connection=connection, client=client, environment=environment, server=server)

    async def make_ready(self, opened: Opened) -> prepare.ClockOffset:
        """Prepare the namespace, start our processes, check who polls, and warm up. Raises `AuroralError`."""
        settings, manifest, observer, client = self._settings, self._manifest, self._observer, opened.client
        observer.phase("prepare", f"namespace {manifest.namespace}")
        state = await prepare.ensure_namespace(
            client, opened.connection, allow_namespace=settings.target.allow_namespace
        )
        if state.created:
            observer.detail(f"namespace {manifest.namespace} created, retention one day")
        await prepare.wait_usable(
            client, manifest.namespace, f"{manifest.run_id}-usable", timeout_s=settings.worker_wait_s
        )
        await self._require_new_run_id(client)
        await self._start_processes(opened.connection)
        # Whose polls are refused has ended: it would be waited for in vain, and its own words are better.
        self.workers = await self._fleet.unless_one_ends(
            prepare.await_workers(client, manifest, timeout_s=settings.worker_wait_s, report=observer.detail)
        )
        observer.phase("warm-up", "probe workflows")
        return await self._fleet.unless_one_ends(prepare.warm_up(client, manifest))

    async def _require_new_run_id(self, client: Client) -> None:
        known = sum((await count_by_status(client, self._manifest)).values())
        if known:
            raise UsageError(
                f"expected a run id that the server has not seen, but it knows {known:,} workflows of a run "
                f"{self._manifest.run_id}",
                hint="leave --run-id out, or name another",
            )

    async def _start_server(self) -> OwnServer:
        target, namespace = self._settings.target, self._manifest.namespace
        log_path = self._log_path("server")
        if target.local:
            server = await local_cluster(
                namespace,
                target.local_database,
                environ=self._environ,
                log_directory=log_path.parent / "cluster",
                observer=self._observer,
                stack=self._stack,
            )
        else:
            server = await development_server(
                namespace, environ=self._environ, log_path=log_path, observer=self._observer, stack=self._stack
            )
        self.notes.append(server.note)
        return server

    async def _start_processes(self, connection: ConnectionSpec) -> None:
        manifest = self._manifest
        workers = 0 if self._fleet.lent else self._blueprint.worker_processes
        self._stack.push_async_callback(self._fleet.stop)
        self._observer.phase("workers", f"{workers} × worker, {manifest.generator_processes} × generator")
        for number in range(workers):
            await self._fleet.add_worker(f"worker-{number}", self._worker_order(connection, f"worker-{number}"))
        if self._settings.spread is not None:
            await self._fleet.wait_ready()
            await self._open_spread(connection)
            return
        for number in range(manifest.generator_processes):
            await self._fleet.add_generator(self._generator_order(connection, number))
        await self._fleet.wait_ready()
        self._note(notes_of({generator.name: generator.note for generator in self._fleet.generators}))

    async def _open_spread(self, connection: ConnectionSpec) -> None:
        from auroral.bench.spread.coordinator import Spread  # with the SDK's worker, which few runs need here

        self._observer.phase("generators", f"{self._manifest.generator_processes} × auroral bench generator")
        spread = Spread(self._settings, self._manifest, connection, self._environ, self._observer)
        self.spread = await self._stack.enter_async_context(spread)
        await spread.open()
        self.notes.append(
            f"{len(spread.generators)} generators on machines of their own, conducted by {spread.where}; their samples "
            "stay with them, so that this directory has histograms but no samples.parquet."
        )
        self._note(spread.notes)

    def _note(self, notes: Sequence[str]) -> None:
        for note in notes:
            self._observer.detail(note)
        self.notes.extend(notes)

    def _worker_order(self, connection: ConnectionSpec, name: str) -> WorkerOrder:
        return WorkerOrder(
            connection=connection,
            task_queues=self._manifest.task_queues,
            settings=self._settings.worker,
            max_concurrent_activities=self._blueprint.activity_slots,
            engine=self._manifest.engine,
            manifest_digest=self._manifest.digest,
            name=name,
            metrics=True,
        )

    def _generator_order(self, connection: ConnectionSpec, number: int) -> GeneratorOrder:
        settings, parts = self._settings, self._manifest.generator_processes
        return GeneratorOrder(
            connection=connection,
            manifest=self._manifest,
            generator=number,
            max_in_flight=max(1, share(settings.max_in_flight, number, parts)),
            max_lag_s=settings.max_lag_s,
            max_watchers=share(settings.max_watchers, number, parts),
            start_timeout_s=settings.start_timeout_s,
            drain_timeout_s=settings.drain_timeout_s,
            metrics=True,
            worker=self._worker_order(connection, f"generator-{number}") if self._manifest.eager_start else None,
        )


def patience_apart_s(connection: ConnectionSpec) -> float:
    """How long to try where generator and workers run apart: as asked for, else two minutes."""
    asked_s = connection.connect_timeout_s
    return PATIENCE_APART_S if asked_s == TargetSettings().connect_timeout_s else asked_s


def share(whole: int, part: int, parts: int) -> int:
    """One part's share of a limit, the shares' sum being the whole."""
    return whole // parts + (1 if part < whole % parts else 0)
