"""What runs in each wave and after it: with the shares of the task definitions that run."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auroral.capacity.budget import Allowance
from auroral.ecs.fleet import TEMPORAL, DsqlShare, Fleet
from auroral.ecs.rollout import loads, waves
from auroral.ecs.rollout.connects import ScalableTarget, spelled_out
from auroral.ecs.seen import ClusterSeen
from tests.support.rollouts import example_fleet
from tests.support.seen_examples import cluster, definition, deployment, service, task

COUNTS = {"frontend": 2, "history": 4, "matching": 3, "worker": 2}
Shares = Mapping[str, DsqlShare]


@pytest.fixture
def fleet() -> Fleet:
    return registered({})


def registered(shares: Shares, *, max_percent: int = 100, allowance: Allowance | None = None) -> Fleet:
    """The example as an apply registered revision 2 of every service, with these shares."""
    made = example_fleet()
    services = {
        key: msgspec.structs.replace(
            one,
            task_definition=definition(key, 2),
            dsql=shares.get(key, one.dsql),
            maximum=one.planned,
            max_percent=max_percent,
        )
        for key, one in made.services.items()
    }
    return msgspec.structs.replace(made, services=services, allowance=allowance or made.allowance)


def running(fleet: Fleet, counts: Mapping[str, int] = COUNTS) -> ClusterSeen:
    """Revision 1 of every service."""
    return cluster(*(service(key, counts.get(key, 0)) for key in fleet.services))


def scaled(share: DsqlShare | None, factor: float) -> DsqlShare:
    """With another rate."""
    assert share is not None
    return msgspec.structs.replace(share, rate_per_s=round(factor * share.rate_per_s, 1))


def old(shares: Shares) -> loads.Definitions:
    """As revision 1 gives them."""
    return {definition(key): share for key, share in shares.items()}


def of(fleet: Fleet, factor: float = 1.0) -> dict[str, DsqlShare]:
    return {key: scaled(fleet.services[key].dsql, factor) for key in TEMPORAL}


def test_what_runs_counts_by_its_own_definition(fleet: Fleet) -> None:
    half = of(fleet, 0.5)
    load = loads.present(fleet, running(fleet), old(half))
    assert {key: load.counts[key] for key in COUNTS} == COUNTS
    assert {key: load.shares[key] for key in TEMPORAL} == half
    assert load.shares["ui"] is None


def test_two_definitions_at_once_count_as_the_larger_in_each_respect(fleet: Fleet) -> None:
    new = fleet.services["history"].dsql
    assert new is not None
    other = msgspec.structs.replace(new, rate_per_s=1.0, burst=new.burst + 5, pool_size=new.pool_size + 1)
    deployments = (
        deployment("history", "d2", task_definition=definition("history", 2), running=1, desired=4),
        deployment("history", "d1", status="ACTIVE", running=3, desired=0),
    )
    seen = cluster(
        *(service(key, 0) for key in fleet.services if key != "history"),
        service("history", 4, *deployments),
        tasks=[task("history", 1)],
    )
    load = loads.present(fleet, seen, {definition("history"): other})
    assert load.shares["history"] == msgspec.structs.replace(other, rate_per_s=new.rate_per_s)
    assert loads.used(seen, seen.services["history"]) == (definition("history", 2), definition("history", 1))


def test_a_definition_that_is_not_known_counts_as_the_fleets_and_none_opens_nothing(fleet: Fleet) -> None:
    assert loads.present(fleet, running(fleet), {}).shares["worker"] == fleet.services["worker"].dsql
    assert loads.present(fleet, running(fleet), {definition("worker"): None}).shares["worker"] is None
    assert loads.larger([None, None]) is None


def test_a_roll_to_larger_shares_is_refused_with_the_sum_of_its_end(fleet: Fleet) -> None:
    larger = registered(of(fleet, 2.0))
    seen = running(larger)
    over = loads.overruns(larger, seen, waves.roll(larger, seen), {}, old(of(fleet)))
    assert "rate-planned" in {check.name for check in over}
    assert "= 180.2 of 100 connects/s" in spelled_out(over)
    assert "2 × 16.2 frontend + 4 × 16.2 history" in spelled_out(over)


def test_a_roll_to_smaller_shares_mends_an_overrun(fleet: Fleet) -> None:
    smaller = registered(of(fleet))
    seen = running(smaller)
    assert loads.overruns(smaller, seen, waves.roll(smaller, seen), {}, old(of(fleet, 2.0))) == ()
    assert loads.overruns(smaller, seen, waves.roll(smaller, seen, ["history"]), {}, old(of(fleet, 2.0))) == ()


def test_an_overrun_cluster_is_not_rolled_to_the_same_shares(fleet: Fleet) -> None:
    larger = registered(of(fleet, 2.0))
    seen = running(larger)
    planned = waves.roll(larger, seen, ["worker"])
    assert "rate-planned" in {one.name for one in loads.overruns(larger, seen, planned, {}, old(of(fleet, 2.0)))}
    assert loads.overruns(larger, seen, waves.roll(larger, seen, ["ui"]), {}, old(of(fleet, 2.0))) == ()


def test_growth_is_reckoned_with_what_runs_before_a_roll(fleet: Fleet) -> None:
    """A plan for more tasks has smaller shares: `scale` before `roll` would meet the larger ones."""
    planned = registered(of(fleet, 0.5))
    seen = running(planned)
    more = waves.scale(planned, seen, {"history": 8})
    assert "8 × 8.1 history" in spelled_out(loads.overruns(planned, seen, more, {}, old(of(fleet))))
    assert loads.overruns(planned, seen, more, {}, old(of(planned))) == ()


def test_up_meets_the_old_shares_of_the_services_that_it_has_not_reached(fleet: Fleet) -> None:
    planned = registered(of(fleet, 0.5))
    seen = running(planned)
    counts = {"frontend": 5, "history": 8}
    over = loads.overruns(planned, seen, waves.up(planned, seen, counts), {}, old(of(fleet)))
    assert "5 × 8.1 frontend" in spelled_out(over)
    assert "4 × 8.1 history" in spelled_out(over)


def test_a_plan_that_shifts_shares_rolls_those_first_that_give(fleet: Fleet) -> None:
    before = of(fleet)
    after = {
        **before,
        "frontend": scaled(before["frontend"], 1.4),
        "history": scaled(before["history"], 0.7),
    }
    shifted = registered(after)
    seen = running(shifted)
    planned = waves.roll(shifted, seen, TEMPORAL)
    definitions = old(before)
    assert "3 × 11.3 frontend + 4 × 8.1 history" in spelled_out(
        loads.overruns(shifted, seen, planned, TARGETS, definitions)
    )
    ordered = loads.in_order(shifted, seen, planned, TARGETS, definitions)
    assert [wave[0].key for wave in ordered] == ["history", "matching", "worker", "frontend"]
    assert loads.overruns(shifted, seen, ordered, TARGETS, definitions) == ()
    assert loads.in_order(shifted, seen, planned, {}, old(after)) == planned


TARGETS = {"frontend": ScalableTarget(minimum=2, maximum=3)}


def test_where_no_order_holds_the_planned_one_is_kept(fleet: Fleet) -> None:
    larger = registered(of(fleet, 2.0))
    seen = running(larger)
    planned = waves.roll(larger, seen)
    assert loads.in_order(larger, seen, planned, {}, old(of(fleet))) == planned
    assert loads.overruns(larger, seen, (), {}, {}) == ()


SHARE = st.builds(
    DsqlShare,
    pool_size=st.integers(1, 8),
    rate_per_s=st.integers(1, 8).map(float),
    burst=st.integers(1, 8),
    reservoir=st.integers(0, 2),
)
SHARES = st.fixed_dictionaries(dict.fromkeys(TEMPORAL, SHARE))
ALLOWED = Allowance(
    connections=120, rate_per_s=40, burst=40, operator_connections=0, operator_rate_per_s=0, operator_burst=0
)


def taken(counts: Mapping[str, tuple[int, int]], was: Shares, will: Shares) -> tuple[float, float, float]:
    """Connections, connects a second and at once of so many old and new tasks."""
    tasks = [
        share
        for key, numbers in counts.items()
        for share, number in zip((was[key], will[key]), numbers, strict=True)
        for _ in range(number)
    ]
    return (
        sum(one.pool_size + one.reservoir + 6 for one in tasks),
        sum(one.rate_per_s for one in tasks),
        sum(one.burst for one in tasks),
    )


def states(
    planned: tuple[waves.Wave, ...], counts: Mapping[str, int], was: Shares, will: Shares
) -> list[tuple[float, float, float]]:
    """Every state of a roll in place: services one by one, task by task."""
    done = {key: (count, 0) for key, count in counts.items()}
    found = [taken(done, was, will)]
    for (step,) in planned:
        for new in range(1, counts[step.key] + 1):
            done = {**done, step.key: (counts[step.key] - new, new)}
            found.append(taken(done, was, will))
    return found


@settings(max_examples=150, deadline=None, derandomize=True)
@given(counts=st.fixed_dictionaries(dict.fromkeys(TEMPORAL, st.integers(1, 3))), was=SHARES, will=SHARES)
def test_a_roll_in_place_goes_ahead_exactly_where_every_state_of_it_holds(
    counts: dict[str, int], was: dict[str, DsqlShare], will: dict[str, DsqlShare]
) -> None:
    fleet = registered(will, allowance=ALLOWED)
    seen = running(fleet, counts)
    limits = (ALLOWED.connections, ALLOWED.rate_per_s, ALLOWED.burst)
    planned = waves.roll(fleet, seen, TEMPORAL)
    found = states(planned, counts, was, will)
    start, over = found[0], loads.overruns(fleet, seen, planned, {}, old(was))
    holds = [all(total <= limit for total, limit in zip(state, limits, strict=True)) for state in found]
    if holds[0]:
        assert bool(over) == (not all(holds))
    elif not over:
        assert all(
            total <= max(limit, began)
            for state in found
            for total, limit, began in zip(state, limits, start, strict=True)
        )
        end = found[-1]
        assert all(total <= limit or total < began for total, limit, began in zip(end, limits, start, strict=True))
    ordered = loads.in_order(fleet, seen, planned, {}, old(was))
    assert sorted(wave[0].key for wave in ordered) == sorted(TEMPORAL)
    if holds[0] and not loads.overruns(fleet, seen, ordered, {}, old(was)):
        assert all(
            all(total <= limit for total, limit in zip(state, limits, strict=True))
            for state in states(ordered, counts, was, will)
        )
