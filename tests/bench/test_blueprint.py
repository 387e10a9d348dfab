from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from auroral.bench.blueprint import SEPARATE_TASK_QUEUE, Blueprint, make_blueprint, plan_workers
from auroral.bench.manifest import digest
from auroral.bench.settings import BenchSettings, Stage, WorkerSettings, WorkloadChoice
from auroral.bench.workload import BUILTINS
from auroral.errors import ConfigurationError


def blueprint(settings: BenchSettings, cores: int = 4, files: dict[str, str] | None = None) -> Blueprint:
    def read_text(path: Path) -> str:
        try:
            return (files or {})[str(path)]
        except KeyError:
            raise FileNotFoundError(2, "No such file or directory") from None

    return make_blueprint(
        settings,
        run_id="r1",
        nonce="n1",
        namespace="benchmark",
        cores=cores,
        created_at="2026-01-01T00:00:00+00:00",
        version="0",
        read_text=read_text,
    )


def test_workers_take_half_of_the_cores_and_at_least_one() -> None:
    assert blueprint(BenchSettings(), cores=8).worker_processes == 4
    assert blueprint(BenchSettings(), cores=1).worker_processes == 1
    assert blueprint(BenchSettings(worker_count=3), cores=1).manifest.expected_workers == 3


def test_a_generator_alone_starts_no_workers_but_expects_some() -> None:
    made = blueprint(BenchSettings(generator_only=True))
    assert made.worker_processes == 0
    assert made.manifest.expected_workers == 1
    assert made.manifest.task_queues == [SEPARATE_TASK_QUEUE]
    assert blueprint(BenchSettings(generator_only=True, worker_count=6)).manifest.expected_workers == 6


def test_a_spread_run_has_a_part_for_each_machine() -> None:
    assert blueprint(BenchSettings(spread=5)).manifest.generator_processes == 5
    assert blueprint(BenchSettings(generator_processes=3)).manifest.generator_processes == 3


def test_generators_with_eager_starts_are_the_workers() -> None:
    eager = BenchSettings(engine="wire", eager_start=True, generator_processes=2)
    made = blueprint(eager)
    assert (made.worker_processes, made.manifest.expected_workers, made.manifest.eager_start) == (0, 2, True)
    beside = blueprint(msgspec.structs.replace(eager, worker_count=3))
    assert (beside.worker_processes, beside.manifest.expected_workers) == (3, 5)


def test_the_wire_engine_runs_the_built_in_workloads_alone() -> None:
    for name in BUILTINS:
        assert blueprint(BenchSettings(engine="wire", workloads=(WorkloadChoice(source=name),))).workloads
    written = {"own.toml": 'name = "own"\n[[steps]]\nsignal = {}\n'}
    settings = BenchSettings(workloads=(WorkloadChoice(source="own.toml"),))
    assert blueprint(settings, files=written).manifest.engine == "sdk"
    with pytest.raises(ConfigurationError) as told:
        blueprint(msgspec.structs.replace(settings, engine="wire"), files=written)
    assert "--engine sdk" in told.value.hint


def test_workers_of_the_wire_engine_take_the_built_in_workloads_alone() -> None:
    def read(_: Path) -> str:
        return 'name = "own"\n[[steps]]\nsignal = {}\n'

    own = BenchSettings(workloads=(WorkloadChoice(source="own.toml"),), worker_only=True)
    assert plan_workers(own, manifest=None, read_text=read).task_queues == [SEPARATE_TASK_QUEUE]
    with pytest.raises(ConfigurationError, match="signal"):
        plan_workers(msgspec.structs.replace(own, engine="wire"), manifest=None, read_text=read)
    made = blueprint(msgspec.structs.replace(own, worker_only=False), files={"own.toml": read(Path())})
    changed = msgspec.structs.replace(made.manifest, engine="wire")
    with pytest.raises(ConfigurationError, match="signal"):
        plan_workers(BenchSettings(worker_only=True), manifest=changed, read_text=nothing_to_read)


def test_a_run_has_task_queues_of_its_own_unless_it_names_them() -> None:
    assert blueprint(BenchSettings()).manifest.task_queues == ["r1"]
    assert blueprint(BenchSettings(task_queues=3)).manifest.task_queues == ["r1-0", "r1-1", "r1-2"]
    assert blueprint(BenchSettings(task_queue="load", task_queues=2)).manifest.task_queues == ["load-0", "load-1"]


