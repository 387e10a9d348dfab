"""Whether ECS can replace a service's tasks at its count."""

from __future__ import annotations

from typing import Any

import msgspec
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


def test_a_count_at_which_nothing_can_move(fleet: Fleet) -> None:
    (one,) = stuck(fleet, seen(fleet, 3), [(Step(key="history", task_definition=NEW),)])
    assert one.fits == 4
    assert one.text == (
        "history at 3: ⌈3 × 75 %⌉ = 3 must stay, ⌊3 × 100 %⌋ = 3 may be there: ECS can neither stop nor start a task"
    )
    assert found(fleet, seen(fleet, 4)) == []


def test_the_count_is_the_one_that_is_asked_for(fleet: Fleet) -> None:
    assert found(fleet, seen(fleet, 3), count=4) == []
    assert found(fleet, seen(fleet, 4), count=3) == [(3, 4)]
    assert found(fleet, seen(fleet, 3), count=0) == []


def test_what_has_no_task_to_replace(fleet: Fleet) -> None:
    assert found(fleet, seen(fleet, 0)) == []
    assert found(fleet, seen(fleet, 3, running=0), count=3) == []
    assert found(fleet, seen(fleet, 3), task_definition="") == []
    ill = [task("history", number, health="UNHEALTHY") for number in range(3)]
    assert found(fleet, seen(fleet, 3, tasks=ill)) == []
    assert found(fleet, seen(fleet, 3, tasks=[*ill[:2], task("history", 2)])) == [(3, 4)]


def test_a_deployment_that_is_stuck_already(fleet: Fleet) -> None:
    begun = (
        deployment("history", "d2", task_definition=NEW, rollout="IN_PROGRESS", desired=3),
        deployment("history", status="ACTIVE", desired=3, running=3),
    )
    assert found(fleet, seen(fleet, 3, *begun)) == [(3, 4)]
    assert found(fleet, seen(fleet, 3, *begun), count=4) == []


def test_a_new_deployment_of_the_same(fleet: Fleet) -> None:
    assert found(fleet, seen(fleet, 3), task_definition="", force=True) == [(3, 4)]


def test_the_percentages_are_those_that_ecs_has(fleet: Fleet) -> None:
    assert found(fleet, seen(fleet, 3, min_healthy_percent=66, max_percent=100)) == []
    assert found(fleet, seen(fleet, 4, min_healthy_percent=100, max_percent=100)) == [(4, None)]
    assert found(fleet, seen(fleet, 3, min_healthy_percent=100, max_percent=125)) == [(3, 4)]


@given(count=st.integers(1, 120), least=st.integers(0, 100), more=st.integers(0, 100))
def test_the_next_count_fits_and_none_before(count: int, least: int, more: int) -> None:
    example = example_fleet()
    own = msgspec.structs.replace(example.services["history"], min_healthy_percent=least, max_percent=100 + more)
    made = msgspec.structs.replace(example, services={**example.services, "history": own})

    def moves(number: int) -> bool:
        return least_healthy(number, least) < number or most_running(number, 100 + more) > number

    blocked = found(made, seen(made, count))
    assert bool(blocked) == (not moves(count))
    for _, fits in blocked:
        assert (fits is None) == (least == 100 and not more)
        assert fits is None or (moves(fits) and not any(map(moves, range(count, fits))))


def test_what_a_roll_plans_is_asked_about(fleet: Fleet) -> None:
    now = seen(fleet, 3)
    assert [one.key for one in stuck(fleet, now, waves.roll(fleet, now))] == ["history"]
