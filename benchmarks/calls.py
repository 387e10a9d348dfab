"""CPU of one call: StartWorkflowExecution by the SDK's client, by grpc.aio and by the wire transport, in turns.

Each run is a process of its own against one small frontend. Microseconds say little about another machine; the ratio to
the better of the other two is what can be compared.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.calls_client import IN_FLIGHT, KINDS
from benchmarks.frontend_process import FrontendProcess
from benchmarks.table import print_table

HELP = "CPU of one call over the wire transport, beside the SDK's client and grpc.aio"
MAX_RATIO = 0.6
"""Of the wire transport's CPU to the better of the others'."""
_OURS = "wire"
_ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one call in one run."""

    cpu_us: float
    switches: float
    calls_per_s: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """The rounds of one load."""

    name: str
    runs: Mapping[str, Sequence[Cost]]
    """By the kind of client."""

    @property
    def ratios(self) -> list[float]:
        """CPU of the wire transport over the better of the others, of each round."""
        rounds = range(len(self.runs[_OURS]))
        best = [min(runs[number].cpu_us for kind, runs in self.runs.items() if kind != _OURS) for number in rounds]
        return [ours.cpu_us / other_us for ours, other_us in zip(self.runs[_OURS], best, strict=True)]

    @property
    def failures(self) -> list[str]:
        """What misses the aim."""
        ratio = median(self.ratios)
        return [f"{self.name}: a call takes {ratio:.2f} of the better other's CPU"] if ratio > MAX_RATIO else []


def run(kind: str, address: str, rate_per_s: float, count: int) -> Cost:
    """One process of one kind."""
    command = [sys.executable, "-m", "benchmarks.calls_client", kind, address, str(rate_per_s), str(count)]
    ended = subprocess.run(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True, timeout=330, check=False)
    if ended.returncode:
        raise RuntimeError(f"benchmarks.calls_client {kind} ended with status {ended.returncode}")
    return Cost(**json.loads(ended.stdout))


def compare(*, rate_per_s: float, duration_s: float, count: int, rounds: int) -> list[Comparison]:
    """Run all kinds at a rate and flat out, in turns."""
    loads = {
        f"{rate_per_s:g}/s": (rate_per_s, max(1, round(rate_per_s * duration_s))),
        f"{IN_FLIGHT} in flight": (0.0, count),
    }
    comparisons = []
    with FrontendProcess() as frontend:
        for name, (rate, calls) in loads.items():
            runs: dict[str, list[Cost]] = {kind: [] for kind in KINDS}
            for number in range(rounds):
                for kind in KINDS:
                    runs[kind].append(run(kind, frontend.address, rate, calls))
                told = ", ".join(f"{kind} {costs[-1].cpu_us:.0f} µs" for kind, costs in runs.items())
                print(f"{name} round {number + 1}/{rounds}: {told}", file=sys.stderr)
            comparisons.append(Comparison(name, runs))
    return comparisons


def _rows(comparison: Comparison) -> list[list[str]]:
    rows = []
    for kind, costs in comparison.runs.items():
        cpu_us = [cost.cpu_us for cost in costs]
        ratios = comparison.ratios
        rows.append(
            [
                comparison.name,
                kind,
                f"{median(cpu_us):.0f} ({min(cpu_us):.0f}–{max(cpu_us):.0f})",
                f"{median(cost.switches for cost in costs):.1f}",
                f"{median(cost.calls_per_s for cost in costs):.0f}",
                f"{median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})" if kind == _OURS else "",
            ]
        )
    return rows


def main(arguments: list[str]) -> int:
    """Measure, print, and judge where asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks calls", description=HELP)
    parser.add_argument("--rate", type=float, default=150.0, help="calls per second of the paced load")
    parser.add_argument("--duration", type=float, default=6.0, help="seconds of each paced run")
    parser.add_argument("--count", type=int, default=4_000, help="calls of each run that is flat out")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each, in turns")
    parser.add_argument("--check", action="store_true", help="exit with 1 where the aim is missed")
    options = parser.parse_args(arguments)
    comparisons = compare(
        rate_per_s=options.rate, duration_s=options.duration, count=options.count, rounds=options.rounds
    )
    print_table(
        ["load", "client", "CPU µs/call", "switches/call", "calls/s", "÷ the better other"],
        [row for comparison in comparisons for row in _rows(comparison)],
    )
    print(f"medians (ranges) of {options.rounds} rounds; switches: voluntary context switches of all threads")
    failures = [failure for comparison in comparisons for failure in comparison.failures]
    print("\n".join(f"missed: {one}" for one in failures) or f"at most {MAX_RATIO:g} of the better other's CPU")
    return int(bool(failures) and options.check)
