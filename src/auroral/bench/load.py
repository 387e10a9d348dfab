"""One generator's part of a run: the one loop that sleeps for the schedule, and each start to its outcome."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from auroral.bench.clock import Clock
from auroral.bench.protocol import Drained, GeneratorOrder, Samples, ScheduleEnded, Tick
from auroral.bench.samples import UNRESOLVED, InteractionKind, Observation, Outcome, Sample
from auroral.bench.schedule import Arrival, Done, Due, Pacer, Schedule, Wait
from auroral.bench.starts import Accepted, Answered, Flight, Refused
from auroral.bench.watch import Closed, Contact, Sweeper, Watcher
from auroral.bench.workload import Mix

Emit = Callable[[msgspec.Struct], None]


class BeginsStarts(Protocol):
    """What sends starts (`starts.InTasks`, `wire.starter.WireStarter`)."""

    on_error: Callable[[BaseException], None] | None
    """Hears of what breaks on our side."""
    eager: int
    """Starts whose answer brought their first workflow task."""

    def begin(self, flight: Flight, on_answer: Answered) -> None:
        """Send one; `on_answer` hears later what became of it. Fills the flight's times."""

    def stop(self) -> None:
        """Give up those under way."""


_YIELD_EVERY = 8
"""Starts sent in a row, when behind, before answers get their turn."""
_FLUSH_S = 0.2
_FRAME_SAMPLES = 5_000
_LAST_SWEEP_S = 30.0
_SWEEP_S = 2.0
_GIVE_UP_US = 30_000_000
"""A drain ends early when every attempt to reach the server has failed for this long."""


