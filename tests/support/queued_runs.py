"""Runs of a queue of known capacity in no time: what `auroral.bench.run.run` does, with a queue in the cluster's place.

Schedule, tally, windows, early end and result are the real ones; only processes and server are not there.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

from auroral.bench.assemble import Measured, assemble
from auroral.bench.blueprint import make_blueprint
from auroral.bench.result import Cleanup, ConfigValue, Environment, Reconciliation, Workers
from auroral.bench.run import RunOutcome, SoFar
from auroral.bench.samples import Outcome, Sample
from auroral.bench.schedule import Schedule
from auroral.bench.settings import BenchSettings
from auroral.bench.tally import Tally
from auroral.bench.thresholds import parse, with_defaults

_BRIEF_DRAIN_S = 5.0


def queued_run(
    settings: BenchSettings,
    *,
    capacity_per_s: float,
    configuration: list[ConfigValue] | None = None,
    early: Callable[[SoFar], str | None] | None = None,
    interrupted_at_s: float | None = None,
) -> RunOutcome:
    """One run against a server that serves one workflow after the other, each for 1 / capacity."""
    manifest = make_blueprint(
        settings,
        run_id=settings.run_id or "run",
        nonce="",
        namespace="benchmark",
        cores=2,
        created_at="2026-11-26T10:00:00Z",
        version="",
        read_text=Path.read_text,
    ).manifest
    schedule = Schedule(manifest.arrival)
    tally, free_us, ends = Tally(schedule.windows()), 0, []
    for arrival in schedule.arrivals():
        free_us = max(free_us, arrival.intended_us) + round(1e6 / capacity_per_s)
        ends.append((arrival, free_us))
    end_s, reason, in_flight, done = schedule.duration_s, None, [], 0
    for second in range(1, round(schedule.duration_s + settings.drain_timeout_s) + 1):
        while done < len(ends) and ends[done][1] <= second * 1e6:
            tally.add(_sample(*ends[done]))
            done += 1
        begun = sum(arrival.intended_us < second * 1e6 for arrival, _ in ends)
        in_flight.append(begun - done)
        if done == len(ends):
            break
        stopped = interrupted_at_s is not None and second >= interrupted_at_s
        if early is not None and not stopped:
            reason = early(SoFar(t_s=float(second), schedule=schedule, tally=tally, in_flight=in_flight))
        if reason or stopped:
            end_s = min(end_s, float(second))
            break
    tally.cut(schedule.windows(end_s))
    last_us = (end_s + (_BRIEF_DRAIN_S if end_s < schedule.duration_s or reason else settings.drain_timeout_s)) * 1e6
    for arrival, closed_us in ends[done:]:
        if arrival.intended_us < end_s * 1e6:
            tally.add(_sample(arrival, closed_us if closed_us <= last_us else None))
    counts = {outcome.value: count for outcome, count in tally.outcomes.items() if count}
    result = assemble(
        Measured(
            manifest=manifest,
            schedule=schedule,
            tally=tally,
            started_at="2026-11-26T10:00:00Z",
            end_s=end_s,
            drain_s=max(0.0, len(in_flight) - end_s),
            interrupted=interrupted_at_s is not None,
            configuration=configuration or [],
            environment=Environment(address="queue"),
            readings=[],
            unread=[],
            in_flight=in_flight,
            refused_waits=0,
            interactions={},
            workers=Workers(processes=0, options={}),
            processes=[],
            reconciliation=Reconciliation(status="agreed", settled_after_s=0.1, ours=counts, server=counts),
            cleanup=Cleanup(left_open=0, terminated_directly=0, terminated_by_batch=0, remaining=0),
            thresholds=with_defaults([parse(expression) for expression in settings.thresholds]),
            notes=[],
        )
    )
    return RunOutcome(result=result, directory=Path(settings.output or "results"), tally=tally)


def standing() -> SimpleNamespace:
    """What `stand` leaves, as far as a conducted search looks at it."""
    opened = SimpleNamespace(client=None, environment=Environment(address="queue", auroral_version="0.1.0"))
    return SimpleNamespace(opened=opened, workers=[], notes=[])


def _sample(arrival: object, closed_us: int | None) -> Sample:
    index, intended_us = arrival  # type: ignore[misc]
    return Sample(
        index=index,
        workload=0,
        outcome=Outcome.UNFINISHED if closed_us is None else Outcome.COMPLETED,
        intended_us=intended_us,
        sent_us=intended_us,
        accepted_us=intended_us + 500,
        closed_us=closed_us,
    )
