"""Properties 6 and 17 to 23: each kept by the base, and broken by one change alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from auroral.infra.model import parse
from tests.support.deployment_document import Document, assert_breaks, broken_by, deployment, findings_of

SERVICE = 'module.task["history"].aws_ecs_service.this[0]'
TASK = 'module.task["history"].aws_ecs_task_definition.this'


def test_created_with_none() -> None:
    document = deployment()
    document[SERVICE]["desired_count"] = 2
    assert set(broken_by(document.plan())) == {6}
    assert broken_by(document.state()) == {}  # the operator's


def test_an_apply_leaves_the_count() -> None:
    document = deployment()
    assert broken_by(document.plan(before={SERVICE: {"desired_count": 0}})) == {}
    broken = broken_by(document.plan(before={SERVICE: {"desired_count": 4}}))
    assert set(broken) == {6}
    assert "desired_count 4 → 0" in broken[6][0]


@pytest.mark.parametrize("architecture", ["X86_64", None])
def test_arm64(architecture: str | None) -> None:
    document = deployment()
    document[TASK]["runtime_platform"] = [{"cpu_architecture": architecture}] if architecture else []
    assert_breaks(document, 17, "expected ARM64")


@pytest.mark.parametrize("kind", ["m7i.xlarge", "t3.large", "g5.xlarge"])
def test_on_graviton(kind: str) -> None:
    document = deployment()
    document['module.capacity["main"].aws_launch_template.this']["instance_type"] = kind
    assert_breaks(document, 17, kind)


Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("number", "change"),
    [
        (18, lambda c: c.update(linuxParameters={})),
        (18, lambda c: c.pop("linuxParameters")),
        (20, lambda c: c.pop("healthCheck")),
        (20, lambda c: c["healthCheck"].update(startPeriod=4)),
        (20, lambda c: c["healthCheck"].pop("startPeriod")),
        (21, lambda c: c.update(image="repository:latest")),
        (21, lambda c: c.update(image="repository@sha256:0123")),
        (23, lambda c: c.pop("logConfiguration")),
        (23, lambda c: c["logConfiguration"].update(logDriver="none")),
    ],
)
def test_containers(number: int, change: Change) -> None:
    document = deployment()
    document.set_container("history", change)
    assert_breaks(document, number, "expected")


def test_a_side_car_that_is_not_essential_needs_no_health_check() -> None:
    document = deployment()

    def spare(container: dict[str, Any]) -> None:
        container["essential"] = False
        container.pop("healthCheck")

    document.set_container("ui", spare)
    assert broken_by(document.state()) == {}


def test_the_start_period_covers_a_pool_that_fills_slowly() -> None:
    document = deployment()
    document.contract["services"]["history"]["dsql"].update(rate_per_s=0.1, burst=1)
    document.set_environment("history", "DSQL_CONNECTION_RATE_LIMIT", "0.1")
    document.set_environment("history", "DSQL_CONNECTION_BURST_LIMIT", "1")
    assert_breaks(document, 20, "ECS takes 300 s at most")


def test_no_exec() -> None:
    document = deployment()
    document[SERVICE]["enable_execute_command"] = False
    assert_breaks(document, 18, "enable_execute_command")


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d[SERVICE].update(deployment_circuit_breaker=[]),
        lambda d: d[SERVICE]["deployment_circuit_breaker"][0].update(rollback=False),
        lambda d: d[SERVICE].update(alarms=[]),
        lambda d: d[SERVICE]["alarms"][0].update(alarm_names=[]),
    ],
)
def test_rolls_back(change: Callable[[Document], object]) -> None:
    document = deployment()
    change(document)
    assert_breaks(document, 19)


def test_no_host_paths() -> None:
    document = deployment()
    document[TASK]["volume"] = [{"name": "docker", "host_path": "/var/run/docker.sock"}]
    assert_breaks(document, 22, "/var/run/docker.sock")


def test_containers_that_a_plan_does_not_know() -> None:
    document = deployment()
    del document[TASK]["container_definitions"]
    platform = parse(document.plan(unknown={TASK: {"container_definitions": True}}))
    assert findings_of(platform, "broken") == {}
    assert set(findings_of(platform, "unknown")) == {15, 16, 18, 20, 21, 23}
