from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auroral.capacity import layout as layout_module
from auroral.capacity.layout import (
    checked_words,
    fleet,
    lay_out,
    of_preset,
    place,
    start_periods_s,
    support_percentages,
)
from auroral.capacity.packing import check
from auroral.capacity.presets import presets
from auroral.errors import UsageError
from tests.support.plans import options

PRESETS = presets()


@pytest.mark.parametrize("name", PRESETS.names)
def test_a_preset_keeps_every_limit_and_its_instances(name: str) -> None:
    laid = of_preset(name, PRESETS)
    placed = place(laid, options())
    assert laid.judgement.violations == ()
    assert max(start_periods_s(laid, options()).values()) <= 300
    assert placed.count.value == PRESETS.named(name).instances
    assert {one.condition: one.holds for one in placed.checked}["steady"]
    assert {one.condition: one.holds for one in placed.checked}["rolling"]


def test_the_dev_presets_instances_are_too_small_for_one_more_history() -> None:
    """Six m7g.xlarge hold one history of 8 GiB each, beside the rest: it is deployed in place, and told."""
    laid = of_preset("dev", PRESETS)
    assert laid.deployment == "in-place"
    assert laid.connections[0].surge == 0
    told = {name: (holds, detail) for name, holds, detail in checked_words(place(laid, options()).checked, 9)}
    assert told["instance-lost"] == (
        False,
        "instance 0: no room for 1 history (cpu and memory short); 9 instances would do",
    )


def test_one_in_eight_is_deployed_at_a_time() -> None:
    laid = of_preset("400wps", PRESETS)
    assert laid.deployment == "eighth"
    assert [one.surge for one in laid.connections] == [2, 2, 2, 1]


def test_near_the_limit_of_connections_deployments_go_in_place() -> None:
    laid = lay_out(440, options(), PRESETS)
    assert laid.deployment == "in-place"
    assert laid.judgement.violations == ()
    assert all(one.min_healthy_percent < 100 for one in laid.connections)


def test_pools_and_maxima_of_the_user_go_before() -> None:
    laid = lay_out(150, options(pools={"history": 80}, autoscale_max={"worker": 5}), PRESETS)
    assert laid.connections[0].pool_size == 80
    assert laid.pool["history"].basis == "assumed"
    assert laid.connections[3].maximum == 5
    assert laid.connections[2].maximum == 5, "the frontend's own quarter"


def test_a_maximum_below_the_plan_is_refused() -> None:
    with pytest.raises(UsageError, match="at least 8 after --autoscale-max history="):
        lay_out(150, options(autoscale_max={"history": 7}), PRESETS)


@given(st.floats(0.5, 440), st.integers(0, 20), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_no_budget_exceeds_its_limit_and_the_start_period_is_ecss(
    rate_per_s: float, reservoir: int, zones: int
) -> None:
    chosen = options(zones=zones, reservoir=reservoir, pools={} if rate_per_s < 250 else {"history": 100})
    laid = lay_out(rate_per_s, chosen, PRESETS)
    assert laid.judgement.violations == ()
    assert max(start_periods_s(laid, chosen).values()) <= 300


@given(st.floats(0.5, 800), st.floats(0.5, 800), st.sampled_from([None, "m8g.4xlarge", "m7g.2xlarge"]))
@settings(max_examples=40, deadline=None)
def test_more_load_never_needs_fewer_vcpus_of_instances(one: float, other: float, instance: str | None) -> None:
    less, more = sorted((one, other))
    chosen = options(instance_type=instance)
    small, large = (place(lay_out(rate, chosen, PRESETS), chosen) for rate in (less, more))
    assert small.count.value * small.instance.vcpu <= large.count.value * large.instance.vcpu


@pytest.mark.parametrize("name", PRESETS.names)
def test_just_below_a_preset_no_more_instances_are_wanted_than_it_has(name: str) -> None:
    preset = PRESETS.named(name)
    placed = place(lay_out(preset.rate_per_s - 0.5, options(), PRESETS), options())
    assert placed.count.value <= preset.instances
    assert {one.condition: one.holds for one in placed.checked}["rolling"]


@given(st.floats(0.5, 800))
@settings(max_examples=40, deadline=None)
def test_every_task_is_placed_and_every_deployment_finds_room(rate_per_s: float) -> None:
    placed = place(lay_out(rate_per_s, options(), PRESETS), options())
    assert placed.packing.fits
    holds = {one.condition: one.holds for one in placed.checked}
    assert holds["steady"]
    assert holds["rolling"]
    assert placed.count.value < placed.enough or holds["instance-lost"]
    assert placed.maximum > placed.count.value


def test_with_a_shared_counter_the_start_period_waits_for_it() -> None:
    local, shared = options(), options(distributed=True)
    pools = {"pools": {"history": 200}}
    laid = lay_out(150, options(**pools), PRESETS)
    assert shared.counter_per_s == 98
    assert local.counter_per_s is None
    periods = start_periods_s(laid, shared), start_periods_s(laid, local)
    assert all(periods[0][name] >= periods[1][name] for name in periods[0])


def test_the_fleet_is_the_presets_own_and_the_tables_elsewhere() -> None:
    laid = of_preset("150wps", PRESETS)
    own = fleet(150, laid, place(laid, options()).instance, PRESETS, 3)
    assert (own.workers.value, own.cpu_units.value, own.count.value) == (6, 2048, 4)
    laid = lay_out(149, options(), PRESETS)
    table = fleet(149, laid, place(laid, options()).instance, PRESETS, 3)
    assert (table.workers.value, table.cpu_units.value, table.count.value) == (35, 4096, 18)
    assert table.packing.fits


def test_a_four_vcpu_worker_packs_two_to_a_2xlarge() -> None:
    laid = of_preset("100wps", PRESETS)
    found = fleet(100, laid, place(laid, options()).instance, PRESETS, 3)
    assert {one.tasks.get("benchmark-worker", 0) for one in found.packing.instances} == {1, 2}
    assert found.count.value == 16


def test_two_collectors_never_run_at_once() -> None:
    assert support_percentages("collector") == (0, 100)
    assert support_percentages("ui") == (100, 200)


def test_a_task_larger_than_the_instance_is_refused() -> None:
    chosen = options(instance_type="m7g.medium")
    with pytest.raises(UsageError, match="a task of history takes 4,096 CPU units"):
        place(lay_out(150, chosen, PRESETS), chosen)


def test_conditions_that_cannot_fail_are_not_played_and_would_hold() -> None:
    laid = lay_out(250, options(), PRESETS)
    placed = place(laid, options())
    assert placed.count.value >= placed.enough
    assert [one.condition for one in placed.checked] == ["steady", "instance-lost", "rolling", "zone-lost"]
    demands = layout_module._demands(laid, at_maximum=False)
    assert check(demands, placed.instance, int(placed.count.value)) == placed.checked[:3]


def test_with_one_zone_there_is_no_other_to_go_to() -> None:
    placed = place(lay_out(150, options(zones=1), PRESETS), options(zones=1))
    assert "zone-lost" not in {one.condition for one in placed.checked}
