"""A local cluster on the double of DSQL, watched from every side while `auroral bench run` loads it.

Watched are the server's metrics and logs, the double's counters, the histories of the workflows, and an audit inside
the double's PostgreSQL (`tests.support.shard_audit`), which neither the server nor the double can see.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import time
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from auroral.bench.exposition import samples
from auroral.bench.result import Result
from auroral.local.cluster import LocalCluster
from auroral.local.double.client import Control
from auroral.local.double.statistics import Opening
from auroral.local.plan import ClusterOptions, Database
from tests.support.benchmark import Benchmark, Finished

POLL_S = 0.1
POOLS_POLL_S = 0.5
"""Every process is asked for all its metrics, for up to a minute and a half."""
STARTUP_CONNECTIONS = 2
"""A process's brief stores open no more, beside its pool."""
KEEPER_OPENINGS = 4
"""A keeper has no more under way."""
KNOCK_LATE_S = 0.2
"""Between an opening's leave by its limiter and its knock at the double's door."""
SERVER_ROLE = "temporal_server"


@dataclass(frozen=True)
class ConnectSettings:
    """What bounds the openings of a cluster."""

    rate_per_s: float
    """Of each process: DSQL_CONNECTION_RATE_LIMIT."""
    burst: int
    """Of each process: DSQL_CONNECTION_BURST_LIMIT."""
    pool_size: int
    histories: int = 2

    @property
    def processes(self) -> int:
        return self.histories + 3

    def most(self, window_s: float, restarts: int = 0) -> float:
        """Openings of the cluster in any stretch of so many seconds; each restart in it brings a full bucket."""
        return (self.processes + restarts) * self.burst + self.processes * self.rate_per_s * window_s

    @property
    def under_way(self) -> int:
        """Openings of the cluster that may be under way at once."""
        return self.processes * KEEPER_OPENINGS

    @property
    def refill_s(self) -> float:
        """How long a pool takes to fill with a full bucket, by its limiter alone."""
        return max(0, self.pool_size - self.burst) / self.rate_per_s

    @property
    def environment(self) -> dict[str, str]:
        """Of the server's processes."""
        return {
            "DSQL_CONNECTION_RATE_LIMIT": str(self.rate_per_s),
            "DSQL_CONNECTION_BURST_LIMIT": str(self.burst),
        }

    @property
    def double(self) -> dict[str, float]:
        """Limits of DSQL that are just the bound, so that what goes beyond it is refused."""
        return {"connect_rate_per_s": self.rate_per_s * self.processes, "connect_burst": self.most(KNOCK_LATE_S)}


