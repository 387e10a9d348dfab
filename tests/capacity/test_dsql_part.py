from __future__ import annotations

from tests.support.plans import of_preset, of_rate


def test_the_150_preset_holds_a_thousand_connections() -> None:
    dsql = of_preset("150wps").dsql
    assert dsql.connections.value == 1_000
    assert dsql.lingering_connections.value == 1_000 + (3 + 2 + 2 + 1) * 50
    assert dsql.replaced_per_s.value == 0.32
    assert dsql.counter_limit_per_s is None
    assert dsql.counter_skew_s is None
    assert [one.name for one in dsql.times][:2] == ["cold-start", "zone-lost"]


def test_every_sum_is_spelled_out_and_adds_up() -> None:
    for plan in (of_preset("400wps"), of_rate(600), of_preset("dev")):
        for one in plan.dsql.sums:
            assert abs(sum(term.count * term.each for term in one.terms) - one.total) < 1e-6
            assert one.passed == (one.headroom >= 0)
            assert one.text.endswith(one.unit)


def test_a_shared_counter_leaves_the_operators_their_share() -> None:
    dsql = of_rate(150, distributed=True).dsql
    assert dsql.counter_limit_per_s is not None
    assert dsql.counter_skew_s is not None
    assert dsql.counter_limit_per_s.value == 98
    assert dsql.counter_skew_s.value == 3.88
    cold = {one.name: one.time.value for one in dsql.times}["cold-start"]
    assert cold == round(5 + 1_060 / 98, 1)


def test_a_reservoir_is_held_as_well() -> None:
    assert of_rate(150, reservoir=10).dsql.connections.value == 20 * 60


def test_with_one_zone_no_time_to_recover_it_is_promised() -> None:
    assert "zone-lost" not in {one.name for one in of_rate(150, zones=1).dsql.times}
