from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroral.bench.durations import Exponential, LogNormal, Normal, Uniform
from auroral.bench.wire.supported import problems_of, require_supported
from auroral.bench.workload import (
    BUILTINS,
    Activity,
    Child,
    ContinueAsNew,
    Query,
    Signal,
    Timer,
    Update,
    Workload,
    builtin,
)
from auroral.errors import ConfigurationError


@given(st.sampled_from(BUILTINS), st.integers(1, 100), st.floats(0, 86_400), st.integers(1, 100))
def test_the_five_built_in_workloads_with_any_of_their_parameters(
    name: str, activities: int, timer_s: float, children: int
) -> None:
    workload = builtin(name, activity_count=activities, timer_duration_s=timer_s, child_count=children)
    assert problems_of(workload) == []
    require_supported([workload])


@pytest.mark.parametrize(
    ("step", "place", "value"),
    [
        (Signal(), "steps[1].signal", "signal"),
        (Update(), "steps[1].update", "update"),
        (Query(), "steps[1].query", "query"),
        (ContinueAsNew(), "steps[1].continue_as_new", "continue_as_new"),
        (Activity(local=True), "steps[1].activity.local", "true"),
        (Activity(failure_rate=0.5), "steps[1].activity.failure_rate", "0.5"),
        (Activity(max_attempts=3), "steps[1].activity.max_attempts", "3"),
        (Activity(retry_interval_s=2.5), "steps[1].activity.retry_interval", "2.5"),
        (Activity(payload_bytes=10), "steps[1].activity.payload", "10"),
        (Activity(result_bytes=11), "steps[1].activity.result", "11"),
        (Activity(duration_s=Exponential(mean_s=1)), "steps[1].activity.duration", "exponential"),
        (Activity(duration_s=LogNormal(median_s=1, p99_s=2)), "steps[1].activity.duration", "lognormal"),
        (Timer(duration_s=Uniform(min_s=0, max_s=1)), "steps[1].timer.duration", "uniform"),
        (Timer(duration_s=Normal(mean_s=1, stddev_s=1)), "steps[1].timer.duration", "normal"),
        (Child(mode="sequence"), "steps[1].child.mode", "sequence"),
        (Child(steps=(Timer(), Timer())), "steps[1].child.steps", "2 steps"),
    ],
)
def test_whatever_no_built_in_workload_uses_is_refused_by_its_name(step: Any, place: str, value: str) -> None:
    workload = Workload(name="mine", steps=(Activity(), step))
    (problem,) = problems_of(workload)
    assert (problem.name, problem.value) == (place, value)
    assert problem.origin == "the workload mine, with --engine wire"
    assert problem.expected
    with pytest.raises(ConfigurationError, match="--engine sdk") as caught:
        require_supported([builtin("simple"), workload])
    assert place in str(caught.value)


def test_all_that_is_wrong_is_said_at_once() -> None:
    workloads = [Workload(name=name, steps=(Activity(local=True), Signal())) for name in ("a", "b")]
    with pytest.raises(ConfigurationError) as caught:
        require_supported(workloads)
    assert [(problem.name, problem.origin[:14]) for problem in caught.value.problems] == [
        ("steps[0].activity.local", "the workload a"),
        ("steps[1].signal", "the workload a"),
        ("steps[0].activity.local", "the workload b"),
        ("steps[1].signal", "the workload b"),
    ]
