from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auroral.capacity.budget import (
    Allowance,
    ServiceConnections,
    derive,
    in_place,
    judge,
    percentages,
    restart_gap_s,
)


def service(name: str, planned: int, pool: int, **more: float) -> ServiceConnections:
    fields = {"maximum": planned, **more}
    return ServiceConnections(service=name, planned=planned, pool_size=pool, **fields)  # type: ignore[arg-type]


def spec_100(max_percent: int) -> list[ServiceConnections]:
    """The rates that the 100/s configuration was designed with."""
    rates = {"history": (6, 8, 40), "matching": (4, 6, 30), "frontend": (3, 4, 20), "worker": (2, 2, 10)}
    return [
        service(name, planned, 50, rate_per_s=rate, burst=burst, max_percent=max_percent)
        for name, (planned, rate, burst) in rates.items()
    ]


NO_RESERVE = Allowance(operator_rate_per_s=0, operator_burst=0)


def test_the_designs_rates_hold_while_nothing_is_deployed() -> None:
    judgement = judge(spec_100(100), NO_RESERVE)
    assert judgement.violations == ()
    assert judgement.worst("rate").total == 88


def test_and_overrun_when_history_is_deployed_at_twice_its_count() -> None:
    judgement = judge(spec_100(200), NO_RESERVE)
    over = {check.name: check for check in judgement.violations}
    assert over["rate-deploying-history"].total == 88 + 48
    assert over["rate-deploying-history"].spelled_out() == (
        "6 × 8 history + 4 × 6 matching + 3 × 4 frontend + 2 × 2 worker + 6 × 8 history (new) + 0 operators = "
        "136 of 100 connects/s"
    )
    assert "rate-planned" not in over
    assert over["rate-deploying-matching"].headroom == -12


def test_a_default_of_ten_a_second_for_each_task_overruns_by_itself() -> None:
    tasks = [service("history", 20, 50, rate_per_s=10, burst=100)]
    assert {check.name for check in judge(tasks).violations} == {"rate-planned", "burst-planned"}


def test_what_a_process_can_have_open_counts_beside_its_pool() -> None:
    check = judge([service("history", 10, 100, reservoir=20)]).worst("connections")
    assert [(term.label, term.value) for term in check.terms] == [
        ("history", 1_200),
        ("while replacing", 40),
        ("while starting", 20),
        ("operators", 10),
    ]
    assert check.total == 1_270


def test_autoscaling_and_a_deployment_on_top_of_it_are_sums_of_their_own() -> None:
    one = service("frontend", 4, 50, maximum=8, max_percent=125)
    names = [check.name for check in judge([one]).checks if check.name.startswith("connections")]
    assert names == ["connections-planned", "connections-autoscaled", "connections-deploying-frontend"]
    assert one.surge == 2
    assert judge([one]).worst("connections").terms[1].count == 2


def test_a_raised_limit_is_the_limit() -> None:
    one = service("history", 100, 150)
    assert not judge([one]).worst("connections").passed
    assert judge([one], Allowance(connections=20_000)).worst("connections").passed


services = st.lists(
    st.builds(
        lambda planned, more, pool, reservoir, percent: ServiceConnections(
            service="s",
            planned=planned,
            maximum=planned + more,
            pool_size=pool,
            reservoir=reservoir,
            max_percent=percent,
        ),
        st.integers(1, 30),
        st.integers(0, 10),
        st.integers(1, 400),
        st.integers(0, 50),
        st.integers(100, 200),
    ),
    min_size=1,
    max_size=6,
).map(lambda found: [msgspec.structs.replace(one, service=f"s{index}") for index, one in enumerate(found)])


@given(services)
@settings(deadline=None)
def test_derived_limits_never_overrun_while_their_least_values_do_not(found: list[ServiceConnections]) -> None:
    limited = derive(found)
    judgement = judge(limited)
    assert all(one.rate_per_s > 0 and one.burst >= 1 for one in limited)
    if all(one.rate_per_s > 0.01 for one in limited):
        assert judgement.worst("rate").passed
    if all(one.burst > 1 for one in limited):
        assert judgement.worst("burst").passed


@given(services)
@settings(deadline=None)
def test_pools_fill_in_about_the_same_time(found: list[ServiceConnections]) -> None:
    times_s = [one.held / one.rate_per_s for one in derive(found) if one.rate_per_s >= 5]
    assert not times_s or max(times_s) <= 1.021 * min(times_s)


@given(services)
@settings(deadline=None)
def test_a_burst_is_back_within_the_time_that_dsqls_own_takes(found: list[ServiceConnections]) -> None:
    limited = derive(found)
    if all(one.rate_per_s >= 1 for one in limited):
        assert restart_gap_s(limited) <= 11


@given(services, st.integers(0, 5))
@settings(deadline=None)
def test_more_tasks_never_leave_more_headroom(found: list[ServiceConnections], more: int) -> None:
    grown = [msgspec.structs.replace(found[0], planned=found[0].planned + more, maximum=found[0].maximum + more)]
    before, after = judge(found), judge([*grown, *found[1:]])
    assert after.worst("connections").headroom <= before.worst("connections").headroom


@given(st.integers(1, 200), st.integers(1, 20))
@settings(deadline=None)
def test_percentages_start_as_many_as_asked_by_ecss_rounding(planned: int, surge: int) -> None:
    least, most = percentages(planned, surge)
    assert planned * most // 100 >= planned + surge
    assert planned * (most - 1) // 100 < planned + surge
    assert math.ceil(planned * least / 100) == planned


@given(st.integers(1, 200), st.integers(1, 20))
@settings(deadline=None)
def test_in_place_stops_as_many_as_asked_and_starts_none_before(planned: int, batch: int) -> None:
    least, most = in_place(planned, batch)
    assert planned * most // 100 == planned
    assert math.ceil(planned * least / 100) <= max(0, planned - batch)


def test_no_service_is_no_sum_over_a_limit() -> None:
    assert derive([]) == []
    assert judge([]).violations == ()
    assert restart_gap_s([]) == 0


@pytest.mark.parametrize(("pool", "rate_per_s"), [(50, 98.0), (100, 98.0)])
def test_one_process_alone_gets_all_but_the_operators_share(pool: int, rate_per_s: float) -> None:
    (one,) = derive([service("history", 1, pool)])
    assert one.rate_per_s == rate_per_s
    assert one.burst == pool
