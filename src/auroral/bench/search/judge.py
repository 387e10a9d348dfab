"""Whether a step's rate was sustained, whether it is lost already, and whether its backlog has cleared. Pure."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from auroral.bench.histogram import Histogram
from auroral.bench.result import Series
from auroral.bench.search.machine import Measured, Step
from auroral.bench.thresholds import NO_DATA, Facts, Threshold, evaluate, parse
from auroral.units import format_duration, format_number, format_rate

_US_PER_S = 1_000_000
_PERMITTED = {"p50": 0.5, "p90": 0.1, "p95": 0.05, "p99": 0.01, "p999": 0.001, "max": 0.0}
"""Share of the starts that may be later than the limit of a quantile."""
_CLEARLY = 3.0
"""A step ends early at this many times what its whole hold permits: below that, its end may tell more."""
_CLEARLY_MORE = 10
"""And at this many starts more than permitted."""
_STALL_SHARE = 0.15
"""Late starts within so much of the hold, in one stretch, are those of a passing stall."""
_STALL_S = 3
_DOUBTFUL = (0.5, 2.0)
"""Of what is permitted: starts are late in bursts, so that a repetition differs by a factor of two."""
_GROWS_SIGMAS, _GROWS_BEYOND_DOUBT_SIGMAS = 3.0, 6.0
_GROWS_RATIO, _GROWS_BEYOND_DOUBT_RATIO = 0.01, 0.05
"""Of the offered rate: slower growth is within the precision of a search."""
_TREND_S = 8
"""Seconds that a trend needs at least."""
_CLEARED_FACTOR, _CLEARED_MARGIN_S = 1.5, 0.02
"""Probes within this of the idle latency: a median of three differs by less between two idle moments."""
_PROBES = 3


class Second(msgspec.Struct, frozen=True, kw_only=True):
    """One second of a step. While it runs the last seconds are not complete: `decided` says how far they are."""

    t_s: float
    """When it began, since the epoch: its ramp is before `step.ramp_s`."""
    offered: float
    """Starts due in it: counted while the step runs, by the schedule's rate afterwards (`Series.target_per_s`)."""
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


class _Limit(NamedTuple):
    """A quantile of latency that the objective bounds."""

    expression: str
    permitted: float
    limit_us: int


class _Growth(NamedTuple):
    """How fast what is open grew, per second, and the standard error of that."""

    per_s: float
    error_per_s: float


def seconds_of(
    series: Series, latencies: Mapping[int, Histogram], *, in_flight: Sequence[int] | None = None
) -> list[Second]:
    """The seconds of a run. `latencies` by second, of the completed starts that were due in it.

    While the run goes on its series knows only of starts that have their outcome: then `in_flight` is what the
    generators tell, a number for each second.
    """
    column = series.in_flight if in_flight is None else in_flight
    return [
        Second(
            t_s=float(t_s),
            offered=series.target_per_s[number],
            decided=series.intended[number],
            latency=latencies.get(t_s) or Histogram(),
            completed=series.completed[number],
            in_flight=column[number] if number < len(column) else (column[-1] if column else 0),
        )
        for number, t_s in enumerate(series.t_s)
    ]


def judge(shown: Shown, *, slo: Sequence[Threshold], step: Step) -> Measured:
    """Decide whether the step's rate was sustained: the objective holds in the hold, and nothing piles up."""
    hold = _hold(shown.seconds, step)
    if shown.early is not None:
        hold = _driven_whole(hold, step)
    limits = _limits(slo)
    growth = _growth(hold)
    growing = _grows(growth, step.rate_per_s, _GROWS_SIGMAS, _GROWS_RATIO)
    spent = max((_spent(hold, limit) for limit in limits), default=None)
    held, reasons = _decide(shown, slo, hold, growth if growing else None)
    driven_s = min(step.duration_s, max((second.t_s + 1 for second in shown.seconds if second.offered), default=0.0))
    return Measured(
        step=step,
        held=held,
        reasons=reasons,
        offered_per_s=_mean([second.offered for second in hold]),
        completed_per_s=_mean([second.completed for second in hold]),
        quantiles_ms=_quantiles_ms(hold),
        backlog_start=_mean([second.in_flight for second in hold[:3]]) if hold else None,
        backlog_end=_mean([second.in_flight for second in hold[-3:]]) if hold else None,
        load_s=driven_s,
        early=shown.early is not None,
        spent=spent,
        doubtful=held is not None and not growing and _is_doubtful(held, spent, hold, limits, step),
    )


