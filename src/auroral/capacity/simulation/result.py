"""The result document of simulations: versioned, and all that reports are made of. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from auroral.capacity.simulation.fleet import Moment
from auroral.capacity.simulation.outcome import Series, Totals
from auroral.capacity.simulation.scenario import Scenario

SCHEMA_ID = "auroral.capacity.simulation/1"
MOST_POINTS = 600
"""Of each series: a longer simulation has several seconds in a point. Charts draw as many as they are."""


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One assertion of a scenario, and how near it came."""

    name: str
    """Stable: `refused`, `longest-wait`, `short`, `most-connections`, `converged-1` for the first event."""
    text: str
    """What is asserted, in words."""
    unit: str
    """`s`, or empty for a count."""
    limit: float
    observed: float | None
    """None: it never came to pass before the end."""
    passed: bool
    margin: float
    """What was left, as a share of the limit; negative when it was exceeded. Of `refused`: the least that DSQL's bucket
    held, as a share of what it can."""
    at_s: float | None = None
    """When it was first violated, or came nearest."""
    detail: str = ""


class Points(msgspec.Struct, frozen=True, kw_only=True):
    """Series over time; each point covers `step_s` seconds from its `t_s`."""

    step_s: int
    t_s: list[int]
    attempts: list[int]
    """Most connects in one second."""
    refused: list[int]
    """By rate or cap, most in one second."""
    refused_outage: list[int]
    open_least: list[int]
    open_most: list[int]
    open_by_service: dict[str, list[int]]
    """At the end of each point."""
    longest_wait_ms: list[float | None]
    """None: nobody waited."""
    bucket_least: list[int]
    short: list[int]
    """Most processes with a pool below its size, warming ones included."""
    running: list[int]
    uncounted: list[int]
    """Most openings in a second that the counter said nothing about."""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One schedule of a scenario."""

    seed: int
    digest: str
    """SHA-256 of the whole outcome: equal where a seed is repeated."""
    checks: list[Check]
    totals: Totals
    warmup_longest_s: float
    """From a process's first instruction until it serves."""
    skipped_wait_bound: float
    points: Points
    moments: list[Moment]
    around: list[Moment]
    """The events around the first violation; empty where there is none."""

    @property
    def passed(self) -> bool:
        """Whether every assertion held."""
        return all(check.passed for check in self.checks)

    @property
    def first_violation(self) -> Check | None:
        """The assertion that was violated first."""
        broken = [check for check in self.checks if not check.passed]
        return min(broken, key=lambda check: (check.at_s is None, check.at_s or 0.0), default=None)

    @property
    def margin(self) -> float:
        """The smallest of all margins."""
        return min((check.margin for check in self.checks), default=1.0)


class Worst(msgspec.Struct, frozen=True, kw_only=True):
    """How near one assertion came over all seeds."""

    name: str
    text: str
    margin: float
    observed: float | None
    seed: int
    """That repeats it."""
    failed: int
    """Seeds in which it was violated."""


class SimulationResult(msgspec.Struct, frozen=True, kw_only=True):
    """A scenario under one or many seeds."""

    schema: str
    auroral_version: str
    scenario: Scenario
    """With the services it was run with."""
    source: str
    """Whose services: `preset 150wps`, a plan's file, the scenario's own."""
    seeds: list[int]
    failed_seeds: list[int]
    interrupted: bool
    """Not all of the seeds that were asked for are among these."""
    worst: list[Worst]
    run: Run
    """That of the smallest margin."""

    @property
    def passed(self) -> bool:
        """Whether every assertion held under every seed."""
        return not self.failed_seeds


def points(series: Series, until_s: float) -> Points:
    """The series in at most `MOST_POINTS` points."""
    count = len(series.attempts)
    step = max(1, -(-count // MOST_POINTS))
    cuts = [range(start, min(start + step, count)) for start in range(0, count, step)]

    def most(column: Sequence[int]) -> list[int]:
        return [max(column[cut.start : cut.stop]) for cut in cuts]

    def least(column: Sequence[int]) -> list[int]:
        return [min(column[cut.start : cut.stop]) for cut in cuts]

    waited, waits = most(series.longest_wait_us), most(series.waits)
    refused = [rate + cap for rate, cap in zip(series.refused_rate, series.refused_cap, strict=True)]
    return Points(
        step_s=step,
        t_s=[cut.start for cut in cuts],
        attempts=most(series.attempts),
        refused=most(refused),
        refused_outage=most(series.refused_outage),
        open_least=least(series.open),
        open_most=most(series.open),
        open_by_service={
            service: [column[cut.stop - 1] for cut in cuts] for service, column in series.open_by_service.items()
        },
        longest_wait_ms=[us / 1e3 if some else None for us, some in zip(waited, waits, strict=True)],
        bucket_least=least(series.bucket_least),
        short=most(series.short),
        running=most(series.running),
        uncounted=most(series.uncounted),
    )


def encode(results: Sequence[SimulationResult]) -> bytes:
    """The document of one scenario; of several, a list of them."""
    document: Any = results[0] if len(results) == 1 else list(results)
    return msgspec.json.format(msgspec.json.encode(document), indent=1)


def decode(data: bytes) -> SimulationResult:
    """Read the document of one scenario. Raises `msgspec.ValidationError`, `msgspec.DecodeError`."""
    return msgspec.json.decode(data, type=SimulationResult)


def schema() -> dict[str, Any]:
    """The JSON Schema of the document."""
    return msgspec.json.schema(SimulationResult)
