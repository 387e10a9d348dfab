"""What the comparison of engines has found, as tables, and whether the aims are met. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from benchmarks.engines_loads import ROWS, Measured

LAG_MS = 50.0
"""A load is sustained while the P99 of its lag is below this."""
LATE_MS = 50.0
"""How late the P99 of 5,000 waits may end."""
SDK_TO_PLAIN = 5.0 / 8.0
"""The aim for the SDK engine, 5 ms, where a plain client and worker took 8.0 ms."""
HELD_SHARE = 0.99

Table = tuple[Sequence[str], list[list[str]]]


@dataclass(slots=True)
class Waits:
    """5,000 waits in one process, and what one process carries of state-transitions."""

    alone: dict[str, float]
    """What `benchmarks.engines_waits` tells."""
    load: Measured
    held_most: int
    late_p50_ms: float
    late_p99_ms: float


@dataclass(slots=True)
class Found:
    """By row, one of each round."""

    development: dict[str, list[Measured]] = field(default_factory=dict)
    instant: dict[str, list[Measured]] = field(default_factory=dict)
    most: dict[str, list[Measured]] = field(default_factory=dict)
    waits: dict[str, list[Waits]] = field(default_factory=dict)


def sustained(one: Measured) -> bool:
    """Whether a load kept up with its schedule and the server with the load."""
    return one.kept_up and one.ended.lag_p99_ms < LAG_MS


def rate_table(runs: Mapping[str, Sequence[Measured]]) -> Table:
    """At one rate: CPU, what each process takes of it, context switches, calls."""
    head = ("", "CPU ms/workflow (range)", "÷ Go runner", "of it", "switches/workflow", "calls/workflow", "lag P99 ms")
    go = _good(runs.get("go", ()))
    rows = []
    for name, all_of_it in runs.items():
        good = _good(all_of_it)
        if not good:
            rows.append([ROWS[name].label, f"none of {len(all_of_it)} runs kept up", *["–"] * 5])
            continue
        missed = "" if len(good) == len(all_of_it) else f", {len(all_of_it) - len(good)} did not keep up"
        rows.append(
            [
                ROWS[name].label,
                _spread([one.cpu_ms for one in good], "{:.2f}") + missed,
                f"{_ratio(good, go):.2f}" if go else "–",
                _parts(good),
                _median([one.switches for one in good], "{:.0f}"),
                _median([one.calls_each for one in good], "{:.2f}"),
                _median([one.ended.lag_p99_ms for one in good], "{:.1f}"),
            ]
        )
    return head, rows


def most_table(runs: Mapping[str, Sequence[Measured]]) -> Table:
    """At the most that each sustains."""
    head = ("", "most/s (range)", "CPU ms/workflow", "busiest process, cores", "lag P99 ms", "switches/workflow",
            "server's CPU ms/workflow")  # fmt: skip
    rows = []
    for name, held in runs.items():
        if not held:
            rows.append([ROWS[name].label, "none", *["–"] * 5])
            continue
        server = [one.server_cpu_s / one.workflows * 1e3 for one in held if one.server_cpu_s is not None]
        rows.append(
            [
                ROWS[name].label,
                _spread([one.rate_per_s for one in held], "{:,.0f}"),
                _spread([one.cpu_ms for one in held], "{:.2f}"),
                _median([one.busiest_cores for one in held], "{:.2f}"),
                _median([one.ended.lag_p99_ms for one in held], "{:.1f}"),
                _median([one.switches for one in held], "{:.1f}"),
                _median(server, "{:.2f}"),
            ]
        )
    return head, rows


def waits_table(runs: Mapping[str, Sequence[Waits]]) -> Table:
    """5,000 waits alone, then state-transitions."""
    head = ("", "waits held", "ended/s", "cores", "late P50 / P99 ms", "state-transitions/s", "activities/s",
            "held at most", "busiest process, cores", "late P50 / P99 ms")  # fmt: skip
    rows = []
    for name, all_of_it in runs.items():

        def of(read: Callable[[Waits], float], form: str, runs: Sequence[Waits] = all_of_it) -> str:
            return form.format(median(read(one) for one in runs))

        rows.append(
            [
                ROWS[name].label,
                of(lambda one: one.alone["held"], "{:,.0f}"),
                of(lambda one: one.alone["ended_per_s"], "{:,.0f}"),
                of(lambda one: one.alone["cores"], "{:.2f}"),
                of(lambda one: one.alone["late_p50_ms"], "{:.1f}")
                + " / "
                + of(lambda one: one.alone["late_p99_ms"], "{:.1f}"),
                of(lambda one: one.load.rate_per_s, "{:,.0f}"),
                of(lambda one: one.load.activities_per_s, "{:,.0f}"),
                of(lambda one: one.held_most, "{:,.0f}"),
                of(lambda one: one.load.busiest_cores, "{:.2f}"),
                of(lambda one: one.late_p50_ms, "{:.1f}") + " / " + of(lambda one: one.late_p99_ms, "{:.1f}"),
            ]
        )
    return head, rows


def failures(found: Found) -> list[str]:
    """The aims that were missed. What was not measured misses nothing."""
    missed = []
    for where, runs in (("on the development server", found.development), ("on the instant server", found.instant)):
        for name, measured in runs.items():
            if behind := len(measured) - len(_good(measured)):
                missed.append(f"{where}: {ROWS[name].label} did not keep up in {behind} of {len(measured)} runs")
        missed += _beyond(where, runs, "wire", "go", 1.0)
        missed += _beyond(where, runs, "sdk", "plain", SDK_TO_PLAIN)
    missed += _beyond("at the most it sustains", found.most, "wire", "go", 1.0)
    missed += [f"{ROWS[name].label} sustains no rate" for name, runs in found.most.items() if not runs]
    for name, waits in found.waits.items():
        held, late_ms = median(one.alone["held"] for one in waits), median(one.alone["late_p99_ms"] for one in waits)
        if late_ms > LATE_MS:
            missed.append(
                f"{ROWS[name].label}: P99 of {held:,.0f} waits ends {late_ms:.0f} ms late; at most {LATE_MS:g} ms"
            )
        if not all(one.load.kept_up for one in waits):
            missed.append(f"{ROWS[name].label}: state-transitions did not keep up")
    return missed


def _beyond(where: str, runs: Mapping[str, Sequence[Measured]], ours: str, theirs: str, most: float) -> list[str]:
    mine, other = _good(runs.get(ours, ())), _good(runs.get(theirs, ()))
    if not mine or not other:
        return []
    ratio = _ratio(mine, other)
    if ratio < most:
        return []
    return [f"{where}: {ROWS[ours].label} takes {ratio:.2f} × the CPU of {ROWS[theirs].label}; below {most:.3g} ×"]


def _good(runs: Sequence[Measured]) -> list[Measured]:
    return [one for one in runs if one.kept_up]


def _ratio(ours: Sequence[Measured], theirs: Sequence[Measured]) -> float:
    """Of the medians."""
    return median(one.cpu_ms for one in ours) / median(one.cpu_ms for one in theirs)


def _parts(runs: Sequence[Measured]) -> str:
    names = dict.fromkeys(name.split()[0] for one in runs for name in one.parts)
    if len(names) == 1:
        return "one process"
    each = {
        name: median(
            sum(used.cpu_s for part, used in one.parts.items() if part.split()[0] == name) / one.workflows * 1e3
            for one in runs
        )
        for name in names
    }
    return ", ".join(f"{name} {cpu_ms:.2f}" for name, cpu_ms in each.items())


def _spread(values: Sequence[float], form: str) -> str:
    one = form.format(median(values))
    return one if len(values) == 1 else f"{one} ({form.format(min(values))}–{form.format(max(values))})"


def _median(values: Sequence[float | None], form: str) -> str:
    known = [one for one in values if one is not None]
    return form.format(median(known)) if known else "–"
