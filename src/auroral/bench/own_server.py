"""A Temporal server of our own for a run, on the same cores as its load: the development server or a local cluster."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from auroral.bench.progress import Observer
from auroral.errors import TargetError, UsageError
from auroral.local.cluster import LocalCluster
from auroral.local.detached import standing
from auroral.local.plan import ClusterOptions, Database
from auroral.local.state import default_directory
from auroral.temporal.local import start_local


@dataclass(frozen=True, slots=True)
class OwnServer:
    """What a run needs to know of it."""

    address: str
    pids: Callable[[], dict[str, int]]
    """Its processes by name, as they are now."""
    metrics_urls: list[str]
    database: str | None = None
    """Of a local cluster."""
    note: str = "The server ran on the same machine as the load: its limit is not a cluster's."


async def development_server(
    namespace: str,
    *,
    environ: Mapping[str, str],
    log_path: Path,
    observer: Observer,
    stack: contextlib.AsyncExitStack,
) -> OwnServer:
    """Start Temporal's development server; the stack ends it. Raises `TargetError`."""
    observer.phase("server", "no address was given: starting a local Temporal server")
    server = await start_local(
        namespace=namespace,
        directory=Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="auroral-"))),
        log_path=log_path,
        report=observer.detail,
        executable=environ.get("AURORAL_TEMPORAL_CLI"),
    )
    stack.push_async_callback(server.stop)
    return OwnServer(server.address, lambda: {"server": server.pid}, [server.metrics_url])


async def local_cluster(
    namespace: str,
    database: str | None,
    *,
    environ: Mapping[str, str],
    log_directory: Path,
    observer: Observer,
    stack: contextlib.AsyncExitStack,
    directory: Path | None = None,
) -> OwnServer:
    """Take the cluster that `auroral local up` has started, else start one that the stack ends.

    `database` None: whatever runs, else PostgreSQL. `directory` stands for that of `up`. Raises `UsageError` where
    another database runs, `TargetError` where the cluster is unhealthy or cannot be started.
    """
    directory = directory or default_directory()
    found = await standing(directory)
    if found is not None:
        running = found.state.options.database
        if database is not None and database != running:
            raise UsageError(
                f"expected a local cluster on {database}, but one on {running} is up in {directory}",
                hint=f"auroral local down, or --local-database {running}",
            )
        if found.unhealthy:
            told = "; ".join(f"{name}: {reason}" for name, reason in found.unhealthy.items())
            raise TargetError(f"the local cluster in {directory} is unhealthy: {told}", hint="auroral local down")
        servers = [one for one in found.state.processes if one.server is not None]
        pids = {one.name: one.pid for one in servers}
        observer.phase("server", f"the local cluster on {running} at {found.state.address}")
        urls = [one.server.metrics_url for one in servers if one.server is not None]
        return OwnServer(found.state.address, lambda: dict(pids), urls, str(running))
    options = ClusterOptions(database=Database(database or Database.POSTGRES), namespace=namespace)
    observer.phase("server", f"no local cluster is up: starting one on {options.database}")
    cluster = LocalCluster(
        Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="auroral-local-"))),
        options,
        report=observer.detail,
        environ=environ,
        log_directory=log_directory,
    )
    await stack.enter_async_context(cluster)
    return OwnServer(cluster.address, cluster.pids, list(cluster.metrics_urls.values()), str(options.database))
