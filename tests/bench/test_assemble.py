from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from auroral.bench.assemble import Measured, assemble, snapshot, with_in_flight, workers_stated
from auroral.bench.histogram import Histogram
from auroral.bench.limits import Reading
from auroral.bench.manifest import WorkerIdentity
from auroral.bench.result import Cleanup, Environment, ProcessUsage, Reconciliation, Workers
from auroral.bench.samples import Outcome, Sample
from auroral.bench.schedule import Schedule
from auroral.bench.settings import BenchSettings
from auroral.bench.tally import Tally
from auroral.bench.thresholds import parse, with_defaults
from tests.bench.spread.scenes import seen as generator_seen
from tests.bench.test_load import order


def completed(index: int, latency_us: int = 50_000) -> Sample:
    intended_us = index * 10_000
    return Sample(
        index=index,
        workload=0,
        outcome=Outcome.COMPLETED,
        intended_us=intended_us,
        sent_us=intended_us + 100,
        accepted_us=intended_us + 2_000,
        closed_us=intended_us + latency_us,
    )


def measured(samples: Sequence[Sample], thresholds: Sequence[str] = (), **changes: object) -> Measured:
    manifest = order().manifest
    schedule = Schedule(manifest.arrival)
    tally = Tally(schedule.windows())
    for sample in samples:
        tally.add(sample)
    whole = Measured(
        manifest=manifest,
        schedule=schedule,
        tally=tally,
        started_at="2026-01-01T00:00:00+00:00",
        end_s=2.0,
        drain_s=0.5,
        interrupted=False,
        configuration=[],
        environment=Environment(address="a:1"),
        readings=[],
        unread=[],
        in_flight=[3, 2],
        refused_waits=0,
        interactions={},
        workers=Workers(processes=1, options={}),
        processes=[ProcessUsage(name="worker-0", cpu_s=1.0, max_rss_bytes=1)],
        reconciliation=Reconciliation(status="agreed", settled_after_s=0.1, ours={}, server={}),
        cleanup=Cleanup(left_open=0, terminated_directly=0, terminated_by_batch=0, remaining=0),
        thresholds=with_defaults([parse(expression) for expression in thresholds]),
        notes=[],
    )
    for name, value in changes.items():
        setattr(whole, name, value)
    return whole


def test_a_good_run_passes_and_its_numbers_are_the_tallys() -> None:
    result = assemble(measured([completed(index) for index in range(200)], ["latency.p99<100ms"]))
    assert result.verdict.status == "pass", result.verdict
    assert result.scheduled == sum(result.outcomes.values()) == 200
    assert result.steady is not None
    assert result.steady.offered_per_s == 100.0
    assert [threshold.passed for threshold in result.thresholds] == [True, True]
    assert result.series.in_flight[:2] == [3, 2]


def test_a_threshold_that_is_not_met_fails() -> None:
    result = assemble(measured([completed(index) for index in range(200)], ["latency.p99<10ms"]))
    assert result.verdict.status == "fail"


def test_a_lost_process_of_ours_is_no_pass() -> None:
    lost = [ProcessUsage(name="worker-0", cpu_s=1.0, max_rss_bytes=1, lost=True, detail="ended with status -9")]
    result = assemble(measured([completed(index) for index in range(200)], processes=lost))
    assert result.verdict.status == "inconclusive"


def test_a_generator_whose_clock_is_hardly_known_is_noted_or_a_doubt() -> None:
    samples = [completed(index) for index in range(10)]
    vague = generator_seen(1, control_error_ms=90.0)
    noted = assemble(measured(samples, spread=[generator_seen(0), vague]))
    assert noted.verdict.status == "pass"
    assert [one.name for one in noted.spread] == ["generator-0", "generator-1"]
    assert any("known to ±90 ms only" in note for note in noted.notes)
    doubtful = assemble(measured(samples, spread=[generator_seen(0, control_error_ms=1_200.0)]))
    assert doubtful.verdict.status == "inconclusive"
    assert "may have run at another time" in doubtful.verdict.reasons[0]


