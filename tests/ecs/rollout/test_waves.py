"""What is changed in which order."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from auroral.ecs.fleet import Fleet
from auroral.ecs.rollout import waves
from auroral.ecs.rollout.waves import Step
from auroral.ecs.seen import ClusterSeen
from tests.support.rollouts import example_fleet
from tests.support.seen_examples import cluster, definition, deployment, service, stopped


@pytest.fixture
def fleet() -> Fleet:
    """Each service has its own first revision registered."""
    made = example_fleet()
    services = {
        key: msgspec.structs.replace(one, task_definition=definition(key)) for key, one in made.services.items()
    }
    return msgspec.structs.replace(made, services=services)


def seen(fleet: Fleet, **services: Any) -> ClusterSeen:
    """Every service, at no tasks unless it is given."""
    given = {one.key: one for one in services.values()}
    return cluster(*(given.get(key) or service(key, 0) for key in fleet.services))


def shape(planned: tuple[waves.Wave, ...]) -> list[list[tuple[str, int | None]]]:
    return [[(step.key, step.count) for step in wave] for wave in planned]


def test_up_has_a_wave_for_each_service_that_fills_pools(fleet: Fleet) -> None:
    assert shape(waves.up(fleet, seen(fleet))) == [
        [("frontend", 2)],
        [("history", 4)],
        [("matching", 3)],
        [("worker", 2)],
        [("ui", 1), ("grafana", 1), ("collector", 1)],
    ]


def test_up_takes_no_task_away_that_somebody_added_unless_it_is_told_to(fleet: Fleet) -> None:
    now = seen(fleet, history=service("history", 6))
    assert ("history", 6) in shape(waves.up(fleet, now))[1]
    assert ("history", 3) in shape(waves.up(fleet, now, {"history": 3}))[1]


def test_up_starts_the_benchmarks_workers_only_when_they_are_named(fleet: Fleet) -> None:
    planned = shape(waves.up(fleet, seen(fleet), {"benchmark-worker": 2}))
    assert planned[-1] == [("benchmark-worker", 2)]


def test_down_begins_with_the_benchmark_and_passes_over_what_is_stopped(fleet: Fleet) -> None:
    now = seen(
        fleet,
        a=service("benchmark-worker", 2),
        b=service("ui", 1),
        c=service("grafana", 1),
        d=service("history", 4),
        e=service("frontend", 2),
    )
    assert shape(waves.down(fleet, now)) == [
        [("benchmark-worker", 0)],
        [("grafana", 0), ("ui", 0)],
        [("history", 0)],
        [("frontend", 0)],
    ]
    leaving = msgspec.structs.replace(seen(fleet), stopped=(stopped("worker", 1, status="STOPPING"),))
    assert shape(waves.down(fleet, leaving)) == [[("worker", 0)]]
    assert waves.down(fleet, msgspec.structs.replace(leaving, stopped=(stopped("worker", 1),))) == ()


def test_scale_shrinks_before_it_grows(fleet: Fleet) -> None:
    now = seen(fleet, a=service("history", 4), b=service("frontend", 3), c=service("matching", 2), d=service("ui", 1))
    planned = waves.scale(fleet, now, {"history": 6, "matching": 1, "frontend": 2, "ui": 1})
    assert shape(planned) == [[("matching", 1)], [("frontend", 2)], [("history", 6)], [("ui", 1)]]


def test_roll_takes_those_that_differ_and_those_under_way(fleet: Fleet) -> None:
    now = seen(
        fleet,
        a=service("worker", 2, deployment("worker", task_definition=definition("worker", 7))),
        b=service("history", 4, deployment("history", rollout="IN_PROGRESS")),
        c=service("ui", 1),
    )
    assert [step.key for wave in waves.roll(fleet, now) for step in wave] == ["history", "worker"]
    assert [step.key for wave in waves.roll(fleet, now, ["ui", "worker"]) for step in wave] == ["worker"]
    forced = waves.roll(fleet, now, ["ui", "grafana"], force=True)
    assert [(step.key, step.force) for wave in forced for step in wave] == [("ui", True)]


@pytest.mark.parametrize(
    ("step", "arguments"),
    [
        (Step(key="history", count=4), {}),
        (Step(key="history", count=5), {"desiredCount": 5}),
        (Step(key="history", count=0), {"desiredCount": 0}),
        (Step(key="history", task_definition=definition("history")), {}),
        (
            Step(key="history", count=5, task_definition=definition("history", 2)),
            {"desiredCount": 5, "taskDefinition": definition("history", 2)},
        ),
        (Step(key="history", force=True), {"forceNewDeployment": True}),
    ],
)
def test_a_call_asks_for_what_differs(fleet: Fleet, step: Step, arguments: dict[str, object]) -> None:
    call = waves.update(fleet, seen(fleet, history=service("history", 4)), step)
    asked = {} if call is None else dict(call.arguments)
    named = {"cluster": "dev", "service": "dev-history"} if arguments else {}
    assert asked == {**named, **arguments}


def test_a_forced_deployment_is_asked_for_once_and_a_failed_one_anew(fleet: Fleet) -> None:
    now = seen(fleet, history=service("history", 4))
    assert waves.update(fleet, now, Step(key="history", force=True), forced=True) is None
    failed = seen(fleet, history=service("history", 4, deployment("history", rollout="FAILED")))
    call = waves.update(fleet, failed, Step(key="history", count=4))
    assert call is not None
    assert call.arguments["forceNewDeployment"] is True
    assert call.why == "history: a new deployment of dev-history:1"


def test_words(fleet: Fleet) -> None:
    now = seen(fleet, history=service("history", 4))
    step = Step(key="history", count=6, task_definition=definition("history", 2))
    assert waves.told(step, now.services["history"]) == "history: 4 → 6 tasks, dev-history:1 → dev-history:2"
    assert waves.told(Step(key="history", count=4), now.services["history"]) == "history: as wanted"


def test_what_loses_tasks(fleet: Fleet) -> None:
    now = seen(fleet, a=service("history", 4), b=service("matching", 3), c=service("worker", 0, running=2))
    planned = waves.scale(fleet, now, {"history": 2, "matching": 5, "worker": 0})
    assert [(one.key, one.running, one.count) for one in waves.lowered(now, planned)] == [
        ("history", 4, 2),
        ("worker", 2, 0),
    ]


def test_missing_services(fleet: Fleet) -> None:
    now = seen(fleet, history=service("history", 0, status="MISSING"))
    assert waves.missing(fleet, now, waves.up(fleet, now)) == ("dev-history",)


def test_counts_now_and_then(fleet: Fleet) -> None:
    now = waves.present(seen(fleet, a=service("history", 4), b=service("worker", 0, running=2)))
    assert (now["history"], now["worker"], now["matching"]) == (4, 2, 0)
    then = waves.after(now, (Step(key="history", count=6), Step(key="worker")))
    assert (then["history"], then["worker"]) == (6, 2)


def test_what_a_deployment_replaces(fleet: Fleet) -> None:
    now = seen(fleet, a=service("history", 4), b=service("worker", 2))
    planned = (
        (Step(key="history", task_definition=definition("history", 2)),),
        (Step(key="matching", task_definition=definition("matching", 2)),),
        (Step(key="worker", count=3),),
    )
    assert waves.replaced(fleet, now, planned) == ("history",)
    assert waves.deploys(fleet, now, planned[1][0])
    assert not waves.deploys(fleet, now, planned[2][0])
