"""One task that runs once on ECS: where it runs, the request for it, and what its states mean. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from auroral.deployment import Contract
from auroral.errors import ExitCode, TargetError, UsageError

MAX_OVERRIDE_BYTES = 8192
"""Of a task's overrides in JSON (ECS API Reference, `TaskOverride`, read in November 2026)."""

PROGRAMS = {"schema": "auroral-schema", "operator": "auroral", "visibility": "auroral"}
"""The tasks of a deployment that take a command, and the program that each runs: its entry point."""

_KILLED = 128
"""Exit codes from here on are signals, as Docker tells them."""
_SECRET = re.compile(
    r"//[^/@\s]*:[^/@\s]*@|X-Amz-(?:Signature|Security-Token)=|^-+[a-z-]*(?:password|secret)\b|(?:^|[?&;\s])password\s*=",
    re.I,
)


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a task runs, and as what."""

    cluster: str
    task_definition: str
    subnets: tuple[str, ...]
    security_groups: tuple[str, ...]
    container: str | None = None
    """None: the only one of the task definition."""
    capacity_provider: str | None = None
    """None: the launch type EC2."""
    pool: str = ""
    """Key of the deployment's pool of instances, and its Auto Scaling group: for messages."""
    group: str = ""
    most_instances: int = 0


class OneShot(msgspec.Struct, frozen=True, kw_only=True):
    """A task to run."""

    place: Place
    command: tuple[str, ...]
    environment: Mapping[str, str] = {}
    """Beside what its definition has. Whoever may describe tasks can read it."""
    started_by: str
    """At most 128 letters, digits, hyphens, slashes and underscores; ECS lists tasks by it."""
    client_token: str
    """A request sent twice starts one task (ECS API Reference, `RunTask`: at most 64 characters)."""


class LogStream(msgspec.Struct, frozen=True, kw_only=True):
    """Where a container's lines go."""

    group: str
    stream: str
    region: str | None = None
    """None: the cluster's."""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A task, as ECS describes it."""

    status: str
    """PROVISIONING, PENDING, ACTIVATING, RUNNING, DEACTIVATING, STOPPING, DEPROVISIONING, STOPPED."""
    exit_code: int | None = None
    """Of the container; None before its end, and where it never started."""
    reason: str = ""
    """Why it stopped, in ECS's words."""

    @property
    def stopped(self) -> bool:
        """Whether it has ended."""
        return self.status == "STOPPED"


def place_of(contract: Contract, key: str) -> Place:
    """Where a deployment runs one of its tasks: a key of `PROGRAMS`. Raises `KeyError`."""
    if key not in PROGRAMS:
        raise KeyError(key)
    task = getattr(contract.tasks, key)
    pool = contract.capacity.get(task.pool)
    return Place(
        cluster=contract.cluster.name,
        task_definition=task.task_family,
        container=task.container,
        subnets=task.subnet_ids,
        security_groups=task.group_ids,
        capacity_provider=task.capacity_provider or None,
        pool=task.pool,
        group=pool.asg if pool is not None else "",
        most_instances=pool.max if pool is not None else 0,
    )


def run_request(task: OneShot, container: str) -> dict[str, Any]:
    """The arguments of RunTask. Raises `UsageError` where the command is too long for it, or holds a secret."""
    if any(_SECRET.search(one) for one in task.command):
        raise UsageError(
            "a password or a signature is among the arguments: a task's arguments are kept and shown by ECS",
            hint="leave it out: in the cluster the task enters by its own role; or add --where here",
        )
    override: dict[str, Any] = {"name": container, "command": list(task.command)}
    if task.environment:
        override["environment"] = [{"name": name, "value": value} for name, value in task.environment.items()]
    overrides = {"containerOverrides": [override]}
    size = len(msgspec.json.encode(overrides))
    if size > MAX_OVERRIDE_BYTES:
        raise UsageError(f"expected arguments of at most {MAX_OVERRIDE_BYTES:,} bytes for a task, found {size:,}")
    place = task.place
    request: dict[str, Any] = {
        "cluster": place.cluster,
        "taskDefinition": place.task_definition,
        "count": 1,
        "startedBy": task.started_by,
        "clientToken": task.client_token,
        "networkConfiguration": {
            "awsvpcConfiguration": {
                "subnets": list(place.subnets),
                "securityGroups": list(place.security_groups),
                "assignPublicIp": "DISABLED",
            }
        },
        "overrides": overrides,
        "propagateTags": "TASK_DEFINITION",
    }
    if place.capacity_provider is None:
        request["launchType"] = "EC2"
    else:
        request["capacityProviderStrategy"] = [{"capacityProvider": place.capacity_provider, "weight": 1}]
    return request


