"""Whether ECS can replace a service's tasks at its count."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroral.ecs.fleet import Fleet
from auroral.ecs.rollout import waves
from auroral.ecs.rollout.replacing import stuck
from auroral.ecs.rollout.waves import Step
from auroral.ecs.seen import ClusterSeen
from tests.support.fake_ecs.deployments import least_healthy, most_running
from tests.support.rollouts import example_fleet
from tests.support.seen_examples import cluster, definition, deployment, service, task

NEW = definition("history", 2)


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    """Its history rolls in place with 75 %."""
    return example_fleet()


def seen(fleet: Fleet, count: int, *deployments: Any, tasks: Any = (), **changed: Any) -> ClusterSeen:
    """History at a count, the other services at 0."""
    history = service("history", count, *deployments, **changed)
    return cluster(*(history if key == "history" else service(key, 0) for key in fleet.services), tasks=tasks)


def found(fleet: Fleet, cluster_seen: ClusterSeen, **step: Any) -> list[tuple[int, int | None]]:
    wave = (Step(key="history", **{"task_definition": NEW, **step}),)
    return [(one.count, one.fits) for one in stuck(fleet, cluster_seen, [wave])]


def test_the_only_task_of_a_service_that_rolls_in_place(fleet: Fleet) -> None:
    (one,) = stuck(fleet, seen(fleet, 1), [(Step(key="history", task_definition=NEW),)])
    assert one.fits == 2
    assert one.text == (
        "history at 1: ⌈1 × 75 %⌉ = 1 must stay, ⌊1 × 100 %⌋ = 1 may be there: ECS can neither stop nor start a task"
    )
    assert found(fleet, seen(fleet, 3)) == found(fleet, seen(fleet, 4)) == []


def test_the_count_is_the_one_that_is_asked_for(fleet: Fleet) -> None:
    assert found(fleet, seen(fleet, 1), count=4) == []
    assert found(fleet, seen(fleet, 4), count=1) == [(1, 2)]
    assert found(fleet, seen(fleet, 1), count=0) == []


def test_what_has_no_task_to_replace(fleet: Fleet) -> None:
    assert found(fleet, seen(fleet, 0)) == []
    assert found(fleet, seen(fleet, 1, running=0), count=1) == []
    assert found(fleet, seen(fleet, 1), task_definition="") == []
    assert found(fleet, seen(fleet, 1, tasks=[task("history", 1, health="UNHEALTHY")])) == []


def test_a_deployment_that_is_stuck_already(fleet: Fleet) -> None:
    begun = (
        deployment("history", "d2", task_definition=NEW, rollout="IN_PROGRESS", desired=1),
        deployment("history", status="ACTIVE", desired=1, running=1),
    )
    assert found(fleet, seen(fleet, 1, *begun)) == [(1, 2)]


def test_the_percentages_are_those_that_ecs_has(fleet: Fleet) -> None:
    assert found(fleet, seen(fleet, 1, rolling={"minimumHealthyPercent": 0, "maximumPercent": 100})) == []
    assert found(fleet, seen(fleet, 1, rolling={"minimumHealthyPercent": 100, "maximumPercent": 200})) == []


@given(count=st.integers(1, 120), least=st.integers(0, 100), more=st.integers(0, 100))
def test_percentages_that_fit_replace_one_task_at_a_time(count: int, least: int, more: int) -> None:
    percents = (least, 100 + more)
    lower, upper = waves.fitting(count, percents)
    assert waves.bounds(count, percents) == (least_healthy(count, least), most_running(count, 100 + more))
    if more:
        assert (lower, most_running(count, upper)) == (least, count + 1)
    elif count > 1:
        assert (least_healthy(count, lower), upper) == (count - 1, 100)
    else:
        assert (lower, upper) == percents


def test_what_a_roll_plans_is_asked_about(fleet: Fleet) -> None:
    now = seen(fleet, 1)
    assert [one.key for one in stuck(fleet, now, waves.roll(fleet, now))] == ["history"]
