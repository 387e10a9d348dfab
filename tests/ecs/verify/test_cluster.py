"""What AWS's words on a deployment prove, and what they do not."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroral.capacity.budget import KEEPER_EXTRA, STARTUP_EXTRA
from auroral.ecs.fleet import TEMPORAL, Fleet, of_contract
from auroral.ecs.health.prometheus import Sample
from auroral.ecs.seen import ClusterSeen, TaskSeen
from auroral.ecs.verify import cluster as judge
from auroral.ecs.verify.checks import Found, Pending
from auroral.ecs.verify.cluster import Count, EcrImage
from auroral.infra.contract import parse
from tests.support import seen_examples as examples
from tests.support.contract_file import CONTRACT

FLEET = of_contract(parse(json.loads(CONTRACT.read_text()), "x"), "outputs.json")
VERSION = "auroral-server 1.4.0-abc, Temporal 1.31.2, go1.26 linux/arm64\n"
PER_TASK = 50 + KEEPER_EXTRA + STARTUP_EXTRA


def seen(fleet: Fleet = FLEET, *, minutes: float = 30, **changed: Any) -> ClusterSeen:
    """As planned, steady for so long."""
    services, tasks = {}, []
    number = 0
    for key, one in fleet.services.items():
        count = 0 if key == "benchmark-worker" else one.planned
        services[key] = examples.service(key, count)
        for _ in range(count):
            number += 1
            tasks.append(
                examples.task(
                    key,
                    number,
                    address=f"10.0.0.{number}",
                    started_at=examples.AT - timedelta(minutes=minutes),
                    revision=examples.definition(key),
                )
            )
    facts: dict[str, Any] = {"at": examples.AT, "services": services, "tasks": tuple(tasks), **changed}
    return ClusterSeen(**facts)


def with_service(cluster: ClusterSeen, key: str, **changed: Any) -> ClusterSeen:
    one = msgspec.structs.replace(cluster.services[key], **changed)
    return msgspec.structs.replace(cluster, services={**cluster.services, key: one})


def services(cluster: ClusterSeen, waited_s: float = 0.0) -> Found | Pending:
    return judge.services(FLEET, cluster, judge.began(FLEET, cluster, {}), waited_s)


def test_steady_services() -> None:
    found = services(seen())
    assert isinstance(found, Found)
    assert found.passed
    assert found.text.startswith("steady: frontend 2, history 4, matching 3, worker 2, ui 1, grafana 1, collector 1")
    assert "benchmark-worker" not in found.text


@pytest.mark.parametrize("key", ["frontend", "history", "matching", "worker", "ui", "grafana", "collector"])
def test_a_service_at_0_is_not_up(key: str) -> None:
    found = services(with_service(seen(), key, desired=0, running=0))
    assert isinstance(found, Found)
    assert not found.passed
    assert (found.text, found.remedy) == (f"{key} is at 0", "auroral cluster up")


def test_a_service_that_is_gone() -> None:
    found = services(with_service(seen(), "ui", status="MISSING"))
    assert isinstance(found, Found)
    assert "there is no service dev-ui" in found.text
    assert found.remedy == "auroral infra apply"


def test_one_on_its_way_is_pending() -> None:
    found = services(with_service(seen(), "history", running=3, pending=1))
    assert isinstance(found, Pending)
    assert found.text == "history: 3 of 4 running"


def test_a_deployment_that_had_failed_before_is_told() -> None:
    broken = examples.deployment("history", rollout="FAILED", reason="tasks failed to start", desired=4, running=4)
    found = services(with_service(seen(), "history", deployments=(broken,)))
    assert isinstance(found, Found)
    assert "its deployment failed: tasks failed to start" in found.text


def test_tasks_that_stopped_before_do_not_count() -> None:
    stops = tuple(
        examples.task("history", 90 + number, status="STOPPED", stop_code="EssentialContainerExited")
        for number in range(9)
    )
    found = services(seen(stopped=stops))
    assert isinstance(found, Found)
    assert found.passed


def test_fewer_tasks_than_planned_are_noted() -> None:
    cluster = with_service(seen(), "history", desired=3, running=3)
    gone = tuple(one for one in cluster.tasks if one.address != cluster.tasks_of("history")[0].address)
    found = services(msgspec.structs.replace(cluster, tasks=gone))
    assert isinstance(found, Found)
    assert found.passed
    assert "history has 3 tasks, planned are 4" in found.notes


# Images


@pytest.mark.parametrize(
    ("reference", "tag", "stored"),
    [
        ("registry:5000/dev/server:1.2", "1.2", None),
        ("registry:5000/dev/server", "", None),
        ("server@sha256:abc", "", None),
        (
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com/dev/server@sha256:0ab",
            "",
            EcrImage(account="123456789012", region="eu-west-1", name="dev/server", digest="sha256:0ab"),
        ),
        (
            "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/server@sha256:0ab",
            "",
            EcrImage(account="123456789012", region="cn-north-1", name="server", digest="sha256:0ab"),
        ),
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com/dev/server:7", "7", None),
    ],
)
def test_tags_of_images(reference: str, tag: str, stored: EcrImage | None) -> None:
    assert judge.image_of(reference) == (tag, stored)


@pytest.mark.parametrize(
    ("status", "output", "tags", "passes", "says"),
    [
        (0, VERSION, ["1.4.0-abc"], True, "healthy, as its image is tagged"),
        (0, VERSION, ["latest", "1.4.0-abc"], True, "auroral-server 1.4.0-abc"),
        (0, VERSION, [], True, "healthy"),
        (0, VERSION, ["1.3.9"], False, "is tagged 1.3.9"),
        (1, f"{VERSION}history: NOT_SERVING\n", ["1.4.0-abc"], False, "not healthy: history: NOT_SERVING"),
        (127, "sh: auroral-server: not found\n", [], False, "ended with 127 and no version: sh: auroral-server"),
        (0, "", [], False, "nothing was said"),
    ],
)
def test_what_a_task_says_of_itself(status: int, output: str, tags: list[str], passes: bool, says: str) -> None:
    found = judge.executed(status, output, tags)
    assert found.passed is passes
    assert says in found.text


# Metrics


def samples(tasks: tuple[TaskSeen, ...], value: float, *without: str) -> list[Sample]:
    return [
        Sample(labels={"service": one.service, "instance": f"{one.address}:9090"}, value=value)
        for one in tasks
        if one.service in TEMPORAL and one.address not in without
    ]


def metrics(cluster: ClusterSeen, up: Any = None, age: Any = None, pool: Any = None) -> Found | Pending:
    given = [
        samples(cluster.tasks, default) if one is None else one for one, default in ((up, 1.0), (age, 9.0), (pool, 9.0))
    ]
    return judge.metrics(cluster, FLEET, *given)


def test_each_task_has_series() -> None:
    found = metrics(seen())
    assert isinstance(found, Found)
    assert found.passed
    assert found.text == "series of all 11 tasks, the oldest 9 s old"


@given(st.integers(0, 10))
def test_whichever_target_is_lost_is_named(number: int) -> None:
    cluster = seen()
    task = [one for one in cluster.tasks if one.service in TEMPORAL][number]
    for lost in ("up", "age", "pool"):
        found = metrics(cluster, **{lost: samples(cluster.tasks, 1.0, task.address)})
        assert isinstance(found, Found)
        assert not found.passed
        assert f"{task.service} at {task.address} " in found.text
        assert found.text.startswith("1 of 11 tasks: ")


def test_a_target_that_does_not_answer() -> None:
    cluster = seen()
    found = metrics(cluster, up=samples(cluster.tasks, 0.0))
    assert isinstance(found, Found)
    assert found.text.startswith("11 of 11 tasks: ")
    assert "up is 0" in found.text


def test_the_newest_of_several_series_counts() -> None:
    cluster = seen()
    old = samples(cluster.tasks, 290.0)
    found = metrics(cluster, age=[*old, *samples(cluster.tasks, 5.0)], pool=[*samples(cluster.tasks, 5.0), *old])
    assert isinstance(found, Found)
    assert found.passed


@pytest.mark.parametrize(("age_s", "passes"), [(judge.FRESH_S, True), (judge.FRESH_S + 1, False)])
def test_how_old_a_series_may_be(age_s: float, passes: bool) -> None:
    cluster = seen()
    found = metrics(cluster, age=samples(cluster.tasks, age_s))
    assert isinstance(found, Found)
    assert found.passed is passes


def test_series_of_another_address_prove_nothing() -> None:
    cluster = seen()
    moved = [
        msgspec.structs.replace(one, labels={**one.labels, "instance": "10.9.9.9:9090"})
        for one in samples(cluster.tasks, 1.0)
    ]
    found = metrics(cluster, age=moved)
    assert isinstance(found, Found)
    assert not found.passed


def test_tasks_that_have_just_started_are_waited_for() -> None:
    cluster = seen(minutes=1)
    found = metrics(cluster, age=[])
    assert isinstance(found, Pending)
    assert "has no series" in found.text


def test_without_tasks_nothing_is_proven() -> None:
    found = metrics(msgspec.structs.replace(seen(), tasks=()))
    assert isinstance(found, Found)
    assert not found.passed


# Alarms, connections


@pytest.mark.parametrize(
    ("names", "ringing", "passes", "says"),
    [
        (["dev-a", "dev-b"], [], True, "none of 2 rings"),
        (["dev-a", "dev-b"], [("dev-b", "too many")], False, "1 of 2 ring: dev-b (too many)"),
        ([], [], False, "no alarms whose names begin with dev-"),
    ],
)
def test_alarms(names: list[str], ringing: list[tuple[str, str]], passes: bool, says: str) -> None:
    found = judge.alarms(names, ringing, "dev-")
    assert found.passed is passes
    assert says in found.text


def test_an_alarm_without_data_is_told_since_it_could_not_ring() -> None:
    found = judge.alarms(["dev-a", "dev-b"], [], "dev-", ["dev-b"])
    assert found.passed
    assert found.notes == ("1 of 2 have no data to judge by: dev-b",)


def budget(cluster: ClusterSeen, *connections: float, fleet: Fleet = FLEET, why: str = "") -> Found:
    return judge.budget(fleet, cluster, [Count(source="x", connections=one) for one in connections], why)


def test_connections_within_what_tasks_may_hold() -> None:
    most = 11 * PER_TASK + 10
    assert budget(seen(), most).passed
    assert not budget(seen(), most + 1).passed
    assert f"4 × {PER_TASK} history" in budget(seen(), 1.0).text
    assert f"= {most} of 10,000" in budget(seen(), 1.0).text


def test_the_larger_of_two_counts_counts() -> None:
    assert not budget(seen(), 100.0, 5_000.0).passed


def test_tasks_that_stopped_of_late_may_still_be_counted() -> None:
    def stopped(minutes: float) -> ClusterSeen:
        at = examples.AT - timedelta(minutes=minutes)
        return seen(stopped=(examples.task("history", 99, status="STOPPED", stopped_at=at),))

    most = 11 * PER_TASK + 10
    assert budget(stopped(5), most + PER_TASK).passed
    assert not budget(stopped(20), most + PER_TASK).passed


def test_without_counts_nothing_is_proven() -> None:
    found = budget(seen(), why="CloudWatch has no count")
    assert not found.passed
    assert "CloudWatch has no count" in found.text


def test_tasks_that_may_hold_more_than_dsql_admits() -> None:
    fleet = msgspec.structs.replace(FLEET, allowance=msgspec.structs.replace(FLEET.allowance, connections=500))
    found = budget(seen(), 100.0, fleet=fleet)
    assert not found.passed
    assert found.remedy == "auroral capacity plan"
