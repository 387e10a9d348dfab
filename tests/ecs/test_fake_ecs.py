"""The double of ECS deploys as ECS does: each test names the page of AWS's documents that it follows.

API: Amazon ECS API Reference. Guide: Amazon ECS Developer Guide. Both read in November 2026.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.fake_ecs import Behaviour, FakeAws
from tests.support.fake_ecs.deployments import breaker_threshold, least_healthy, most_running, throttle_s
from tests.support.fake_ecs.example import contract_fleet, pool, service, small


def described(aws: FakeAws, key: str = "history") -> dict[str, Any]:
    answer = aws.call("ecs", "describe_services", cluster="dev", services=[f"dev-{key}"])
    (found,) = answer["services"]
    return dict(found)


def update(aws: FakeAws, **arguments: Any) -> dict[str, Any]:
    return dict(aws.call("ecs", "update_service", cluster="dev", service="dev-history", **arguments)["service"])


def texts(aws: FakeAws, key: str = "history") -> list[str]:
    """Its events, the oldest first, without the service's name."""
    prefix = f"(service dev-{key}) "
    found = [one["message"] for one in described(aws, key)["events"][::-1]]
    assert all(one.startswith(prefix) for one in found)
    return [one.removeprefix(prefix) for one in found]


def test_a_deployment_as_terraform_leaves_it_has_no_tasks_and_is_steady() -> None:
    """infra/modules/service: desired_count 0. API, Deployment.rolloutState: COMPLETED once steady."""
    aws = FakeAws.from_fleet(contract_fleet())
    aws.clock.advance(120)
    for key in aws.fleet.services:
        found = described(aws, key)
        (primary,) = found["deployments"]
        assert (found["desiredCount"], found["runningCount"], found["pendingCount"]) == (0, 0, 0)
        assert (primary["status"], primary["rolloutState"]) == ("PRIMARY", "COMPLETED")
        assert primary["rolloutStateReason"] == f"ECS deployment {primary['id']} completed."
        assert texts(aws, key) == ["has reached a steady state."]
    assert aws.calls[-1].at_s == 120


def test_the_whole_deployment_comes_up_and_goes_down() -> None:
    """All services of the contract find room in its pools; the benchmark's come from no instance at all."""
    aws = FakeAws.from_fleet(contract_fleet())
    aws.settle()
    for key, one in aws.fleet.services.items():
        found = described(aws, key)
        assert (found["runningCount"], found["deployments"][0]["rolloutState"]) == (one.planned, "COMPLETED"), key
        assert texts(aws, key)[-1] == "has reached a steady state."
    aws.settle(dict.fromkeys(aws.fleet.services, 0))
    assert all(task.status == "STOPPED" for task in aws.world.tasks)
    assert not any(instance.held for instance in aws.world.instances)


def test_a_count_begins_no_deployment() -> None:
    """API, UpdateService.desiredCount: "This parameter doesn't trigger a new service deployment"."""
    aws = small()
    before = described(aws)["deployments"][0]["id"]
    answer = update(aws, desiredCount=4)
    assert (answer["desiredCount"], answer["runningCount"]) == (4, 0)
    aws.clock.advance(1)
    (only,) = described(aws)["deployments"]
    assert (only["id"], only["rolloutState"], only["desiredCount"], only["pendingCount"]) == (before, "COMPLETED", 4, 4)
    aws.clock.until(lambda: described(aws)["runningCount"] == 4, within_s=60)
    assert "has reached a steady state." not in texts(aws)[1:], "not healthy yet"
    aws.clock.until(lambda: texts(aws)[-1] == "has reached a steady state.", within_s=60)
    tasks = [one.id for one in aws.service("history").tasks]
    assert texts(aws)[1] == "has started 4 tasks: " + " ".join(f"(task {one})" for one in tasks) + "."
    assert described(aws)["deployments"][0]["id"] == before


