"""A rolling deployment of one service, as ECS does it: its bounds hold at every step, and it ends."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from auroral.capacity.simulation.deployment import Rollout
from auroral.capacity.simulation.scenario import ServiceShape, can_roll, lower, upper


def roll(desired: int, min_percent: int, max_percent: int) -> list[tuple[int, int]]:
    """Run a deployment in which whatever was started is healthy at the next step; (running, healthy) after each."""
    rollout = Rollout(range(desired), desired, min_percent, max_percent)
    old, healthy_new, starting = set(range(desired)), 0, 0
    seen = []
    for _ in range(10 * desired + 10):
        step = rollout.step(old, healthy_new + starting, healthy_new)
        old -= set(step.stop)
        starting += step.start
        seen.append((len(old) + healthy_new + starting, len(old) + healthy_new))
        healthy_new, starting = healthy_new + starting, 0
        if rollout.done(healthy_new):
            return seen
    raise AssertionError(f"it never ends: {seen}")


@given(st.integers(1, 40), st.integers(0, 100), st.integers(100, 200))
def test_it_ends_within_its_bounds(desired: int, min_percent: int, max_percent: int) -> None:
    shape = ServiceShape(
        service="history",
        replicas=desired,
        pool_size=1,
        rate_per_s=1,
        burst=1,
        min_healthy_percent=min_percent,
        max_percent=max_percent,
    )
    assume(can_roll(shape))
    for running, healthy in roll(desired, min_percent, max_percent):
        assert running <= upper(desired, max_percent)
        assert healthy >= lower(desired, min_percent)


@pytest.mark.parametrize(
    ("desired", "min_percent", "max_percent", "first"),
    [
        (4, 100, 200, (8, 4)),  # four start, none stops
        (4, 50, 100, (4, 2)),  # two stop, two start
        (8, 75, 125, (10, 6)),  # two stop at once, four may start
    ],
)
def test_first_step(desired: int, min_percent: int, max_percent: int, first: tuple[int, int]) -> None:
    assert roll(desired, min_percent, max_percent)[0] == first


def test_a_new_task_that_dies_is_asked_for_again() -> None:
    rollout = Rollout([0, 1], 2, 100, 200)
    assert rollout.step({0, 1}, 0, 0).start == 2
    assert rollout.step({0, 1}, 1, 0).start == 1


def test_an_old_task_that_dies_makes_room() -> None:
    rollout = Rollout([0, 1, 2, 3], 4, 75, 100)
    assert rollout.step({0, 1, 2, 3}, 0, 0) == (1, (0,))
    rollout.lost(1)
    assert rollout.step({2, 3}, 1, 0) == (1, ())


def test_an_unhealthy_old_task_goes_first() -> None:
    rollout = Rollout([0, 1, 2, 3], 4, 75, 100)
    assert rollout.step({0, 1, 3}, 0, 0) == (1, (2,))
