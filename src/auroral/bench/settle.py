"""After the drain: the server's own account of the run, and what no generator could tell."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Protocol

import msgspec

from auroral.bench.reconciliation import Settling, compare
from auroral.bench.result import Reconciliation
from auroral.bench.samples import CLOSED, Observation, Outcome, Sample
from auroral.bench.schedule import Schedule
from auroral.bench.store import ServerTimes
from auroral.bench.tally import Tally
from auroral.bench.watch import SweptRow
from auroral.errors import TargetError

_POLL_S = 0.5
_REPORT_EVERY = 20_000
"""Executions; a whole number of pages."""


class Execution(SweptRow, Protocol):
    """What is needed of a listed execution (`executions.Execution`)."""

    @property
    def started_unix_us(self) -> int: ...
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
    hurry: Callable[[], bool],
    report: Callable[[str], None],
) -> Settlement:
    """Wait for visibility to settle, list the run's executions, and give every intended start its outcome.

    Adds to `tally`: the executions' times and state transitions, the unresolved starts, and the share of lost
    generators. Without an answer from the server these are settled as not having arrived. When `hurry()` the
    server is asked once more, and no longer.
    """
    began_s = time.monotonic()
    ours = {} if unresolved or lost_generators else {outcome.value: n for outcome, n in tally.outcomes.items()}
    counts, failure = await _settled_counts(count, ours, deadline_s, hurry)
    settled_s = time.monotonic() - began_s

    times, statuses, notes = ServerTimes(), bytearray(), []
    if not failure:
        try:
            listed = 0
            async for rows in listing():
                _note_rows(rows, times, statuses, tally, epoch_unix_us)
                listed += len(rows)
                if listed % _REPORT_EVERY == 0:
                    report(f"{listed:,} executions listed")
                if hurry():
                    notes.append(f"the listing was cut short after {listed:,} executions: server times are partial")
                    break
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


async def _settled_counts(
    count: Callable[[], Awaitable[dict[str, int]]],
    ours: Mapping[str, int],
    deadline_s: float,
    hurry: Callable[[], bool],
) -> tuple[dict[str, int] | None, str]:
    """Ask until the server's counts agree with ours or stand still; return them, or why there are none."""
    settling = Settling(deadline_s=deadline_s)
    began_s = time.monotonic()
    counts: dict[str, int] | None = None
    while True:
        try:
            counts, failure = await count(), ""
        except TargetError as error:
            failure = error.message
        elapsed_s = time.monotonic() - began_s
        if hurry() or elapsed_s >= deadline_s:
            return counts, failure
        if not failure and settling.observe(elapsed_s, ours, counts) == "settled":
            return counts, ""
        await asyncio.sleep(_POLL_S)


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
            # While any run of it is open, so is the chain.
            closed_us = None if closed_us is None or known_closed_us is None else max(closed_us, known_closed_us)
        times.set(row.index, started_us, closed_us, row.state_transitions + (known_transitions or 0))
        if row.index >= len(statuses):
            statuses.extend(bytes(row.index + 65_536 - len(statuses)))
        if row.status != "continued_as_new" and row.status in _STATUSES:
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
