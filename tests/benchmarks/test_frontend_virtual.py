"""The small frontend in made-up time: its service times, its pauses, and the largest rate that it carries."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.frontend_behaviour import Behaviour
from benchmarks.frontend_pauses import Pauses
from benchmarks.frontend_virtual import VirtualFrontend, largest_rate_per_s, late_ratio


def test_service_times_have_their_mean_and_their_variation_by_their_seed() -> None:
    behaviour = Behaviour(service_time_s=0.1, service_time_cv=0.5, seed=3)
    starts_s = [float(number) for number in range(20_000)]
    took_s = [close_s - start_s for start_s, close_s in VirtualFrontend(behaviour).carry(starts_s)]
    assert statistics.fmean(took_s) == pytest.approx(0.1, rel=0.02)
    assert statistics.stdev(took_s) == pytest.approx(0.05, rel=0.05)
    again_s = [close_s - start_s for start_s, close_s in VirtualFrontend(behaviour).carry(starts_s)]
    assert took_s == again_s
    other = Behaviour(service_time_s=0.1, service_time_cv=0.5, seed=4)
    assert took_s != [close_s - start_s for start_s, close_s in VirtualFrontend(other).carry(starts_s)]


def test_without_variation_an_execution_takes_its_service_time() -> None:
    carried = VirtualFrontend(Behaviour(service_time_s=0.25, servers=1)).carry([0.0, 0.1, 2.0])
    assert [close_s for _, close_s in carried] == pytest.approx([0.25, 0.5, 2.25])


def test_what_comes_or_closes_in_a_pause_is_answered_at_its_end() -> None:
    behaviour = Behaviour(service_time_s=0.25, servers=1, pauses_s=((1.0, 0.5), (1.4, 0.3)))
    carried = VirtualFrontend(behaviour).carry([0.9, 1.1, 1.6])
    # The first closes at 1.15, which nobody hears before 1.7; the others are accepted then.
    assert [close_s for _, close_s in carried] == pytest.approx([1.7, 1.95, 2.2])


@given(every_s=st.floats(0.5, 30), for_s=st.floats(0.01, 2), seed=st.integers(0, 1_000), shuffle=st.randoms())
def test_pauses_by_chance_are_the_same_however_they_are_asked_for(
    every_s: float, for_s: float, seed: int, shuffle: object
) -> None:
    times_s = [number * 0.37 for number in range(200)]
    one = Pauses(every_s=every_s, for_s=for_s, seed=seed)
    in_order = {t_s: one.end_s(t_s) for t_s in times_s}
    shuffle.shuffle(times_s)  # type: ignore[attr-defined]
    other = Pauses(every_s=every_s, for_s=for_s, seed=seed)
    assert {t_s: other.end_s(t_s) for t_s in times_s} == in_order
    assert all(t_s <= end_s <= t_s + for_s + 1e-9 for t_s, end_s in in_order.items())
    assert all(other.end_s(end_s) == end_s for end_s in in_order.values())


def test_pauses_by_chance_take_their_share_of_the_time() -> None:
    pauses = Pauses(every_s=9.0, for_s=1.0, seed=5)
    times_s = [number * 0.05 for number in range(200_000)]
    assert sum(pauses.end_s(t_s) > t_s for t_s in times_s) / len(times_s) == pytest.approx(0.1, rel=0.1)


def test_a_queue_without_chance_carries_all_that_its_servers_can() -> None:
    behaviour = Behaviour(service_time_s=0.1, servers=4)
    assert late_ratio(behaviour, 39.9, 0.11, length_s=300, discard_s=10) == 0
    assert late_ratio(behaviour, 44, 0.5, length_s=300, discard_s=10) == pytest.approx(1, abs=0.05)
    found_per_s = largest_rate_per_s(behaviour, quantile=0.99, limit_s=0.5, length_s=300, discard_s=10)
    assert found_per_s == pytest.approx(40, rel=0.02)


@pytest.mark.whole
def test_chance_and_pauses_lower_the_rate() -> None:
    def rate_per_s(behaviour: Behaviour) -> float:
        return largest_rate_per_s(behaviour, quantile=0.99, limit_s=0.8, length_s=400, precision=0.01)

    noisy = rate_per_s(Behaviour(service_time_s=0.1, service_time_cv=1.0, servers=4))
    pausing = rate_per_s(
        Behaviour(service_time_s=0.1, service_time_cv=1.0, servers=4, pause_every_s=20, pause_for_s=0.6)
    )
    assert 34 < noisy < 39.5
    assert pausing < noisy - 0.5


def test_a_rate_without_limit_is_no_rate() -> None:
    with pytest.raises(ValueError, match="expected a number of servers"):
        largest_rate_per_s(Behaviour(service_time_s=0.1), quantile=0.99, limit_s=1)
