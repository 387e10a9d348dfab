"""Task definitions, their containers, and the services that run them. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from auroral.infra.model import UNKNOWN, Platform, Resource


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """A task definition with what its JSON says."""

    resource: Resource
    name: str
    """Family without the project, such as `history`."""
    containers: tuple[Mapping[str, Any], ...] | None
    """None: the plan does not know them yet."""
    service: Resource | None = None
    """The service that runs it; None: a one-shot task."""

    def environment(self) -> dict[str, str]:
        """Environment of all containers."""
        return {
            str(one.get("name")): str(one.get("value"))
            for container in self.containers or ()
            for one in container.get("environment") or ()
        }


def tasks(platform: Platform) -> list[Task]:
    """Every task definition."""
    services = {
        found.address: service
        for service in platform.of_type("aws_ecs_service")
        if (found := task_of(platform, service)) is not None
    }
    return [
        Task(
            resource=one,
            name=_short(platform, str(one.get("family"))),
            containers=_containers(one),
            service=services.get(one.address),
        )
        for one in platform.of_type("aws_ecs_task_definition")
    ]


def task_of(platform: Platform, service: Resource) -> Resource | None:
    """The task definition of a service; also an older revision's, which a service keeps until it is rolled."""
    found = platform.refers(
        service, "task_definition", "aws_ecs_task_definition", "arn", "arn_without_revision", "family"
    )
    value = service.get("task_definition")
    if found is None and isinstance(value, str):
        family = value.rpartition("/")[2].partition(":")[0]
        definitions = platform.of_type("aws_ecs_task_definition")
        found = next((one for one in definitions if one.get("family") == family), None)
    return found


def service_name(platform: Platform, service: Resource) -> str:
    """Name of a service without the project, such as `history`."""
    return _short(platform, str(service.get("name")))


def _short(platform: Platform, name: str) -> str:
    project = platform.at("project") or platform.variables.get("project")
    return name.removeprefix(f"{project}-") if isinstance(project, str) else name


def _containers(definition: Resource) -> tuple[Mapping[str, Any], ...] | None:
    text = definition.get("container_definitions")
    if text is UNKNOWN or not isinstance(text, str):
        return None
    return tuple(json.loads(text))
