"""The gate of a process: start delay, bucket in turn, counter."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroral.capacity.simulation.clock import Clock
from auroral.capacity.simulation.counter import Counter
from auroral.capacity.simulation.gate import Gate
from auroral.capacity.simulation.policy import Bucket
from auroral.capacity.simulation.record import Probes, Record
from auroral.capacity.simulation.spec import NANOS, CounterSpec, Lognormal, ProcessSpec
from auroral.capacity.simulation.timeline import CounterOutage
from auroral.errors import UsageError

LATENCY = Lognormal(median_s=0.005, p99_s=0.005)


class Passing:
    """A gate in a world of its own, and when it let openings through."""

    def __init__(self, counter: Counter | None = None, **options: Any) -> None:
        self.clock = Clock()
        self.record = Record(1_000, ["history"], Probes())
        options = {"stagger": False, "rate_per_s": 10, "burst": 2} | options
        self.gate = Gate(self.clock, ProcessSpec(service="history", **options), counter, self.record, (1, "history/0"))
        self.passed: list[float] = []

    def enter(self, count: int, at_s: float = 0) -> None:
        for _ in range(count):
            self.clock.at(round(at_s * NANOS), lambda _: self.gate.enter(self._passed))

    def _passed(self, _: Any) -> None:
        self.passed.append(self.clock.now / NANOS)

    def run(self) -> list[float]:
        while self.clock.heap:
            first = min(self.clock.heap)
            self.clock.heap.remove(first)
            self.clock.now = self.record.now = first[0]
            self.record.second = first[0] // NANOS
            first[2](first[3])
        return self.passed


def distributed(limit: int = 3, **options: Any) -> tuple[Passing, Counter]:
    counter = Counter(CounterSpec(limit_per_s=limit, latency=LATENCY))
    return Passing(counter, **({"limiter": "distributed", "rate_per_s": 1_000, "burst": 1_000} | options)), counter


def test_the_burst_passes_at_once_then_one_an_interval() -> None:
    passing = Passing()
    passing.enter(4)
    passing.enter(1, at_s=5)
    assert passing.run() == [0, 0, 0.1, 0.2, 5]


def test_no_limiter_holds_nothing_back() -> None:
    passing = Passing(limiter="none")
    passing.enter(50)
    assert passing.run() == [0] * 50


def test_the_start_delay_is_of_the_process_and_not_of_each_opening() -> None:
    passing = Passing(stagger=True, stagger_max_s=5, burst=10)
    passing.enter(3)
    passing.enter(1, at_s=6)
    first, second, third, later = passing.run()
    assert first == second == third
    assert 0 < first < 5
    assert later == 6


@given(
    rate=st.floats(0.5, 200),
    burst=st.integers(1, 20),
    gaps=st.lists(st.integers(0, NANOS), min_size=1, max_size=60),
)
def test_a_reservation_is_what_a_queue_in_turn_would_get(rate: float, burst: int, gaps: list[int]) -> None:
    reserved, asked = Bucket(rate, burst, 0), Bucket(rate, burst, 0)
    now = turn = 0
    for gap in gaps:
        now += gap
        turn = max(turn, now)  # who came before goes before
        while wait := asked.take(turn):
            turn += wait
        assert Gate.reserve(reserved, now) == turn


def test_a_full_second_of_the_counter_is_asked_again_in_the_first_200_ms_of_the_next() -> None:
    passing, _ = distributed(limit=3)
    passing.enter(5, at_s=0.5)
    passed = passing.run()
    assert passed[:3] == [0.505] * 3
    assert len(passed) == 5
    assert all(1.005 <= at < 1.205 for at in passed[3:])
    assert passing.record.series.counter_refused[0] == 2


def test_a_clock_that_is_ahead_counts_in_a_later_second() -> None:
    passing, counter = distributed(limit=3, clock_skew_s=10)
    passing.enter(3)
    passing.run()
    assert counter.ask(0, 0, lambda: 0, passing.gate._chance)[0] == "taken"
    assert counter.ask(0, 10 * NANOS, lambda: 0, passing.gate._chance)[0] == "full"


def test_without_the_table_openings_go_on_and_one_probes_after_the_hold_off() -> None:
    passing, counter = distributed(limit=100)
    counter.fail(CounterOutage(at_s=0, until_s=60))
    passing.enter(4)
    passing.enter(3, at_s=2.1)  # held: nobody asks
    passing.enter(3, at_s=12)  # the hold-off of at most 7.5 s is over: one asks, the others go on
    passing.enter(1, at_s=200)  # the table is back; 15 s of hold-off at most
    assert passing.run() == [2, 2, 2, 2, 2.1, 2.1, 2.1, 12, 12, 14, 200.005]
    assert sum(passing.record.series.uncounted) == 10
    assert sum(passing.record.series.counted) == 1


def test_the_distributed_limiter_needs_a_counter() -> None:
    with pytest.raises(UsageError, match="history/0 has the distributed limiter"):
        Passing(limiter="distributed")
