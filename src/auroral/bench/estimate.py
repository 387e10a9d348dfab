"""What to expect of a workload: how long one workflow takes, what it holds, and what a server may refuse. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from auroral.bench import durations
from auroral.bench.durations import Duration
from auroral.bench.steps import (
    Activity,
    Child,
    Signal,
    Step,
    Timer,
    Update,
    Workload,
    count_executions,
    interactions,
)
from auroral.units import format_number, format_rate

MOST_ACTIVITY_SLOTS = 10_000
SLOT_HEADROOM = 1.5
"""Slots per activity that is expected to wait at one time: arrivals are not even."""

CONTINUE_AS_NEW_INTERVAL_S = 1.0
"""Servers start a new run no sooner than this after the run before (`history.continueAsNewMinInterval`)."""
_PENDING_LIMIT = 2_000
"""Pending activities, and children, of one workflow (`limit.numPendingActivities.error` and its like)."""
_UPDATE_LIMIT = 2_000
"""Updates of one run (`history.maxTotalUpdates`)."""
_SIGNAL_LIMIT = 10_000
"""Signals of one run (`history.maximumSignalsPerExecution`)."""
_EVENT_LIMIT = 51_200
"""History events of one run (`limit.historyCount.error`)."""
_Z_999 = 3.0902
"""The standard normal distribution's 99.9th percentile."""
_EXPECTED_LAST = 0.5615
"""e to the minus Euler's constant: the last of n draws is expected about where 1 − this / n of one draw lie."""


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """What one workflow takes by its definition alone, on a server and workers that cost no time."""

    nominal_s: float
    """Expected length from first to last step."""
    longest_s: float
    """About one in a thousand workflows takes longer."""
    activities: int
    """Activities, local ones and children's included, retries not."""
    concurrent_activities: int
    """The most of them (local ones apart) that wait at one time."""
    activity_seconds: float
    """Expected time in activities (local ones apart), retries included: times the rate, what waits at one time."""
    executions: int
    """Workflow executions: the runs of the root, and all children."""
    waits_only: bool
    """Whether there are activities and each lasts: they hold a slot, and no CPU."""


class _Span(msgspec.Struct, frozen=True):
    """A length of time: expected, how much more once in a thousand when it is one of many, and its bound alone."""

    nominal_s: float = 0.0
    slack_s: float = 0.0
    worst_s: float = 0.0

    @property
    def longest_s(self) -> float:
        return max(self.nominal_s, min(self.nominal_s + self.slack_s, self.worst_s))

    def repeated(self, count: int) -> _Span:
        """One after another: means add up, deviations as their squares do."""
        return _Span(count * self.nominal_s, math.sqrt(count) * self.slack_s, count * self.worst_s)


def estimate(workload: Workload) -> Estimate:
    """What one workflow of this workload takes, time in queues and requests apart."""
    runs = workload.repetitions
    body = _span(workload.steps)
    nominal_s, longest_s = _with_interactions(workload, body)
    activities = _count_activities(workload.steps)
    lasting = all(not durations.is_zero(step.duration_s) for step in _activities(workload.steps))
    return Estimate(
        nominal_s=nominal_s,
        longest_s=longest_s,
        activities=runs * activities,
        concurrent_activities=_concurrent(workload.steps),
        activity_seconds=runs * _activity_seconds(workload.steps),
        executions=runs * (1 + count_executions(workload.steps)),
        waits_only=activities > 0 and lasting,
    )


def activity_slots(
    workloads: Sequence[Workload], rate_per_s: float, default: int = 200, *, weights: Sequence[float] | None = None
) -> tuple[int, str]:
    """Activity slots per worker process, and why, where activities wait and so need more slots than CPU.

    Any one process may have to hold them all. The rate is that of all starts; weights share it out, evenly by
    default. At most 10,000.
    """
    shares = list(weights) if weights is not None else [1.0] * len(workloads)
    total = sum(shares) or 1.0
    estimates = [estimate(workload) for workload in workloads]
    busy = sum(
        rate_per_s * share / total * each.activity_seconds for share, each in zip(shares, estimates, strict=True)
    )
    needed = math.ceil(busy * SLOT_HEADROOM + max((each.concurrent_activities for each in estimates), default=0))
    if busy == 0 or needed <= default:
        return default, ""
    slots = min(MOST_ACTIVITY_SLOTS, math.ceil(needed / 100) * 100)
    note = (
        f"activity slots raised from {default:,} to {slots:,} per worker process: at {format_rate(rate_per_s)} about "
        f"{format_number(round(busy))} activities wait at one time"
    )
    if slots < needed:
        note += f" and {needed:,} slots would be wanted; more worker processes share them"
    return slots, note


def cautions(workload: Workload) -> list[str]:
    """What a server with default limits may refuse, in sentences; the workload is valid all the same."""
    found: list[str] = []
    for index, step in enumerate(workload.steps):
        if isinstance(step, Activity | Child) and step.mode == "parallel" and step.count > _PENDING_LIMIT:
            what = "activities" if isinstance(step, Activity) else "children"
            if isinstance(step, Child) or not step.local:
                found.append(
                    f"steps[{index}] has {step.count:,} {what} open at one time; servers refuse more than "
                    f"{_PENDING_LIMIT:,} by default"
                )
    for kind, limit in ((Signal, _SIGNAL_LIMIT), (Update, _UPDATE_LIMIT)):
        wanted = sum(step.count for step in workload.steps if isinstance(step, kind))
        if wanted > limit:
            name = kind.__name__.lower()
            found.append(f"one run waits for {wanted:,} {name}s; servers refuse more than {limit:,} by default")
    events = _events(workload.steps)
    if events > _EVENT_LIMIT:
        found.append(
            f"one run writes about {events:,} history events; servers end a workflow at {_EVENT_LIMIT:,} by default"
        )
    return found