def container_of(definition: Mapping[str, Any], wanted: str | None) -> Mapping[str, Any]:
    """The container of a task definition that runs the command. Raises `UsageError` where that is not clear."""
    containers: Sequence[Mapping[str, Any]] = definition.get("containerDefinitions", ())
    names = [container["name"] for container in containers]
    if wanted is not None:
        if wanted not in names:
            raise UsageError(f"expected the container {wanted} in the task definition, found {', '.join(names)}")
        return containers[names.index(wanted)]
    if len(containers) != 1:
        raise UsageError(
            f"the task definition has {len(containers)} containers: {', '.join(names)}", hint="name one: --container"
        )
    return containers[0]


def log_stream(container: Mapping[str, Any], task_id: str) -> LogStream | None:
    """Where awslogs puts a task's lines; None where the container logs elsewhere, or without a prefix.

    `<prefix>/<container>/<task id>`: ECS Developer Guide, "awslogs log driver", read in November 2026.
    """
    configuration = container.get("logConfiguration") or {}
    options = configuration.get("options") or {}
    group, prefix = options.get("awslogs-group"), options.get("awslogs-stream-prefix")
    if configuration.get("logDriver") != "awslogs" or not group or not prefix:
        return None
    stream = f"{prefix}/{container['name']}/{task_id}"
    return LogStream(group=group, stream=stream, region=options.get("awslogs-region"))


def task_id(arn: str) -> str:
    """The last part of a task's ARN."""
    return arn.rsplit("/", 1)[-1]


def seen(description: Mapping[str, Any], container: str) -> Seen:
    """Read one task of DescribeTasks."""
    ours: Mapping[str, Any] = {}
    for one in description.get("containers", ()):
        if one.get("name") == container:
            ours = one
    reasons = [str(description.get("stoppedReason") or ""), str(ours.get("reason") or "")]
    return Seen(
        status=str(description.get("lastStatus", "")),
        exit_code=ours.get("exitCode"),
        reason=": ".join(dict.fromkeys(reason for reason in reasons if reason)),
    )


def no_room(place: Place) -> str:
    """What a task that stays PROVISIONING waits for: ECS keeps it there until its capacity provider has room."""
    if place.capacity_provider is None:
        return "it waits for a container instance with room"
    pool = f"the pool {place.pool}" if place.pool else f"the capacity provider {place.capacity_provider}"
    group = f"its Auto Scaling group {place.group}" if place.group else "its Auto Scaling group"
    most = f", to {place.most_instances} instances at most" if place.most_instances else ""
    return f"it waits for room in {pool}: {group} grows, which takes minutes{most}"


def refused(failures: Sequence[Mapping[str, Any]], cluster: str) -> TargetError:
    """The error of a RunTask that placed nothing."""
    reasons = ", ".join(
        dict.fromkeys(": ".join(filter(None, (one.get("reason"), one.get("detail")))) for one in failures)
    )
    hint = ""
    if "RESOURCE:" in reasons or "AGENT" in reasons:
        hint = "no instance has room or is ready: see the cluster's container instances, or add one"
    elif "CAPACITY" in reasons.upper():
        hint = "see the capacity provider's Auto Scaling group"
    return TargetError(f"ECS could not place the task on cluster {cluster}: {reasons or 'no reason given'}", hint=hint)


def ended(last: Seen, what: str) -> ExitCode:
    """The exit code of a task that stopped: its container's, of those that auroral's programs have.

    Raises `TargetError` where the container never ran, or was ended from outside.
    """
    code = last.exit_code
    if code is None:
        raise TargetError(
            f"the task of {what} did not run: {last.reason or 'no reason given'}",
            hint="image, secrets, logs and endpoints are reached through the task's subnets and execution role",
        )
    if code in ExitCode.__members__.values():
        return ExitCode(code)
    if code > _KILLED:
        raise TargetError(
            f"the task of {what} was ended by signal {code - _KILLED}: {last.reason or 'no reason given'}",
            hint="the same command goes on where it stopped",
        )
    raise TargetError(f"the task of {what} ended with status {code}: {last.reason or 'no reason given'}")
