"""Whether a cluster is taken, so that a remote benchmark must not begin: by a run, by another operation. Pure."""

from __future__ import annotations

from datetime import datetime

from auroral.ecs.machine import Halted
from auroral.ecs.operation import BEGUN, BENCH, Operation, parse
from auroral.ecs.remote.plan import RemotePlan
from auroral.ecs.seen import ClusterSeen
from auroral.errors import ExitCode

SCALING, RUNNING = "workers", "run"
"""Phases that a run's mark tells: its workers come; its generator runs."""


def occupied(plan: RemotePlan, seen: ClusterSeen, *, back: str) -> Halted | None:
    """Who has the cluster, and what to do; null: nobody. `back` is the command that stops workers."""
    others = [one for one in seen.tasks if one.family == plan.generator_family and one.status != "STOPPED"]
    if others:
        return Halted(
            reason=f"a benchmark is under way: task {others[0].id}",
            hint=f"wait for its end, or stop it: aws ecs stop-task --cluster {plan.cluster} --task {others[0].id}",
            exit_code=ExitCode.USAGE,
        )
    operation = parse(seen.mark)
    if operation is None:
        return None
    if operation.name != BENCH:
        return Halted(
            reason=f"`auroral cluster {operation.name}` has {operation.state} on this cluster, and is not done",
            hint="`auroral cluster status` says how to go on with it",
            exit_code=ExitCode.USAGE,
        )
    if _recent(operation, seen.at, plan.come_s):
        return Halted(
            reason=f"somebody scales workers for the run {operation.facts.get('run', '')} since "
            f"{operation.at.isoformat(timespec='seconds')}",
            hint=f"wait for its end; where nobody does: {back}",
            exit_code=ExitCode.USAGE,
        )
    return None


def _recent(operation: Operation, at: datetime, come_s: float) -> bool:
    """Whether workers may still be on their way for somebody else's generator."""
    scaling = operation.state == BEGUN and operation.facts.get("phase") == SCALING
    return scaling and (at - operation.at).total_seconds() < come_s