def test_no_workflow_outlives_the_run_for_long() -> None:
    made = blueprint(BenchSettings(duration_s=120.0, completion_timeout_s=30.0))
    assert made.manifest.execution_timeout_s == 120 + 30 + 60
    day = blueprint(BenchSettings(duration_s=86_400.0))
    assert day.manifest.execution_timeout_s == 600 + 600 + 60


def test_waiting_activities_raise_the_slots_and_a_note_says_so() -> None:
    settings = BenchSettings(workloads=(WorkloadChoice(source="state-transitions"),), target_rate_per_s=400.0)
    made = blueprint(settings, cores=2)
    assert made.activity_slots > 200
    assert any("activity slots raised" in note for note in made.notes)
    fixed = BenchSettings(
        workloads=settings.workloads,
        target_rate_per_s=400.0,
        worker=WorkerSettings(max_concurrent_activities=50),
    )
    assert blueprint(fixed).activity_slots == 50
    assert blueprint(BenchSettings()).activity_slots == 200


def test_a_generator_alone_tells_nothing_of_slots_that_are_not_its_own() -> None:
    settings = BenchSettings(
        workloads=(WorkloadChoice(source="state-transitions"),), target_rate_per_s=400.0, generator_only=True
    )
    assert not any("slots" in note for note in blueprint(settings).notes)


def nothing_to_read(path: Path) -> str:
    raise AssertionError(path)


def test_workers_do_as_the_manifest_of_their_run_says() -> None:
    run = BenchSettings(
        workloads=(WorkloadChoice(source="state-transitions"),),
        target_rate_per_s=400.0,
        generator_only=True,
        task_queue="load",
        task_queues=2,
    )
    made = blueprint(run)
    plan = plan_workers(BenchSettings(worker_only=True), manifest=made.manifest, read_text=nothing_to_read)
    assert plan.task_queues == ["load-0", "load-1"]
    assert plan.activity_slots == made.activity_slots > 200
    assert "at 400/s" in plan.note
    fixed = BenchSettings(worker_only=True, worker=WorkerSettings(max_concurrent_activities=50))
    assert plan_workers(fixed, manifest=made.manifest, read_text=nothing_to_read).activity_slots == 50


def test_workers_without_a_manifest_go_by_their_own_settings() -> None:
    waiting = (WorkloadChoice(source="state-transitions"),)
    slow = BenchSettings(worker_only=True, workloads=waiting, target_rate_per_s=1.0)
    plan = plan_workers(slow, manifest=None, read_text=nothing_to_read)
    assert (plan.task_queues, plan.activity_slots, plan.note) == ([SEPARATE_TASK_QUEUE], 200, "")
    staged = BenchSettings(
        worker_only=True, workloads=waiting, stages=(Stage(start_per_s=1, end_per_s=400, duration_s=9),)
    )
    assert plan_workers(staged, manifest=None, read_text=nothing_to_read).activity_slots > 200


def test_a_mix_keeps_weights_and_digests() -> None:
    settings = BenchSettings(
        workloads=(WorkloadChoice(source="simple", weight=3.0), WorkloadChoice(source="mine.toml", weight=1.0))
    )
    made = blueprint(settings, files={"mine.toml": 'name = "mine"\n[[steps]]\ntimer = { duration = "1s" }\n'})
    assert [(workload.name, workload.weight) for workload in made.manifest.workloads] == [
        ("simple", 3.0),
        ("mine", 1.0),
    ]
    for workload in made.manifest.workloads:
        assert workload.digest == digest(workload.definition)
    assert made.manifest.workloads[0].digest != made.manifest.workloads[1].digest


def test_a_file_that_is_not_there_is_a_problem_of_the_configuration() -> None:
    with pytest.raises(ConfigurationError, match=r"mine\.toml"):
        blueprint(BenchSettings(workloads=(WorkloadChoice(source="mine.toml"),)))


def test_the_problems_of_every_workload_are_told_at_once() -> None:
    broken = 'name = "x"\n[[steps]]\ntimer = { duration = "soon" }\n'
    twin = 'name = "simple"\nsteps = []\n'
    settings = BenchSettings(
        workloads=tuple(WorkloadChoice(source=source) for source in ("a.toml", "b.toml", "simple", "twin.toml"))
    )
    with pytest.raises(ConfigurationError) as caught:
        blueprint(settings, files={"a.toml": broken, "b.toml": broken, "twin.toml": twin})
    origins = [problem.origin for problem in caught.value.problems]
    assert [origin.partition(":")[0] for origin in origins] == ["a.toml", "b.toml", "twin.toml"]
