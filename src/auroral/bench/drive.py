"""Follows the generators through schedule and drain: tallies what they report and reads the limits each second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from auroral.bench.assemble import snapshot
from auroral.bench.clock import Clock
from auroral.bench.detect import find_limits
from auroral.bench.fleet import Child
from auroral.bench.histogram import Histogram
from auroral.bench.limits import Reading
from auroral.bench.progress import Observer, Progress, RunSnapshot
from auroral.bench.protocol import CleanedUp, CleanUp, Drained, FromChild, Samples, ScheduleEnded, StopSchedule, Tick
from auroral.bench.samples import UNRESOLVED, InteractionKind, Outcome, Sample
from auroral.bench.schedule import Schedule
from auroral.bench.spread.merge import Steady, interaction_times, with_cpu
from auroral.bench.spread.part import Account
from auroral.bench.spread.remote import RemoteGenerator
from auroral.bench.tally import InteractionTally, Tally

_TICK_ARRIVES_US = 250_000
"""A generator's tick is here this long after its second, at the latest."""
_SILENCE_S = 60.0
"""A generator that has said nothing for this long is lost: it reports every second, to its very end."""


class ReadsLimits(Protocol):
    """What takes the readings (`sampler.Sampler`)."""

    async def read(self, t_s: float, ticks: Sequence[Tick]) -> Reading: ...


Generator = Child | RemoteGenerator


class _Part(msgspec.Struct):
    """What is known of one generator."""

    child: Generator
    schedule_ended: bool = False
    scheduled: int | None = None
    drained: bool = False
    held: int = 0
    reason: str = ""
    eager: int = 0
    cleaned: CleanedUp | None = None
    told_lost: bool = False
    latency: Histogram = msgspec.field(default_factory=Histogram)
    lag: Histogram = msgspec.field(default_factory=Histogram)
    outcomes: dict[str, int] = msgspec.field(default_factory=lambda: {outcome.value: 0 for outcome in Outcome})
    so_far: int = 0
    """Intended starts: sent or dropped."""
    in_flight: int = 0

    def count(self, sample: Sample) -> None:
        """Count a start that has its outcome."""
        self.outcomes[sample.outcome] += 1
        if sample.lag_us is not None:
            self.lag.record_us(sample.lag_us)
        if sample.outcome is Outcome.COMPLETED and sample.latency_us is not None:
            self.latency.record_us(sample.latency_us)

    def merge(self, counted: Tally) -> None:
        """Count starts that were counted elsewhere."""
        for outcome, count in counted.outcomes.items():
            self.outcomes[outcome.value] += count
        self.lag.merge(counted.lag)
        self.latency.merge(counted.latency)