def clearly_lost(seconds: Sequence[Second], *, slo: Sequence[Threshold], step: Step) -> str | None:
    """Why no continuation of the step could make it hold, or None. Asked once a second while it runs.

    A start that is open counts as late once it is older than the limit, whatever becomes of it.
    """
    hold = _hold(seconds, step)
    if not hold:
        return None
    now_s = seconds[-1].t_s + 1
    due = step.rate_per_s * step.hold_s
    for limit in _limits(slo):
        late_by_second = [_late_by(second, limit, now_s) for second in hold]
        late, permitted = sum(late_by_second), limit.permitted * due
        if late > max(_CLEARLY * permitted, permitted + _CLEARLY_MORE) and not _is_stall(late_by_second, step):
            return (
                f"{format_number(late)} starts are later than {format_duration(limit.limit_us / _US_PER_S)}"
                f" after {format_duration(len(hold))}, where {limit.expression} permits "
                f"{format_number(math.floor(permitted))} in all {format_duration(step.hold_s)}"
            )
    growth = _growth(hold)
    if _grows(growth, step.rate_per_s, _GROWS_BEYOND_DOUBT_SIGMAS, _GROWS_BEYOND_DOUBT_RATIO):
        assert growth is not None
        return _growth_sentence(growth, hold)
    return None


def uncleared(
    *, backlog: int | None, in_flight: int | None, probes_s: Sequence[float], idle_s: Sequence[float]
) -> str | None:
    """What has not cleared yet after a step, or None: the next may begin.

    `backlog` of the task queues and `in_flight` workflows, None: cannot be read. `probes_s`: latencies of the
    latest probe workflows, the newest last; `idle_s`: those of probes before the first step.
    """
    if in_flight:
        return f"{format_number(in_flight)} workflows are still open"
    if backlog:
        return f"{format_number(backlog)} tasks still wait in the task queues"
    if not idle_s:
        return None
    if len(probes_s) < _PROBES:
        return f"{len(probes_s)} of {_PROBES} probes have completed"
    now_s, idle = statistics.median(probes_s[-_PROBES:]), statistics.median(idle_s)
    if now_s > max(idle * _CLEARED_FACTOR + _CLEARED_MARGIN_S, *idle_s):
        return f"a probe takes {format_duration(now_s)}, where it took {format_duration(idle)} before the first step"
    return None


def _hold(seconds: Sequence[Second], step: Step) -> list[Second]:
    """The seconds that are measured: after the ramp, and before the schedule's end."""
    return [second for second in seconds if step.ramp_s <= second.t_s and second.t_s + 1 <= step.duration_s + 1e-6]


def _driven_whole(hold: Sequence[Second], step: Step) -> list[Second]:
    """Of a hold that was ended early: without the second in which it was, and without its drain."""
    return [second for second in hold if second.offered >= step.rate_per_s * (1 - 1e-6)] or list(hold)


def _limits(slo: Sequence[Threshold]) -> list[_Limit]:
    limits = []
    for threshold in slo:
        name, _, quantile = threshold.metric.rpartition(".")
        if name == "latency" and quantile in _PERMITTED and threshold.op in ("<", "<="):
            limit_us = round(threshold.limit * _US_PER_S)
            limits.append(_Limit(threshold.expression, _PERMITTED[quantile], limit_us))
    return limits


def _late(second: Second, limit: _Limit) -> int:
    """Starts due in a second that completed later than the limit or ended otherwise."""
    latency = second.latency
    in_time = latency.count if latency.max_us <= limit.limit_us else latency.cumulative([limit.limit_us])[0]
    return second.decided - in_time


def _late_by(second: Second, limit: _Limit, now_s: float) -> int:
    """The same while the step runs, with those open for longer than the limit."""
    overdue = now_s - (second.t_s + 1) > limit.limit_us / _US_PER_S
    return _late(second, limit) + (max(0, math.floor(second.offered) - second.decided) if overdue else 0)


def _is_stall(late_by_second: Sequence[int], step: Step) -> bool:
    """Whether what is late lies in one short stretch, as a passing stall of the server leaves it."""
    late = [number for number, count in enumerate(late_by_second) if count]
    return bool(late) and late[-1] - late[0] + 1 <= max(_STALL_S, _STALL_SHARE * step.hold_s)


def _spent(hold: Sequence[Second], limit: _Limit) -> float:
    """Late starts over those permitted."""
    decided = sum(second.decided for second in hold)
    return sum(_late(second, limit) for second in hold) / max(0.5, math.floor(limit.permitted * decided))


