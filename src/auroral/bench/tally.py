"""Samples → outcomes, histograms, windows and series, in memory that grows with the run's seconds only. Pure.

Times come in µs since the run's epoch. An event counts in the second and the window in which it happened; a
latency counts in those for which its start was intended.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from auroral.bench.counts import TallyCounts
from auroral.bench.histogram import Histogram, Interval
from auroral.bench.result import CauseCount, CurvePoint, Series, Times, Window
from auroral.bench.samples import CLOSED, DROPPED, UNRESOLVED, Observation, Outcome, Sample
from auroral.bench.schedule import Schedule, WindowBounds
from auroral.bench.seconds import Seconds
from auroral.bench.windows import Windows

_MAX_CAUSES = 1_000
_OTHER_CAUSE = "other"
_SPARKLINE_S = 60


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a tally for a live view."""

    scheduled: int
    outcomes: dict[Outcome, int]
    p50_ms: float | None
    """Latency so far; null: none yet, or did not complete."""
    p95_ms: float | None
    p99_ms: float | None
    lag_p99_ms: float | None
    completed_series: list[float]
    """Completed in each of the last 60 seconds, the newest last."""


class InteractionTally:
    """Signals, updates or queries so far."""

    def __init__(self) -> None:
        self.sent = 0
        self.causes: dict[str, int] = {}
        self.times = Histogram()

    def add(self, time_us: int, cause: str) -> None:
        """One of them has ended."""
        self.sent += 1
        if cause:
            self.causes[cause] = self.causes.get(cause, 0) + 1
        else:
            self.times.record_us(time_us)

    def merge(self, sent: int, causes: Mapping[str, int], times: Histogram) -> None:
        """Several have ended elsewhere."""
        self.sent += sent
        for cause, count in causes.items():
            self.causes[cause] = self.causes.get(cause, 0) + count
        self.times.merge(times)


