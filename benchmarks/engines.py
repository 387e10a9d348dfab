"""CPU of everything on the client's side for each workflow: auroral's engines, a plain SDK client, the Go runner.

In turns, in one session: `simple` at a rate against a fresh development server, the same against a server that answers
at once, and the most that one process of each kind sustains against that server; then 5,000 activities in their wait.
CPU is read from outside: that of all processes of a load (coordinator, generator, worker) and all of their threads,
from some seconds after the first start to the last one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from auroral.bench.environment import machine_of
from auroral.errors import AuroralError, ExitCode
from benchmarks.engines_build import GO_RUNNER, INSTANT, obtain_program
from benchmarks.engines_limit import Climb
from benchmarks.engines_loads import ROWS, Load, Measured, Row, measure
from benchmarks.engines_servers import Counts, InstantServer, development_server
from benchmarks.engines_table import (
    LAG_MS,
    Found,
    Table,
    Waits,
    failures,
    most_table,
    rate_table,
    sustained,
    waits_table,
)
from benchmarks.table import print_table

HELP = "client CPU of each simple workflow: engines sdk and wire, a plain SDK client, the Go runner"
PARTS = ("development", "instant", "most", "waits")
_ROOT = Path(__file__).resolve().parent.parent
_TAKES_S = 4.2
"""Four activities side by side and six after them, of at most 600 ms each."""
_WAITS_PER_S = {"sdk": 25.0, "wire": 100.0}
"""Workflows of state-transitions, ten activities each."""


class Session:
    """Runs the loads."""

    def __init__(self, options: argparse.Namespace, programs: Mapping[str, Path], directory: Path) -> None:
        self._options = options
        self._programs = programs
        self._directory = directory
        self._runs = 0
        self._guesses: dict[str, float] = {}
        self.loads: list[float] = []
        """The machine's load average before each run."""

    async def development(self, row: Row) -> Measured:
        """At the rate, against a fresh development server."""
        folder = self._folder()
        async with development_server(folder / "server", lambda _line: None) as address:
            return await measure(row, address, self._load(), folder, self._programs)

    async def instant(self, row: Row) -> Measured:
        """At the rate, against a fresh instant server."""
        return (await self._against_instant(row, self._load()))[0]

    async def most(self, row: Row) -> Measured | None:
        """The largest rate that holds, and what was measured there; None: not even the lowest did."""
        climb = Climb(self._guesses.get(row.name, self._options.first_guess))
        best = None
        while (rate_per_s := climb.next_per_s()) is not None:
            one, held = await self._holds(row, rate_per_s)
            climb.tell(rate_per_s, held=held)
            best = one if held and (best is None or rate_per_s > best.rate_per_s) else best
        if best is not None:
            self._guesses[row.name] = best.rate_per_s
        return best

    async def _holds(self, row: Row, rate_per_s: float) -> tuple[Measured, bool]:
        """Try a rate, and once more where it did not hold: a stall of the machine is no limit of the load's."""
        load = Load(rate_per_s, self._options.limit_duration, skip_s=2.0)
        for _ in range(2):
            one, _counts = await self._against_instant(row, load)
            held = sustained(one)
            say(
                f"{row.label} at {rate_per_s:g}/s: {one.cpu_ms:.2f} ms, lag P99 {one.ended.lag_p99_ms:.1f} ms, "
                f"drained in {one.ended.drain_s:.1f} s, {one.ended.completed} of {one.ended.scheduled} completed: "
                f"{'holds' if held else 'does not hold'}"
            )
            if held:
                break
        return one, held

    async def waits(self, row: Row) -> Waits:
        """5,000 waits alone, then state-transitions through the instant server."""
        holder = await asyncio.create_subprocess_exec(
            *(
                sys.executable,
                "-m",
                "benchmarks.engines_waits",
                row.name,
                "--duration",
                f"{self._options.duration / 2:g}",
            ),
            stdout=asyncio.subprocess.PIPE,
            cwd=_ROOT,
        )
        output, _ = await holder.communicate()
        if holder.returncode != 0:
            raise RuntimeError(f"benchmarks.engines_waits ended with status {holder.returncode}")
        rate_per_s = self._options.waits_rate or _WAITS_PER_S[row.name]
        load = Load(rate_per_s, self._options.duration, skip_s=5.0, workload="state-transitions", takes_s=_TAKES_S)
        one, counts = await self._against_instant(row, load)
        return Waits(
            alone=json.loads(output),
            load=one,
            held_most=counts.held_most,
            late_p50_ms=counts.late_p50_ms,
            late_p99_ms=counts.late_p99_ms,
        )

    async def _against_instant(self, row: Row, load: Load) -> tuple[Measured, Counts]:
        with InstantServer(self._programs[INSTANT]) as server:
            one = await measure(row, server.address, load, self._folder(), self._programs, counts=server.counts)
            return one, server.counts()

    def _load(self) -> Load:
        return Load(self._options.rate, self._options.duration, self._options.skip)

    def _folder(self) -> Path:
        self._runs += 1
        self.loads.append(os.getloadavg()[0])
        folder = self._directory / f"run-{self._runs}"
        folder.mkdir()
        return folder


