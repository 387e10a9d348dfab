"""Whole searches of queues in made-up time: the machine with the judge, second by second, against the true limit."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

import msgspec
import pytest

from auroral.bench.search.machine import Found
from auroral.bench.search.settings import SearchSettings
from tests.bench.search.queues import Queue, search

SEEDS = range(3)


def lognormal(mean_s: float, cv: float) -> Callable[[Random], float]:
    variance = math.log1p(cv * cv)
    return lambda random: random.lognormvariate(math.log(mean_s) - variance / 2, math.sqrt(variance))


def steady(seed: int) -> Queue:
    """Two servers, 50/s, service times that vary little, and a stall of 0.3 s every 40 s or so."""
    return Queue(draw_s=lognormal(0.04, 0.3), servers=2, seed=seed, stalls_every_s=40, stall_s=0.3)


def noisy(seed: int) -> Queue:
    """Eight servers, 40/s, service times with half their mean as deviation, and more stalls."""
    return Queue(draw_s=lognormal(0.2, 0.5), servers=8, seed=seed, stalls_every_s=30, stall_s=0.3)


def metastable(seed: int) -> Queue:
    """With more than 60 waiting it serves at less than half its speed, until 2 s after they are gone."""
    return Queue(
        draw_s=lognormal(0.04, 0.3), servers=2, seed=seed, sick_from=60, sick_factor=2.5, sick_for_s=2.0
    )  # fmt: skip


def true_limit_per_s(make: Callable[[int], Queue], limit_s: float, capacity_per_s: float) -> float:
    """The largest rate at which 99 % of the starts of 25 minutes complete in time, from an empty queue."""
    low_per_s, high_per_s = 0.85 * capacity_per_s, capacity_per_s
    while high_per_s - low_per_s > 0.004 * high_per_s:
        rate_per_s = (low_per_s + high_per_s) / 2
        queue, late, starts = make(1_000), 0, int(rate_per_s * 1_500)
        for number in range(starts):
            late += queue.carry(number / rate_per_s) - number / rate_per_s > limit_s
        low_per_s, high_per_s = (rate_per_s, high_per_s) if late <= 0.01 * starts else (low_per_s, rate_per_s)
    return (low_per_s + high_per_s) / 2


def searched(queue: Queue, slo: str, **changes: float) -> Found:
    settings = msgspec.structs.replace(SearchSettings(slo=(slo,)), **changes)
    found = search(queue, settings)
    assert sum(measured.load_s for measured in found.steps) <= settings.budget_s
    return found


@pytest.mark.parametrize(
    ("make", "slo", "limit_s", "capacity_per_s"),
    [
        (steady, "latency.p99<500ms", 0.5, 50),
        (noisy, "latency.p99<1s", 1.0, 40),
        (metastable, "latency.p99<500ms", 0.5, 50),
    ],
)
def test_the_limit_of_a_queue_is_found_within_five_per_cent_and_ten_minutes(
    make: Callable[[int], Queue], slo: str, limit_s: float, capacity_per_s: float
) -> None:
    limit_per_s = true_limit_per_s(make, limit_s, capacity_per_s)
    for seed in SEEDS:
        found = searched(make(seed), slo)
        assert found.status == "found", found.sentences
        assert found.rate_per_s == pytest.approx(limit_per_s, rel=0.05), found.sentences


def test_poisson_arrivals_lower_the_limit() -> None:
    """By as much as the queue that they make: an M/D/1 of 50/s with 300 ms holds at about 46/s."""
    queue = Queue(draw_s=lambda _: 0.02, servers=1, seed=3)
    even = searched(queue, "latency.p99<300ms")
    by_chance = search(
        Queue(draw_s=lambda _: 0.02, servers=1, seed=3), SearchSettings(slo=("latency.p99<300ms",)), arrival="poisson"
    )
    assert even.rate_per_s == pytest.approx(50, rel=0.03)
    assert by_chance.rate_per_s is not None
    assert 42 <= by_chance.rate_per_s <= 48


def test_without_a_limit_in_time_the_trend_of_the_backlog_alone_finds_the_capacity() -> None:
    """A loose objective: what is open must not grow, however late it may be."""
    found = searched(steady(5), "latency.p99<1h")
    assert found.status == "found"
    assert found.rate_per_s == pytest.approx(50, rel=0.05)
    lost = [measured for measured in found.steps if measured.held is False]
    assert lost
    assert all("pile up" in " ".join(measured.reasons) for measured in lost)


def test_clearly_lost_steps_end_early() -> None:
    found = searched(steady(6), "latency.p99<500ms", start_per_s=200)
    far = [measured for measured in found.steps if measured.step.rate_per_s > 60]
    assert far
    assert all(measured.early and measured.load_s < 15 for measured in far)
