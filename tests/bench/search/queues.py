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

    def forget(self, until_s: float) -> None:
        """What waits is terminated: every server is free by then."""
        self._free_s = [min(free_s, until_s) for free_s in self._free_s]
        heapq.heapify(self._free_s)
        self._sick_until_s = min(self._sick_until_s, until_s + self.sick_for_s)

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
    began_s, arrivals = queue.now_s, schedule.arrivals()
    live, early, now_s, length = _Live(), None, 0, math.ceil(step.duration_s)
    following = next(arrivals, None)
    while early is None and now_s < length:
        now_s += 1
        while following is not None and following.intended_us < now_s * 1e6:
            start_s = following.intended_us / 1e6
            live.add(start_s, queue.carry(began_s + start_s) - began_s)
            following = next(arrivals, None)
        if now_s < length:
            early = clearly_lost(live.seconds(now_s), slo=slo, step=step)
    stopped_s = float(now_s) if early else step.duration_s
    if early:
        queue.forget(began_s + stopped_s + 1.0)
    # What is open when a run ends early is terminated, else all of it completes.
    seconds = live.seconds(now_s, ended_s=stopped_s if early else math.inf)
    queue.now_s = began_s + max(stopped_s, 0.0 if early else live.last_close_s) + max(5.0, 2 * queue.sick_for_s)
    return judge(Shown(seconds=seconds, facts=facts_of(seconds, step), early=early), slo=slo, step=step)


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

    def __init__(self) -> None:
        self._open: list[tuple[float, float]] = []
        """(close, start), a heap."""
        self._due: list[int] = []
        self._decided: list[int] = []
        self._completed: list[int] = []
        self._latency: list[CompactHistogram] = []
        self._touched: set[int] = set()
        self._seconds: list[Second] = []
        self.last_close_s = 0.0

    def add(self, start_s: float, close_s: float) -> None:
        """One more start."""
        self._reach(int(start_s) + 1)
        self._due[int(start_s)] += 1
        heapq.heappush(self._open, (close_s, start_s))
        self.last_close_s = max(self.last_close_s, close_s)

    def seconds(self, now_s: int, *, ended_s: float | None = None) -> list[Second]:
        """Those over at `now_s`; at the end of a run all that closes until `ended_s` is known, the rest terminated."""
        self._reach(now_s)
        until_s = float(now_s) if ended_s is None else ended_s
        while self._open and self._open[0][0] <= until_s:
            close_s, start_s = heapq.heappop(self._open)
            self._decide(int(start_s))
            self._latency[int(start_s)].record_index(bucket_index(round((close_s - start_s) * 1e6)))
            if close_s < now_s:
                self._completed[int(close_s)] += 1
        if ended_s is not None:
            for _, start_s in self._open:
                self._decide(int(start_s))
        for second in range(len(self._seconds), now_s):
            self._touched.add(second)
            before = self._seconds[-1].in_flight if self._seconds else 0
            self._seconds.append(
                Second(
                    t_s=float(second),
                    offered=self._due[second],
                    decided=0,
                    latency=Histogram(),
                    completed=self._completed[second],
                    in_flight=before + self._due[second] - self._completed[second],
                )
            )
        for second in self._touched:
            self._seconds[second] = msgspec.structs.replace(
                self._seconds[second], decided=self._decided[second], latency=self._latency[second].expand()
            )
        self._touched.clear()
        return self._seconds

    def _decide(self, second: int) -> None:
        self._decided[second] += 1
        self._touched.add(second)

    def _reach(self, length: int) -> None:
        while len(self._due) < length:
            self._due.append(0)
            self._decided.append(0)
            self._completed.append(0)
            self._latency.append(CompactHistogram())


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


def facts_of(seconds: Sequence[Second], step: Step) -> Facts:
    """What a run's thresholds are held against, of seconds that are over."""
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