def test_another_task_definition_or_force_begins_one_and_the_same_does_not() -> None:
    """API, UpdateService.taskDefinition and forceNewDeployment; Deployment.status PRIMARY and ACTIVE."""
    aws = small()
    aws.settle()
    first = described(aws)["deployments"][0]["id"]
    same = aws.fleet.services["history"].task_definition
    assert [one["id"] for one in update(aws, taskDefinition=same)["deployments"]] == [first]
    made = aws.register("history")
    primary, active = update(aws, taskDefinition="dev-history")["deployments"]
    assert (primary["status"], primary["taskDefinition"], primary["rolloutState"]) == (
        "PRIMARY",
        made.arn,
        "IN_PROGRESS",
    )
    assert primary["rolloutStateReason"] == f"ECS deployment {primary['id']} in progress."
    assert (active["id"], active["status"], active["taskDefinition"]) == (first, "ACTIVE", same)
    aws.clock.until(lambda: len(described(aws)["deployments"]) == 1, within_s=600)
    assert described(aws)["taskDefinition"] == made.arn
    completed = f"(deployment {primary['id']}) deployment completed."
    assert texts(aws)[-2:] == [completed, "has reached a steady state."]
    forced, _ = update(aws, forceNewDeployment=True)["deployments"]
    assert forced["taskDefinition"] == made.arn


@settings(max_examples=25, deadline=None)
@given(
    desired=st.integers(1, 6),
    least=st.integers(0, 100),
    most=st.sampled_from((100, 125, 150, 200)),
    seed=st.integers(0, 9),
)
def test_a_rolling_update_stays_between_both_percentages(desired: int, least: int, most: int, seed: int) -> None:
    """API, DeploymentConfiguration: the minimum of healthy tasks is rounded up, the maximum rounded down."""
    least_count, most_count = math.ceil(desired * least / 100), desired * most // 100
    one = service(planned=desired, cpu=256, memory=512, min_healthy_percent=least, max_percent=most)
    aws = small(one, seed=seed)
    aws.settle()
    update(aws, taskDefinition=aws.register("history").arn)
    seen: list[tuple[int, int]] = []

    def done() -> bool:
        live = aws.service("history").live()
        seen.append((sum(task.serves for task in live), len(live)))
        return aws.service("history").steady

    may_move = least_count < desired or most_count > desired
    if may_move:
        aws.clock.advance(1)
        aws.clock.until(done, within_s=3_600)
        assert {task.definition.revision for task in aws.service("history").live()} == {2}
    else:
        aws.clock.advance(900)
        assert not done()
        assert {task.definition.revision for task in aws.service("history").live()} == {1}
    assert min(serves for serves, _ in seen) >= least_count
    assert max(live for _, live in seen) <= most_count


@pytest.mark.parametrize(("desired", "threshold"), [(0, 3), (1, 3), (6, 3), (7, 4), (40, 20), (400, 200), (1000, 200)])
def test_the_circuit_breakers_threshold(desired: int, threshold: int) -> None:
    """API, ServiceDeploymentCircuitBreaker.threshold: 0.5 × desired, at least 3, at most 200."""
    assert breaker_threshold(desired) == threshold


def test_bounds_round_as_documented() -> None:
    """API, DeploymentConfiguration; Guide, "service event messages": its own examples."""
    assert (least_healthy(4, 50), least_healthy(2, 75), least_healthy(3, 66)) == (2, 2, 2)
    assert (most_running(4, 200), most_running(3, 125)) == (8, 3)


