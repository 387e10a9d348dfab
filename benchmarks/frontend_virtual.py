"""The small frontend in made-up time: when each execution is seen to close, and the largest rate that it carries. Pure.

It is the very queue that the frontend serves with, without gRPC: what a search should find, to hold its answer against.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import replace

from benchmarks.frontend_behaviour import Behaviour
from benchmarks.frontend_state import Execution, Executions


class VirtualFrontend:
    """Takes starts in order of their time, in seconds since the first; time goes on from one call to the next."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._executions: Executions = behaviour.executions()
        self._pauses = behaviour.pauses()
        self._started = 0

    def carry(self, starts_s: Iterable[float]) -> list[tuple[float, float]]:
        """(start, close as the client sees it) of each, however long it takes."""
        carried = [(start_s, self._start(start_s)) for start_s in starts_s]
        while (next_s := self._executions.next_close_s()) is not None:
            self._executions.advance(next_s)
        return [(start_s, self._pauses.end_s(execution.closed_s or 0.0)) for start_s, execution in carried]

    def _start(self, start_s: float) -> Execution:
        accepted_s = self._pauses.end_s(start_s)
        self._executions.advance(accepted_s)
        self._started += 1
        execution = Execution(str(self._started), "", "", "", "", accepted_s)
        self._executions.start(execution)
        return execution


def late_ratio(behaviour: Behaviour, rate_per_s: float, limit_s: float, *, length_s: float, discard_s: float) -> float:
    """Share of the starts at a constant rate that close later than `limit_s`, after the first `discard_s`."""
    # What has closed need not be kept.
    frontend = VirtualFrontend(replace(behaviour, retain=1))
    carried = frontend.carry(number / rate_per_s for number in range(int(rate_per_s * length_s)))
    counted = carried[bisect_right(carried, (discard_s, 0.0)) :]
    return sum(closed_s - start_s > limit_s for start_s, closed_s in counted) / len(counted)


def largest_rate_per_s(
    behaviour: Behaviour,
    *,
    quantile: float,
    limit_s: float,
    length_s: float = 4_000.0,
    discard_s: float = 60.0,
    precision: float = 0.002,
) -> float:
    """The largest constant rate at which that quantile of latency (0 to 1) stays below `limit_s` for good.

    Bisected below the capacity `servers / service_time_s`; each rate is driven for `length_s` of made-up time.
    """
    if behaviour.servers is None or behaviour.service_time_s <= 0:
        raise ValueError("expected a number of servers and a service time: else every rate is carried")
    low_per_s, high_per_s = 0.0, behaviour.servers / behaviour.service_time_s
    while high_per_s - low_per_s > precision * high_per_s:
        rate_per_s = (low_per_s + high_per_s) / 2
        late = late_ratio(behaviour, rate_per_s, limit_s, length_s=length_s, discard_s=discard_s)
        low_per_s, high_per_s = (rate_per_s, high_per_s) if late <= 1 - quantile else (low_per_s, rate_per_s)
    return (low_per_s + high_per_s) / 2