def test_interactions_keep_their_failures() -> None:
    times = Histogram()
    times.record_us(5_000)
    result = assemble(measured([completed(0)], interactions={"signal": (2, {"NOT_FOUND": 1}, times)}))
    (signals,) = result.interactions
    assert (signals.kind, signals.sent, signals.failed) == ("signal", 2, 1)


def test_the_in_flight_column_is_as_long_as_the_others() -> None:
    series = assemble(measured([completed(0)])).series
    for given in ([], [1], [1] * 100):
        assert len(with_in_flight(series, given).in_flight) == len(series.t_s)


def seen(where: str, slots: tuple[int, int, int] = (200, 100, 50), **changes: Any) -> WorkerIdentity:
    plain = WorkerIdentity(
        auroral_version="9.9",
        language_version=1,
        engine="sdk",
        slots=slots,
        pollers=(32, 16),
        nonsticky_ratio=0.25,
        eager_activities=0,
        where=where,
    )
    return msgspec.structs.replace(plain, **changes)


def test_the_options_of_our_workers_are_stated_as_chosen() -> None:
    stated = workers_stated(BenchSettings(), processes=2, activity_slots=1_300, seen=[seen("7@a")])
    assert stated.processes == 2
    assert stated.options["max_concurrent_activities"] == 1_300
    assert set(stated.options) == {field.name for field in msgspec.structs.fields(BenchSettings().worker)}
    assert [worker.where for worker in stated.seen] == ["7@a"]
    assert not stated.notes


def test_of_workers_elsewhere_only_what_they_tell_is_stated() -> None:
    pair = [
        seen("8@b", slots=(300, 100, 50), eager_activities=10, manifest_digest="0123456789ab"),
        seen("7@a"),
    ]
    stated = workers_stated(BenchSettings(), processes=0, activity_slots=200, seen=pair)
    assert stated.options == {
        "max_concurrent_workflow_tasks": "differing: 200, 300",
        "max_concurrent_activities": 100,
        "max_concurrent_local_activities": 50,
        "workflow_task_pollers": 32,
        "activity_task_pollers": 16,
        "nonsticky_to_sticky_poll_ratio": 0.25,
        "eager_activities": "differing: False, True",
        "max_eager_activities_per_workflow_task": 10,
        "all_workflow_task_slots": 500,
        "all_activity_slots": 200,
        "all_local_activity_slots": 100,
    }
    assert [(worker.where, worker.manifest_digest) for worker in stated.seen] == [("7@a", "-"), ("8@b", "0123456789ab")]
    (note,) = stated.notes
    assert note.startswith("The workers run elsewhere")
    wanted = workers_stated(BenchSettings(), processes=0, activity_slots=1_300, seen=pair)
    assert "have 200 activity slots in all; for these workloads at this rate 1,300" in wanted.notes[1]
    nobody = workers_stated(BenchSettings(), processes=0, activity_slots=1_300, seen=[])
    assert (nobody.options, nobody.seen, len(nobody.notes)) == ({}, [], 1)


def test_what_workers_elsewhere_keep_to_themselves_counts_as_unread() -> None:
    reading = Reading(t_s=1.0)
    elsewhere = workers_stated(BenchSettings(), processes=0, activity_slots=200, seen=[seen("7@a")])
    told = assemble(measured([completed(0)], readings=[reading], unread=["x: y"], workers=elsewhere)).limits.unread
    assert told == ["x: y", "worker slots, pollers and CPU: the workers run elsewhere"]
    assert not assemble(measured([completed(0)], readings=[reading])).limits.unread


def test_a_snapshot_counts_up_to_each_bound() -> None:
    latency, lag = Histogram(), Histogram()
    for _ in range(10):
        latency.record_us(30_000)
        lag.record_us(100)
    state = snapshot("generator-0", outcomes={"completed": 10}, scheduled=14, latency=latency, lag=lag, in_flight=4)
    assert state.scheduled == 14
    assert dict(state.latency_buckets)[0.025] == 0
    assert dict(state.latency_buckets)[0.05] == 10
    assert (state.latency_count, state.lag_count) == (10, 10)
    assert state.latency_sum_s == pytest.approx(0.3, rel=0.01)
