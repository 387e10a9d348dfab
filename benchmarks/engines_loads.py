"""The loads that are compared: each is run as its user runs it, and what its processes use is read from outside."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from auroral.errors import TargetError
from benchmarks.engines_build import GO_RUNNER
from benchmarks.engines_servers import NAMESPACE, Counts
from benchmarks.engines_usage import Used, read_all, spent, total

_ROOT = Path(__file__).resolve().parent.parent
_LEAD_S = 0.5
"""Between auroral's phase `drive` and its first start."""
_START_S = 60.0
_END_S = 90.0
_LAST_LINES = 15
_SETTLED_S = 1.0
_SWEPT_S = 6.0
"""Where closes are seen by listing."""


@dataclass(frozen=True, slots=True)
class Row:
    """One load."""

    name: str
    label: str
    flags: tuple[str, ...] = ()
    """Of `auroral bench run`; none for what is not auroral."""


ROWS: Mapping[str, Row] = {
    row.name: row
    for row in (
        Row("go", "the spec's Go runner"),
        Row("plain", "plain Python SDK"),
        Row("sdk", "auroral --engine sdk", ("--engine", "sdk")),
        Row("wire", "auroral --engine wire", ("--engine", "wire")),
        Row("wire-visibility", "wire, --observe visibility", ("--engine", "wire", "--observe", "visibility")),
        Row("wire-eager", "wire, --eager-start", ("--engine", "wire", "--eager-start")),
        Row("wire-both", "wire, both", ("--engine", "wire", "--eager-start", "--observe", "visibility")),
    )
}


@dataclass(frozen=True, slots=True)
class Load:
    """How much of it."""

    rate_per_s: float
    duration_s: float
    skip_s: float
    """Of the schedule's beginning, which is not measured."""
    workload: str = "simple"
    takes_s: float = 0.0
    """How long one workflow waits by its definition."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What a load says of its whole schedule."""

    scheduled: int
    completed: int
    lag_p99_ms: float
    drain_s: float
    """From the schedule's end to when the last workflow was seen to close."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One run."""

    rate_per_s: float
    settles_s: float
    """How long after the schedule's end the last close may be seen."""
    window_s: float
    workflows: float
    """Completed in the window, by the server's count where it counts, else by the schedule."""
    parts: dict[str, Used]
    """By process, in the window."""
    ended: Ended
    calls: dict[str, float] | None = None
    """Of each workflow in the window, by method, where the server counts."""
    server_cpu_s: float | None = None
    activities_per_s: float = 0.0
    """Completed in the window, where the server counts."""

    @property
    def kept_up(self) -> bool:
        """Whether the server carried the load: everything completed, and little was left at the schedule's end."""
        return self.ended.completed == self.ended.scheduled and self.ended.drain_s <= self.settles_s

    @property
    def cpu_ms(self) -> float:
        """Of all client processes, each workflow."""
        return total(self.parts.values()).cpu_s / self.workflows * 1e3

    @property
    def switches(self) -> float | None:
        """Voluntary context switches of all client processes, each workflow."""
        used = total(self.parts.values()).switches
        return None if used is None else used / self.workflows

    @property
    def calls_each(self) -> float | None:
        """Requests of each workflow."""
        return None if self.calls is None else sum(self.calls.values())

    @property
    def busiest_cores(self) -> float:
        """What the busiest process used."""
        return max(one.cpu_s for one in self.parts.values()) / self.window_s


class Launched:
    """A load that runs: its processes, when its schedule began, and what it says at the end."""

    def __init__(
        self, begun_unix_s: float, processes: Callable[[], dict[str, int]], result: Callable[[], Awaitable[Ended]]
    ) -> None:
        self.begun_unix_s = begun_unix_s
        self.processes = processes
        self.result = result
        """Awaits the end."""


async def measure(
    row: Row,
    address: str,
    load: Load,
    directory: Path,
    programs: Mapping[str, Path],
    *,
    counts: Callable[[], Counts] | None = None,
) -> Measured:
    """Run a load and read what its processes use from `skip_s` after its first start to its last.

    `directory` is there and holds nothing; `counts` asks the instant server. Raises `TargetError` where the load does
    not start or does not end well.
    """
    async with launched(row, address, load, directory, programs) as running:
        await _until(running.begun_unix_s + load.skip_s)
        seen_before = counts() if counts is not None else None
        before, begun_s = read_all(running.processes()), time.monotonic()
        await _until(running.begun_unix_s + load.duration_s - 0.1)
        after, window_s = read_all(running.processes()), time.monotonic() - begun_s
        seen_after = counts() if counts is not None else None
        ended = await running.result()
    try:
        parts = spent(before, after)
    except ValueError as error:
        raise TargetError(f"{row.label}: {error}") from error
    workflows, calls, server_cpu_s, activities_per_s = load.rate_per_s * window_s, None, None, 0.0
    if seen_before is not None and seen_after is not None:
        workflows = max(1, seen_after.closed - seen_before.closed)
        calls = {
            method: (count - seen_before.calls.get(method, 0)) / workflows for method, count in seen_after.calls.items()
        }
        server_cpu_s = seen_after.cpu_s - seen_before.cpu_s
        activities_per_s = (seen_after.activities - seen_before.activities) / window_s
    return Measured(
        rate_per_s=load.rate_per_s,
        settles_s=load.takes_s + (_SWEPT_S if "visibility" in row.flags else _SETTLED_S),
        window_s=window_s,
        workflows=workflows,
        parts=parts,
        ended=ended,
        calls=calls,
        server_cpu_s=server_cpu_s,
        activities_per_s=activities_per_s,
    )


