"""A day of 20 processes' pools in simulated time: CPU, and whether memory stays flat.

100 connections each, which live for 9 to 11 minutes and are replaced ahead of need by a reservoir: about 315,000 new
connections. A public simulator in Go takes 21 s of CPU and 1.6 GB for a day of such pools of its own kind (260,000
replacements; reported, not measured here).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import psutil

from auroral.capacity.simulation.controller import Controller, World
from auroral.capacity.simulation.engine import simulate
from auroral.capacity.simulation.outcome import Outcome
from auroral.capacity.simulation.spec import Demand, ProcessSpec
from auroral.units import format_size
from benchmarks.table import print_table

HELP = "a simulated day of 20 pools of 100: CPU and memory"
MAX_CPU_S = 21.0
MAX_GROWTH_BYTES = 4 * 1024 * 1024
HOUR_S = 3_600
PROCESSES = 20
SPEC = {
    "service": "history",
    "pool_size": 100,
    "reservoir": 10,
    "rate_per_s": 100 / PROCESSES,
    "burst": 1_000 // PROCESSES,
    "lifetime_s": 660.0,
    "jitter": 120 / 660,
    "demand": Demand(rate_per_s=272_000 / 60 / PROCESSES),
}
"""The whole of DSQL's rate shared evenly, and the transactions that the spec's 150 WPS run had."""


class Hours(Controller):
    """Reads the resident memory at the start and at the end of every hour."""

    def __init__(self, until_s: float) -> None:
        self.rss_bytes: list[int] = []
        self._until_s = until_s

    def begin(self, world: World) -> None:
        """Read at once and have the clock call back."""
        for hour in range(int(self._until_s // HOUR_S) + 1):
            world.call_at(min(hour * HOUR_S, self._until_s - 1e-9), self._read)

    def _read(self) -> None:
        self.rss_bytes.append(int(psutil.Process().memory_info().rss))


def day(hours: float, seed: int) -> tuple[Outcome, float, list[int]]:
    """Simulate; return the outcome, the CPU it took and the memory hour by hour."""
    specs = [ProcessSpec(replica=number, **SPEC) for number in range(PROCESSES)]  # type: ignore[arg-type]
    watch = Hours(hours * HOUR_S)
    began_s = time.process_time()
    outcome = simulate(specs, until_s=hours * HOUR_S, seed=seed, controllers=[watch])
    return outcome, time.process_time() - began_s, watch.rss_bytes


def failures(outcome: Outcome, cpu_s: float, rss_bytes: Sequence[int]) -> list[str]:
    """What misses an aim."""
    found = []
    if cpu_s > MAX_CPU_S:
        found.append(f"{cpu_s:.1f} s of CPU; at most {MAX_CPU_S:g} s")
    growth = max(rss_bytes[1:], default=0) - rss_bytes[min(1, len(rss_bytes) - 1)]
    if growth > MAX_GROWTH_BYTES:
        found.append(f"{format_size(growth)} more after the first hour; at most {format_size(MAX_GROWTH_BYTES)}")
    if outcome.shortages or outcome.totals.refused_rate:
        found.append("the pools did not stay full, so this was not the day it should be")
    return found


def main(arguments: list[str]) -> int:
    """Measure, print, and judge where asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks pool_day", description=HELP)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--check", action="store_true", help="exit with 1 where an aim is missed")
    options = parser.parse_args(arguments)
    rows, missed = [], []
    for seed in range(1, options.rounds + 1):
        outcome, cpu_s, rss_bytes = day(options.hours, seed)
        missed += [f"seed {seed}: {failure}" for failure in failures(outcome, cpu_s, rss_bytes)]
        totals = outcome.totals
        rows.append(
            [
                str(seed),
                f"{totals.expired:,}",
                f"{totals.events:,}",
                f"{cpu_s:.2f} s",
                f"{cpu_s / max(totals.events, 1) * 1e6:.1f} µs",
                format_size(rss_bytes[0]),
                format_size(max(rss_bytes)),
                format_size(max(rss_bytes[1:], default=rss_bytes[0]) - rss_bytes[min(1, len(rss_bytes) - 1)]),
                str(len(outcome.shortages)),
            ]
        )
    print_table(
        ["seed", "replaced", "events", "CPU", "an event", "RSS first", "most", "grew after hour 1", "shortages"], rows
    )
    for failure in missed:
        print(f"missed: {failure}")
    return int(bool(missed) and options.check)
