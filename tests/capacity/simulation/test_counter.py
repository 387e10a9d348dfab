"""The counter per second."""

from __future__ import annotations

import pytest

from auroral.capacity.simulation.clock import stream
from auroral.capacity.simulation.counter import Counter
from auroral.capacity.simulation.spec import NANOS, CounterSpec
from auroral.capacity.simulation.timeline import CounterOutage

CHANCE = stream("counter")


def asks(counter: Counter, now: int, wall: int, count: int, latency: int = 5_000_000) -> list[str]:
    return [counter.ask(now, wall, lambda: latency, CHANCE)[0] for _ in range(count)]


def test_each_second_of_the_askers_clock_takes_its_limit() -> None:
    counter = Counter(CounterSpec(limit_per_s=3))
    assert asks(counter, 0, 0, 4) == ["taken", "taken", "taken", "full"]
    assert asks(counter, 0, NANOS - 1, 1) == ["full"]
    assert asks(counter, 0, NANOS, 1) == ["taken"], "another second, for a clock that is ahead"
    assert asks(counter, 0, -1, 1) == ["taken"], "and for one that is behind"


def test_it_forgets_seconds_that_are_long_past() -> None:
    counter = Counter(CounterSpec(limit_per_s=1))
    for second in range(2_000):
        assert asks(counter, second * NANOS, second * NANOS, 2) == ["taken", "full"]
    assert len(counter._taken) <= 181


def test_without_the_table_an_ask_fails_after_its_time_out() -> None:
    counter = Counter(CounterSpec())
    counter.fail(CounterOutage(at_s=0, until_s=10))
    assert counter.ask(0, 0, lambda: 5_000_000, CHANCE) == ("failed", 2 * NANOS)
    assert counter.ask(10 * NANOS, 0, lambda: 5_000_000, CHANCE) == ("taken", 5_000_000)


def test_throttled_it_tries_twice_within_the_time_out() -> None:
    counter = Counter(CounterSpec())
    counter.fail(CounterOutage(at_s=0, until_s=10, mode="throttled", share=1.0))
    answers = [counter.ask(0, 0, lambda: 5_000_000, CHANCE) for _ in range(200)]
    assert {answer for answer, _ in answers} == {"failed"}
    assert all(10_000_000 <= took <= 2 * NANOS for _, took in answers)


def test_half_throttled_a_quarter_fails() -> None:
    counter = Counter(CounterSpec(limit_per_s=10**6, max_asks_per_s=10**6))
    counter.fail(CounterOutage(at_s=0, until_s=10, mode="throttled", share=0.5))
    assert asks(counter, 0, 0, 4_000).count("failed") / 4_000 == pytest.approx(0.25, abs=0.03)


def test_a_partition_takes_a_thousand_writes_a_second() -> None:
    counter = Counter(CounterSpec(limit_per_s=10**6))
    assert asks(counter, 0, 0, 1_500).count("failed") == 500
    assert asks(counter, NANOS, NANOS, 1) == ["taken"]


def test_an_answer_slower_than_the_time_out_is_a_failure() -> None:
    assert Counter(CounterSpec()).ask(0, 0, lambda: 3 * NANOS, CHANCE) == ("failed", 2 * NANOS)