class Drive:
    """One run's schedule and drain, seen from the coordinator."""

    def __init__(
        self,
        *,
        schedule: Schedule,
        clock: Clock,
        tally: Tally,
        append: Callable[[list[Sample]], None],
        generators: Sequence[Generator],
        workers: Sequence[Child],
        reader: ReadsLimits,
        observer: Observer,
        drain_timeout_s: float,
        each_second: Callable[[int], None] | None = None,
    ) -> None:
        """`each_second` hears of every second whose reading was taken, until the schedule has drained."""
        self._each_second = each_second
        self._schedule = schedule
        self._clock = clock
        self._tally = tally
        self._append = append
        self._workers = workers
        self._reader = reader
        self._observer = observer
        self._drain_timeout_s = drain_timeout_s
        self._parts = [_Part(child) for child in generators]
        self.spread = any(isinstance(child, RemoteGenerator) for child in generators)
        """Whether the generators are on machines of their own: they stop some moments after they are told to."""
        self._steady = Steady()
        self._ticks: list[Tick] = []
        self._changed = asyncio.Event()
        self._received = bytearray()
        self.refused_waits = 0
        """Long polls and sweeps that the server refused."""
        self._lost_workers: set[str] = set()
        self.readings: list[Reading] = []
        self.in_flight: list[int] = []
        self.unresolved: list[Sample] = []
        """Starts of which no generator could tell whether they arrived."""
        self.interactions: dict[InteractionKind, InteractionTally] = {}
        self.interrupted = False
        self._stopped_s: float | None = None
        self.drained_s: float | None = None
        for part in self._parts:
            part.child.on_frame = self._on_frame

    # What it knows

    @property
    def now_s(self) -> float:
        """Since the epoch."""
        return self._clock.now_us() / 1e6

    @property
    def lost_generators(self) -> list[int]:
        """Numbers of generators that ended before they had reported everything."""
        return [number for number, part in enumerate(self._parts) if not part.drained]

    @property
    def end_s(self) -> float:
        """Where the schedule ended: its own end, or where it was stopped."""
        return self._schedule.duration_s if self._stopped_s is None else self._stopped_s

    @property
    def early_ends(self) -> list[str]:
        """Why drains ended before their time."""
        return sorted({part.reason for part in self._parts if part.reason})

    @property
    def eager_starts(self) -> int:
        """Starts whose answer brought their first workflow task."""
        return sum(part.eager for part in self._parts)

    def received(self, index: int) -> bool:
        """Whether a generator has reported this start."""
        return index < len(self._received) and bool(self._received[index])

    def snapshot(self) -> RunSnapshot:
        """The state of the run, for its Prometheus endpoint."""
        return RunSnapshot(
            target_per_s=self._schedule.target_per_s(self.now_s) if self.now_s < self.end_s else 0.0,
            generators=[
                snapshot(
                    part.child.name,
                    outcomes=part.outcomes,
                    scheduled=part.so_far,
                    latency=part.latency,
                    lag=part.lag,
                    in_flight=part.in_flight,
                )
                for part in self._parts
            ],
        )

    # What it does

    async def run(self) -> None:
        """Return when every generator has drained or is lost."""
        second = 0
        self._observer.phase("drive", f"{self._schedule.duration_s:g} s")
        draining = False
        while not self._all(lambda part: part.drained):
            second += 1
            await self._clock.sleep_until(second * 1_000_000 + _TICK_ARRIVES_US, self._changed)
            self._changed.clear()
            if not draining and self._all(lambda part: part.schedule_ended):
                draining = True
                if self.readings:
                    self._show(self.readings[-1], sent=0, draining=False)
                self._observer.phase("drain", f"at most {self._drain_timeout_s:g} s")
            now_us = self._clock.now_us()
            if now_us >= second * 1_000_000:
                second = now_us // 1_000_000
                await self._read(second, draining=draining)
                if self._each_second is not None:
                    self._each_second(second)
            else:
                second -= 1
            self._see_losses()
        await self._read(second + 1, draining=draining)
        self.drained_s = self._clock.now_us() / 1e6
        if self._stopped_s is None and not any(part.schedule_ended for part in self._parts):
            # Nobody was left to drive the rest of the schedule.
            self._stopped_s = min(self._schedule.duration_s, max(0.0, self.drained_s))

    def stop_schedule(self, drain_timeout_s: float, *, interrupted: bool = True) -> None:
        """Send no further start and drain for at most this long; `interrupted`: because somebody asked to stop."""
        if self._stopped_s is None and not self._all(lambda part: part.schedule_ended):
            self._stopped_s = min(self._schedule.duration_s, max(0.0, self.now_s))
        if interrupted:
            self.interrupted = self.interrupted or not self._all(lambda part: part.drained)
        self._drain_timeout_s = drain_timeout_s
        for part in self._parts:
            part.child.send(StopSchedule(drain_timeout_s=drain_timeout_s))

    async def last_words(self, wait_s: float) -> None:
        """Give the generators a moment to say what they hold, after a stop without a drain."""
        end_us = self._clock.now_us() + round(wait_s * 1e6)
        while self._clock.now_us() < end_us and not self._all(lambda part: part.drained):
            self._changed.clear()
            await self._clock.sleep_until(min(end_us, self._clock.now_us() + 100_000), self._changed)
        for part in self._parts:
            part.child.on_frame = None

    async def clean_up(self, deadline_s: float) -> tuple[int, int]:
        """Have the generators terminate what they hold; return how many went and how many did not."""
        holders = [part for part in self._parts if part.held and not part.child.ended.is_set()]
        for part in holders:
            part.child.send(CleanUp(deadline_s=deadline_s))
        end_us = self._clock.now_us() + round((deadline_s + 1) * 1e6)
        while self._clock.now_us() < end_us and any(
            part.cleaned is None and not part.child.ended.is_set() for part in holders
        ):
            self._changed.clear()
            await self._clock.sleep_until(min(end_us, self._clock.now_us() + 200_000), self._changed)
        answers = [part.cleaned for part in holders if part.cleaned is not None]
        return sum(answer.terminated for answer in answers), sum(answer.failed for answer in answers)

    def _all(self, is_so: Callable[[_Part], bool]) -> bool:
        return all(is_so(part) or part.child.ended.is_set() for part in self._parts)

    def _scheduled(self, so_far: int) -> int:
        ended = [part.scheduled for part in self._parts if part.scheduled is not None]
        return sum(ended) if len(ended) == len(self._parts) else so_far

    def _on_frame(self, child: Generator, frame: FromChild | Account) -> None:
        part = next(part for part in self._parts if part.child is child)
        match frame:
            case Samples(samples=samples):
                self._take(part, samples)
            case Account():
                self._take_account(part, frame)
            case Tick():
                self._hear(part, frame)
                for kind, time_us, cause in frame.interactions:
                    self.interactions.setdefault(kind, InteractionTally()).add(time_us, cause)
            case ScheduleEnded(t_s=t_s, scheduled=scheduled):
                part.schedule_ended = True
                part.scheduled = scheduled
                if self.spread and self._stopped_s is not None:
                    self._stopped_s = min(self._schedule.duration_s, max(self._stopped_s, t_s))
                self._changed.set()
            case Drained(held=held, reason=reason, eager=eager):
                part.drained = True
                part.eager = eager
                part.held = held
                part.reason = reason
                self._changed.set()
            case CleanedUp():
                part.cleaned = frame
                self._changed.set()

    def _hear(self, part: _Part, tick: Tick) -> None:
        self._ticks.append(tick)
        part.so_far += tick.sent + tick.back_pressured + tick.generator_limited
        part.in_flight = tick.in_flight
        self.refused_waits += tick.refused_waits

    def _take_account(self, part: _Part, account: Account) -> None:
        """What a generator elsewhere has counted of its samples, which stay with it."""
        if account.tick is not None:
            self._hear(part, account.tick)
        for index in account.indices(self._parts.index(part), len(self._parts)):
            self._mark(index)
        counted = Tally(self._schedule.windows())
        counted.add_plain(account.counts)
        part.merge(counted)
        self._tally.merge(counted)
        for sample in account.unresolved:
            self._mark(sample.index)
            self.unresolved.append(sample)
        for kind, counts in account.interactions.items():
            self.interactions.setdefault(kind, InteractionTally()).merge(
                counts.sent, counts.causes, interaction_times(counts)
            )

    def _take(self, part: _Part, samples: list[Sample]) -> None:
        certain = []
        for sample in samples:
            self._mark(sample.index)
            if sample.cause.endswith(UNRESOLVED):
                self.unresolved.append(sample)
            else:
                certain.append(sample)
                part.count(sample)
                self._tally.add(sample)
        self._append(certain)

    def _mark(self, index: int) -> None:
        if index >= len(self._received):
            self._received.extend(bytes(index + 65_536 - len(self._received)))
        self._received[index] = 1

    async def _read(self, second: int, *, draining: bool) -> None:
        ticks, self._ticks = self._ticks, []
        for part in self._parts:
            part.child.measure()
        for worker in self._workers:
            worker.measure()
        if self.spread:
            ticks = self._steady.fill(ticks)
        reading = await self._reader.read(float(second), ticks)
        if self.spread:
            reading = with_cpu(reading, ticks)
        self.readings.append(reading)
        while len(self.in_flight) < second:
            self.in_flight.append(reading.in_flight)
        self._show(reading, sent=sum(tick.sent for tick in ticks), draining=draining)

    def _show(self, reading: Reading, *, sent: int, draining: bool) -> None:
        second = round(reading.t_s)
        state = self._tally.snapshot(float(second))
        first = find_limits(self.readings[-120:]).first
        self._observer.progress(
            Progress(
                phase="drain" if draining else "drive",
                t_s=float(second),
                schedule_s=self._schedule.duration_s,
                target_per_s=self._schedule.expected(second - 1.0, float(second)) if not draining else 0.0,
                sent_per_s=float(sent),
                completed_per_s=state.completed_series[-1] if state.completed_series else 0.0,
                in_flight=reading.in_flight,
                scheduled=self._scheduled(state.scheduled + reading.in_flight),
                outcomes={outcome.value: count for outcome, count in state.outcomes.items()},
                p50_ms=state.p50_ms,
                p95_ms=state.p95_ms,
                p99_ms=state.p99_ms,
                lag_p99_ms=reading.lag_p99_ms,
                completed_series=state.completed_series,
                limit=first.name if first else "",
            )
        )

    def _see_losses(self) -> None:
        for part in self._parts:
            if part.child.broken is not None:
                raise part.child.broken
            if not part.drained and not part.child.ended.is_set() and part.child.silent_s() > _SILENCE_S:
                part.child.abandon()
            if part.child.lost and not part.drained and not part.told_lost:
                part.told_lost = True
                self._steady.forget(self._parts.index(part))
                self._observer.warning(f"{part.child.error().message}: its share of the run is in doubt")
        for worker in self._workers:
            if worker.lost and worker.name not in self._lost_workers:
                self._lost_workers.add(worker.name)
                self._observer.warning(f"{worker.error().message}: the run goes on without it")