def _span(steps: Sequence[Step]) -> _Span:
    """The steps one after another, waits for interactions apart."""
    spans = [_step_span(step) for step in steps]
    return _Span(
        sum(span.nominal_s for span in spans),
        math.hypot(*(span.slack_s for span in spans)),
        sum(span.worst_s for span in spans),
    )


def _step_span(step: Step) -> _Span:
    match step:
        case Activity():
            return _activity_span(step)
        case Timer():
            return _draw_span(step.duration_s)
        case Child():
            child = _span(step.steps)
            if step.mode == "sequence":
                return child.repeated(step.count)
            above_s = child.longest_s - child.nominal_s
            nominal_s = child.longest_s - above_s / step.count
            return _Span(nominal_s, child.longest_s - nominal_s, child.worst_s)
        case _:
            return _Span()


def _draw_span(duration: Duration, count: int = 1) -> _Span:
    """One draw that is one of `count`."""
    expected_s, late_s = durations.mean(duration), _late(duration, count)
    return _Span(expected_s, max(late_s - expected_s, _Z_999 * durations.stddev(duration)), late_s)


def _activity_span(step: Activity) -> _Span:
    if step.mode == "sequence":
        span = _draw_span(step.duration_s, step.count).repeated(step.count)
    else:
        span = _draw_span(step.duration_s, step.count)
        if step.count > 1:
            expected_s = max(span.nominal_s, durations.quantile(step.duration_s, 1 - _EXPECTED_LAST / step.count))
            span = _Span(expected_s, max(0.0, span.worst_s - expected_s), span.worst_s)
    if step.failure_rate == 0:
        return span
    again_s = durations.mean(step.duration_s) + step.retry_interval_s
    late_s = _late(step.duration_s, step.count) + step.retry_interval_s
    most = _late_retries(step, step.count)
    count = step.count if step.mode == "sequence" else 1
    retries = count * (_attempts(step) - 1)
    nominal_s = span.nominal_s + retries * again_s
    worst_s = span.worst_s + min(most * count, retries + 2 * most) * late_s
    return _Span(nominal_s, max(0.0, worst_s - nominal_s), max(nominal_s, worst_s))


def _late(duration: Duration, count: int) -> float:
    """What all of `count` draws together exceed once in a thousand."""
    return max(durations.mean(duration), durations.quantile(duration, 1 - 0.001 / count))


def _attempts(step: Activity) -> float:
    """Expected attempts of one activity."""
    if step.failure_rate >= 1:
        return float(step.max_attempts)
    last = step.failure_rate**step.max_attempts if step.max_attempts else 0.0
    return (1 - last) / (1 - step.failure_rate)


def _late_retries(step: Activity, count: int) -> int:
    """Retries that the unluckiest of `count` activities exceeds once in a thousand."""
    if step.failure_rate >= 1:
        return max(0, step.max_attempts - 1)
    retries = math.ceil(math.log(0.001 / count) / math.log(step.failure_rate))
    return min(retries, step.max_attempts - 1) if step.max_attempts else retries


def _with_interactions(workload: Workload, body: _Span) -> tuple[float, float]:
    """Nominal and longest time of the whole chain, which also waits for what the client sends."""
    runs = workload.repetitions
    last_arrival_s = max(
        (each.after_s + (each.total - 1) * each.every_s for each in interactions(workload) if each.kind != "query"),
        default=0.0,
    )
    after_wait = _span(_after_last_wait(workload.steps))
    paced_s = max(body.nominal_s, CONTINUE_AS_NEW_INTERVAL_S) * (runs - 1)
    nominal_s = max(paced_s + body.nominal_s, last_arrival_s + after_wait.nominal_s)
    slack_s = math.sqrt(runs) * (body.longest_s - body.nominal_s)
    return nominal_s, nominal_s + slack_s


def _after_last_wait(steps: Sequence[Step]) -> Sequence[Step]:
    waits = [index for index, step in enumerate(steps) if isinstance(step, Signal | Update)]
    return steps[waits[-1] + 1 :] if waits else ()


def _activities(steps: Sequence[Step]) -> list[Activity]:
    found: list[Activity] = []
    for step in steps:
        if isinstance(step, Activity):
            found.append(step)
        elif isinstance(step, Child):
            found.extend(_activities(step.steps))
    return found


def _count_activities(steps: Sequence[Step]) -> int:
    return sum(
        step.count if isinstance(step, Activity) else step.count * _count_activities(step.steps)
        for step in steps
        if isinstance(step, Activity | Child)
    )


def _activity_seconds(steps: Sequence[Step]) -> float:
    total_s = 0.0
    for step in steps:
        if isinstance(step, Activity) and not step.local:
            total_s += step.count * _attempts(step) * durations.mean(step.duration_s)
        elif isinstance(step, Child):
            total_s += step.count * _activity_seconds(step.steps)
    return total_s


def _concurrent(steps: Sequence[Step]) -> int:
    most = 0
    for step in steps:
        if isinstance(step, Activity) and not step.local:
            most = max(most, step.count if step.mode == "parallel" else 1)
        elif isinstance(step, Child):
            most = max(most, (step.count if step.mode == "parallel" else 1) * _concurrent(step.steps))
    return most


def _events(steps: Sequence[Step]) -> int:
    """About how many events one run's history gets."""
    events = 5
    for step in steps:
        match step:
            case Activity(local=True):
                events += step.count + 3
            case Activity() | Child():
                events += step.count * (6 if step.mode == "sequence" else 4)
            case Timer():
                events += 5
            case Signal() | Update():
                events += step.count * 5
    return events
