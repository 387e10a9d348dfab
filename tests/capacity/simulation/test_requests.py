"""Requests of a pool against queueing theory, and what is skipped against what is simulated."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auroral.capacity.simulation.record import Probes, Record
from auroral.capacity.simulation.requests import NEGLIGIBLE, Requests, enough, tail
from auroral.capacity.simulation.spec import NANOS, Demand, Exponential, Lognormal

TIMEOUT = 30 * NANOS


def requests(seed: Any = 1, *, skip: bool = False, timeout: int = TIMEOUT, seconds: int = 5_000) -> Requests:
    return Requests("history/0", (seed,), Record(seconds, ["history"], Probes()), timeout, skip)


def run(one: Requests, until_s: int) -> Record:
    """Advance second by second, as the engine does."""
    record = one._record
    for second in range(1, until_s + 1):
        one.end_second(second * NANOS)
        record.second = second
    return record


def erlang_c(busy: float, servers: int) -> float:
    """P(wait) of M/M/c, by the recursion of Erlang's B."""
    blocked = 1.0
    for k in range(1, servers + 1):
        blocked = busy * blocked / (k + busy * blocked)
    return blocked / (1 - busy / servers * (1 - blocked))


@pytest.mark.parametrize(("servers", "load"), [(2, 0.7), (10, 0.8), (50, 0.95)])
def test_the_share_that_waits_is_erlangs(servers: int, load: float) -> None:
    mean_s = 0.02
    demand = Demand(rate_per_s=servers * load / mean_s, hold=Exponential(mean_s=mean_s))
    one = requests()
    one.begin(0, demand, servers)
    record = run(one, round(300_000 / demand.rate_per_s))
    waits = sum(record.series.waits)
    assert waits / one.simulated == pytest.approx(erlang_c(demand.busy, servers), rel=0.1)


def test_the_mean_wait_at_one_server_is_pollaczek_and_khinchines() -> None:
    hold = Lognormal(median_s=0.005, p99_s=0.02)
    demand = Demand(rate_per_s=0.6 / hold.mean_s, hold=hold)
    one = requests()
    told: list[int] = []
    one._record.waited = lambda _, began, ended, timed_out=False: told.append(ended - began)  # type: ignore[method-assign]
    one.begin(0, demand, 1)
    run(one, 2_500)
    second_moment = hold.mean_s**2 * math.exp(hold.sigma**2)
    expected_s = demand.rate_per_s * second_moment / 2 / (1 - 0.6)
    assert sum(told) / NANOS / one.simulated == pytest.approx(expected_s, rel=0.06)


def test_the_first_to_come_is_the_first_served_and_its_wait_is_exact() -> None:
    one = requests()
    one.begin(0, None, 1)
    told: list[tuple[int, int]] = []
    one._record.waited = lambda _, began, ended, timed_out=False: told.append((began, ended))  # type: ignore[method-assign]
    one._watch(0, None)
    one._hold = lambda: NANOS
    one._rate = 1.0
    one._busy, one.next_arrival = [5 * NANOS], 2 * NANOS
    one._chance = type("Steady", (), {"random": lambda self: 1 - math.exp(-0.5)})()  # type: ignore[assignment]
    one.advance(7 * NANOS)
    assert [began / NANOS for began, _ in told] == pytest.approx([2, 2.5, 3])
    assert [ended / NANOS for _, ended in told] == pytest.approx([5, 6, 7])


def test_more_connections_serve_those_who_wait_at_once() -> None:
    one = requests()
    one.begin(0, Demand(rate_per_s=100), 0)
    one.advance(NANOS)
    waiting = one.waiting
    assert waiting > 50
    one.resize(NANOS, 10)
    assert one.waiting == waiting - 10
    assert one.busy(NANOS) == 10


def test_a_wait_ends_with_the_pools_time_out() -> None:
    one = requests(timeout=2 * NANOS)
    one.begin(0, Demand(rate_per_s=100), 0)
    record = run(one, 10)
    assert record.totals["acquire_timeouts"] == sum(record.series.waits) == pytest.approx(800, abs=120)
    assert max(record.series.longest_wait_us) == 2_000_000
    assert record.longest is not None
    assert record.longest.wait_s == 2
    assert one.waiting < 300, "who gave up has left the queue"


def test_who_still_waits_at_the_end_counts_with_the_wait_so_far() -> None:
    one = requests()
    one.begin(0, Demand(rate_per_s=1_000), 0)
    record = run(one, 3)
    one.end(3 * NANOS)
    assert record.longest is not None
    assert record.longest.wait_s == pytest.approx(3, abs=0.02)