def _is_doubtful(held: bool, spent: float | None, hold: Sequence[Second], limits: Sequence[_Limit], step: Step) -> bool:
    if spent is None:
        return False
    low, high = _DOUBTFUL
    if held:
        return spent > low
    if 1 < spent < high:
        return True
    over = [limit for limit in limits if _spent(hold, limit) > 1]
    return bool(over) and all(_is_stall([_late(second, limit) for second in hold], step) for limit in over)


def _decide(
    shown: Shown, slo: Sequence[Threshold], hold: Sequence[Second], growth: _Growth | None
) -> tuple[bool | None, list[str]]:
    if shown.doubts:
        return None, list(shown.doubts)
    if shown.early is not None:
        return False, [shown.early]
    if not hold:
        return None, ["nothing was measured after the ramp"]
    results = [evaluate(threshold, shown.facts) for threshold in slo]
    unmet = [
        f"{result.expression} was not met: {result.observed}"
        for result in results
        if not result.passed and result.observed != NO_DATA
    ]
    if growth is not None:
        unmet.append(_growth_sentence(growth, hold))
    if unmet:
        by_lag = growth is None and _own_lag(
            shown.facts, [result.expression for result in results if not result.passed]
        )
        return (None, [by_lag, *unmet]) if by_lag else (False, unmet)
    unknown = [f"{result.expression} could not be judged: {NO_DATA}" for result in results if not result.passed]
    if unknown:
        return None, unknown
    return True, [f"{result.expression}: {result.observed}" for result in results]


def _own_lag(facts: Facts, unmet: Sequence[str]) -> str | None:
    """Whether our own lag alone made starts late: from when they were sent, all that is unmet would have been met."""
    limits = {limit.expression: limit for limit in _limits([parse(expression) for expression in unmet])}
    lag_ms, from_sent = facts.times.lag.p99_ms, facts.times.service_time
    if len(limits) < len(unmet) or lag_ms is None or any(window.latency.censored for window in facts.judged):
        return None
    for expression, limit in limits.items():
        quantile = parse(expression).metric.rpartition(".")[2]
        value_ms = getattr(from_sent, f"{quantile}_ms")
        if value_ms is None or value_ms * 1_000 > limit.limit_us:
            return None
    lag = format_duration(lag_ms / 1e3)
    return f"our own lag (P99 {lag}) made starts late: from when they were sent, the objective was met"


def _growth(hold: Sequence[Second]) -> _Growth | None:
    """The trend of what is open, from when the first starts of the hold complete; None: too few seconds for one.

    Until then it grows at any rate. The error is that of the mean of its steps from second to second: exact for a
    random walk, which a queue is at its limit, and too large below it, where each rise is followed by a fall.
    """
    first = Histogram()
    for second in hold[: max(1, len(hold) // 5)]:
        first.merge(second.latency)
    due = sum(second.offered for second in hold[: max(1, len(hold) // 5)])
    if first.count < due / 2:
        return None
    typical_us = first.value_at(50) or 0
    open_now = [second.in_flight for second in hold[math.ceil(typical_us / _US_PER_S) :]]
    if len(open_now) <= _TREND_S:
        return None
    rises = [after - before for before, after in itertools.pairwise(open_now)]
    # A count is exact to half a workflow at either end.
    error_per_s = max(statistics.stdev(rises) / math.sqrt(len(rises)), 0.5 / len(rises))
    return _Growth(statistics.fmean(rises), error_per_s)


def _grows(growth: _Growth | None, rate_per_s: float, sigmas: float, ratio: float) -> bool:
    return growth is not None and growth.per_s > max(sigmas * growth.error_per_s, ratio * rate_per_s)


def _growth_sentence(growth: _Growth, hold: Sequence[Second]) -> str:
    completed_per_s, offered_per_s = (
        _mean([second.completed for second in hold]),
        _mean([second.offered for second in hold]),
    )
    return (
        f"workflows pile up: {format_rate(completed_per_s)} complete of {format_rate(offered_per_s)} offered, and what "
        f"is open grows by {growth.per_s:.3g} ± {growth.error_per_s:.2g} a second, to {hold[-1].in_flight:,}"
    )


def _quantiles_ms(hold: Sequence[Second]) -> dict[str, float | None]:
    latency = Histogram()
    for second in hold:
        latency.merge(second.latency)
    censored = sum(second.decided for second in hold) - latency.count
    values_us = latency.values_at((50, 90, 95, 99), censored)
    return {
        name: None if value_us is None else value_us / 1e3
        for name, value_us in zip(("p50", "p90", "p95", "p99"), values_us, strict=True)
    }


def _mean(values: Sequence[float]) -> float:
    return statistics.fmean(values) if values else 0.0
