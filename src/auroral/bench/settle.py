"""After the drain: the server's own account of the run, and what no generator could tell."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Protocol

import msgspec

from auroral.bench.reconciliation import Settling, compare
from auroral.bench.result import Reconciliation
from auroral.bench.samples import CLOSED, Observation, Outcome, Sample
from auroral.bench.schedule import Schedule
from auroral.bench.store import ServerTimes
from auroral.bench.tally import Tally
from auroral.errors import TargetError

_POLL_S = 0.5


class Execution(Protocol):
    """What is needed of a listed execution (`executions.Execution`)."""

    @property
    def index(self) -> int | None: ...
    @property
    def root(self) -> bool: ...
    @property
    def status(self) -> str: ...
    @property
    def started_unix_us(self) -> int: ...
    @property
    def closed_unix_us(self) -> int | None: ...
    @property
    def state_transitions(self) -> int: ...


class Settlement(msgspec.Struct, kw_only=True):
    """The server's account."""

    reconciliation: Reconciliation
    server_times: ServerTimes
    late: list[Sample]
    """Starts settled here rather than by a generator."""
    notes: list[str]


async def settle(
    *,
    count: Callable[[], Awaitable[dict[str, int]]],
    listing: Callable[[], AsyncIterator[Sequence[Execution]]],
    tally: Tally,
    schedule: Schedule,
    end_s: float,
    epoch_unix_us: int,
    clock_offset_us: int,
    unresolved: Sequence[Sample],
    lost_generators: Sequence[int],
    generator_processes: int,
    received: Callable[[int], bool],
    choose_workload: Callable[[int], int],
    deadline_s: float,
) -> Settlement:
    """Wait for visibility to settle, list the run's executions, and give every intended start its outcome.

    Adds to `tally`: the executions' times and state transitions, the unresolved starts, and the share of lost
    generators. Without an answer from the server these are settled as not having arrived.
    """
    known_already = not unresolved and not lost_generators
    settling = Settling(deadline_s=deadline_s)
    began_s = time.monotonic()
    counts: dict[str, int] | None = None
    failure = ""
    while True:
        elapsed_s = time.monotonic() - began_s
        try:
            counts = await count()
            failure = ""
        except TargetError as error:
            failure = error.message
        ours = {outcome.value: number for outcome, number in tally.outcomes.items()} if known_already else {}
        if failure:
            if elapsed_s >= deadline_s:
                break
        elif settling.observe(elapsed_s, ours, counts or {}) == "settled":
            break
        await asyncio.sleep(_POLL_S)
    settled_s = time.monotonic() - began_s

    times, statuses, notes = ServerTimes(), bytearray(), []
    if not failure:
        try:
            async for rows in listing():
                _note_rows(rows, times, statuses, tally, epoch_unix_us)
        except TargetError as error:
            notes.append(f"the run's executions could not be listed, so server times are missing: {error.message}")
    open_questions = [
        *unresolved,
        *unreported(
            lost_generators,
            generator_processes,
            schedule=schedule,
            end_s=end_s,
            received=received,
            choose_workload=choose_workload,
            outcome=Outcome.GENERATOR_LIMITED,
            cause="its generator was lost",
        ),
    ]
    late = [_resettled(sample, times, statuses, clock_offset_us) for sample in open_questions]
    for sample in late:
        tally.add(sample)
    _add_roots(times, statuses, tally)
    if lost_generators:
        lost = ", ".join(f"generator-{number}" for number in lost_generators)
        notes.append(f"{lost} was lost: what it had not reported was settled from the schedule and visibility")
    reconciliation = compare(
        {outcome.value: number for outcome, number in tally.outcomes.items()},
        None if failure else counts,
        settled_after_s=settled_s,
        failure=failure,
    )
    return Settlement(reconciliation=reconciliation, server_times=times, late=late, notes=notes)


_STATUSES = ("", "running", *(outcome.value for outcome in Outcome if outcome in CLOSED), "continued_as_new")


def _note_rows(
    rows: Iterable[Execution], times: ServerTimes, statuses: bytearray, tally: Tally, epoch_unix_us: int
) -> None:
    for row in rows:
        started_us = row.started_unix_us - epoch_unix_us
        closed_us = None if row.closed_unix_us is None else row.closed_unix_us - epoch_unix_us
        if not row.root or row.index is None:
            tally.add_execution(started_us, closed_us, row.state_transitions, root=False, completed=False)
            continue
        # A chain of continue-as-new has a row for each run: first start, last close, transitions of all.
        known_started_us, known_closed_us, known_transitions = times.get(row.index)
        if known_started_us is not None:
            started_us = min(started_us, known_started_us)
        if known_closed_us is not None and closed_us is not None:
            closed_us = max(closed_us, known_closed_us)
        times.set(row.index, started_us, closed_us, row.state_transitions + (known_transitions or 0))
        if row.index >= len(statuses):
            statuses.extend(bytes(row.index + 65_536 - len(statuses)))
        if row.status != "continued_as_new":
            statuses[row.index] = _STATUSES.index(row.status)


def _add_roots(times: ServerTimes, statuses: bytearray, tally: Tally) -> None:
    completed = _STATUSES.index(Outcome.COMPLETED)
    for index, status in enumerate(statuses):
        started_us, closed_us, transitions = times.get(index)
        if started_us is not None:
            tally.add_execution(started_us, closed_us, transitions or 0, root=True, completed=status == completed)


def unreported(
    generators: Iterable[int],
    generator_processes: int,
    *,
    schedule: Schedule,
    end_s: float,
    received: Callable[[int], bool],
    choose_workload: Callable[[int], int],
    outcome: Outcome,
    cause: str,
) -> Iterable[Sample]:
    """The starts of these generators that were intended until `end_s` and of which they have said nothing."""
    for number in generators:
        for arrival in schedule.arrivals(part=number, parts=generator_processes):
            if arrival.intended_us > end_s * 1e6:
                break
            if not received(arrival.index):
                yield Sample(
                    index=arrival.index,
                    workload=choose_workload(arrival.index),
                    outcome=outcome,
                    intended_us=arrival.intended_us,
                    sends=0,
                    cause=cause,
                )


def _resettled(sample: Sample, times: ServerTimes, statuses: bytearray, clock_offset_us: int) -> Sample:
    """What visibility says of a start that no generator could settle; unchanged where it knows nothing."""
    status = _STATUSES[statuses[sample.index]] if sample.index < len(statuses) else ""
    if not status:
        return sample
    _, closed_us, _ = times.get(sample.index)
    if status == "running" or closed_us is None:
        return msgspec.structs.replace(sample, outcome=Outcome.UNFINISHED)
    return msgspec.structs.replace(
        sample,
        outcome=Outcome(status),
        closed_us=closed_us - clock_offset_us,
        server_closed_us=closed_us,
        observation=Observation.SWEPT,
    )
