"""Simulations as plain text, at most 100 columns wide. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from auroral.capacity.simulation.fleet import Moment
from auroral.capacity.simulation.result import Check, SimulationResult, Worst
from auroral.capacity.simulation.scenario import Scenario
from auroral.report import words
from auroral.units import format_duration, format_number

WIDTH = 100
_CLOCK = 12


def summary(results: Sequence[SimulationResult]) -> str:
    """Every scenario with its verdict and assertions; of those that failed, the first violation and what was around."""
    blocks = [_scenario(result) for result in results]
    if len(results) > 1:
        blocks.append(_table(results))
    return "\n\n".join("\n".join(lines) for lines in blocks) + "\n"


def listing(scenarios: Sequence[Scenario]) -> str:
    """Name the scenarios with a sentence each."""
    width = max(len(scenario.name) for scenario in scenarios) + 2
    lines = [
        line
        for scenario in scenarios
        for line in _wrap(
            f"{scenario.about} ({format_duration(scenario.duration_s)})", f"{scenario.name:{width}}", " " * width
        )
    ]
    return "\n".join(lines) + "\n"


def observed(value: float | None, unit: str) -> str:
    """A value of an assertion, with its unit."""
    if value is None:
        return "never"
    return format_duration(value) if unit == "s" else format_number(value)


def margin(worst: Check | Worst) -> str:
    """What was left of a limit, in words."""
    if worst.name == "refused" and worst.margin >= 0:
        return f"{worst.margin:.0%} of DSQL's burst left"
    if worst.margin >= 0:
        return f"{worst.margin:.0%} left"
    return "exceeded"


def clock(at_s: float) -> str:
    """A time to the millisecond: `5:10.031`, `1:00:00.000`."""
    whole_ms = round(at_s * 1000)
    return f"{words.clock(whole_ms // 1000)}.{whole_ms % 1000:03d}"


def _scenario(result: SimulationResult) -> list[str]:
    run, scenario = result.run, result.scenario
    lines = [f"{'PASS' if result.passed else 'FAIL'}  {scenario.name}  ({result.source}, {_seeds(result)})"]
    lines += _wrap(scenario.about, "  ", "  ")
    units = {check.name: check.unit for check in run.checks}
    for worst in result.worst:
        mark = "  ok    " if not worst.failed else "  FAIL  "
        seed = f", seed {worst.seed}" if len(result.seeds) > 1 else ""
        text = f"{worst.text}: {observed(worst.observed, units.get(worst.name, ''))} ({margin(worst)}{seed})"
        lines += _wrap(text, mark, " " * 8)
    totals = run.totals
    facts = (
        f"seed {run.seed}: {totals.attempts:,} connects, at most {totals.most_attempts_in_a_second:,} in a second; "
        f"at most {totals.most_open:,} open; {totals.refused_outage:,} refused in outages; "
        f"slowest task warm after {format_duration(run.warmup_longest_s)}; outcome {run.digest[:12]}"
    )
    lines += _wrap(facts, "  ", "  ")
    first = run.first_violation
    if first is not None:
        lines += ["", *_violation(first, run.around, run.seed)]
    return lines


def _violation(first: Check, around: Sequence[Moment], seed: int) -> list[str]:
    at = f" at {clock(first.at_s)}" if first.at_s is not None else ""
    lines = _wrap(f"First violation{at} under seed {seed}: {first.text}. {first.detail}", "  ", "  ")
    if around:
        lines.append("  What happened around it:")
        for one in around:
            lines += _wrap(one.text, f"  {clock(one.at_s):>{_CLOCK}}  ", " " * (_CLOCK + 4))
    return lines


def _table(results: Sequence[SimulationResult]) -> list[str]:
    width = max(8, *(len(result.scenario.name) for result in results)) + 2
    lines = [f"{'scenario':{width}}{'verdict':9}{'seeds':>7}{'failed':>8}{'least margin':>14}"]
    for result in results:
        least = min((worst.margin for worst in result.worst), default=1.0)
        left = f"{least:.0%}" if least >= 0 else "exceeded"
        verdict = "pass" if result.passed else "FAIL"
        lines.append(
            f"{result.scenario.name:{width}}{verdict:9}{len(result.seeds):>7,}{len(result.failed_seeds):>8,}{left:>14}"
        )
    return lines


def _seeds(result: SimulationResult) -> str:
    seeds = result.seeds
    if len(seeds) == 1:
        return f"seed {seeds[0]}" + (", interrupted" if result.interrupted else "")
    text = f"{len(seeds):,} seeds from {seeds[0]}"
    text += f", {len(result.failed_seeds):,} failed" if result.failed_seeds else ", none failed"
    return text + (", interrupted" if result.interrupted else "")


def _wrap(text: str, first: str, rest: str) -> list[str]:
    clean = " ".join(text.split())
    return textwrap.wrap(clean, WIDTH, initial_indent=first, subsequent_indent=rest) or [first.rstrip()]