class Generator:
    """Sends the starts of its part of the schedule and follows each to its outcome."""

    def __init__(
        self,
        order: GeneratorOrder,
        clock: Clock,
        starter: BeginsStarts,
        contact: Contact,
        emit: Emit,
    ) -> None:
        self._order = order
        self._manifest = order.manifest
        self._clock = clock
        self._starter = starter
        starter.on_error = self.fail
        self._contact = contact
        self._emit = emit
        self._mix = Mix([workload.weight for workload in order.manifest.workloads], order.manifest.arrival.seed)
        self._starting: dict[int, Flight] = {}
        self._open: dict[int, Flight] = {}
        self._samples: list[Sample] = []
        self._idle = asyncio.Event()
        self._stop = asyncio.Event()
        self._drain_us = round(order.drain_timeout_s * 1e6)
        self._scheduled = 0
        self._second = _Second()
        self._waits = order.manifest.observe != "none"
        self._failure: BaseException | None = None
        self.watcher: Watcher | None = None
        self.sweeper: Sweeper | None = None
        self.on_accepted: Callable[[Flight], None] | None = None

    def stop(self, drain_timeout_s: float) -> None:
        """Send no further start, and drain for at most this long."""
        self._drain_us = round(drain_timeout_s * 1e6)
        self._stop.set()

    def fail(self, error: BaseException) -> None:
        """Something of ours has broken: the run must not go on as if nothing had happened."""
        self._failure = self._failure or error
        self._stop.set()
        self._idle.set()

    async def run(self) -> None:
        """Drive the schedule, drain, and report everything. Raises what broke on the way."""
        own = [self._tick_every_second(), self._flush_often(), self._sweep_often()]
        tasks = [asyncio.create_task(work) for work in own]
        for task in tasks:
            task.add_done_callback(self._see_failure)
        try:
            await self._drive()
            self._emit(
                ScheduleEnded(
                    t_s=self._clock.now_us() / 1e6, scheduled=self._scheduled, interrupted=self._stop.is_set()
                )
            )
            reason = await self._drain()
        finally:
            for task in tasks:
                task.cancel()
        if self._failure is not None:
            raise self._failure
        self._end_open_starts()
        self._tick()
        self._flush()
        self._emit(
            Drained(t_s=self._clock.now_us() / 1e6, held=len(self._open), reason=reason, eager=self._starter.eager)
        )

    def _see_failure(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.fail(error)

    @property
    def held_ids(self) -> list[str]:
        """Ids of workflows that were open when the drain ended."""
        return [flight.workflow_id for flight in self._open.values()]

    # Schedule

    async def _drive(self) -> None:
        pacer = Pacer(
            Schedule(self._manifest.arrival), part=self._order.generator, parts=self._manifest.generator_processes
        )
        in_a_row = 0
        while not self._stop.is_set():
            step = pacer.next(self._clock.now_us())
            match step:
                case Due(arrival):
                    self._dispatch(arrival)
                    in_a_row += 1
                    if in_a_row >= _YIELD_EVERY:
                        in_a_row = 0
                        await asyncio.sleep(0)
                case Wait(until_us):
                    in_a_row = 0
                    await self._clock.sleep_until(until_us, self._stop)
                case Done():
                    return

    def _dispatch(self, arrival: Arrival) -> None:
        self._scheduled += 1
        workload = self._mix.choose(arrival.index)
        lag_us = self._clock.now_us() - arrival.intended_us
        if lag_us > self._order.max_lag_s * 1e6:
            self._drop(arrival, workload, Outcome.GENERATOR_LIMITED, f"lag {lag_us / 1e6:.2f} s")
        elif len(self._starting) + len(self._open) >= self._order.max_in_flight:
            self._drop(arrival, workload, Outcome.BACK_PRESSURED, "")
        else:
            flight = Flight(
                index=arrival.index,
                workload=workload,
                workflow_id=self._manifest.workflow_id(self._order.generator, arrival.index),
                intended_us=arrival.intended_us,
            )
            self._starting[arrival.index] = flight
            self._second.sent += 1
            self._starter.begin(flight, self._answered)

    def _drop(self, arrival: Arrival, workload: int, outcome: Outcome, cause: str) -> None:
        if outcome is Outcome.BACK_PRESSURED:
            self._second.back_pressured += 1
        else:
            self._second.generator_limited += 1
        self._samples.append(
            Sample(
                index=arrival.index,
                workload=workload,
                outcome=outcome,
                intended_us=arrival.intended_us,
                sends=0,
                cause=cause,
            )
        )

    def _answered(self, flight: Flight, answer: Accepted | Refused) -> None:
        self._second.lags_us.append(flight.sent_us - flight.intended_us)
        self._starting.pop(flight.index, None)
        match answer:
            case Refused(cause):
                if cause.endswith(UNRESOLVED):
                    self._contact.failed_us = self._clock.now_us()
                else:
                    self._contact.answered_us = self._clock.now_us()
                self._second.refuse(cause)
                self._samples.append(self._sample(flight, Outcome.REJECTED, cause=cause))
            case Accepted():
                self._second.accepted += 1
                self._contact.answered_us = flight.accepted_us
                self._accepted(flight)
        self._wake_if_idle()

    def _accepted(self, flight: Flight) -> None:
        if not self._waits:
            self._samples.append(self._sample(flight, Outcome.UNFINISHED))
            return
        self._open[flight.index] = flight
        if self.watcher is not None:
            self.watcher.add(flight)
        if self.on_accepted is not None:
            self.on_accepted(flight)

    # Closes

    def closed(self, flight: Flight, closed: Closed) -> None:
        """A watched workflow has closed."""
        self._close(flight.index, closed)

    def swept(self, index: int, closed: Closed) -> None:
        """A sweep has found a workflow closed."""
        if index in self._open:
            if self.watcher is not None:
                self.watcher.forget(index)
            self._close(index, closed)

    def refused_wait(self, cause: str) -> None:
        """The server refused a long poll or a sweep."""
        self._second.refused_waits += 1
        self._second.refuse(cause)

    def interaction(self, kind: InteractionKind, time_us: int, cause: str) -> None:
        """A signal, update or query has ended."""
        self._second.interactions.append((kind, time_us, cause))

    def _close(self, index: int, closed: Closed) -> None:
        flight = self._open.pop(index, None)
        if flight is None:
            return
        ended = closed.outcome is not Outcome.UNFINISHED
        self._samples.append(
            self._sample(
                flight,
                closed.outcome,
                closed_us=closed.closed_us if ended else None,
                server_closed_us=closed.server_closed_us if ended else None,
                observation=closed.observation,
                cause=closed.cause,
            )
        )
        self._wake_if_idle()

    def _sample(
        self,
        flight: Flight,
        outcome: Outcome,
        *,
        closed_us: int | None = None,
        server_closed_us: int | None = None,
        observation: Observation = Observation.NONE,
        cause: str = "",
    ) -> Sample:
        return Sample(
            index=flight.index,
            workload=flight.workload,
            outcome=outcome,
            intended_us=flight.intended_us,
            sent_us=flight.sent_us,
            accepted_us=flight.accepted_us or None,
            closed_us=closed_us,
            server_closed_us=server_closed_us,
            observation=observation,
            sends=flight.sends,
            cause=cause,
        )

    # Drain

    def _wake_if_idle(self) -> None:
        if not self._starting and not self._open:
            self._idle.set()

    async def _drain(self) -> str:
        began_us = self._clock.now_us()
        self._idle.clear()
        self._wake_if_idle()
        while not self._idle.is_set() and self._failure is None:
            now_us = self._clock.now_us()
            # Read anew each time: a stop during the drain shortens it.
            if now_us - began_us >= self._drain_us:
                break
            if self._contact.silent_us(now_us) > _GIVE_UP_US:
                return f"the server has not answered for {_GIVE_UP_US // 1_000_000} s"
            await self._clock.sleep_until(min(now_us + 200_000, began_us + self._drain_us), self._idle)
        if self._open and self.sweeper is not None and self._drain_us > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LAST_SWEEP_S):
                    await self.sweeper.sweep(self._oldest_open_us(), everything=True)
        return ""

    def _oldest_open_us(self) -> int:
        return min(flight.sent_us for flight in self._open.values())

    def _end_open_starts(self) -> None:
        self._starter.stop()
        for flight in self._starting.values():
            if flight.sends == 0:
                cause, outcome = "the schedule ended before it was sent", Outcome.GENERATOR_LIMITED
            else:
                cause, outcome = "NO_ANSWER/unresolved", Outcome.REJECTED
            self._samples.append(self._sample(flight, outcome, cause=cause))
        self._starting.clear()
        for flight in self._open.values():
            self._samples.append(self._sample(flight, Outcome.UNFINISHED))

    # Reports

    async def _tick_every_second(self) -> None:
        never = asyncio.Event()
        at_us = max(0, self._clock.now_us() // 1_000_000 * 1_000_000)
        while True:
            # A stall skips seconds: they are not made up for.
            at_us = max(at_us, self._clock.now_us() // 1_000_000 * 1_000_000) + 1_000_000
            await self._clock.sleep_until(at_us, never)
            if self.watcher is not None:
                self.watcher.restore()
            self._tick()

    async def _flush_often(self) -> None:
        while True:
            await self._clock.sleep(_FLUSH_S)
            self._flush()

    async def _sweep_often(self) -> None:
        while self.sweeper is not None:
            await self._clock.sleep(_SWEEP_S)
            if self._open and (self.watcher is None or self.watcher.unwatched):
                await self.sweeper.sweep(self._oldest_open_us())

    def _flush(self) -> None:
        samples, self._samples = self._samples, []
        for first in range(0, len(samples), _FRAME_SAMPLES):
            self._emit(Samples(samples=samples[first : first + _FRAME_SAMPLES]))

    def _tick(self) -> None:
        second, self._second = self._second, _Second()
        self._emit(
            Tick(
                generator=self._order.generator,
                t_s=self._clock.now_us() / 1e6,
                sent=second.sent,
                accepted=second.accepted,
                in_flight=len(self._open),
                watchers=self.watcher.active if self.watcher is not None else 0,
                unresolved=len(self._starting),
                refusals=second.refusals,
                refused_waits=second.refused_waits,
                back_pressured=second.back_pressured,
                generator_limited=second.generator_limited,
                lag_p99_us=_p99(second.lags_us),
                interactions=second.interactions,
            )
        )


class _Second:
    """What happened since the last tick."""

    def __init__(self) -> None:
        self.sent = 0
        self.accepted = 0
        self.refused_waits = 0
        self.back_pressured = 0
        self.generator_limited = 0
        self.refusals: dict[str, int] = {}
        self.lags_us: list[int] = []
        self.interactions: list[tuple[InteractionKind, int, str]] = []

    def refuse(self, cause: str) -> None:
        self.refusals[cause] = self.refusals.get(cause, 0) + 1


def _p99(values: Sequence[int]) -> int | None:
    if not values:
        return None
    return sorted(values)[-(len(values) // 100) - 1]