@pytest.mark.parametrize(
    "bad",
    [
        Behaviour(never_healthy=True),
        Behaviour(crash_after_s=5, exit_code=1),
        Behaviour(pull_error="CannotPullContainerError: pull image manifest has been retried 1 time(s)"),
    ],
    ids=["never healthy", "crashes", "no image"],
)
def test_the_circuit_opens_after_three_failures_and_rolls_back(bad: Behaviour) -> None:
    """Guide, "How the deployment circuit breaker detects failures"; API, DeploymentCircuitBreaker.rollback."""
    aws = small(service(min_healthy_percent=50, max_percent=100))
    aws.settle()
    old = described(aws)["taskDefinition"]
    aws.behaviour("history", bad, revision=2)
    made = aws.register("history")
    failing = update(aws, taskDefinition=made.arn)["deployments"][0]["id"]
    aws.clock.until(lambda: described(aws)["taskDefinition"] == old, within_s=3_600)
    primary, failed = described(aws)["deployments"]
    assert (failed["id"], failed["status"], failed["rolloutState"]) == (failing, "ACTIVE", "FAILED")
    assert failed["rolloutStateReason"] == "ECS deployment circuit breaker: tasks failed to start."
    assert failed["failedTasks"] >= 3
    assert (primary["status"], primary["rolloutState"], primary["taskDefinition"]) == ("PRIMARY", "IN_PROGRESS", old)
    back = f"ECS deployment circuit breaker: rolling back to deploymentId {primary['id']}."
    assert primary["rolloutStateReason"] == back
    told = texts(aws)
    at = told.index(f"(deployment {failing}) deployment failed: tasks failed to start.")
    assert told[at + 1] == f"rolling back to deployment {primary['id']}."
    aws.clock.until(lambda: aws.service("history").steady, within_s=600)
    (only,) = described(aws)["deployments"]
    assert (only["id"], only["rolloutState"], only["taskDefinition"]) == (primary["id"], "COMPLETED", old)
    assert {task.definition.revision for task in aws.service("history").live()} == {1}


@pytest.mark.parametrize("keeps", [True, False])
def test_a_rollback_goes_on_with_the_old_deployment_or_with_a_new_one(keeps: bool) -> None:
    """AWS documents no id; a consumer must bear both."""
    aws = small(service(min_healthy_percent=50, max_percent=100))
    aws.world.rollback_keeps_id = keeps
    aws.settle()
    before = described(aws)["deployments"][0]["id"]
    aws.behaviour("history", Behaviour(crash_after_s=1), revision=2)
    failing = update(aws, taskDefinition=aws.register("history").arn)["deployments"][0]["id"]
    aws.clock.until(lambda: len(aws.service("history").deployments) == 1, within_s=3_600)
    (after,) = described(aws)["deployments"]
    assert (after["id"] == before) is keeps
    assert after["id"] != failing


def test_without_a_completed_deployment_to_go_back_to_it_stays_failed_and_launches_nothing() -> None:
    """Guide, deployment circuit breaker: without a COMPLETED deployment no new tasks, and the deployment stalls."""
    aws = small()
    aws.service("history").completed = None
    aws.behaviour("history", Behaviour(crash_after_s=1))
    update(aws, desiredCount=4, forceNewDeployment=True)
    aws.clock.until(lambda: described(aws)["deployments"][0]["rolloutState"] == "FAILED", within_s=600)
    aws.clock.advance(60)
    started = len(aws.service("history").tasks)
    aws.clock.advance(600)
    assert len(aws.service("history").tasks) == started
    assert described(aws)["runningCount"] == 0
    assert [one["status"] for one in described(aws)["deployments"]] == ["PRIMARY", "ACTIVE"]


def test_a_failed_rollback_is_not_rolled_back() -> None:
    """The old revision does not start any more either."""
    aws = small(service(min_healthy_percent=0, max_percent=100))
    aws.settle()
    aws.behaviour("history", Behaviour(crash_after_s=1))
    update(aws, taskDefinition=aws.register("history").arn)
    aws.clock.until(lambda: all(one.rollout == "FAILED" for one in aws.service("history").deployments), within_s=3_600)
    assert sum(text.startswith("rolling back") for text in texts(aws)) == 1