class Watched:
    """A cluster and what can be known of it."""

    def __init__(self, cluster: LocalCluster, settings: ConnectSettings) -> None:
        self.cluster = cluster
        self.settings = settings
        self.control = Control(cluster.control_url)

    @property
    def histories(self) -> list[str]:
        """Names of the history processes."""
        return [name for name in self.cluster.metrics_urls if name.startswith("history")]

    def metric(self, process: str, name: str, **labels: str) -> float:
        """The sum of one process's samples of that name whose labels hold these texts; 0 where it cannot be read."""
        try:
            with urllib.request.urlopen(self.cluster.metrics_urls[process], timeout=5) as answer:
                text = answer.read()
        except OSError:
            return 0.0
        return sum(
            value
            for found, has, value in samples(text, [name])
            if found == name and all(wanted in has.get(label, "") for label, wanted in labels.items())
        )

    def total(self, name: str, **labels: str) -> float:
        """The same of all processes."""
        return sum(self.metric(process, name, **labels) for process in self.cluster.metrics_urls)

    def fenced_out(self, process: str = "") -> float:
        """How many requests to the store were refused as their shard has another owner, of one history or of all."""
        name, labels = "persistence_error_with_type", {"error_type": "ShardOwnershipLost"}
        return self.metric(process, name, **labels) if process else self.total(name, **labels)

    def log(self, process: str, since: int = 0) -> list[dict[str, Any]]:
        """The lines of a process's log, from an offset that `marks` told."""
        with (self.cluster.logs / f"{process}.log").open("rb") as file:
            file.seek(since)
            lines = file.read().splitlines()
        found = []
        for line in lines:
            with contextlib.suppress(json.JSONDecodeError):  # a line half written, or not the server's
                found.append(json.loads(line))
        return found

    def marks(self) -> dict[str, int]:
        """Where each log ends now."""
        return {process: self.log_size(process) for process in self.cluster.metrics_urls}

    def log_size(self, process: str) -> int:
        """Where one log ends now, in bytes."""
        return (self.cluster.logs / f"{process}.log").stat().st_size

    def said(self, text: str, since: dict[str, int], processes: Iterable[str] = ()) -> list[dict[str, Any]]:
        """The log lines since then whose message or error holds the text."""
        return [
            line
            for process in processes or self.cluster.metrics_urls
            for line in self.log(process, since[process])
            if text in str(line.get("msg", "")) or text in str(line.get("error", ""))
        ]

    def acquired(self, since: dict[str, int], histories: Iterable[str] = ()) -> Counter[int]:
        """How often each shard was acquired since then."""
        lines = self.said("Acquired shard", since, histories or self.histories)
        return Counter(int(line["shard-id"]) for line in lines)

    def owners(self) -> dict[int, str]:
        """Which history acquired each shard last."""
        taken = sorted(
            (str(line["ts"]), int(line["shard-id"]), process)
            for process in self.histories
            for line in self.said("Acquired shard", dict.fromkeys(self.histories, 0), [process])
        )
        return {shard: process for _, shard, process in taken}

    def openings(self) -> list[Opening]:
        """All openings of the server's processes since the last reset of the double's counters."""
        return [one for one in self.control.statistics().openings if one.role == SERVER_ROLE]

    def refused(self) -> dict[str, int]:
        """How often the double refused to open a session since then, by SQLSTATE."""
        return self.control.statistics(openings=False).refused

    def pool_gaps(self) -> dict[str, str]:
        """Which pools are not full, by process, as their own gauges say."""
        gaps = {}
        for name, role in ((one.name, str(one.role)) for one in self.cluster.plan):
            opened = self.metric(name, "dsql_pool_open", service_name=role)
            if opened < self.settings.pool_size:
                gaps[name] = f"{opened:g} of {self.settings.pool_size}"
        return gaps

    async def pools_full(self, within_s: float) -> float:
        """Wait until the double holds a whole pool of each process and the gauges say so; return how long it took."""
        wanted = self.settings.processes * self.settings.pool_size

        async def full() -> bool:
            # The brief stores of a start are closed again: what is open are the pools.
            now = await asyncio.to_thread(lambda: self.control.statistics(openings=False).open)
            return now >= wanted and not await asyncio.to_thread(self.pool_gaps)

        return await until(full, within_s, lambda: f"full pools: {self.pool_gaps()}", poll_s=POOLS_POLL_S)


async def until(
    holds: Callable[[], Awaitable[bool]], within_s: float, what: Callable[[], str] | str, *, poll_s: float = POLL_S
) -> float:
    """Wait until it holds; fail after so many seconds. Return how long it took."""
    began = time.monotonic()
    while not await holds():
        if time.monotonic() - began > within_s:
            raise AssertionError(f"not within {within_s:g} s: {what if isinstance(what, str) else what()}")
        await asyncio.sleep(poll_s)
    return time.monotonic() - began


@contextlib.asynccontextmanager
async def watched_cluster(
    directory: Path,
    settings: ConnectSettings,
    *,
    conflicts: float = 0.0,
    shards_a_history: int = 8,
    seed: int = 1,
    environment: dict[str, str] | None = None,
    double: dict[str, float] | None = None,
) -> AsyncIterator[Watched]:
    """Start a cluster on the double, and end it."""
    options = ClusterOptions(
        database=Database.DSQL_DOUBLE,
        histories=settings.histories,
        history_shards=shards_a_history * settings.histories,
        pool_size=settings.pool_size,
        conflicts=conflicts,
        seed=seed,
        environment={**settings.environment, **(environment or {})},
        double={**settings.double, **(double or {})},
    )
    async with LocalCluster(directory, options, report=print) as cluster:
        yield Watched(cluster, settings)


