"""CPU of each `simple` workflow on the servers that auroral starts here: what their processes spent during a run.

The development server (SQLite in memory, one process), the local cluster on PostgreSQL and the one on the double of
DSQL run in turns, with the same load. CPU is that of all their processes and everything below them, the databases
included; the load's own processes are left out. What was spent while idle is subtracted.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil

from auroral.bench.progress import Observer, Progress
from auroral.bench.result import Result
from auroral.bench.run import run
from auroral.bench.settings import BenchSettings
from auroral.bench.stopping import StopSignal
from auroral.local.cluster import LocalCluster
from auroral.local.plan import ClusterOptions, Database
from auroral.temporal.local import start_local
from auroral.temporal.spec import TargetSettings
from benchmarks.table import print_table

HELP = "CPU of each simple workflow: development server, local cluster on PostgreSQL and on the double of DSQL"
SERVERS = ("development", *map(str, Database))


@dataclass(frozen=True, slots=True)
class Server:
    """One that runs."""

    address: str
    roots: Callable[[], list[int]]
    """Processes below which all of it is."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One run."""

    completed: int
    cpu_s: float
    """Of the server, less what it spends when idle."""
    idle_cores: float
    p50_ms: float | None
    p99_ms: float | None

    @property
    def cpu_ms(self) -> float:
        """Of each workflow."""
        return self.cpu_s / self.completed * 1e3 if self.completed else float("nan")


class Quiet(Observer):
    """Says nothing."""

    def phase(self, name: str, detail: str = "") -> None:
        return

    def detail(self, text: str) -> None:
        return

    def progress(self, progress: Progress) -> None:
        return

    def warning(self, text: str) -> None:
        say(text)


@contextlib.asynccontextmanager
async def started(name: str, directory: Path) -> AsyncIterator[Server]:
    """Start one of the servers, and end it."""
    if name == "development":
        server = await start_local(
            namespace="benchmark", directory=directory, log_path=directory / "server.log", report=say
        )
        async with server:
            yield Server(server.address, lambda: [server.pid])
    else:
        async with LocalCluster(directory, ClusterOptions(database=Database(name)), report=say) as cluster:
            parts = [part.pid for part in cluster.store_parts()]
            yield Server(cluster.address, lambda: [*cluster.pids().values(), *parts])


def cpu_s(roots: Sequence[int]) -> float:
    """CPU that these processes and all below them have spent; what ended below them counts with its parent."""
    spent = 0.0
    for root in roots:
        for process in [psutil.Process(root), *psutil.Process(root).children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                spent += times.user + times.system
                spent += getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
    return spent


async def measure(name: str, rate_per_s: float, duration_s: float, idle_s: float) -> Measured:
    """Start a server, let it rest, load it."""
    with tempfile.TemporaryDirectory(prefix="auroral-benchmark-") as folder:
        async with started(name, Path(folder) / "server") as server:
            await _load(server, 5, 5, Path(folder) / "warm-up")
            before = cpu_s(server.roots())
            await asyncio.sleep(idle_s)
            idle_cores = (cpu_s(server.roots()) - before) / idle_s
            loop = asyncio.get_running_loop()
            before, begun_s = cpu_s(server.roots()), loop.time()
            result = await _load(server, rate_per_s, duration_s, Path(folder) / "run")
            elapsed_s = loop.time() - begun_s
            spent = cpu_s(server.roots()) - before - idle_cores * elapsed_s
    latency = result.times.latency
    return Measured(result.outcomes["completed"], spent, idle_cores, latency.p50_ms, latency.p99_ms)


async def _load(server: Server, rate_per_s: float, duration_s: float, output: Path) -> Result:
    settings = BenchSettings(
        target=TargetSettings(address=server.address),
        target_rate_per_s=rate_per_s,
        duration_s=duration_s,
        output=str(output),
        metrics_port=0,
    )
    outcome = await run(settings, configuration=[], environ={}, observer=Quiet(), stop=StopSignal())
    return outcome.result


def say(line: str) -> None:
    """Progress, apart from the table."""
    print(line, file=sys.stderr)


def _row(name: str, runs: Sequence[Measured]) -> list[str]:
    def of(value: Callable[[Measured], float | None], form: str) -> str:
        values = [one for run in runs if (one := value(run)) is not None]
        return form.format(median(values)) if len(values) == len(runs) else "did not complete"

    spread = [one.cpu_ms for one in runs]
    return [
        name,
        f"{sum(one.completed for one in runs)}",
        f"{median(spread):.1f} ({min(spread):.1f}–{max(spread):.1f})",
        of(lambda one: one.idle_cores * 100, "{:.1f}"),
        of(lambda one: one.p50_ms, "{:.0f}"),
        of(lambda one: one.p99_ms, "{:.0f}"),
    ]


def main(arguments: list[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks local", description=HELP)
    parser.add_argument("--servers", nargs="+", choices=SERVERS, default=list(SERVERS))
    parser.add_argument("--rate", type=float, default=10.0, help="workflows per second")
    parser.add_argument("--duration", type=float, default=30.0, help="seconds of each run")
    parser.add_argument("--idle", type=float, default=10.0, help="seconds to measure the idle server")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each, in turns")
    parser.add_argument("--check", action="store_true", help="exit with 1 where a workflow did not complete")
    options = parser.parse_args(arguments)
    runs: dict[str, list[Measured]] = {name: [] for name in options.servers}
    for number in range(options.rounds):
        for name in options.servers:
            one = asyncio.run(measure(name, options.rate, options.duration, options.idle))
            runs[name].append(one)
            say(f"{name} round {number + 1}/{options.rounds}: {one.cpu_ms:.1f} ms of CPU each")
    print_table(
        ["server", "completed", "CPU ms/workflow", "idle % of a core", "P50 ms", "P99 ms"],
        [_row(name, measured) for name, measured in runs.items()],
    )
    print(f"medians of {options.rounds} runs of {options.duration:g} s at {options.rate:g}/s (range)")
    expected = round(options.rate * options.duration)
    short = [name for name, measured in runs.items() if any(one.completed < expected for one in measured)]
    for name in short:
        print(f"missed: {name} did not complete all of {expected}")
    return int(bool(short) and options.check)
