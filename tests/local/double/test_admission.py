"""The door: token bucket, cap, and shut for a while."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from auroral.local.double import refusals
from auroral.local.double.admission import Door, TokenBucket
from auroral.local.double.settings import DoubleSettings

GAPS = st.lists(st.floats(0, 3, allow_nan=False), max_size=200)


@given(GAPS, st.floats(0.5, 50), st.floats(1, 50))
def test_no_window_lets_more_in_than_burst_and_refill(gaps_s: list[float], rate_per_s: float, burst: float) -> None:
    bucket = TokenBucket(rate_per_s, burst, 0.0)
    taken: list[float] = []
    now_s = 0.0
    for gap_s in gaps_s:
        now_s += gap_s
        while bucket.take(now_s):
            taken.append(now_s)
    for first in range(len(taken)):
        for last in range(first, len(taken)):
            allowed = burst + rate_per_s * (taken[last] - taken[first])
            assert last - first + 1 <= allowed + 1e-6 * (1 + allowed)


@given(GAPS, st.floats(1, 50))
def test_a_refusal_means_that_less_than_one_token_was_there(gaps_s: list[float], rate_per_s: float) -> None:
    bucket = TokenBucket(rate_per_s, 5, 0.0)
    now_s = 0.0
    for gap_s in gaps_s:
        now_s += gap_s
        if not bucket.take(now_s):
            assert bucket.tokens < 1
            assert bucket.take(now_s + 1 / rate_per_s)
            now_s += 1 / rate_per_s


def test_time_that_goes_back_gives_nothing() -> None:
    bucket = TokenBucket(1, 1, 100.0)
    assert bucket.take(100.0)
    assert not bucket.take(50.0)
    assert not bucket.take(100.5)
    assert bucket.take(101.0)


def test_the_door_refuses_with_dsqls_codes() -> None:
    settings = DoubleSettings(connect_rate_per_s=1, connect_burst=2, max_connections=10)
    door = Door(settings, 0.0)
    assert [door.knock(0.0) for _ in range(3)] == [None, None, refusals.RATE_EXCEEDED]
    door.open = 10
    assert door.knock(1.0) == refusals.TOO_MANY_CONNECTIONS
    door.open = 9
    assert door.knock(2.0) is None


def test_a_shut_door_takes_no_token() -> None:
    door = Door(DoubleSettings(connect_rate_per_s=0, connect_burst=1), 0.0)
    door.shut(5.0)
    assert door.knock(4.9) == refusals.UNAVAILABLE
    assert door.knock(5.0) is None
    assert door.knock(5.0) == refusals.RATE_EXCEEDED


def test_other_settings_leave_the_bucket_alone() -> None:
    settings = DoubleSettings(connect_rate_per_s=0, connect_burst=1)
    door = Door(settings, 0.0)
    assert door.knock(0.0) is None
    door.change(DoubleSettings(connect_rate_per_s=0, connect_burst=1, max_connections=5), 0.0)
    assert door.knock(0.0) == refusals.RATE_EXCEEDED
    door.change(DoubleSettings(connect_rate_per_s=0, connect_burst=3), 0.0)
    assert [door.knock(0.0) for _ in range(4)] == [None, None, None, refusals.RATE_EXCEEDED]
