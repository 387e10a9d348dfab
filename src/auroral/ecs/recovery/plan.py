"""Where a recovery begins, what it stops and starts again, and what it keeps of that in the cluster's mark. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

import msgspec

from auroral.ecs.fleet import BENCHMARK_WORKER, TEMPORAL, Fleet
from auroral.ecs.operation import Operation, text
from auroral.ecs.rollout import waves
from auroral.ecs.rollout.waves import Step, Wave
from auroral.ecs.seen import ClusterSeen

NAME = "recover"
STOPPED = (*TEMPORAL, BENCHMARK_WORKER)
"""What it stops. What only watches (UI, Grafana, the collector) is no member of the ring, and stays."""


class Phase(StrEnum):
    """What is under way."""

    DOWN = "down"
    CLEAN = "clean"
    UP = "up"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A recovery."""

    phase: Phase
    """The first."""
    counts: Mapping[str, int]
    """Tasks to come back to, of Temporal's services."""
    since: datetime
    """When it began first, wherever that was."""
    by: str = ""
    resumed: bool = False
    """Whether it goes on with one that ended half way."""


def begin(
    fleet: Fleet, seen: ClusterSeen, given: Mapping[str, int], *, left: Operation | None = None, by: str = ""
) -> Plan:
    """From the start. `left` is the mark of what ended half way before it: its counts are better than none."""
    return Plan(
        phase=Phase.DOWN,
        counts={key: _count(fleet, seen, key, given, left) for key in TEMPORAL if key in fleet.services},
        since=seen.at,
        by=by,
    )


def go_on(fleet: Fleet, seen: ClusterSeen, given: Mapping[str, int], left: Operation, by: str = "") -> Plan:
    """Where the recovery ended whose mark this is."""
    phase = left.facts.get("phase", "")
    plan = begin(fleet, seen, given, left=left, by=by)
    return msgspec.structs.replace(
        plan,
        phase=Phase(phase) if phase in list(Phase) else Phase.DOWN,
        since=_since(left),
        resumed=True,
    )


def mark(plan: Plan, phase: Phase, state: str, at: datetime) -> Operation:
    """What a second recovery goes on with, from wherever."""
    facts = {
        "phase": str(phase),
        "since": plan.since.isoformat(timespec="seconds"),
        **{key: str(count) for key, count in plan.counts.items()},
    }
    operation = Operation(name=NAME, state=state, at=at, facts={**({"by": plan.by} if plan.by else {}), **facts})
    try:
        text(operation)
    except ValueError:
        return msgspec.structs.replace(operation, facts=facts)
    return operation


def down(fleet: Fleet, seen: ClusterSeen) -> tuple[Wave, ...]:
    """Temporal's services to 0, the frontend last, and the benchmark's workers before them."""
    chosen = (tuple(step for step in wave if step.key in STOPPED) for wave in waves.down(fleet, seen))
    return tuple(wave for wave in chosen if wave)


def up(plan: Plan) -> tuple[Wave, ...]:
    """As many as before, one service after the other, each with the task definition that it has."""
    return tuple((Step(key=key, count=plan.counts[key]),) for key in TEMPORAL if key in plan.counts)


def there(seen: ClusterSeen) -> tuple[str, ...]:
    """Those of `STOPPED` of which a task is left, or wanted."""
    leaving = {one.service for one in seen.stopped if one.status != "STOPPED"}
    return tuple(
        key
        for key in STOPPED
        if (one := seen.services.get(key)) is not None
        and (one.desired or one.running or one.pending or key in leaving or seen.tasks_of(key))
    )


def unknown(plan: Plan) -> tuple[str, ...]:
    """Services of which nobody knows how many tasks they had."""
    return tuple(key for key, count in plan.counts.items() if count == 0)


def _count(fleet: Fleet, seen: ClusterSeen, key: str, given: Mapping[str, int], left: Operation | None) -> int:
    """The given one; what a recovery has noted; what the service has; what another operation noted; the plan's."""
    if key in given:
        return given[key]
    noted = 0 if left is None else _number(left.facts.get(key, ""))
    own = left is not None and left.name == NAME
    return (noted if own else 0) or seen.services[key].desired or noted or fleet.services[key].planned


def _number(word: str) -> int:
    return int(word) if word.isascii() and word.isdigit() else 0


def _since(left: Operation) -> datetime:
    try:
        return datetime.fromisoformat(left.facts.get("since", ""))
    except ValueError:
        return left.at
