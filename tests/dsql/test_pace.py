"""Openings never exceed their rate, in any window, whatever came before."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from auroral.dsql.pace import Pace


@given(st.floats(0.1, 20), st.lists(st.floats(0, 10), min_size=1, max_size=60))
def test_openings_are_apart(rate_per_s: float, pauses_s: list[float]) -> None:
    pace, now_s, opened = Pace(rate_per_s), 100.0, []
    for pause_s in pauses_s:
        now_s += pause_s
        wait_s = pace.wait_s(now_s)
        assert wait_s >= 0
        now_s += wait_s
        opened.append(now_s)
    for earlier, later in itertools.pairwise(opened):
        assert later - earlier >= 1 / rate_per_s - 1e-9


def test_the_first_does_not_wait_and_no_time_is_lost() -> None:
    pace = Pace(2.0)
    assert [pace.wait_s(5.0), pace.wait_s(5.0), pace.wait_s(5.0), pace.wait_s(9.0)] == [0.0, 0.5, 1.0, 0.0]
