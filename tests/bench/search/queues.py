"""Clusters in made-up time for the search to try: a queue before servers, driven second by second as a run is."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

import msgspec

from auroral.bench.histogram import CompactHistogram, Histogram, bucket_index
from auroral.bench.manifest import ManifestArrival
from auroral.bench.result import Quantiles, Times, Window
from auroral.bench.samples import Outcome
from auroral.bench.schedule import Schedule
from auroral.bench.search.judge import Second, Shown, clearly_lost, judge
from auroral.bench.search.machine import Found, Measured, Search, Step
from auroral.bench.search.settings import SearchSettings
from auroral.bench.thresholds import Facts, Threshold, parse, with_defaults

_NOTHING = Quantiles(count=0)


@dataclass(kw_only=True)
class Queue:
    """First come, first served, by so many servers. Keeps its own time; steps follow each other after a rest."""

    draw_s: Callable[[Random], float]
    """A service time."""
    servers: int
    seed: int
    stalls_every_s: float = 0.0
    """Mean gap between stalls; 0: none."""
    stall_s: float = 0.0
    """In a stall nothing begins to be served."""
    sick_from: int | None = None
    """Waiting executions from which on serving takes longer, until `sick_for_s` after nothing waits any more."""
    sick_factor: float = 1.0
    sick_for_s: float = 0.0
    now_s: float = 0.0
    _free_s: list[float] = field(default_factory=list)
    _next_stall_s: float | None = None
    _sick_until_s: float = -1.0

    def __post_init__(self) -> None:
        self._random = Random(f"queue {self.seed}")
        self._free_s = [0.0] * self.servers
        self._starts: list[float] = []
        self._begun = 0

    def carry(self, start_s: float) -> float:
        """When a start at this time completes. Starts come in order."""
        begin_s = self._out_of_stall(max(start_s, self._free_s[0]))
        service_s = self.draw_s(self._random)
        if self.sick_from is not None:
            # What waits at the start: it arrives at a rate of at most one per mean service time and server.
            if (begin_s - start_s) * self.servers / service_s > self.sick_from:
                self._sick_until_s = begin_s + self.sick_for_s
            if begin_s < self._sick_until_s:
                service_s *= self.sick_factor
        heapq.heapreplace(self._free_s, begin_s + service_s)
        return begin_s + service_s

    def _out_of_stall(self, begin_s: float) -> float:
        if self.stalls_every_s <= 0:
            return begin_s
        if self._next_stall_s is None:
            self._next_stall_s = self._random.expovariate(1 / self.stalls_every_s)
        while begin_s >= self._next_stall_s + self.stall_s:
            self._next_stall_s += self.stall_s + self._random.expovariate(1 / self.stalls_every_s)
        return max(begin_s, self._next_stall_s + self.stall_s) if begin_s >= self._next_stall_s else begin_s


def drive(queue: Queue, step: Step, slo: Sequence[Threshold], *, arrival: str = "constant") -> Measured:
    """Drive a step as `bench run` does, asking once a second whether it is lost; then the queue empties and rests."""
    schedule = _schedule(step, arrival, queue.seed)
    began_s = queue.now_s
    starts_s = [each.intended_us / 1e6 for each in schedule.arrivals()]
    closes_s = [queue.carry(began_s + start_s) - began_s for start_s in starts_s]
    length = math.ceil(step.duration_s)
    stopped_s, early = step.duration_s, None
    live = _Live(starts_s, closes_s, schedule)
    for now_s in range(1, length):
        if early := clearly_lost(live.seconds(now_s), slo=slo, step=step):
            stopped_s = float(now_s)
            break
    sent = sum(start_s < stopped_s for start_s in starts_s)
    # What is open when a run ends early is terminated: it gives its place in the queue up.
    drained_s = max(closes_s[:sent], default=0.0)
    if early:
        drained_s = stopped_s
        queue._free_s = [min(free_s, began_s + stopped_s + 1.0) for free_s in queue._free_s]
        heapq.heapify(queue._free_s)
    queue.now_s = began_s + max(stopped_s, drained_s) + max(5.0, 2 * queue.sick_for_s)
    seconds = _Live(starts_s[:sent], closes_s[:sent], schedule).seconds(
        math.ceil(stopped_s), ended_s=drained_s if early else math.inf
    )
    return judge(Shown(seconds=seconds, facts=_facts(seconds, step), early=early), slo=slo, step=step)


def search(queue: Queue, settings: SearchSettings, *, arrival: str = "constant") -> Found:
    """A whole search."""
    slo = with_defaults([parse(expression) for expression in settings.slo])
    machine = Search(settings)
    for _ in range(200):
        step = machine.next()
        if isinstance(step, Found):
            return step
        machine.take(drive(queue, step, slo, arrival=arrival))
    raise AssertionError("the search does not end")


class _Live:
    """The seconds of a step at any time in it."""

    def __init__(self, starts_s: Sequence[float], closes_s: Sequence[float], schedule: Schedule) -> None:
        self._starts_s, self._closes_s, self._schedule = starts_s, closes_s, schedule
        self._by_close = sorted(range(len(closes_s)), key=closes_s.__getitem__)
        self._closed = 0
        self._intended: list[int] = []
        self._completed: list[int] = []
        self._latency: list[CompactHistogram] = []
        self._touched: set[int] = set()
        self._seconds: list[Second] = []
        self._open = self._started = 0

    def seconds(self, now_s: int, *, ended_s: float | None = None) -> list[Second]:
        """Those over at `now_s`; at the end of a run all that closes until `ended_s` is known."""
        until_s = float(now_s) if ended_s is None else ended_s
        while len(self._latency) < now_s:
            self._latency.append(CompactHistogram())
            self._intended.append(0)
            self._completed.append(0)
        while self._closed < len(self._by_close) and self._closes_s[self._by_close[self._closed]] <= until_s:
            index = self._by_close[self._closed]
            start_s, close_s = self._starts_s[index], self._closes_s[index]
            second = int(start_s)
            self._latency[second].record_index(bucket_index(round((close_s - start_s) * 1e6)))
            self._touched.add(second)
            self._intended[second] += 1
            if close_s < now_s:
                self._completed[int(close_s)] += 1
            self._closed += 1
        if ended_s is not None:
            for index in self._by_close[self._closed :]:
                self._intended[int(self._starts_s[index])] += 1
                self._touched.add(int(self._starts_s[index]))
        for second in range(len(self._seconds), now_s):
            while self._started < len(self._starts_s) and self._starts_s[self._started] < second + 1:
                self._started += 1
                self._open += 1
            self._open -= self._completed[second]
            self._touched.add(second)
            self._seconds.append(
                Second(
                    t_s=float(second),
                    offered=self._schedule.expected(second, second + 1),
                    decided=0,
                    latency=Histogram(),
                    completed=self._completed[second],
                    in_flight=self._open,
                )
            )
        for second in self._touched:
            self._seconds[second] = msgspec.structs.replace(
                self._seconds[second], decided=self._intended[second], latency=self._latency[second].expand()
            )
        self._touched.clear()
        return self._seconds


def _schedule(step: Step, arrival: str, seed: int) -> Schedule:
    ramp = [(step.ramp_s, 0.0, step.rate_per_s)] if step.ramp_s else []
    return Schedule(
        ManifestArrival(
            process=arrival,
            segments=[*ramp, (step.hold_s, step.rate_per_s, step.rate_per_s)],
            ramp_s=step.ramp_s,
            count=None,
            seed=seed * 1000 + step.number,
            staged=False,
        )
    )


def _facts(seconds: Sequence[Second], step: Step) -> Facts:
    hold, latency = [second for second in seconds if second.t_s >= step.ramp_s], Histogram()
    for second in hold:
        latency.merge(second.latency)
    decided = sum(second.decided for second in hold)
    length_s = max(1, len(hold))
    window = Window(
        name="steady",
        kind="steady",
        start_s=step.ramp_s,
        end_s=step.duration_s,
        target_per_s=step.rate_per_s,
        offered_per_s=decided / length_s,
        started_per_s=decided / length_s,
        completed_per_s=sum(second.completed for second in hold) / length_s,
        latency=latency.quantiles(decided - latency.count),
    )
    scheduled = sum(second.decided for second in seconds)
    completed = sum(second.latency.count for second in seconds)
    outcomes = dict.fromkeys(Outcome, 0) | {
        Outcome.COMPLETED: completed,
        Outcome.UNFINISHED: scheduled - completed,
    }
    return Facts(
        times=Times(**dict.fromkeys(Times.__struct_fields__, _NOTHING)),
        judged=[window],
        outcomes={outcome.value: count for outcome, count in outcomes.items()},
        scheduled=scheduled,
    )
