"""One step of a search and its run: settings before it, seconds while it runs, what it showed after it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from auroral.bench.histogram import Histogram
from auroral.bench.options import BY_NAME
from auroral.bench.result import ConfigValue, Result
from auroral.bench.schedule import Arrival, Schedule
from auroral.bench.search.judge import Second, Shown, seconds_of
from auroral.bench.search.machine import Step
from auroral.bench.settings import BenchSettings
from auroral.bench.tally import Tally
from auroral.bench.thresholds import Facts
from auroral.bench.verdict import VerdictFacts, doubts_of
from auroral.units import format_duration, format_rate

ORIGIN = "auroral bench search"
"""Where the settings of a step come from that the search chose."""


def step_settings(
    base: BenchSettings, step: Step, *, search_id: str, slo: Sequence[str], activity_slots: int, output: str
) -> BenchSettings:
    """The settings of a step's run. Poisson arrivals of each step are others, by seed and step the same each time."""
    return msgspec.structs.replace(
        base,
        target_rate_per_s=step.rate_per_s,
        duration_s=step.duration_s,
        ramp_up_s=step.ramp_s,
        seed=base.seed + step.number,
        thresholds=tuple(slo),
        run_id=f"{search_id}-{step.number:02}",
        output=output,
        worker=msgspec.structs.replace(base.worker, max_concurrent_activities=activity_slots),
    )


def step_configuration(configuration: Sequence[ConfigValue], settings: BenchSettings) -> list[ConfigValue]:
    """The configuration of a step's run: what the search chose says so, and its own settings are none of a run's."""
    chosen = {
        "target-rate": format_rate(settings.target_rate_per_s),
        "duration": format_duration(settings.duration_s),
        "ramp-up": format_duration(settings.ramp_up_s),
        "seed": str(settings.seed),
        "threshold": ",".join(settings.thresholds),
        "run-id": settings.run_id or "",
        "output": settings.output or "",
        "task-queue": settings.task_queue or "",
    }
    others = [value for value in configuration if value.name not in chosen and value.name in BY_NAME]
    return [*others, *(ConfigValue(name=name, value=text, origin=ORIGIN) for name, text in chosen.items())]


class _Kept(Histogram):
    """A histogram that does not change any more, and is asked for the same bounds again and again."""

    __slots__ = ("_answers",)

    def __init__(self) -> None:
        super().__init__()
        self._answers: dict[tuple[int, ...], list[int]] = {}

    def cumulative(self, bounds_us: Sequence[int]) -> list[int]:
        """How many values are at most each bound."""
        bounds = tuple(bounds_us)
        if bounds not in self._answers:
            self._answers[bounds] = super().cumulative(bounds)
        return self._answers[bounds]


class SecondsSoFar:
    """The seconds of a step while it runs. Keeps the histograms of those in which nothing new was decided."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[int, Histogram]] = {}
        self._due: list[int] = []
        self._arrivals: Iterator[Arrival] | None = None
        self._next: Arrival | None = None

    def of(self, t_s: float, schedule: Schedule, tally: Tally, in_flight: Sequence[int]) -> list[Second]:
        """Every second that is over at `t_s`. `offered` is what was due in it exactly, not the mean of its process."""
        columns, due = tally.seconds, self._due_until(int(t_s), schedule)
        return [
            Second(
                t_s=float(second),
                offered=float(due[second]),
                decided=columns.intended[second] if second < columns.length else 0,
                latency=self._latency(tally, second),
                completed=columns.completed[second] if second < columns.length else 0,
                in_flight=in_flight[second] if second < len(in_flight) else 0,
            )
            for second in range(int(t_s))
        ]

    def _due_until(self, end: int, schedule: Schedule) -> list[int]:
        if self._arrivals is None:
            self._arrivals = schedule.arrivals()
            self._next = next(self._arrivals, None)
        while len(self._due) < end:
            count, end_us = 0, (len(self._due) + 1) * 1_000_000
            while self._next is not None and self._next.intended_us < end_us:
                count += 1
                self._next = next(self._arrivals, None)
            self._due.append(count)
        return self._due

    def _latency(self, tally: Tally, second: int) -> Histogram:
        columns = tally.seconds
        decided = columns.intended[second] if second < columns.length else 0
        known = self._known.get(second)
        if known is None or known[0] != decided:
            kept = _Kept()
            kept.merge(columns.latency(second))
            known = self._known[second] = (decided, kept)
        return known[1]


def shown(result: Result, tally: Tally, *, early: str | None) -> Shown:
    """What a step's run showed, for `judge`."""
    return Shown(
        seconds=seconds_of(result.series, dict(tally.seconds.latencies())),
        facts=Facts(
            times=result.times,
            judged=[window for window in result.windows if window.kind == "steady" and window.target_per_s > 0],
            outcomes=result.outcomes,
            scheduled=result.scheduled,
        ),
        doubts=_doubts(result, early),
        early=early,
    )


def _doubts(result: Result, early: str | None) -> list[str]:
    """Why a step's measurement cannot be trusted. A rate that was clearly lost is lost whatever visibility says."""
    reconciliation = result.reconciliation
    unread = []
    if early is not None:
        reconciliation = msgspec.structs.replace(reconciliation, status="agreed")
    elif reconciliation.status == "unavailable" and all(threshold.passed for threshold in result.thresholds):
        unread = [f"the server's own counts were not to be had: {reconciliation.detail}"]
    facts = VerdictFacts(
        scheduled=result.scheduled,
        outcomes=result.outcomes,
        thresholds=result.thresholds,
        reconciliation=reconciliation,
        lost=[process for process in result.processes if process.lost],
        times=result.times,
    )
    return [*doubts_of(facts), *unread]


def limit_of(result: Result) -> str:
    """The first limit that a run reached, and whose it is; empty: none of those sampled."""
    first = result.limits.first
    return "" if first is None else f"{first.name} ({first.whose})"
