"""Whether a step's rate was sustained, whether it is lost already, and whether its backlog has cleared. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from auroral.bench.histogram import Histogram
from auroral.bench.result import Series
from auroral.bench.search.machine import Measured, Step
from auroral.bench.thresholds import Facts, Threshold


class Second(msgspec.Struct, frozen=True, kw_only=True):
    """One second of a step. While it runs the last seconds are not complete: `decided` says how far they are."""

    t_s: float
    """When it began, since the epoch: its ramp is before `step.ramp_s`."""
    offered: float
    """Starts due in it by the schedule (`Series.target_per_s`, `Schedule.expected`)."""
    decided: int
    """Of the starts due in it, those that have their outcome (`Seconds.intended`)."""
    latency: Histogram
    """Of the starts due in it, those that completed. `decided` − `latency.count` ended otherwise."""
    completed: int
    """Completions seen in it, whenever they were due."""
    in_flight: int
    """Accepted and open at its end."""


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a step showed, once it is over."""

    seconds: Sequence[Second]
    facts: Facts
    """What its run's thresholds are held against: its times, steady window, outcomes and number of starts."""
    doubts: Sequence[str] = ()
    """Why the measurement cannot be trusted: generator-limited starts, a lost process, counts that disagree."""
    early: str | None = None
    """What `clearly_lost` said, where the step was ended early."""


def seconds_of(series: Series, latencies: dict[int, Histogram]) -> list[Second]:
    """The seconds of a run; `latencies` by second, of the completed starts that were due in it."""
    raise NotImplementedError


def judge(shown: Shown, *, slo: Sequence[Threshold], step: Step) -> Measured:
    """Decide whether the step's rate was sustained: the objective holds in the hold, and nothing piles up."""
    raise NotImplementedError


def clearly_lost(seconds: Sequence[Second], *, slo: Sequence[Threshold], step: Step) -> str | None:
    """Why no continuation of the step could make it hold, or None. Asked once a second while it runs."""
    raise NotImplementedError


def uncleared(
    *, backlog: int | None, in_flight: int | None, probes_s: Sequence[float], idle_s: Sequence[float]
) -> str | None:
    """What has not cleared yet after a step, or None: the next may begin.

    `backlog` of the task queues and `in_flight` workflows, None: cannot be read. `probes_s`: latencies of the
    latest probe workflows, the newest last; `idle_s`: those of probes before the first step.
    """
    raise NotImplementedError
