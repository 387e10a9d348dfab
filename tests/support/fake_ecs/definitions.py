"""Task definitions: families and their revisions."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.support.fake_ecs.failures import client

UNSET: Mapping[str, Any] = {"cpu": 0, "environment": [], "mountPoints": [], "portMappings": [], "volumesFrom": []}
"""What ECS tells of a container that was registered without."""


@dataclass(frozen=True, kw_only=True)
class Definition:
    """One revision."""

    arn: str
    family: str
    revision: int
    cpu: int
    memory: int
    containers: tuple[Mapping[str, Any], ...]
    attribute: str = ""
    """`workload` of the instances it may be placed on; empty: any."""
    status: str = "ACTIVE"

    @property
    def container(self) -> Mapping[str, Any]:
        """The essential one."""
        return self.containers[0]

    @property
    def log(self) -> tuple[str, str] | None:
        """Log group and prefix of its streams."""
        options = (self.container.get("logConfiguration") or {}).get("options") or {}
        group, prefix = options.get("awslogs-group"), options.get("awslogs-stream-prefix")
        return (group, prefix) if group and prefix else None

    @property
    def start_period_s(self) -> float | None:
        """Of its health check; None where there is none."""
        check = self.container.get("healthCheck")
        return None if check is None else float(check.get("startPeriod", 0))

    def described(self) -> dict[str, Any]:
        """As DescribeTaskDefinition tells it."""
        constraint = {"type": "memberOf", "expression": f"attribute:workload == {self.attribute}"}
        return {
            "taskDefinitionArn": self.arn,
            "family": self.family,
            "revision": self.revision,
            "status": self.status,
            "cpu": str(self.cpu),
            "memory": str(self.memory),
            "networkMode": "awsvpc",
            "requiresCompatibilities": ["EC2"],
            "runtimePlatform": {"cpuArchitecture": "ARM64", "operatingSystemFamily": "LINUX"},
            "placementConstraints": [constraint] if self.attribute else [],
            "volumes": [],
            "containerDefinitions": copy.deepcopy([{**UNSET, **one} for one in self.containers]),
        }


class Definitions:
    """All families."""

    def __init__(self, arn_prefix: str) -> None:
        self._prefix = arn_prefix
        self._families: dict[str, list[Definition]] = {}

    def register(
        self, family: str, containers: Iterable[Mapping[str, Any]], *, cpu: int, memory: int, attribute: str = ""
    ) -> Definition:
        """The next revision."""
        known = self._families.setdefault(family, [])
        revision = len(known) + 1
        made = Definition(
            arn=f"{self._prefix}:task-definition/{family}:{revision}",
            family=family,
            revision=revision,
            cpu=cpu,
            memory=memory,
            containers=tuple(containers),
            attribute=attribute,
        )
        known.append(made)
        return made

    def again(
        self, family: str, *, image: str | None = None, environment: Sequence[Mapping[str, str]] = ()
    ) -> Definition:
        """One more revision of a family, with another image, and with these variables where there are some."""
        last = self._families[family][-1]
        changed = image or f"{str(last.container['image']).partition('@')[0]}@sha256:{last.revision + 1:064x}"
        told = {"environment": list(environment)} if environment else {}
        containers = ({**last.container, "image": changed, **told}, *last.containers[1:])
        return self.register(family, containers, cpu=last.cpu, memory=last.memory, attribute=last.attribute)

    def find(self, name: str) -> Definition:
        """By ARN, `family:revision`, or a family's last. Raises `Refused`."""
        family, _, revision = name.rsplit("/", 1)[-1].partition(":")
        known = self._families.get(family, [])
        if not revision and known:
            return known[-1]
        for one in known:
            if str(one.revision) == revision and (name.startswith("arn:") is False or name == one.arn):
                return one
        raise client("Unable to describe task definition.")

    def listed(self, prefix: str | None) -> list[str]:
        """ARNs, by family and revision; `prefix` is a family's whole name (ECS API Reference, familyPrefix)."""
        families = sorted(self._families) if prefix is None else [prefix]
        return [one.arn for family in families for one in self._families.get(family, [])]
