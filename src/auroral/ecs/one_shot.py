"""One task that runs once on ECS: the request for it, and what its states mean. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from auroral.errors import ExitCode, TargetError, UsageError

MAX_OVERRIDE_BYTES = 8192
"""Of a task's overrides in JSON (ECS API Reference, `TaskOverride`, read in November 2026)."""

_KILLED = 128
"""Exit codes from here on are signals, as Docker tells them."""


class OneShot(msgspec.Struct, frozen=True, kw_only=True):
    """A task to run."""

    cluster: str
    task_definition: str
    subnets: tuple[str, ...]
    security_groups: tuple[str, ...]
    command: tuple[str, ...]
    started_by: str
    """At most 36 characters; ECS lists tasks by it."""
    client_token: str
    """A request sent twice starts one task (ECS API Reference, `RunTask`: at most 64 characters)."""
    capacity_provider: str | None = None
    """None: the launch type EC2."""


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


def run_request(task: OneShot, container: str) -> dict[str, Any]:
    """The arguments of RunTask. Raises `UsageError` where the command is too long for it."""
    overrides = {"containerOverrides": [{"name": container, "command": list(task.command)}]}
    size = len(msgspec.json.encode(overrides))
    if size > MAX_OVERRIDE_BYTES:
        raise UsageError(f"expected arguments of at most {MAX_OVERRIDE_BYTES:,} bytes for a task, found {size:,}")
    request: dict[str, Any] = {
        "cluster": task.cluster,
        "taskDefinition": task.task_definition,
        "count": 1,
        "startedBy": task.started_by,
        "clientToken": task.client_token,
        "networkConfiguration": {
            "awsvpcConfiguration": {
                "subnets": list(task.subnets),
                "securityGroups": list(task.security_groups),
                "assignPublicIp": "DISABLED",
            }
        },
        "overrides": overrides,
        "propagateTags": "TASK_DEFINITION",
    }
    if task.capacity_provider is None:
        request["launchType"] = "EC2"
    else:
        request["capacityProviderStrategy"] = [{"capacityProvider": task.capacity_provider, "weight": 1}]
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
