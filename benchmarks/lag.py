"""Lag of the schedule: a real generator process, starts only, beside a bare asyncio loop of the same schedule.

Runs alternate (bare, generator, bare, …), so that both see the same machine. A lag in milliseconds says little about
another machine; the ratio of the two P99s is what can be compared.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from temporalio.client import Client

from auroral.bench.samples import DROPPED, Outcome
from benchmarks.frontend_process import FrontendProcess
from benchmarks.generator_process import NAMESPACE, GeneratorRun
from benchmarks.table import print_table

HELP = "lag of the schedule, starts only, beside a bare asyncio loop"
MAX_RATIO = 2.0
"""Of the generator's P99 lag to the bare loop's."""


@dataclass(frozen=True, slots=True)
class Lags:
    """One run of either."""

    lags_us: list[int]
    """Sorted."""
    cpu_s: float
    arrivals_us: list[int] = field(default_factory=list)
    """Sorted; the same starts as the frontend saw them come."""
    dropped: int = 0
    rejected: int = 0

    @property
    def p99_ms(self) -> float:
        """P99 of the lag."""
        return quantile_ms(self.lags_us, 0.99)

    @property
    def cpu_per_start_us(self) -> float:
        """CPU of the process, all threads, over the schedule."""
        return self.cpu_s / len(self.lags_us) * 1e6


def quantile_ms(sorted_us: Sequence[int], quantile: float) -> float:
    """Smallest value that this share of the values does not exceed."""
    return sorted_us[max(0, math.ceil(quantile * len(sorted_us)) - 1)] / 1e3


async def bare(rate_per_s: float, duration_s: float) -> Lags:
    """Run the bare loop in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.bare_loop", str(rate_per_s), str(duration_s), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"benchmarks.bare_loop ended with status {process.returncode}")
    report = json.loads(output)
    return Lags(sorted(report["lags_us"]), report["cpu_s"])


async def generator(address: str, rate_per_s: float, duration_s: float, run_id: str) -> Lags:
    """Run a generator process, starts only; ask the frontend when the starts arrived."""
    run = GeneratorRun(address, rate_per_s, duration_s, run_id)
    await run.drive()
    return Lags(
        sorted(run.lags_us),
        run.cpu_s,
        arrivals_us=await _arrivals_us(address, run),
        dropped=sum(run.outcomes[outcome] for outcome in DROPPED),
        rejected=run.outcomes[Outcome.REJECTED],
    )


async def _arrivals_us(address: str, run: GeneratorRun) -> list[int]:
    """How long after its intended time each start came to the frontend's handler, sorted: the lag from outside."""
    client = await Client.connect(address, namespace=NAMESPACE)
    query = f"WorkflowId STARTS_WITH '{run.order.manifest.id_prefix}'"
    arrivals_us = [
        round(row.start_time.timestamp() * 1e6) - run.epoch_unix_us - run.intended_us[row.id]
        async for row in client.list_workflows(query)
        if row.id in run.intended_us
    ]
    return sorted(arrivals_us)


@dataclass(frozen=True, slots=True)
class Comparison:
    """The rounds of one rate."""

    rate_per_s: float
    bare: Sequence[Lags]
    generator: Sequence[Lags]

    @property
    def ratios(self) -> list[float]:
        """P99 over P99 of each round."""
        pairs = zip(self.generator, self.bare, strict=True)
        return [ours.p99_ms / theirs.p99_ms for ours, theirs in pairs]

    @property
    def dropped(self) -> int:
        """Starts never sent, of all rounds."""
        return sum(lags.dropped for lags in self.generator)

    @property
    def failures(self) -> list[str]:
        """What misses the aim."""
        failures = []
        if median(self.ratios) > MAX_RATIO:
            failures.append(f"{self.rate_per_s:g}/s: P99 lag is {median(self.ratios):.2f} × the bare loop's")
        if self.dropped:
            failures.append(f"{self.rate_per_s:g}/s: {self.dropped} starts dropped")
        if rejected := sum(lags.rejected for lags in self.generator):
            failures.append(f"{self.rate_per_s:g}/s: {rejected} starts rejected")
        return failures


async def compare(rates_per_s: Sequence[float], duration_s: float, rounds: int) -> list[Comparison]:
    """Run both at each rate, in turns."""
    comparisons = []
    with FrontendProcess() as frontend:
        # The first connection and the first code of both sides are not what is measured.
        await generator(frontend.address, 100, 1, "warm-up")
        for rate_per_s in rates_per_s:
            results: tuple[list[Lags], list[Lags]] = ([], [])
            for number in range(rounds):
                results[0].append(await bare(rate_per_s, duration_s))
                run_id = f"lag-{rate_per_s:g}-{number}"
                results[1].append(await generator(frontend.address, rate_per_s, duration_s, run_id))
                print(
                    f"{rate_per_s:g}/s round {number + 1}/{rounds}: P99 lag bare "
                    f"{results[0][-1].p99_ms:.2f} ms, generator {results[1][-1].p99_ms:.2f} ms",
                    file=sys.stderr,
                )
            comparisons.append(Comparison(rate_per_s, *results))
    return comparisons


def _rows(comparison: Comparison) -> list[list[str]]:
    rows = []
    for name, runs in (("bare loop", comparison.bare), ("generator", comparison.generator)):
        ours = runs is comparison.generator
        ratios = comparison.ratios
        rows.append(
            [
                f"{comparison.rate_per_s:g}",
                name,
                *(f"{median(quantile_ms(lags.lags_us, share) for lags in runs):.2f}" for share in (0.5, 0.99)),
                f"{max(lags.lags_us[-1] for lags in runs) / 1e3:.1f}",
                f"{median(quantile_ms(lags.arrivals_us, 0.99) for lags in runs):.2f}" if ours else "",
                str(comparison.dropped) if ours else "",
                f"{median(lags.cpu_per_start_us for lags in runs):.0f}",
                f"{median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})" if ours else "",
            ]
        )
    return rows


def main(arguments: list[str]) -> int:
    """Measure, print, and judge where asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks lag", description=HELP)
    parser.add_argument("--rates", type=float, nargs="+", default=[100.0, 500.0, 1000.0], help="starts per second")
    parser.add_argument("--duration", type=float, default=10.0, help="seconds of each run")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each, in turns")
    parser.add_argument("--check", action="store_true", help="exit with 1 where the aim is missed")
    options = parser.parse_args(arguments)
    comparisons = asyncio.run(compare(options.rates, options.duration, options.rounds))
    print_table(
        ["starts/s", "", "P50 ms", "P99 ms", "max ms", "arrival P99 ms", "dropped", "CPU µs/start", "P99 ÷ bare"],
        [row for comparison in comparisons for row in _rows(comparison)],
    )
    print(f"P50, P99: medians of {options.rounds} rounds of {options.duration:g} s; max: of all; ratio: median (range)")
    print("arrival: from the intended time until the frontend's handler had the start")
    failures = [failure for comparison in comparisons for failure in comparison.failures]
    print(
        "\n".join(f"missed: {failure}" for failure in failures) or f"within {MAX_RATIO:g} × the bare loop, none dropped"
    )
    return int(bool(failures) and options.check)