def test_a_healthy_task_makes_failures_forgotten() -> None:
    """API, DeploymentCircuitBreaker.resetOnHealthyTask: true by default."""
    aws = small(service(planned=1, min_healthy_percent=0, max_percent=100))
    aws.settle()
    aws.behaviour("history", lambda before: Behaviour(crash_after_s=2) if before < 2 else Behaviour(), revision=2)
    update(aws, taskDefinition=aws.register("history").arn)
    aws.clock.until(lambda: described(aws)["deployments"][0]["failedTasks"] == 2, within_s=600)
    aws.clock.until(lambda: aws.service("history").steady, within_s=600)
    (only,) = described(aws)["deployments"]
    assert (only["failedTasks"], only["rolloutState"]) == (0, "COMPLETED")


def test_a_crash_after_it_was_healthy_is_no_failure_of_the_deployment() -> None:
    """AWS re:Post, "deployment roll back failure": who passed the checks and stops then, may not open the circuit."""
    aws = small(service(planned=1, min_healthy_percent=0, max_percent=100))
    aws.behaviour("history", Behaviour(healthy_after_s=5, crash_after_s=60))
    aws.settle({"history": 1})
    aws.clock.advance(1_200)
    assert described(aws)["deployments"][0]["failedTasks"] == 0
    codes = {task.stop_code for task in aws.service("history").tasks if task.status == "STOPPED"}
    assert codes == {"EssentialContainerExited"}
    assert len(aws.service("history").tasks) > 5


def test_scaling_up_a_crashing_service_opens_no_circuit() -> None:
    """API, UpdateService.desiredCount begins no deployment; the breaker watches deployments."""
    aws = small()
    aws.behaviour("history", Behaviour(crash_after_s=3))
    update(aws, desiredCount=4)
    aws.clock.advance(900)
    (only,) = described(aws)["deployments"]
    assert only["rolloutState"] == "COMPLETED"
    assert only["failedTasks"] > 3


def test_an_alarm_rolls_back() -> None:
    """API, DeploymentAlarms.rollback; infra/modules/service names the memory alarm."""
    aws = small(service(max_percent=100, min_healthy_percent=50))
    aws.settle()
    failing = update(aws, taskDefinition=aws.register("history").arn)["deployments"][0]["id"]
    aws.clock.advance(20)
    aws.world.monitoring.set_alarm("dev-history-memory", "ALARM")
    aws.clock.until(lambda: len(texts(aws)) > 0 and "rolling back" in " ".join(texts(aws)), within_s=60)
    assert f"(deployment {failing}) deployment failed: alarm detected." in texts(aws)


def test_launches_are_held_back_ever_longer_where_tasks_do_not_reach_running() -> None:
    """Guide, "service throttle logic": up to 27 minutes, told by an event, ended by an update."""
    waits = [throttle_s(failures) for failures in range(20)]
    assert waits == sorted(waits)
    assert waits[0] == 0
    assert waits[-1] == 27 * 60
    aws = small(service(planned=1))
    aws.behaviour("history", Behaviour(pull_error="CannotPullContainerError: not found"))
    update(aws, desiredCount=1)
    aws.clock.advance(1_200)
    starts = [task.created_s for task in aws.service("history").tasks]
    gaps = [after - before for before, after in itertools.pairwise(starts)]
    assert gaps[-1] > 4 * gaps[0]
    told = "is unable to consistently start tasks successfully."
    assert texts(aws).count(told) == 1, "once, while its cause lasts"
    aws.behaviour("history", Behaviour())
    update(aws, forceNewDeployment=True)
    aws.clock.advance(2)
    assert described(aws)["pendingCount"] == 1


def test_an_unhealthy_task_is_replaced_first_where_the_maximum_has_room() -> None:
    """API, DeploymentConfiguration.maximumPercent: replacements first, then the unhealthy ones are stopped."""
    aws = small(service(planned=2))
    aws.behaviour("history", lambda before: Behaviour(unhealthy_after_s=60) if before == 0 else Behaviour())
    aws.settle({"history": 2})
    aws.clock.until(lambda: "replaced" in " ".join(texts(aws)), within_s=300)
    started, failed, stopped = texts(aws)[-3:]
    sick = aws.service("history").tasks[0]
    assert started.endswith("Amazon ECS replaced 1 tasks due to an unhealthy status.")
    assert failed == f"(task {sick.id}) failed container health checks."
    assert stopped == f"has stopped 1 running tasks: (task {sick.id})."
    aws.clock.until(lambda: sick.status == "STOPPED", within_s=60)
    assert (sick.stop_code, sick.stopped_reason) == ("ServiceSchedulerInitiated", "Task failed container health checks")
    aws.clock.until(lambda: described(aws)["runningCount"] == 2, within_s=60)


