from __future__ import annotations

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from auroral.capacity.presets import RING_SERVICES, presets
from auroral.capacity.sizing import Sizing, fleet_workers, size

ANCHORS = presets().anchors
rates = st.floats(0.01, 2_000)


def counts(sized: Sizing) -> tuple[int, ...]:
    return tuple(one.size.replicas for one in sized.services)


def total(sized: Sizing, what: str) -> int:
    return sum(one.size.replicas * getattr(one.size, what) for one in sized.services)


@pytest.mark.parametrize("name", presets().names)
def test_at_an_anchors_rate_it_is_the_anchor(name: str) -> None:
    preset = presets().named(name)
    sized = size(preset.rate_per_s, ANCHORS)
    assert {one.service: one.size for one in sized.services} == preset.service
    assert sized.exact
    assert {one.replicas.basis for one in sized.services} == {preset.basis}
    assert {one.pool_size.basis for one in sized.services} == {preset.pool_basis}


def test_between_two_it_is_interpolated_and_rounded_up() -> None:
    sized = size(275, ANCHORS)
    assert sized.basis == "interpolated"
    assert counts(sized) == (12, 11, 7, 3)
    assert [one.size.pool_size for one in sized.services] == [175, 100, 75, 50]
    assert sized.services[0].replicas.source == "between 150wps (150/s) and 400wps (400/s)"
    assert sized.instance_vcpu == 120


def test_beyond_the_last_it_is_in_proportion() -> None:
    sized = size(800, ANCHORS)
    assert sized.basis == "extrapolated"
    assert counts(sized) == (32, 32, 18, 6)
    assert sized.services[0].size.pool_size == 300


def test_below_the_first_two_of_each_stay() -> None:
    sized = size(1, ANCHORS)
    assert counts(sized) == (2, 2, 2, 2)
    assert sized.basis == "extrapolated"


def test_the_users_own_words_say_what_proportion_rests_on() -> None:
    (anchor,) = (msgspec.structs.replace(ANCHORS[2], name="yours", rate_per_s=160),)
    sized = size(300, [anchor], words="from your measurements")
    assert counts(sized) == (15, 12, 8, 4)
    assert sized.services[0].replicas.source == "from your measurements"


@given(rates, rates)
@settings(deadline=None)
def test_more_load_never_needs_less(one: float, other: float) -> None:
    less, more = sorted((one, other))
    small, large = size(less, ANCHORS), size(more, ANCHORS)
    for low, high in zip(small.services, large.services, strict=True):
        assert low.size.replicas <= high.size.replicas
        assert low.size.pool_size <= high.size.pool_size
    for what in ("cpu_units", "memory_mib", "pool_size"):
        assert total(small, what) <= total(large, what)
    assert small.instance_vcpu is not None
    assert large.instance_vcpu is not None
    assert small.instance_vcpu <= large.instance_vcpu + 1e-9


@given(rates)
@settings(deadline=None)
def test_never_less_than_the_anchor_beneath(rate_per_s: float) -> None:
    beneath = [anchor for anchor in ANCHORS if anchor.rate_per_s <= rate_per_s]
    assume(beneath)
    sized = size(rate_per_s, ANCHORS)
    for one in sized.services:
        own = beneath[-1].services[one.service]
        assert one.size.replicas >= own.replicas
        assert one.size.pool_size >= own.pool_size


@given(rates)
@settings(deadline=None)
def test_every_service_is_there_and_two_of_it(rate_per_s: float) -> None:
    sized = size(rate_per_s, ANCHORS)
    assert tuple(one.service for one in sized.services) == RING_SERVICES
    assert min(counts(sized)) >= 2


@pytest.mark.parametrize(
    ("rate_per_s", "workers", "basis"),
    [
        (100, 30, "documented"),
        (200, 40, "documented"),
        (400, 51, "documented"),
        (300, 46, "interpolated"),
        (10, 3, "extrapolated"),
        (800, 102, "extrapolated"),
        (0.1, 1, "extrapolated"),
    ],
)
def test_benchmark_workers_go_by_the_table(rate_per_s: float, workers: int, basis: str) -> None:
    found = fleet_workers(rate_per_s, presets().benchmark)
    assert (found.value, found.basis) == (workers, basis)


@given(rates, rates)
@settings(deadline=None)
def test_more_load_never_needs_fewer_benchmark_workers(one: float, other: float) -> None:
    less, more = sorted((one, other))
    table = presets().benchmark
    assert fleet_workers(less, table).value <= fleet_workers(more, table).value


@pytest.mark.parametrize("rate_per_s", [0, -1, float("nan")])
def test_no_rate_is_refused(rate_per_s: float) -> None:
    with pytest.raises(ValueError, match="above zero"):
        size(rate_per_s, ANCHORS)


@pytest.mark.parametrize(("rate_per_s", "basis"), [(1, "extrapolated"), (223, "interpolated"), (800, "extrapolated")])
def test_nothing_is_called_measured_at_a_rate_at_which_it_was_not(rate_per_s: float, basis: str) -> None:
    for one in size(rate_per_s, ANCHORS).services:
        assert {one.replicas.basis, one.cpu_units.basis, one.memory_mib.basis, one.pool_size.basis} == {basis}


def test_what_a_larger_anchor_does_without_is_not_asked_for() -> None:
    """Matching has 16 GiB at 100/s and 12 GiB at 150/s, in tasks of 2 GiB: no more than six of them."""
    for rate_per_s in (100.1, 101, 125, 149.9):
        matching = size(rate_per_s, ANCHORS).services[1]
        assert (matching.size.memory_mib, matching.size.replicas) == (2_048, 6)
