"""Which runs can be compared, over which seconds, and what differs between them on purpose. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from auroral.bench.result import Result
from auroral.units import format_rate

_SAME_RATE = 0.005


def window_of(result: Result) -> range:
    """The whole seconds of the window that rates are quoted from; empty: there is none."""
    window = result.steady
    if window is None:
        return range(0)
    end_s = min(window.end_s, result.duration_s, float(len(result.series.t_s)))
    return range(math.ceil(window.start_s), math.floor(end_s))


def objections(baseline: Sequence[Result], candidate: Sequence[Result]) -> list[str]:
    """Why these runs cannot be compared. Empty: they can."""
    first = baseline[0]
    found: list[str] = []
    for result in (*baseline[1:], *candidate):
        for name, read in _AGREED:
            mine, theirs = read(first), read(result)
            if mine != theirs:
                found.append(f"{name}: {first.manifest.run_id} has {mine}, {result.manifest.run_id} has {theirs}")
        if not same_rate(first, result):
            rates = [format_rate(each.steady.target_per_s) if each.steady else "none" for each in (first, result)]
            found.append(
                f"target rate: {first.manifest.run_id} has {rates[0]}, {result.manifest.run_id} has {rates[1]}"
            )
    found += [
        f"{result.manifest.run_id} has no steady window"
        for result in (*baseline, *candidate)
        if not len(window_of(result))
    ]
    seen: set[str] = set()
    for result in (*baseline, *candidate):
        run_id = result.manifest.run_id
        if run_id in seen:
            found.append(f"{run_id} is given twice: a run compared with itself shows nothing")
        seen.add(run_id)
    return list(dict.fromkeys(found))


def differences(results: Sequence[Result]) -> list[str]:
    """What may differ and does, in sentences."""
    found = []
    for name, read in _STATED:
        values = list(dict.fromkeys(read(result) for result in results))
        if len(values) > 1:
            found.append(f"The {name} differs: {', '.join(values)}.")
    return found


def same_rate(one: Result, other: Result) -> bool:
    """Whether both were offered the same rate."""
    rates = [each.steady.target_per_s if each.steady else 0.0 for each in (one, other)]
    return abs(rates[0] - rates[1]) <= _SAME_RATE * max(rates)


def _workloads(result: Result) -> str:
    workloads = result.manifest.workloads
    total = sum(workload.weight for workload in workloads) or 1.0
    return ", ".join(
        f"{workload.name} {workload.digest[:12]} ({workload.weight / total:.3g})"
        for workload in sorted(workloads, key=lambda workload: workload.digest)
    )


def _transport(result: Result) -> str:
    told = {process.transport for process in result.processes if process.transport is not None}
    return " and ".join(sorted(told)) or "unknown"


_AGREED: tuple[tuple[str, Callable[[Result], str]], ...] = (
    ("workload", _workloads),
    ("engine", lambda result: result.manifest.engine),
    ("arrival process", lambda result: result.manifest.arrival.process),
    ("observation of closes", lambda result: result.manifest.observe),
)
"""What must be the same for a difference to be the server's."""

_STATED: tuple[tuple[str, Callable[[Result], str]], ...] = (
    ("server's version", lambda result: result.environment.server_version or "unknown"),
    ("version of auroral", lambda result: result.environment.auroral_version or "unknown"),
    ("client's processor", lambda result: f"{result.environment.cores} × {result.environment.cpu_model or 'unknown'}"),
    ("generators' transport", _transport),
    ("number of worker processes", lambda result: str(result.workers.processes)),
    ("length of the steady window", lambda result: f"{len(window_of(result))} s"),
)
"""What may differ on purpose, and is said."""
