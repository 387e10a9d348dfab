from __future__ import annotations

import pytest
from hypothesis import given, settings

from auroral.bench.steps import Activity, Child, ContinueAsNew, Query, Signal, Timer, Update, Workload
from auroral.bench.workload import BUILTINS, builtin
from auroral.capacity.loads import factor, transitions
from tests.support.workloads import workloads


def of(*steps: object) -> tuple[float, float, int]:
    found = transitions(Workload(name="w", steps=steps))  # type: ignore[arg-type]
    return found.least, found.most, found.executions


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [("simple", 3, 3), ("multi-activity", 23, 23), ("timer", 6, 6), ("child", 23, 33), ("state-transitions", 37, 43)],
)
def test_the_builtins_weigh_what_a_server_counted(name: str, least: float, most: float) -> None:
    """tests/live/test_transitions.py compares them with a server."""
    found = transitions(builtin(name))
    assert (found.least, found.most) == (least, most)


def test_each_step_has_its_count() -> None:
    assert of() == (3, 3, 1)
    assert of(Activity(count=10, mode="parallel")) == (25, 43, 1)
    assert of(Activity(local=True, count=9)) == (3, 3, 1)
    assert of(Timer(duration_s=0.0)) == (3, 3, 1)
    assert of(Query(count=5)) == (3, 3, 1)
    assert of(Signal(count=3)) == (8, 12, 1)
    assert of(Update(count=3)) == (4, 6, 1)
    assert of(Activity(), ContinueAsNew(times=2)) == (21, 23, 3)
    assert of(Child(count=2, steps=(Child(count=2),)))[2] == 7


def test_failures_add_attempts() -> None:
    assert of(Activity(failure_rate=0.5)) == (9, 9, 1)
    assert of(Activity(failure_rate=1.0, max_attempts=3)) == (11, 11, 1)
    assert of(Activity(failure_rate=0.5, max_attempts=2)) == (8, 8, 1)


def test_the_reference_weighs_one() -> None:
    reference = builtin("state-transitions")
    assert factor(reference, reference) == 1
    assert factor(builtin("simple"), reference) == pytest.approx(3 / 43)


@given(workloads())
@settings(deadline=None)
def test_least_is_no_more_than_most_and_every_execution_has_its_own(workload: Workload) -> None:
    found = transitions(workload)
    assert 3 * found.executions <= found.least <= found.most


def test_every_builtin_is_covered() -> None:
    assert set(BUILTINS) == {"simple", "multi-activity", "timer", "child", "state-transitions"}