class Tally:
    """Counts the samples of a run. Order of adding and merging does not matter."""

    def __init__(self, windows: Sequence[WindowBounds]) -> None:
        self.outcomes: dict[Outcome, int] = dict.fromkeys(Outcome, 0)
        self.observations: dict[Observation, int] = dict.fromkeys(Observation, 0)
        self.resolved_starts = 0
        """Starts that were sent more than once: an acknowledgement was lost, and the request id told."""
        self.latency = Histogram()
        """Of the completed."""
        self.service_time = Histogram()
        self.start_latency = Histogram()
        self.lag = Histogram()
        self.server_time = Histogram()
        self._causes: dict[tuple[str, str], int] = {}
        self._seconds = Seconds()
        self._executions = 0
        self._windows = Windows(windows)

    @property
    def scheduled(self) -> int:
        """Intended starts that have their outcome."""
        return sum(self.outcomes.values())

    @property
    def seconds(self) -> Seconds:
        """What happened in each second, as it is counted."""
        return self._seconds

    @property
    def outcomes_open(self) -> int:
        """Starts whose workflow was open when the drain ended."""
        return self.outcomes[Outcome.UNFINISHED]

    @property
    def censored(self) -> int:
        """Intended and not completed: later than everything."""
        return self.scheduled - self.latency.count

    def add(self, sample: Sample) -> None:
        """Count one intended start. Its server times are left to `add_execution`."""
        outcome = sample.outcome
        self.outcomes[outcome] += 1
        if sample.cause:
            self._add_cause(outcome, sample.cause, 1)
        self.observations[sample.observation] += 1
        if sample.sends > 1 and not sample.cause.endswith(UNRESOLVED):
            self.resolved_starts += 1

        # Whatever closed had been accepted, even where the acknowledgement never came.
        closed_us = sample.closed_us if outcome in CLOSED else None
        accepted_us = closed_us if sample.accepted_us is None else sample.accepted_us
        self._add_intended(sample, closed_us if outcome is Outcome.COMPLETED else None)
        if sample.sent_us is not None:
            self._add_sent(sample, sample.sent_us)
        seconds = self._seconds
        if accepted_us is not None:
            seconds.accepted[seconds.at(accepted_us)] += 1
            self._windows.of_event(accepted_us).accepted += 1
        if closed_us is not None:
            window = self._windows.of_event(closed_us)
            if outcome is Outcome.COMPLETED:
                window.completed += 1
                seconds.completed[seconds.at(closed_us)] += 1
            else:
                seconds.failed[seconds.at(closed_us)] += 1

    def _add_intended(self, sample: Sample, completed_us: int | None) -> None:
        intended_us, seconds = sample.intended_us, self._seconds
        second, window = seconds.at(intended_us), self._windows.at(intended_us)
        seconds.intended[second] += 1
        if completed_us is not None:
            latency_us = completed_us - intended_us
            self.latency.record_us(latency_us)
            window.latency.record_us(latency_us)
            seconds.add_latency(second, latency_us)
            if sample.sent_us is not None:
                self.service_time.record_us(completed_us - sample.sent_us)
            return
        window.censored += 1
        seconds.censored[second] += 1
        if sample.outcome in DROPPED:
            seconds.dropped[second] += 1
        elif sample.outcome is Outcome.REJECTED:
            seconds.rejected[second if sample.sent_us is None else seconds.at(sample.sent_us)] += 1

    def _add_sent(self, sample: Sample, sent_us: int) -> None:
        seconds = self._seconds
        lag_us = sent_us - sample.intended_us
        self.lag.record_us(lag_us)
        seconds.add_lag(seconds.at(sample.intended_us), lag_us)
        seconds.sent[seconds.at(sent_us)] += 1
        self._windows.of_event(sent_us).sent += 1
        if sample.accepted_us is not None:
            self.start_latency.record_us(sample.accepted_us - sent_us)

    def add_execution(
        self, started_us: int, closed_us: int | None, state_transitions: int, *, root: bool, completed: bool
    ) -> None:
        """Count one execution as the server lists it: µs since the epoch on the server's clock.

        A completed root gives the server time. State transitions count evenly from start to close, and at the
        start where there is no close; those after the schedule are in no window.
        """
        self._executions += 1
        if root and completed and closed_us is not None:
            self.server_time.record_us(closed_us - started_us)
        self._windows.add_transitions(started_us, closed_us, state_transitions)

    def cut(self, windows: Sequence[WindowBounds]) -> None:
        """Take the windows of a schedule that was stopped early: `schedule.windows(stopped_s)`.

        Call it as soon as the schedule stops: what closes from now on counts in the drain. What was intended
        in windows that are gone counts in the drain too.
        """
        self._windows.cut(windows)

    def merge(self, other: Tally) -> None:
        """Add everything that another tally of the same windows counted. Raises `ValueError` for other windows."""
        self._windows.merge(other._windows)
        for outcome, count in other.outcomes.items():
            self.outcomes[outcome] += count
        for (outcome_name, cause), count in other._causes.items():
            self._add_cause(Outcome(outcome_name), cause, count)
        for observation, count in other.observations.items():
            self.observations[observation] += count
        self.resolved_starts += other.resolved_starts
        self._executions += other._executions
        for name in ("latency", "service_time", "start_latency", "lag", "server_time"):
            getattr(self, name).merge(getattr(other, name))
        self._seconds.merge(other._seconds)

    def plain(self) -> TallyCounts:
        """What the samples added up to, for another process; see `add_plain`."""
        return TallyCounts(
            outcomes={outcome.value: count for outcome, count in self.outcomes.items() if count},
            observations={observation.value: count for observation, count in self.observations.items() if count},
            resolved_starts=self.resolved_starts,
            causes=[(outcome, cause, count) for (outcome, cause), count in self._causes.items()],
            windows=self._windows.plain(),
            seconds=self._seconds.plain(),
            service_time=self.service_time.packed(),
            start_latency=self.start_latency.packed(),
            out_of_range=(self.service_time.out_of_range, self.start_latency.out_of_range, self.lag.out_of_range),
        )

    def add_plain(self, plain: TallyCounts) -> None:
        """Add what another tally's `plain` gave, its windows by their place.

        It may have fewer windows than this one, as a schedule that was stopped has; its last is the drain's all the
        same. Raises `ValueError` for anything else.
        """
        self._windows.check_plain(len(plain.windows))
        service, start, lag = plain.out_of_range
        for outcome, count in plain.outcomes.items():
            self.outcomes[Outcome(outcome)] += count
        for outcome, cause, count in plain.causes:
            self._add_cause(Outcome(outcome), cause, count)
        for observation, count in plain.observations.items():
            self.observations[Observation(observation)] += count
        self.resolved_starts += plain.resolved_starts
        self.service_time.merge(Histogram.unpacked(plain.service_time, out_of_range=service))
        self.start_latency.merge(Histogram.unpacked(plain.start_latency, out_of_range=start))
        latencies, lags = Histogram(), Histogram(out_of_range=lag)
        for second in plain.seconds:
            latency_of_second, lag_of_second = self._seconds.add_plain(second)
            latencies.merge(latency_of_second)
            lags.merge(lag_of_second)
        self.lag.merge(lags)
        self.latency.merge(self._windows.add_plain(plain.windows, latencies))

    def causes(self) -> list[CauseCount]:
        """How many ended in which outcome for which cause, the most frequent first. At most 1,000 are told apart."""
        ordered = sorted(self._causes.items(), key=lambda item: (-item[1], item[0]))
        return [CauseCount(outcome=outcome, cause=cause, count=count) for (outcome, cause), count in ordered]

    def times(self) -> Times:
        """Every time of the definitions, over the whole run."""
        return Times(
            latency=self.latency.quantiles(self.censored),
            latency_completed=self.latency.quantiles(),
            service_time=self.service_time.quantiles(),
            start_latency=self.start_latency.quantiles(),
            lag=self.lag.quantiles(),
            server_time=self.server_time.quantiles(),
        )

    def curve(self) -> list[CurvePoint]:
        """The latency percentile curve, what did not complete included."""
        return self.latency.curve(self.censored)

    def windows(self) -> list[Window]:
        """The windows of the schedule, and the drain where anything happened after it."""
        return self._windows.described(listed=self._executions > 0)

    def series(self, end_s: float, schedule: Schedule) -> Series:
        """The columns of each second up to the end of the drain. Later events count in the last second."""
        stopped_s = self._windows.end_s
        length = max(1, math.ceil(end_s))
        target_per_s = [
            schedule.expected(second, min(second + 1.0, stopped_s)) if second < stopped_s else 0.0
            for second in range(length)
        ]
        return self._seconds.series(target_per_s)

    def snapshot(self, now_s: float | None = None) -> Snapshot:
        """The state so far. The newest second is the one before `now_s`, or without it the last seen."""
        p50_us, p95_us, p99_us = self.latency.values_at((50, 95, 99), self.censored)
        completed = self._seconds.completed
        end = len(completed) if now_s is None else int(now_s)
        recent = [
            completed[second] if second < len(completed) else 0 for second in range(max(0, end - _SPARKLINE_S), end)
        ]
        return Snapshot(
            scheduled=self.scheduled,
            outcomes=dict(self.outcomes),
            p50_ms=_ms(p50_us),
            p95_ms=_ms(p95_us),
            p99_ms=_ms(p99_us),
            lag_p99_ms=_ms(self.lag.value_at(99)),
            completed_series=[float(count) for count in recent],
        )

    def intervals(self) -> Iterator[Interval]:
        """The histograms for the log: those of the whole run, then the latency of each second's completed starts."""
        whole_s = float(self._seconds.length)
        for tag in ("service_time", "start_latency", "lag", "server_time"):
            histogram: Histogram = getattr(self, tag)
            if histogram.count:
                yield _interval(tag, 0.0, whole_s, histogram)
        for second, latency in self._seconds.latencies():
            yield _interval("latency", float(second), 1.0, latency)

    def _add_cause(self, outcome: Outcome, cause: str, count: int) -> None:
        key = (outcome.value, cause)
        if key not in self._causes and len(self._causes) >= _MAX_CAUSES:
            key = (outcome.value, _OTHER_CAUSE)
        self._causes[key] = self._causes.get(key, 0) + count


def _interval(tag: str, start_s: float, length_s: float, histogram: Histogram) -> Interval:
    return Interval(tag=tag, start_s=start_s, length_s=length_s, max_us=histogram.max_us, payload=histogram.encode())


def _ms(value_us: int | None) -> float | None:
    return None if value_us is None else value_us / 1e3