class Load:
    """`auroral bench run` against a cluster, while something is done to it."""

    def __init__(self, watched: Watched, name: str, directory: Path, *, rate_per_s: int, seconds: int) -> None:
        self.activities = 2
        self._ids = f"{name}-0-"
        """What the ids of the load begin with; the run's own probes have others."""
        self._watched = watched
        self._run = Benchmark(
            "run", "--address", watched.cluster.address, "--run-id", name, "--workload", "multi-activity",
            "--activity-count", str(self.activities), "--target-rate", str(rate_per_s), "--duration", f"{seconds}s",
            "--max-lag", "10s", "--start-timeout", "30s", "--completion-timeout", "60s", "--worker-count", "1",
            "--metrics-port", "0", "--output", str(directory), directory=directory,
        )  # fmt: skip

    async def __aenter__(self) -> Load:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._run.__exit__(None, None, None)

    async def under_way(self, completed: int = 5) -> None:
        """Wait until so many workflows are complete by the server's own count."""
        await asyncio.to_thread(self._run.wait_for, "drive:", 60)
        client = await self._watched.cluster.client()

        async def enough() -> bool:
            query = f"WorkflowId STARTS_WITH '{self._ids}' AND ExecutionStatus = 'Completed'"
            return (await client.count_workflows(query)).count >= completed

        await until(enough, 30, f"{completed} completed workflows of {self._ids}")

    @property
    def over(self) -> bool:
        """Whether the run has ended."""
        return self._run.process.poll() is not None

    async def finish(self, within_s: float = 150) -> Finished:
        """Wait for its end."""
        return await asyncio.to_thread(self._run.finish, within_s)

    async def proven(self, within_s: float = 150, *, rejected: int = 0) -> Result:
        """Wait for its end; nothing was lost, and nothing done twice.

        So many starts may have been rejected: their callers know, and no workflow came of them.
        """
        finished = await self.finish(within_s)
        result = finished.result
        account = f"{result.outcomes} {result.verdict} {result.reconciliation} {result.causes}"
        completed = result.outcomes["completed"]
        assert completed + result.outcomes["rejected"] == result.scheduled > 0, account
        assert result.outcomes["rejected"] <= rejected, account
        assert result.reconciliation.status == "agreed", account
        if completed == result.scheduled:
            assert (finished.status, result.verdict.status) == (0, "pass"), account
        histories = await read_histories(await self._watched.cluster.client(), self._ids)
        assert len(histories) == completed, account
        wrong = {name: why for name, types in histories.items() if (why := not_once(types, self.activities))}
        assert not wrong, wrong
        return result


async def read_histories(client: Client, prefix: str) -> dict[str, list[int]]:
    """The event types of each execution whose workflow id begins so, by workflow id and run id."""
    found = [one async for one in client.list_workflows(f"WorkflowId STARTS_WITH '{prefix}'")]
    gate = asyncio.Semaphore(8)

    async def read(workflow_id: str, run_id: str) -> tuple[str, list[int]]:
        async with gate:
            history = await client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history()
        assert [event.event_id for event in history.events] == list(range(1, len(history.events) + 1)), workflow_id
        return f"{workflow_id}/{run_id}", [event.event_type for event in history.events]

    return dict(await asyncio.gather(*(read(one.id, one.run_id) for one in found)))


def not_once(types: Sequence[int], activities: int) -> str:
    """What a workflow's history holds too often or too seldom; empty: each activity and its close stand in it once."""
    expected = {
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED: 1,
        EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED: activities,
        EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED: activities,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED: 1,
    }
    counted = Counter(types)
    return ", ".join(
        f"{EventType.Name(kind)} {counted[kind]} times instead of {count}"
        for kind, count in expected.items()
        if counted[kind] != count
    )


def excess(openings: Sequence[Opening], settings: ConnectSettings, restarts: int = 0) -> float:
    """By how many openings the bound was passed, where it was passed most; negative: what was left of it.

    Every stretch that matters begins and ends with an opening.
    """
    times = sorted(one.at_s for one in openings)
    return max(
        (
            last - first + 1 - settings.most(times[last] - times[first], restarts)
            for first in range(len(times))
            for last in range(first, len(times))
        ),
        default=-math.inf,
    )


def within_bound(openings: Sequence[Opening], settings: ConnectSettings, restarts: int = 0) -> float:
    """Assert that openings stayed inside the bound, and return what was left of it.

    The double notes an opening when it is open, and the bound is on those that begin. So a stretch may hold those that
    were under way when it began, too.
    """
    over = excess(openings, settings, restarts)
    assert over <= settings.under_way, f"{over:.1f} openings beyond the bound, {settings.under_way} may be under way"
    return -over
