"""What a rollout says: progress, ends of waves, refusals, halts. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from auroral.capacity.budget import Check
from auroral.ecs.fleet import Fleet
from auroral.ecs.machine import Halted
from auroral.ecs.rollout import connects, evidence
from auroral.ecs.rollout.replacing import Stuck
from auroral.ecs.rollout.steady import Standing
from auroral.ecs.rollout.waves import Wave
from auroral.ecs.seen import ClusterSeen, TaskSeen
from auroral.errors import ExitCode
from auroral.units import format_duration


class Words(msgspec.Struct, frozen=True, kw_only=True):
    """Command lines for hints."""

    again: str
    """What goes on with this operation."""
    flags: str = ""
    """The options that name the deployment, with a space before them."""

    def halted(self, reason: str, *, key: str = "") -> Halted:
        """Stop for this reason; `key` is the service whose log says more."""
        logs = f"its log: auroral cluster logs {key}{self.flags}; " if key else ""
        return Halted(reason=reason, hint=f"{logs}once that is mended, go on: {self.again}")

    def failing(self, one: Standing) -> Halted:
        """Stop for a service that fails, with the reasons of its stopped tasks."""
        stops = "".join(f"\n  a task stopped: {reason}" for reason in one.stops)
        return self.halted(f"{one.key}: {one.reason}{stops}", key=one.key)

    def stuck(self, found: Sequence[Stuck]) -> Halted:
        """Refuse deployments that would never end."""
        reason = "\n".join(["the deployment would never end:", *(f"  {one.text}" for one in found)])
        counts = " ".join(f"{one.key}={one.fits}" for one in found if one.fits is not None)
        scale = f"`auroral cluster scale {counts}{self.flags}` goes to counts that can be rolled" if counts else ""
        return Halted(
            reason=reason,
            hint=f"{scale or 'apply a plan for the counts that run'}; then go on: {self.again}",
            exit_code=ExitCode.FAILED,
        )

    def no_room(self, fleet: Fleet, one: Standing, waited_s: float) -> Halted:
        """Stop for a service whose tasks find no instance."""
        pool = fleet.pools.get(fleet.services[one.key].pool)
        where = f"; pool {pool.key} (group {pool.group}) may have {pool.maximum} instances" if pool else ""
        group = f" --auto-scaling-group-name {pool.group}" if pool else ""
        return Halted(
            reason=f"{one.key} finds no room for {format_duration(waited_s)}: {one.reason}{where}",
            hint=f"`aws autoscaling describe-scaling-activities{group}` says what EC2 refuses; if the group is full, "
            f"raise the pool's maximum in the profile and apply it; then go on: {self.again}",
        )


def over_budget(over: Sequence[Check], keys: Sequence[str]) -> Halted:
    """Refuse what would overrun DSQL's limits, with the sums."""
    return Halted(
        reason=f"{', '.join(keys)}: DSQL's limits would be overrun:\n{connects.spelled_out(over)}",
        hint="fewer tasks, smaller pools or rates (`auroral capacity plan` says which), or a larger quota of DSQL",
        exit_code=ExitCode.FAILED,
    )


def missing(fleet: Fleet, names: Sequence[str]) -> Halted:
    """Refuse services that are not there."""
    return Halted(
        reason=f"ECS has no active service {', '.join(names)} in the cluster {fleet.cluster}",
        hint="`auroral infra apply` makes the services",
    )


def progress(one: Standing, seen: ClusterSeen, fresh: Sequence[TaskSeen], *, lines: bool) -> str:
    """`history: 3 of 4 running, 2 healthy, 1 pool warm`."""
    if not one.desired:
        return f"{one.key}: {f'{one.running} still running' if one.running else one.reason}"
    text = f"{one.key}: {one.running} of {one.desired} running, {one.healthy} healthy"
    service = seen.services[one.key]
    if len(service.deployments) > 1 and service.primary is not None:
        text += f", {service.primary.running} of the new deployment"
    if fresh and lines and not seen.unread:
        text += f", {_pools(evidence.judge(fresh, seen.started).warm)} warm"
    return text


def steady(wave: Wave, seen: ClusterSeen, fresh: Sequence[TaskSeen], *, lines: bool) -> str:
    """The end of a wave."""
    counts = ", ".join(
        f"{one.key}: {f'steady with {one.desired}' if one.desired else 'stopped'}"
        for one in (seen.services[step.key] for step in wave)
    )
    if not fresh or not lines or seen.unread:
        return counts
    started = evidence.judge(fresh, seen.started)
    if len(started.silent) == len(fresh):
        return f"{counts}; their logs say nothing of their start (LOG_LEVEL above info?): by ECS's word alone"
    refused = f", {started.refused} attempts failed" if started.refused else ""
    return f"{counts}, {_pools(started.warm)} warm ({started.opened} connections{refused})"


def summary(changed: Sequence[str], passed: Sequence[str]) -> str:
    """The end of it all."""
    if not changed:
        return "nothing to do: all is as wanted"
    return f"done: {', '.join(changed)}" + (f"; as wanted before: {', '.join(passed)}" if passed else "")


def _pools(count: int) -> str:
    return f"{count} pool{'' if count == 1 else 's'}"