def test_a_broken_connection_takes_its_request_along() -> None:
    one = requests(skip=True)
    one.begin(0, Demand(rate_per_s=1_000, hold=Exponential(mean_s=0.02)), 60)
    assert not one.watched
    assert one.lose(NANOS, (60, 60), 0) == one.broken == pytest.approx(20, abs=15)
    assert one.busy(NANOS) == 0
    one.advance(2 * NANOS)
    assert one.waiting > 800


def test_only_those_in_use_break_a_request() -> None:
    broken = 0
    for seed in range(300):
        one = requests(seed, skip=True)
        one.begin(0, Demand(rate_per_s=1_000, hold=Exponential(mean_s=0.02)), 60)
        broken += one.lose(NANOS, (6, 60), 54)
    assert broken / 300 == pytest.approx(20 * 6 / 60, rel=0.15)


def test_none_come_before_it_serves_nor_after_it_stops() -> None:
    one = requests()
    one.resize(0, 5)
    one.advance(NANOS)
    assert one.simulated == 0
    one.begin(NANOS, Demand(rate_per_s=100), 5)
    one.advance(2 * NANOS)
    before = one.simulated
    assert before > 50
    one.stop(2 * NANOS)
    one.advance(9 * NANOS)
    assert one.simulated == before


# What is skipped.


@given(busy=st.floats(0.01, 300), servers=st.integers(1, 600))
def test_the_tail_is_poissons(busy: float, servers: int) -> None:
    exact = 1 - math.fsum(math.exp(k * math.log(busy) - busy - math.lgamma(k + 1)) for k in range(servers))
    assert tail(busy, servers) >= exact - 1e-9
    if servers > busy:
        assert tail(busy, servers) == pytest.approx(exact, abs=1e-9)


@given(busy=st.floats(0, 300))
def test_enough_is_the_fewest_with_a_negligible_tail(busy: float) -> None:
    least = enough(busy)
    assert tail(busy, least) <= NEGLIGIBLE
    assert least <= busy + 2 or tail(busy, least - 1) > NEGLIGIBLE


def test_with_enough_connections_nothing_is_simulated_and_the_bound_is_told() -> None:
    demand = Demand(rate_per_s=500)
    one = requests(skip=True)
    one.begin(0, demand, enough(demand.busy))
    run(one, 1_000)
    one.end(1_000 * NANOS)
    assert one.simulated == 0
    assert one.bound == pytest.approx(1_000 * 500 * tail(demand.busy, enough(demand.busy)))
    assert 0 < one.bound < 1e-3


def test_a_shortage_is_simulated_and_two_seconds_after_it() -> None:
    demand = Demand(rate_per_s=500)
    one = requests(skip=True)
    one.begin(0, demand, 50)
    one.resize(10 * NANOS, 5)
    assert one.watched
    for second in (11, 12):
        one.end_second(second * NANOS)
    assert one.waiting > 0
    one.resize(12 * NANOS, 50)
    one.end_second(13 * NANOS)
    assert one.waiting == 0
    assert one.watched
    one.end_second(14 * NANOS)
    assert not one.watched
    assert one.simulated == pytest.approx(2_000, rel=0.1)


def test_more_demand_than_the_pool_carries_is_simulated() -> None:
    one = requests(skip=True)
    one.begin(0, Demand(rate_per_s=100), 50)
    assert not one.watched
    one.change(NANOS, Demand(rate_per_s=2_500))
    assert one.watched
    one.change(2 * NANOS, Demand(rate_per_s=100))
    run(one, 6)
    assert not one.watched


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32), servers=st.integers(3, 25), load=st.floats(0.2, 0.7))
def test_the_bound_holds_for_the_probability_of_any_wait(seed: int, servers: int, load: float) -> None:
    """Of many runs from the usual state, at most the bound's share meets a wait; 3.5 standard errors are allowed."""
    demand = Demand(rate_per_s=servers * load / 0.05, hold=Lognormal(median_s=0.03, p99_s=0.25))
    runs, seconds = 60, 1
    bound = demand.rate_per_s * seconds * tail(demand.busy, servers)
    met = 0
    for number in range(runs):
        one = requests((seed, number), seconds=seconds + 1)
        one.begin(0, demand, servers)
        one.advance(seconds * NANOS)
        one.end(seconds * NANOS)
        met += sum(one._record.series.waits) > 0
    if bound < 1:
        assert met / runs <= bound + 3.5 * math.sqrt(bound * (1 - bound) / runs) + 1 / runs


def test_at_the_demand_of_the_specs_run_full_simulation_meets_no_wait_either() -> None:
    """272,000 transactions a minute over 20 processes of 50 connections: skipping loses no wait."""
    demand = Demand(rate_per_s=272_000 / 60 / 20)
    one = requests()
    one.begin(0, demand, 50)
    record = run(one, 600)
    assert one.simulated == pytest.approx(600 * demand.rate_per_s, rel=0.02)
    assert sum(record.series.waits) == 0
    assert enough(demand.busy) < 50
