"""DSQL's sums over counts of a deployment."""

from __future__ import annotations

import msgspec
import pytest

from auroral.ecs.fleet import Fleet
from auroral.ecs.rollout.connects import ScalableTarget, connections, contradictions, overruns, spelled_out
from tests.support.rollouts import example_fleet

PLANNED = {"frontend": 2, "history": 4, "matching": 3, "worker": 2, "ui": 1, "benchmark-worker": 0}


@pytest.fixture
def fleet() -> Fleet:
    return example_fleet()


def test_what_opens_no_connection_and_what_has_no_task_is_left_out(fleet: Fleet) -> None:
    found = connections(fleet, {**PLANNED, "worker": 0}, {})
    assert {one.service: (one.planned, one.maximum) for one in found} == {
        "frontend": (2, 3),
        "history": (4, 4),
        "matching": (3, 3),
    }


def test_autoscaling_counts_as_it_is_and_not_where_it_is_suspended(fleet: Fleet) -> None:
    live = {"history": ScalableTarget(minimum=4, maximum=9)}
    still = {"history": ScalableTarget(minimum=4, maximum=9, suspended=True)}
    assert {one.service: one.maximum for one in connections(fleet, PLANNED, live)}["history"] == 9
    assert {one.service: one.maximum for one in connections(fleet, PLANNED, still)}["history"] == 4


def test_the_plan_itself_is_kept(fleet: Fleet) -> None:
    assert overruns(fleet, dict.fromkeys(PLANNED, 0), PLANNED, {}) == ()


def test_a_count_over_the_rate_is_told_with_its_sum(fleet: Fleet) -> None:
    over = overruns(fleet, PLANNED, {**PLANNED, "history": 6}, {})
    assert {check.name for check in over} >= {"rate-planned"}
    text = spelled_out(over)
    assert "2 × 8.1 frontend" in text
    assert "6 × 8.1 history" in text
    assert "2 operators" in text
    assert "of 100 connects/s" in text


def test_who_makes_an_overrun_smaller_is_not_refused(fleet: Fleet) -> None:
    now = {**PLANNED, "history": 9}
    assert overruns(fleet, now, {**PLANNED, "history": 8}, {}) == ()
    assert overruns(fleet, now, {**PLANNED, "history": 10}, {})


def test_a_deployment_must_keep_its_own_sums_though_nothing_gets_worse(fleet: Fleet) -> None:
    services = {**fleet.services, "history": msgspec.structs.replace(fleet.services["history"], max_percent=200)}
    surging = msgspec.structs.replace(fleet, services=services)
    over = overruns(surging, PLANNED, PLANNED, {}, deployed=["history"])
    assert {check.name for check in over} >= {"rate-deploying-history"}
    assert overruns(surging, PLANNED, PLANNED, {}, deployed=["worker"]) == ()


def test_an_overrun_that_does_not_shrink_is_refused_where_that_is_asked(fleet: Fleet) -> None:
    now = {**PLANNED, "history": 9}
    assert overruns(fleet, now, now, {}) == ()
    assert "rate-planned" in {check.name for check in overruns(fleet, now, now, {}, strict=True)}
    assert overruns(fleet, now, {**now, "history": 8}, {}, strict=True) == ()
    assert overruns(fleet, PLANNED, PLANNED, {}, strict=True) == ()


def test_shares_that_run_count_instead_of_the_fleets(fleet: Fleet) -> None:
    share = fleet.services["history"].dsql
    assert share is not None
    half = {"history": msgspec.structs.replace(share, rate_per_s=share.rate_per_s / 2)}
    assert overruns(fleet, PLANNED, {**PLANNED, "history": 6}, {}, shares=(half, half)) == ()
    over = overruns(fleet, PLANNED, {**PLANNED, "history": 6}, {}, shares=(half, {}))
    assert "6 × 8.1 history" in spelled_out(over)
    none = connections(fleet, PLANNED, {}, {"history": None})
    assert {one.service for one in none} == {"frontend", "matching", "worker"}


def test_what_autoscaling_would_do_against_it() -> None:
    targets = {
        "history": ScalableTarget(minimum=4, maximum=6),
        "matching": ScalableTarget(minimum=3, maximum=3, suspended=True),
        "worker": ScalableTarget(minimum=1, maximum=2),
        "frontend": ScalableTarget(minimum=2, maximum=3),
    }
    found = contradictions({"history": 2, "matching": 1, "worker": 4, "frontend": 0, "ui": 1}, targets)
    assert found == (
        "history: 2 is below autoscaling's minimum of 4, to which a scale-out goes",
        "worker: 4 is above autoscaling's maximum of 2; it may take tasks away",
    )