async def compare(options: argparse.Namespace, found: Found) -> list[float]:
    """Run everything that is asked for, in turns; return the load averages."""
    running = asyncio.current_task()
    assert running is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    programs = {name: await obtain_program(name, report=say) for name in (INSTANT, GO_RUNNER)}
    rows = [ROWS[name] for name in options.rows]
    with tempfile.TemporaryDirectory(prefix="auroral-benchmark-") as directory:
        session = Session(options, programs, Path(directory))
        rates = (("development", session.development, found.development), ("instant", session.instant, found.instant))
        for part, run, runs in rates:
            for number in range(options.rounds if part in options.parts else 0):
                for row in rows:
                    one = await run(row)
                    runs.setdefault(row.name, []).append(one)
                    say(f"{part} {number + 1}/{options.rounds}: {row.label}: {one.cpu_ms:.2f} ms" + _behind(one))
        for _ in range(options.limit_rounds if "most" in options.parts else 0):
            for row in rows:
                best = await session.most(row)
                found.most.setdefault(row.name, []).extend([best] if best is not None else [])
        for _ in range(options.rounds if "waits" in options.parts else 0):
            for row in (row for row in rows if row.name in _WAITS_PER_S):
                held = await session.waits(row)
                found.waits.setdefault(row.name, []).append(held)
                say(f"waits: {row.label}: P99 {held.alone['late_p99_ms']:.1f} ms late" + _behind(held.load))
        return session.loads


def _behind(one: Measured) -> str:
    return "" if one.kept_up else f" (did not keep up: {one.ended.completed} of {one.ended.scheduled})"


def say(line: str) -> None:
    """Progress, apart from the tables."""
    print(line, file=sys.stderr, flush=True)


def machine(loads: Sequence[float]) -> str:
    """The line that stands below the tables."""
    import temporalio.service

    here = machine_of()
    load = f"load average {min(loads):.1f} to {max(loads):.1f}, " if loads else ""
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {here.cores} cores of {here.cpu_model or platform.machine()}, {load}"
        f"Python {platform.python_version()}, SDK {temporalio.service.__version__}"
    )


def print_found(found: Found, options: argparse.Namespace) -> None:
    """Print the tables of what was measured."""
    medians = f"medians of {options.rounds} × {options.duration:g} s"
    tables: list[tuple[str, object, Callable[[], Table]]] = [
        (
            f"{options.rate:g}/s, development server, fresh for each ({medians})",
            found.development,
            lambda: rate_table(found.development),
        ),
        (f"{options.rate:g}/s, instant server ({medians})", found.instant, lambda: rate_table(found.instant)),
        (
            f"the most with P99 of the lag below {LAG_MS:g} ms, instant server "
            f"({options.limit_rounds} × runs of {options.limit_duration:g} s)",
            found.most,
            lambda: most_table(found.most),
        ),
        (
            f"5,000 waits of 100 to 600 ms alone; then state-transitions, instant server ({medians})",
            found.waits,
            lambda: waits_table(found.waits),
        ),
    ]
    for title, measured, table in tables:
        if measured:
            print(f"\n{title}\n")
            print_table(*table())


def main(arguments: list[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks engines", description=HELP)
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), default=list(ROWS), help="loads to compare")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="what to measure")
    parser.add_argument("--rate", type=float, default=40.0, help="workflows per second")
    parser.add_argument("--duration", type=float, default=30.0, help="seconds of each run")
    parser.add_argument("--skip", type=float, default=5.0, help="seconds at its beginning that are not measured")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each, in turns")
    parser.add_argument("--limit-rounds", type=int, default=1, help="searches for the most, in turns")
    parser.add_argument("--limit-duration", type=float, default=10.0, help="seconds of each run of a search")
    parser.add_argument("--first-guess", type=float, default=200.0, help="rate that a search begins with")
    parser.add_argument("--waits-rate", type=float, default=0.0, help="state-transitions per second; 0: by the engine")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every run there")
    parser.add_argument("--check", action="store_true", help="exit with 1 where an aim is missed")
    options = parser.parse_args(arguments)
    if options.duration < options.skip + 2 or options.limit_duration < 4:
        parser.error("expected --duration of at least --skip and 2 s, and --limit-duration of at least 4")
    if options.rate <= 0 or options.first_guess < 1 or options.rounds < 1:
        parser.error("expected --rate above 0, --first-guess and --rounds of at least 1")
    found = Found()
    try:
        loads = asyncio.run(compare(options, found))
    except (KeyboardInterrupt, asyncio.CancelledError):
        say("interrupted")
        return int(ExitCode.INTERRUPTED)
    except AuroralError as error:
        say(f"error: {error}")
        if error.hint:
            say(f"  hint: {error.hint}")
        return int(error.exit_code)
    print_found(found, options)
    print(f"\n{machine(loads)}")
    if options.json is not None:
        options.json.write_text(json.dumps({"machine": machine(loads), "loads": loads, **asdict(found)}, indent=1))
    missed = failures(found)
    for line in missed:
        print(f"missed: {line}")
    return int(bool(missed) and options.check)
