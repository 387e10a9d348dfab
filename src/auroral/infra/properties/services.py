"""Properties 6 and 17 to 23: how services and their containers are made. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from auroral.capacity.warmup import MOST_START_PERIOD_S, Pace, start_period_s
from auroral.infra.findings import Finding, broken, judged, kept, unknown
from auroral.infra.model import UNKNOWN, Platform
from auroral.infra.numbers import connecting, shared_fill_s
from auroral.infra.tasks import tasks

_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
_GRAVITON = re.compile(r"^[a-z]+[0-9]+g[a-z0-9]*\.[a-z0-9]+$")


def created_with_none(platform: Platform) -> Iterator[Finding]:
    """6: a service begins with no task, and no apply undoes the operator's scaling."""
    for service in platform.of_type("aws_ecs_service"):
        count = service.get("desired_count")
        if not service.actions:
            continue  # of a state: the count is the operator's
        if service.before is None:
            yield kept(service) if count == 0 else broken(service, f"begins with {count} tasks: expected 0")
        else:
            was = service.before.get("desired_count")
            same = count == was or count is UNKNOWN
            yield (
                kept(service)
                if same
                else broken(service, f"desired_count {was} → {count}: expected it left to `auroral cluster`")
            )


def arm64_on_graviton(platform: Platform) -> Iterator[Finding]:
    """17: tasks are ARM64, and so are the instances."""
    for definition in platform.of_type("aws_ecs_task_definition"):
        found = definition.get("runtime_platform", 0, "cpu_architecture")
        yield kept(definition) if found == "ARM64" else broken(definition, f"cpu_architecture {found}: expected ARM64")
    for template in platform.of_type("aws_launch_template"):
        kind = template.get("instance_type")
        if kind is UNKNOWN:
            yield unknown(template, "instance_type")
        elif isinstance(kind, str) and _GRAVITON.match(kind):
            yield kept(template)
        else:
            yield broken(template, f"instance_type {kind}: expected a Graviton one such as m7g.2xlarge")


def exec_and_init(platform: Platform) -> Iterator[Finding]:
    """18: an operator can enter every task, and its first process reaps what sessions leave."""
    for service in platform.of_type("aws_ecs_service"):
        found = service.get("enable_execute_command")
        yield kept(service) if found is True else broken(service, "enable_execute_command is off: expected it on")
    yield from _each_container(platform, _init)


def _init(container: Mapping[str, Any]) -> Iterator[str]:
    if (container.get("linuxParameters") or {}).get("initProcessEnabled") is not True:
        yield "initProcessEnabled is off: expected true"


def rolls_back(platform: Platform) -> Iterator[Finding]:
    """19: a deployment that fails or raises an alarm goes back by itself."""
    for service in platform.of_type("aws_ecs_service"):
        problems = []
        for block in ("deployment_circuit_breaker", "alarms"):
            for argument in ("enable", "rollback"):
                if service.get(block, 0, argument) is not True:
                    problems.append(f"{block}.{argument} is not true: expected true")
        names = service.get("alarms", 0, "alarm_names")
        if names is not UNKNOWN and not names:
            problems.append("alarms.alarm_names is empty: expected alarms")
        yield judged(service, problems)


def healthy_and_patient(platform: Platform) -> Iterator[Finding]:
    """20: every essential container has a health check, which waits until its pool is full."""
    pools = {one.service: one for one in connecting(platform)}
    shared_s = shared_fill_s(platform)
    for task in tasks(platform):
        if task.containers is None:
            yield unknown(task.resource, "its containers")
            continue
        problems = []
        for container in task.containers:
            check = container.get("healthCheck")
            if container.get("essential", True) and not (check or {}).get("command"):
                problems.append(f"container {container.get('name')} has no health check: expected one")
            elif check and task.name in pools:
                found = check.get("startPeriod") or 0
                warm = start_period_s(pools[task.name], Pace(margin_s=0), shared_s=shared_s)
                if found < min(warm, MOST_START_PERIOD_S) or warm > MOST_START_PERIOD_S:
                    most = f", and ECS takes {MOST_START_PERIOD_S} s at most" if warm > MOST_START_PERIOD_S else ""
                    problems.append(f"start period {found} s: expected {warm} s, the fill time of its pool{most}")
        yield judged(task.resource, problems)


def images_by_digest(platform: Platform) -> Iterator[Finding]:
    """21: every task of a deployment runs the same bytes."""
    yield from _each_container(platform, _digest)


def _digest(container: Mapping[str, Any]) -> Iterator[str]:
    if not _DIGEST.search(str(container.get("image"))):
        yield f"image {container.get('image')}: expected repository@sha256:…"


def no_host_paths(platform: Platform) -> Iterator[Finding]:
    """22: no task sees the files of its instance, above all the socket of Docker."""
    for definition in platform.of_type("aws_ecs_task_definition"):
        volumes = definition.get("volume")
        if volumes is UNKNOWN:
            yield unknown(definition, "its volumes")
            continue
        yield judged(
            definition,
            [
                f"volume {one.get('name')} is {one['host_path']} of the instance: expected none of its paths"
                for one in volumes or ()
                if one.get("host_path") not in (None, "")
            ],
        )


def logs_somewhere(platform: Platform) -> Iterator[Finding]:
    """23: whatever a container prints can be read afterwards."""
    yield from _each_container(platform, _driver)


def _driver(container: Mapping[str, Any]) -> Iterator[str]:
    driver = (container.get("logConfiguration") or {}).get("logDriver")
    if driver in (None, "none"):
        yield f"log driver {driver}: expected awslogs or another that keeps the log"


def _each_container(platform: Platform, check: Any) -> Iterator[Finding]:
    for task in tasks(platform):
        if task.containers is None:
            yield unknown(task.resource, "its containers")
            continue
        problems = [f"container {one.get('name')}: {problem}" for one in task.containers for problem in check(one)]
        yield judged(task.resource, problems)