@contextlib.asynccontextmanager
async def launched(
    row: Row, address: str, load: Load, directory: Path, programs: Mapping[str, Path]
) -> AsyncIterator[Launched]:
    """Start a load's processes and wait until its schedule begins; end what is left of them afterwards."""
    async with contextlib.AsyncExitStack() as stack:
        if row.name == "go":
            yield await _go_runner(address, load, directory, programs[GO_RUNNER], stack)
        elif row.name == "plain":
            yield await _plain_sdk(address, load, directory, stack)
        else:
            yield await _auroral(row, address, load, directory, stack)


async def _go_runner(
    address: str, load: Load, directory: Path, program: Path, stack: contextlib.AsyncExitStack
) -> Launched:
    command = [str(program), "-address", address, "-namespace", NAMESPACE, "-rate", f"{load.rate_per_s:g}"]
    command += ["-duration", f"{load.duration_s:g}s"]
    runner = await _spawn(command, directory / "go-runner.log", stack)
    begun = json.loads(await _line(runner, "the Go runner", directory / "go-runner.log"))
    return Launched(begun["begun_unix_s"], lambda: {"runner": runner.pid}, lambda: _told(runner, "the Go runner"))


async def _plain_sdk(address: str, load: Load, directory: Path, stack: contextlib.AsyncExitStack) -> Launched:
    command = [sys.executable, "-m", "benchmarks.plain_sdk"]
    about = ["--address", address, "--namespace", NAMESPACE]
    worker = await _spawn([*command, "worker", *about], directory / "worker.log", stack)
    await _line(worker, "the plain worker", directory / "worker.log")
    about += ["--rate", f"{load.rate_per_s:g}", "--duration", f"{load.duration_s:g}"]
    generator = await _spawn([*command, "generator", *about], directory / "generator.log", stack)
    begun = json.loads(await _line(generator, "the plain generator", directory / "generator.log"))
    processes = {"generator": generator.pid, "worker": worker.pid}
    return Launched(begun["begun_unix_s"], lambda: processes, lambda: _told(generator, "the plain generator"))


async def _auroral(row: Row, address: str, load: Load, directory: Path, stack: contextlib.AsyncExitStack) -> Launched:
    output, log = directory / "results", directory / "auroral.log"
    command = [sys.executable, "-m", "auroral", "bench", "run", "--address", address, "--namespace", NAMESPACE]
    command += ["--workload", load.workload, "--target-rate", f"{load.rate_per_s:g}/s"]
    command += ["--duration", f"{load.duration_s:g}s", "--ramp-up", "0s", "--worker-count", "1"]
    command += ["--generator-processes", "1", "--metrics-port", "0", "--output", str(output)]
    command += ["--completion-timeout", "15s", "--settle-timeout", "5s", "--cleanup-timeout", "10s", *row.flags]
    coordinator = await _spawn(command, log, stack)
    end_s = time.monotonic() + _START_S
    while not _says(log, "\ndrive: "):
        if coordinator.returncode is not None or time.monotonic() > end_s:
            raise TargetError(f"{row.label} did not begin:\n{_tail(log)}", hint=f"its log: {log}")
        await asyncio.sleep(0.02)
    begun_unix_s = time.time() + _LEAD_S

    def processes() -> dict[str, int]:
        children = psutil.Process(coordinator.pid).children(recursive=True)
        parts = {}
        for number, child in enumerate(children):
            with contextlib.suppress(psutil.Error):
                module = next((part for part in child.cmdline() if part.startswith("auroral.bench.")), "child")
                parts[f"{module.removeprefix('auroral.bench.')} {number}"] = child.pid
        return {"coordinator": coordinator.pid, **parts}

    async def result() -> Ended:
        try:
            await asyncio.wait_for(coordinator.wait(), _END_S)
            told = json.loads((output / "result.json").read_bytes())
        except (TimeoutError, OSError) as error:
            raise TargetError(f"{row.label} left no result:\n{_tail(log)}") from error
        return Ended(
            scheduled=told["scheduled"],
            completed=told["outcomes"]["completed"],
            lag_p99_ms=told["times"]["lag"]["p99_ms"] or 0.0,
            drain_s=told["drain_s"],
        )

    return Launched(begun_unix_s, processes, result)


async def _spawn(
    command: Sequence[str], log_path: Path, stack: contextlib.AsyncExitStack
) -> asyncio.subprocess.Process:
    with log_path.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=log, cwd=_ROOT
        )
    stack.push_async_callback(_end, process)
    return process


async def _end(process: asyncio.subprocess.Process) -> None:
    """End a process and wait for it; its own children see their input end."""
    if process.returncode is None:
        assert process.stdin is not None
        process.stdin.close()
        for end in (process.terminate, process.kill):
            with contextlib.suppress(ProcessLookupError):
                end()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.communicate(), 10)
                return
    else:
        await process.communicate()


async def _line(process: asyncio.subprocess.Process, what: str, log: Path) -> bytes:
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), _START_S)
    except TimeoutError:
        line = b""
    if not line:
        raise TargetError(f"{what} did not begin:\n{_tail(log)}")
    return line


async def _told(process: asyncio.subprocess.Process, what: str) -> Ended:
    assert process.stdout is not None
    try:
        told = json.loads(await asyncio.wait_for(process.stdout.readline(), _END_S))
    except (TimeoutError, json.JSONDecodeError) as error:
        raise TargetError(f"{what} said nothing at its end") from error
    return Ended(**{name: told[name] for name in ("scheduled", "completed", "lag_p99_ms", "drain_s")})


async def _until(unix_s: float) -> None:
    await asyncio.sleep(max(0.0, unix_s - time.time()))


def _says(log: Path, text: str) -> bool:
    return text in log.read_text(errors="replace")


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    return "\n".join(f"  | {line}" for line in lines[-_LAST_LINES:])
