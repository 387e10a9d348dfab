from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from auroral.bench.durations import Exponential, LogNormal, Normal, Uniform
from auroral.bench.steps import (
    DEEPEST,
    Activity,
    Child,
    ContinueAsNew,
    Interaction,
    Query,
    Signal,
    Step,
    Timer,
    Update,
    Workload,
    from_plain,
    interactions,
    to_plain,
    validate,
)
from auroral.errors import ConfigurationError
from tests.support.workloads import workloads


@given(workloads())
def test_plain_form_survives_json(workload: Workload) -> None:
    assert validate(workload) == []
    assert from_plain(json.loads(json.dumps(to_plain(workload)))) == workload


def test_plain_form_leaves_defaults_out() -> None:
    assert to_plain(Workload(name="w", steps=(Activity(count=2), Child(steps=(Timer(duration_s=2.0),))))) == {
        "name": "w",
        "steps": [
            {"step": "activity", "count": 2},
            {"step": "child", "steps": [{"step": "timer", "duration_s": 2.0}]},
        ],
    }


@pytest.mark.parametrize(
    "plain",
    [
        {"steps": []},
        {"name": "x", "steps": [{"step": "nap"}]},
        {"name": "x", "steps": [{"step": "timer", "length": 3}]},
        {"name": "x", "steps": [{"step": "activity", "count": 0}]},
        {"name": "x", "steps": [{"step": "activity", "count": "many"}]},
    ],
)
def test_plain_form_of_something_else_is_refused(plain: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        from_plain(plain)


@pytest.mark.parametrize(
    ("step", "place"),
    [
        (Activity(count=0), "activity.count"),
        (Activity(count=10_001), "activity.count"),
        (Activity(mode="both"), "activity.mode"),  # type: ignore[arg-type]
        (Activity(duration_s=-1.0), "activity.duration"),
        (Activity(duration_s=float("nan")), "activity.duration"),
        (Activity(duration_s=90_000.0), "activity.duration"),
        (Activity(payload_bytes=-1), "activity.payload"),
        (Activity(result_bytes=2_000_001), "activity.result"),
        (Activity(failure_rate=1.1), "activity.failure_rate"),
        (Activity(failure_rate=1.0), "activity.failure_rate"),
        (Activity(max_attempts=-1), "activity.max_attempts"),
        (Activity(retry_interval_s=0.0), "activity.retry_interval"),
        (Activity(count=5, mode="parallel", payload_bytes=1_000_000), "activity.payload"),
        (Timer(duration_s=Uniform(min_s=2, max_s=1)), "timer.duration"),
        (Timer(duration_s=Exponential(mean_s=-1)), "timer.duration.mean"),
        (Timer(duration_s=Exponential(mean_s=1, max_s=-1)), "timer.duration.max"),
        (Timer(duration_s=LogNormal(median_s=0, p99_s=1)), "timer.duration.median"),
        (Timer(duration_s=LogNormal(median_s=2, p99_s=1)), "timer.duration.p99"),
        (Timer(duration_s=Normal(mean_s=1, stddev_s=-1)), "timer.duration.stddev"),
        (Child(count=0), "child.count"),
        (Child(steps=(Signal(),)), "child.steps[0].signal"),
        (Child(steps=(Timer(), ContinueAsNew())), "child.steps[1].continue_as_new"),
        (Child(steps=(Timer(duration_s=-1.0),)), "child.steps[0].timer.duration"),
        (Signal(count=0), "signal.count"),
        (Update(after_s=-1), "update.after"),
        (Query(every_s=-1), "query.every"),
        (ContinueAsNew(times=0), "continue_as_new.times"),
    ],
)
def test_each_fault_is_named_by_its_place(step: Step, place: str) -> None:
    problems = validate(Workload(name="w", steps=(Timer(), step)), origin="w.toml")
    assert [(problem.name, problem.origin) for problem in problems] == [(f"steps[1].{place}", "w.toml")]


def test_all_problems_at_once() -> None:
    workload = Workload(name="", steps=(ContinueAsNew(), Activity(count=0, max_attempts=-1), Timer(duration_s=-1.0)))
    assert [problem.name for problem in validate(workload)] == [
        "steps[0].continue_as_new",
        "steps[1].activity.count",
        "steps[1].activity.max_attempts",
        "steps[2].timer.duration",
        "name",
    ]


def test_depth_and_size_are_limited() -> None:
    deep: Step = Timer()
    for _ in range(DEEPEST):
        deep = Child(steps=(deep,))
    assert validate(Workload(name="w", steps=(deep,))) == []
    assert [problem.value for problem in validate(Workload(name="w", steps=(Child(steps=(deep,)),)))] == ["level 6"]
    assert [problem.value for problem in validate(Workload(name="w", steps=(Timer(),) * 1001))] == ["1,001 steps"]
    wide = Child(count=100, steps=(Child(count=100),))
    assert [problem.value for problem in validate(Workload(name="w", steps=(wide,)))] == ["10,100 child workflows"]


def test_failing_for_ever_is_possible_with_a_last_attempt() -> None:
    assert validate(Workload(name="w", steps=(Activity(failure_rate=1.0, max_attempts=3),))) == []


def test_interactions_are_sent_for_each_run_of_a_chain() -> None:
    workload = Workload(
        name="w",
        steps=(
            Timer(),
            Signal(count=2, after_s=0.5, every_s=0.25, payload_bytes=10),
            Update(),
            Query(count=3),
            ContinueAsNew(times=4),
        ),
    )
    assert workload.repetitions == 5
    assert interactions(workload) == [
        Interaction(kind="signal", index=1, after_s=0.5, every_s=0.25, count=2, total=10, payload_bytes=10),
        Interaction(kind="update", index=2, after_s=0.0, every_s=0.1, count=1, total=5),
        Interaction(kind="query", index=3, after_s=0.0, every_s=0.1, count=3, total=15),
    ]
