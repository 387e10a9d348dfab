"""Back-off with a deadline."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroral.ecs.waiter import Patience, Waiter


def test_waits_grow_and_stay_below_the_most() -> None:
    waiter = Waiter(Patience(deadline_s=1000, first_s=1, most_s=5, factor=2), 0)
    assert [waiter.wait_s(0) for _ in range(5)] == [1, 2, 4, 5, 5]


def test_progress_begins_anew() -> None:
    waiter = Waiter(Patience(deadline_s=1000, first_s=1, most_s=60, factor=3), 0)
    assert [waiter.wait_s(0), waiter.wait_s(0), waiter.wait_s(0, progressed=True)] == [1, 3, 1]


@given(
    deadline_s=st.floats(1, 3600),
    first_s=st.floats(0.1, 10),
    moves=st.lists(st.booleans(), min_size=1, max_size=50),
)
def test_no_wait_passes_the_deadline_and_the_last_look_is_at_it(
    deadline_s: float, first_s: float, moves: list[bool]
) -> None:
    waiter = Waiter(Patience(deadline_s=deadline_s, first_s=first_s), 10)
    now_s, looks = 10.0, 0
    while (wait_s := waiter.wait_s(now_s, progressed=moves[looks % len(moves)])) is not None:
        assert wait_s > 0
        now_s += wait_s
        looks += 1
        assert looks < 100_000
    assert now_s == pytest.approx(10 + deadline_s)
    assert waiter.waited_s(now_s) == pytest.approx(deadline_s)