def test_unhealthy_tasks_are_stopped_one_by_one_where_it_has_none() -> None:
    """API, DeploymentConfiguration.minimumHealthyPercent: the scheduler stops the unhealthy one by one."""
    aws = small(service(planned=3, max_percent=100))
    aws.behaviour("history", lambda before: Behaviour(unhealthy_after_s=60) if before < 3 else Behaviour())
    aws.settle({"history": 3})
    fewest = 3
    for _ in range(400):
        aws.clock.advance(1)
        fewest = min(fewest, len(aws.service("history").live()))
    assert fewest >= 2
    assert all(task.health == "HEALTHY" for task in aws.service("history").live())
    assert len(aws.service("history").live()) == 3


def test_scaling_in_stops_tasks_of_the_fullest_zone_and_tells_it() -> None:
    """Guide, "task placement": scale-in keeps the balance over zones."""
    aws = small(service(planned=6))
    aws.settle()
    update(aws, desiredCount=3)
    aws.clock.until(lambda: aws.service("history").steady, within_s=120)
    zones = Counter(task.zone for task in aws.service("history").live())
    assert zones == dict.fromkeys(aws.world.zones, 1)
    assert any(text.startswith("has stopped 3 running tasks: (task ") for text in texts(aws))
    gone = [task for task in aws.service("history").tasks if not task.live]
    deployment = described(aws)["deployments"][0]["id"]
    assert {task.stopped_reason for task in gone} == {f"Scaling activity initiated by (deployment {deployment})"}


def test_a_hundred_events_are_kept_the_newest_first() -> None:
    """API, Service.events: "A maximum of 100 of the latest events are displayed"."""
    aws = small(service(planned=1))
    aws.behaviour("history", Behaviour(crash_after_s=1))
    update(aws, desiredCount=1)
    aws.clock.advance(3_600)
    events = described(aws)["events"]
    assert len(events) == 100
    assert [one["createdAt"] for one in events] == sorted((one["createdAt"] for one in events), reverse=True)
    assert len({one["id"] for one in events}) == 100


def test_a_steady_state_is_told_again_after_six_hours() -> None:
    """Guide, "service event messages": reported periodically."""
    aws = small(service(planned=1))
    aws.settle()
    before = len(texts(aws))
    aws.clock.advance(6 * 3_600 + 60)
    assert texts(aws)[before:] == ["has reached a steady state."]


def test_a_new_deployment_supersedes_one_under_way() -> None:
    """API, Deployment.status: what still has tasks is ACTIVE while it is replaced."""
    aws = small(pools=(pool(minimum=4, maximum=4),))
    aws.settle()
    second = aws.register("history")
    update(aws, taskDefinition=second.arn)
    aws.clock.advance(15)
    third = aws.register("history")
    update(aws, taskDefinition=third.arn)
    assert [one["status"] for one in described(aws)["deployments"]] == ["PRIMARY", "ACTIVE", "ACTIVE"]
    aws.clock.until(lambda: aws.service("history").steady, within_s=900)
    assert {task.definition.revision for task in aws.service("history").live()} == {3}


def test_the_same_seed_gives_the_same_run() -> None:
    """Nothing but the seed decides."""

    def run(seed: int) -> list[Any]:
        aws = small(seed=seed)
        aws.settle()
        update(aws, taskDefinition=aws.register("history").arn)
        aws.clock.advance(300)
        return [described(aws), [task.described("c") for task in aws.world.tasks]]

    assert run(1) == run(1)
    assert run(1) != run(2)
