"""Samples → outcomes, histograms, windows and series, in memory that grows with the run's seconds only. Pure.

Times come in µs since the run's epoch. An event counts in the second and the window in which it happened; a
latency counts in those for which its start was intended.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from auroral.bench.counts import TallyCounts, WindowCounts
from auroral.bench.histogram import Histogram, Interval
from auroral.bench.result import CauseCount, CurvePoint, Series, Times, Window
from auroral.bench.samples import CLOSED, DROPPED, UNRESOLVED, Observation, Outcome, Sample
from auroral.bench.schedule import Schedule, WindowBounds
from auroral.bench.seconds import Seconds

_US_PER_S = 1_000_000
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


class _WindowTally:
    """What happened in one window. Counts are of events in it, the latency of starts intended in it."""

    __slots__ = ("accepted", "censored", "completed", "last_us", "latency", "sent", "state_transitions")

    def __init__(self) -> None:
        self.sent = 0
        self.accepted = 0
        self.completed = 0
        self.last_us = 0
        self.state_transitions = 0.0
        self.latency = Histogram()
        self.censored = 0

    def merge(self, other: _WindowTally) -> None:
        self.sent += other.sent
        self.accepted += other.accepted
        self.completed += other.completed
        self.last_us = max(self.last_us, other.last_us)
        self.state_transitions += other.state_transitions
        self.latency.merge(other.latency)
        self.censored += other.censored

    def plain(self, *, alone: bool) -> WindowCounts:
        """For another process; `alone`: no other window has latencies."""
        return WindowCounts(
            sent=self.sent,
            accepted=self.accepted,
            completed=self.completed,
            last_us=self.last_us,
            censored=self.censored,
            out_of_range=self.latency.out_of_range,
            latency=None if alone and self.latency.count else self.latency.packed(),
        )

    def add_plain(self, plain: WindowCounts, of_all_seconds: Histogram) -> Histogram:
        """Add what `plain` gave; return the latencies that came with it."""
        packed = of_all_seconds.packed() if plain.latency is None else plain.latency
        latency = Histogram.unpacked(packed, out_of_range=plain.out_of_range)
        self.sent += plain.sent
        self.accepted += plain.accepted
        self.completed += plain.completed
        self.last_us = max(self.last_us, plain.last_us)
        self.censored += plain.censored
        self.latency.merge(latency)
        return latency


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
        self._bounds: list[WindowBounds] = []
        self._starts_us: list[int] = []
        self._ends_us: list[int] = []
        self._tallies = [_WindowTally() for _ in range(len(windows) + 1)]
        """One for each window, and the drain's."""
        self._bound(list(windows))

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
            self._event(accepted_us).accepted += 1
        if closed_us is not None:
            window = self._event(closed_us)
            if outcome is Outcome.COMPLETED:
                window.completed += 1
                seconds.completed[seconds.at(closed_us)] += 1
            else:
                seconds.failed[seconds.at(closed_us)] += 1

    def _add_intended(self, sample: Sample, completed_us: int | None) -> None:
        intended_us, seconds = sample.intended_us, self._seconds
        second, window = seconds.at(intended_us), self._window(intended_us)
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
        self._event(sent_us).sent += 1
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
        if closed_us is None or closed_us <= started_us:
            self._window(started_us).state_transitions += state_transitions
            return
        per_us = state_transitions / (closed_us - started_us)
        first = max(0, bisect_right(self._starts_us, started_us) - 1)
        for number in range(first, len(self._bounds)):
            if number > 0 and self._starts_us[number] >= closed_us:
                break
            # What the server's clock puts before the epoch belongs to the first window.
            from_us = started_us if number == 0 else max(started_us, self._starts_us[number])
            overlap_us = min(closed_us, self._ends_us[number]) - from_us
            self._tallies[number].state_transitions += per_us * max(0, overlap_us)

    def cut(self, windows: Sequence[WindowBounds]) -> None:
        """Take the windows of a schedule that was stopped early: `schedule.windows(stopped_s)`.

        Call it as soon as the schedule stops: what closes from now on counts in the drain. What was intended
        in windows that are gone counts in the drain too.
        """
        gone = self._tallies[len(windows) : -1]
        kept = [*self._tallies[: len(windows)], self._tallies[-1]]
        for tally in gone:
            kept[-1].merge(tally)
        self._tallies = kept
        self._bound(list(windows))

    def merge(self, other: Tally) -> None:
        """Add everything that another tally of the same windows counted. Raises `ValueError` for other windows."""
        if [bounds[:3] for bounds in self._bounds] != [bounds[:3] for bounds in other._bounds]:
            raise ValueError("expected a tally of the same windows")
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
        for mine, theirs in zip(self._tallies, other._tallies, strict=True):
            mine.merge(theirs)
        self._seconds.merge(other._seconds)

    def plain(self) -> TallyCounts:
        """What the samples added up to, for another process; see `add_plain`."""
        having = sum(1 for window in self._tallies if window.latency.count)
        return TallyCounts(
            outcomes={outcome.value: count for outcome, count in self.outcomes.items() if count},
            observations={observation.value: count for observation, count in self.observations.items() if count},
            resolved_starts=self.resolved_starts,
            causes=[(outcome, cause, count) for (outcome, cause), count in self._causes.items()],
            windows=[window.plain(alone=having == 1) for window in self._tallies],
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
        if not 1 <= len(plain.windows) <= len(self._tallies):
            raise ValueError(f"expected 1 to {len(self._tallies)} windows, not {len(plain.windows)}")
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
        for window, mine in zip(
            plain.windows, [*self._tallies[: len(plain.windows) - 1], self._tallies[-1]], strict=True
        ):
            self.latency.merge(mine.add_plain(window, latencies))

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
        windows = []
        for bounds, tally in zip(self._bounds, self._tallies, strict=False):
            length_s = bounds.end_s - bounds.start_s
            windows.append(
                Window(
                    name=bounds.name,
                    kind=bounds.kind,
                    start_s=bounds.start_s,
                    end_s=bounds.end_s,
                    target_per_s=bounds.target_per_s,
                    offered_per_s=tally.sent / length_s,
                    started_per_s=tally.accepted / length_s,
                    completed_per_s=tally.completed / length_s,
                    state_transitions_per_s=tally.state_transitions / length_s if self._executions else None,
                    latency=tally.latency.quantiles(tally.censored),
                )
            )
        drain, start_s = self._tallies[-1], self._bounds[-1].end_s if self._bounds else 0.0
        length_s = max(tally.last_us for tally in self._tallies) / _US_PER_S - start_s
        if length_s > 0:
            windows.append(
                Window(
                    name="drain",
                    kind="drain",
                    start_s=start_s,
                    end_s=start_s + length_s,
                    target_per_s=0.0,
                    offered_per_s=drain.sent / length_s,
                    started_per_s=drain.accepted / length_s,
                    completed_per_s=drain.completed / length_s,
                    latency=drain.latency.quantiles(drain.censored),
                )
            )
        return windows

    def series(self, end_s: float, schedule: Schedule) -> Series:
        """The columns of each second up to the end of the drain. Later events count in the last second."""
        stopped_s = self._bounds[-1].end_s if self._bounds else 0.0
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

    def _window(self, time_us: int) -> _WindowTally:
        """The window of a time; the last tally is the drain's. What is before the epoch is in the first."""
        ends_us = self._ends_us
        return self._tallies[0 if not ends_us or time_us < ends_us[0] else bisect_right(ends_us, time_us)]

    def _event(self, time_us: int) -> _WindowTally:
        """The window of something that happened."""
        window = self._window(time_us)
        window.last_us = max(window.last_us, time_us)
        return window

    def _bound(self, windows: list[WindowBounds]) -> None:
        self._bounds = windows
        self._starts_us = [round(window.start_s * _US_PER_S) for window in windows]
        self._ends_us = [round(window.end_s * _US_PER_S) for window in windows]

    def _add_cause(self, outcome: Outcome, cause: str, count: int) -> None:
        key = (outcome.value, cause)
        if key not in self._causes and len(self._causes) >= _MAX_CAUSES:
            key = (outcome.value, _OTHER_CAUSE)
        self._causes[key] = self._causes.get(key, 0) + count


def _interval(tag: str, start_s: float, length_s: float, histogram: Histogram) -> Interval:
    return Interval(tag=tag, start_s=start_s, length_s=length_s, max_us=histogram.max_us, payload=histogram.encode())


def _ms(value_us: int | None) -> float | None:
    return None if value_us is None else value_us / 1e3
