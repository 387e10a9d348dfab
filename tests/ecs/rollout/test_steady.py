"""How a service stands, on descriptions made by hand."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from auroral.ecs.rollout.steady import (
    LISTED_S,
    UNPLACED_S,
    Before,
    Standing,
    State,
    Wanted,
    before,
    filling,
    standing,
    threshold,
    why_stopped,
)
from tests.support.seen_examples import cluster, definition, deployment, event, service, stopped, task

LATE_S = 1_000.0


def of(*parts: Any, waited_s: float = LATE_S, began: Before | None = None, tasks: Any = None, **lists: Any) -> Standing:
    """Judge `history` with two healthy tasks, unless said otherwise."""
    wanted = next((one for one in parts if isinstance(one, Wanted)), Wanted(key="history", health_checked=True))
    found = next((one for one in parts if not isinstance(one, Wanted)), service("history", 2))
    there = [task("history", 1), task("history", 2)] if tasks is None else tasks
    return standing(cluster(found, tasks=there, **lists), wanted, began or Before(), waited_s)


def test_steady() -> None:
    found = of()
    assert (found.state, found.reason) == (State.STEADY, "steady")
    assert (found.running, found.desired, found.healthy) == (2, 2, 2)


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (service("history", 2, running=1), "1 of 2 running"),
        (service("history", 2, pending=1), "2 of 2 running"),
        (
            service("history", 2, deployment("history"), deployment("history", "d0", status="ACTIVE")),
            "tasks of the deployment before it still run",
        ),
        (
            service("history", 2, deployment("history", rollout="IN_PROGRESS")),
            "ECS has not yet completed its deployment",
        ),
    ],
)
def test_moving(found: Any, reason: str) -> None:
    judged = of(found)
    assert (judged.state, judged.reason) == (State.MOVING, reason)


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        (Wanted(key="history", count=3), "ECS has not yet taken the count of 3"),
        (Wanted(key="history", task_definition=definition("history", 2)), "ECS has not yet taken dev-history:2"),
        (Wanted(key="history", other_than="d1"), "its new deployment has not begun"),
    ],
)
def test_what_was_asked_must_show(wanted: Wanted, reason: str) -> None:
    judged = of(wanted)
    assert (judged.state, judged.reason) == (State.MOVING, reason)


@pytest.mark.parametrize(
    "second",
    [
        task("history", 2, status="PENDING"),
        task("history", 2, health="UNHEALTHY"),
        task("history", 2, health="UNKNOWN"),
        task("history", 2, revision=definition("history", 7)),
    ],
)
def test_every_task_must_be_well_and_of_the_primary_deployment(second: Any) -> None:
    assert of(tasks=[task("history", 1), second]).state is State.MOVING


@pytest.mark.parametrize("checked", [False, None])
def test_unknown_health_is_believed_where_there_is_no_check(checked: bool | None) -> None:
    tasks = [task("history", 1, health="UNKNOWN"), task("history", 2, health="UNKNOWN")]
    assert of(Wanted(key="history", health_checked=checked), tasks=tasks).state is State.STEADY


def test_counts_are_believed_alone_once_listings_had_their_time() -> None:
    assert of(tasks=[], waited_s=LISTED_S - 1).reason == "ECS lists none of its tasks yet"
    assert of(tasks=[], waited_s=LISTED_S).state is State.STEADY


def test_stopped_means_that_no_task_is_left() -> None:
    none = service("history", 0)
    assert of(none, tasks=[]).state is State.STEADY
    leaving = stopped("history", 1, status="DEPROVISIONING")
    assert of(none, tasks=[], stopped=[leaving]).reason == "1 of its tasks is still there"
    assert of(none).reason == "2 of its tasks are still there"
    assert of(none, tasks=[], stopped=[stopped("history", 1)]).state is State.STEADY


@pytest.mark.parametrize(("desired", "least"), [(0, 3), (1, 3), (6, 3), (7, 4), (100, 50), (1_000, 200)])
def test_as_many_failures_as_the_circuit_breaker_bears(desired: int, least: int) -> None:
    assert threshold(desired) == least


def test_tasks_that_stop_by_themselves_are_a_failure_after_the_start_period() -> None:
    wanted = Wanted(key="history", health_checked=True, start_period_s=78)
    three = [stopped("history", number) for number in (11, 12, 13)]
    failing = of(wanted, service("history", 2, running=0), tasks=[], stopped=three, waited_s=78)
    assert failing.state is State.FAILING
    assert failing.reason == (
        "3 of its tasks stopped since this began: Essential container in task exited (history: exit code 1)"
    )
    assert of(wanted, service("history", 2, running=0), stopped=three, waited_s=77).state is State.MOVING
    assert of(wanted, service("history", 2, running=0), stopped=three[:2]).state is State.MOVING


@pytest.mark.parametrize(
    "other",
    [
        {"stop_code": "UserInitiated", "reason": "Task stopped by user"},
        {"stop_code": "ServiceSchedulerInitiated", "reason": "Scaling activity initiated by deployment d1"},
        {"revision": definition("history", 9)},
        {"service": "matching"},
    ],
)
def test_stops_that_are_nobodys_fault_do_not_count(other: dict[str, Any]) -> None:
    three = [stopped("history", number, **other) for number in (11, 12, 13)]
    assert of(service("history", 2, running=0), stopped=three).state is State.MOVING


def test_failed_health_checks_count_though_the_scheduler_stops_the_task() -> None:
    reason = "Task failed container health checks"
    three = [
        stopped("history", number, stop_code="ServiceSchedulerInitiated", reason=reason) for number in (11, 12, 13)
    ]
    assert of(service("history", 2, running=0), stopped=three).state is State.FAILING


def test_what_was_there_before_does_not_count() -> None:
    three = [stopped("history", number) for number in (11, 12, 13)]
    found = service("history", 2, running=0)
    began = before(cluster(found, stopped=three), "history")
    assert of(found, stopped=three, began=began).state is State.MOVING


@pytest.mark.parametrize("status", ["INACTIVE", "DRAINING", "MISSING"])
def test_a_service_that_is_not_active_fails(status: str) -> None:
    judged = of(service("history", 2, status=status))
    assert (judged.state, judged.reason) == (
        State.FAILING,
        f"ECS has it as {status.lower()}: expected it to be active",
    )


def test_a_failed_deployment_without_a_rollback() -> None:
    failed = deployment("history", "d2", rollout="FAILED", reason="tasks failed to start.")
    judged = of(service("history", 2, failed), Wanted(key="history", other_than="d1"))
    assert judged.reason == "its deployment failed: tasks failed to start."
    old = before(cluster(service("history", 2, failed)), "history")
    assert of(service("history", 2, failed), began=old).state is State.MOVING


@pytest.mark.parametrize("back_to", ["d1", "d3"])
def test_a_rollback_to_the_old_deployment_or_to_a_new_one_of_the_old_definition(back_to: str) -> None:
    began = before(cluster(service("history", 2)), "history")
    words = "ECS deployment circuit breaker: rolling back to deploymentId d1."
    back = deployment("history", back_to, rollout="IN_PROGRESS", reason=words if back_to == "d3" else "")
    failed = deployment(
        "history",
        "d2",
        status="ACTIVE",
        rollout="FAILED",
        reason="tasks failed to start.",
        task_definition=definition("history", 2),
    )
    wanted = Wanted(key="history", task_definition=definition("history", 2), other_than="d1")
    judged = of(service("history", 2, back, failed), wanted, began=began)
    assert judged.state is State.FAILING
    assert judged.reason == "ECS rolled it back to dev-history:1: tasks failed to start."


def test_an_earlier_rollback_is_not_this_one() -> None:
    """Somebody deploys again while a failed deployment still drains."""
    earlier = deployment("history", "d2", status="ACTIVE", rollout="FAILED")
    rolled = deployment("history", "d3", reason="ECS deployment circuit breaker: rolling back to deploymentId d1.")
    began = before(cluster(service("history", 2, rolled, earlier)), "history")
    new = deployment("history", "d4", rollout="IN_PROGRESS", task_definition=definition("history", 2))
    found = service("history", 2, new, deployment("history", "d3", status="ACTIVE", reason=rolled.reason), earlier)
    wanted = Wanted(key="history", task_definition=definition("history", 2), other_than="d3")
    assert of(found, wanted, began=began).state is State.MOVING


def test_short_of_instances_by_ecs_words() -> None:
    text = "(service dev-history) was unable to place a task because no container instance met all of its requirements."
    found = service("history", 2, running=1, events=(event(text),))
    assert (of(found).state, of(found).reason) == (State.SHORT, text)
    assert of(found, began=Before(events=frozenset({"e1"}))).state is State.MOVING
    later = service("history", 2, running=1, events=(event("has started 1 tasks", "e2"), event(text)))
    assert of(later).state is State.MOVING


def test_short_of_instances_by_tasks_without_one() -> None:
    waiting = task("history", 2, status="PROVISIONING", instance="", health="UNKNOWN")
    found = service("history", 2, running=1)
    judged = of(found, tasks=[task("history", 1), waiting])
    assert (judged.state, judged.reason) == (State.SHORT, "1 of its tasks waits for an instance with room")
    assert of(found, tasks=[task("history", 1), waiting], waited_s=UNPLACED_S - 1).state is State.MOVING


def test_why_a_task_stopped() -> None:
    assert why_stopped(stopped("history", 1, exit_codes={}, reason="", stop_code="")) == "ECS gives no reason"
    one = stopped("history", 1, exit_codes={"b": 1, "a": 137}, reason="", stop_code="TaskFailedToStart")
    assert why_stopped(one) == "TaskFailedToStart (a: exit code 137, b: exit code 1)"


def test_who_fills_pools() -> None:
    seen = cluster(
        service("history", 1),
        service("matching", 1),
        service("worker", 2, running=1),
        tasks=[task("history", 1), task("matching", 1, health="UNKNOWN"), task("worker", 1)],
    )
    assert filling(seen, ["history", "matching", "worker"]) == ("matching", "worker")


def test_a_deployment_that_ecs_cannot_carry_out_is_failing() -> None:
    text = (
        "(service dev-history) was unable to stop or start tasks during a deployment because of the service deployment "
        "configuration. Update the minimumHealthyPercent or maximumPercent value and try again."
    )
    begun = service("history", 2, deployment("history", rollout="IN_PROGRESS"), events=(event(text, "e2"),))
    judged = of(begun)
    assert (judged.state, judged.reason) == (State.FAILING, text)
    assert of(begun, began=Before(events=frozenset({"e2"}))).state is State.MOVING


@pytest.mark.parametrize(("status", "state"), [("STOPPING", State.MOVING), ("DEACTIVATING", State.MOVING)])
def test_tasks_that_drain_have_their_connections_still(status: str, state: State) -> None:
    there = [task("history", number) for number in (1, 2, 3)]
    leaving = stopped("history", 3, status=status, stop_code="ServiceSchedulerInitiated")
    began = before(cluster(service("history", 3), tasks=there), "history")
    judged = of(began=began, tasks=there[:2], stopped=[leaving])
    assert (judged.state, judged.reason) == (state, "1 of its tasks is still stopping")
    gone = msgspec.structs.replace(leaving, status="DEPROVISIONING")
    assert of(began=began, tasks=there[:2], stopped=[gone]).state is State.STEADY
    assert of(tasks=there[:2], stopped=[leaving]).state is State.STEADY, "it was not there when the wait began"
