"""Tells a crash loop: tasks that start, stop by themselves and are started again. Pure.

Stop codes are those of the ECS API Reference (`Task`, stopCode), read in November 2026. ECS tells of a stopped task for
an hour. Tasks that a deployment, a scaling or a person stopped are no part of a loop.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from auroral.dsql.membership import HEARTBEAT_WINDOW_S, Member
from auroral.ecs.fleet import TEMPORAL
from auroral.ecs.health.snapshot import Membership, RingLines
from auroral.ecs.seen import ClusterSeen, TaskSeen
from auroral.units import format_duration

WINDOW_S = 20 * 60
"""How far back stops count."""

LEAST_STOPS = 3
"""In that time, of one service: two can be a bad moment, three are a loop."""

RING_TROUBLE = (
    "unable to bootstrap ringpop",
    "failed to start ringpop",
    "Membership upsert failed",
    "unable to initialize membership heartbeats",
)
"""What a server logs that cannot join its ring (Temporal 1.32.2, common/membership/ringpop/monitor.go)."""

QUIET_S = 180
"""So long no task may have stopped by itself before a loop of another revision is taken for over."""

_BY_ITSELF = ("EssentialContainerExited", "TaskFailedToStart")
_UNHEALTHY = "health check"


class CrashLoop(msgspec.Struct, frozen=True, kw_only=True):
    """One service whose tasks do not stay."""

    service: str
    stops: int
    """In the last `WINDOW_S`."""
    exit_codes: tuple[int, ...]
    """The most frequent first."""
    lived_s: float | None
    """On average, from start to stop; None where none of them started."""
    reason: str
    """The most frequent, in ECS's words."""

    @property
    def text(self) -> str:
        """`6 tasks stopped in the last 20 minutes, exit 1, after 40 s on average: …`"""
        parts = [f"{self.stops} tasks stopped in the last {WINDOW_S // 60} minutes"]
        if self.exit_codes:
            parts.append(f"exit {' or '.join(str(code) for code in self.exit_codes)}")
        parts.append("before they ran" if self.lived_s is None else f"after {format_duration(round(self.lived_s))}")
        told = ", ".join(parts) + (" on average" if self.lived_s is not None else "")
        return f"{told}: {self.reason}" if self.reason else told


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What says that a cluster is in a crash loop."""

    loops: tuple[CrashLoop, ...]
    stale: int | None
    """Rows of hosts that no running task has; None: the rows are not known."""
    fresh_stale: int
    """Of these, heard of within Temporal's window: hosts still ask them to join."""
    ring: RingLines | None
    over: tuple[CrashLoop, ...] = ()
    """Loops of revisions that their services run no more, and are steady without."""

    @property
    def of_ring(self) -> bool:
        """Whether Temporal's services are in a loop and their ring shows why: what `auroral cluster recover` mends."""
        looping = any(loop.service in TEMPORAL for loop in self.loops)
        return looping and bool(self.fresh_stale or (self.ring and self.ring.by_service))

    @property
    def lines(self) -> tuple[str, ...]:
        """One for each thing seen, the loops first."""
        lines = [f"{loop.service}: {loop.text}" for loop in self.loops]
        if self.stale:
            heard = f", {self.fresh_stale:,} heard of within {HEARTBEAT_WINDOW_S:g} s" if self.fresh_stale else ""
            lines.append(f"membership: {_count(self.stale, 'row')} of hosts that no running task has{heard}")
        if self.ring is not None and self.ring.by_service:
            told = ", ".join(f"{service} {count}" for service, count in self.ring.by_service.items())
            lines.append(f"log: lines of servers that cannot join the ring ({told}): {self.ring.example}")
        return tuple(lines)


def evidence(cluster: ClusterSeen, membership: Membership | None = None, ring: RingLines | None = None) -> Evidence:
    """What there is to see of a crash loop; `loops` is empty where there is none."""
    found = [loop for key in cluster.services if (loop := crash_loop(key, cluster.stopped, cluster.at)) is not None]
    loops = tuple(loop for loop in found if not settled(cluster, loop.service))
    rows = [] if membership is None else stale_rows(membership.rows, cluster)
    return Evidence(
        loops=loops,
        stale=None if membership is None else len(rows),
        fresh_stale=sum(1 for row in rows if row.silent_s <= HEARTBEAT_WINDOW_S),
        ring=ring,
        over=tuple(loop for loop in found if loop not in loops),
    )


def settled(cluster: ClusterSeen, service: str) -> bool:
    """Whether what looped has been replaced: the service is at its count with one completed deployment, no task of it
    stopped by itself for `QUIET_S`, and the stops that make the loop are of other revisions than the one it runs.
    """
    seen = cluster.services[service]
    primary = seen.primary
    steady = (
        seen.status == "ACTIVE"
        and 0 < seen.desired == seen.running
        and not seen.pending
        and len(seen.deployments) == 1
        and primary is not None
        and primary.rollout == "COMPLETED"
    )
    stops = [one for one in cluster.stopped if one.service == service and by_itself(one)]
    if not steady or any(_ago_s(one, cluster.at) < QUIET_S for one in stops):
        return False
    return crash_loop(service, (one for one in stops if one.revision == seen.task_definition), cluster.at) is None


def crash_loop(service: str, stopped: Iterable[TaskSeen], at: datetime) -> CrashLoop | None:
    """The loop that a service is in; None: it is in none."""
    stops = [one for one in stopped if one.service == service and by_itself(one) and _ago_s(one, at) <= WINDOW_S]
    if len(stops) < LEAST_STOPS:
        return None
    lived = [
        (one.stopped_at - one.started_at).total_seconds()
        for one in stops
        if one.started_at is not None and one.stopped_at is not None
    ]
    codes = Counter(code for one in stops for code in one.exit_codes.values() if code)
    reasons = Counter(one.reason for one in stops if one.reason)
    return CrashLoop(
        service=service,
        stops=len(stops),
        exit_codes=tuple(code for code, _ in codes.most_common(3)),
        lived_s=sum(lived) / len(lived) if lived else None,
        reason=reasons.most_common(1)[0][0] if reasons else "",
    )


def by_itself(task: TaskSeen) -> bool:
    """Whether a stopped task ended on its own, failed its health check, or never started.

    A one-shot task that ended with 0 has done its work.
    """
    if not task.service and task.exit_codes and not any(task.exit_codes.values()):
        return False
    if task.stop_code in _BY_ITSELF:
        return True
    return task.stop_code == "ServiceSchedulerInitiated" and _UNHEALTHY in task.reason.lower()


def suspected(cluster: ClusterSeen) -> tuple[str, ...]:
    """Temporal's services that are in a crash loop: whose logs are worth reading."""
    return tuple(
        key
        for key in TEMPORAL
        if crash_loop(key, cluster.stopped, cluster.at) is not None and not settled(cluster, key)
    )


def stale_rows(rows: Sequence[Member], cluster: ClusterSeen) -> list[Member]:
    """Rows of hosts whose address no task has that runs, starts or is still draining."""
    addresses = {task.address for task in (*cluster.tasks, *cluster.stopped) if task.status != "STOPPED"}
    return [row for row in rows if host_of(row.address) not in addresses]


def host_of(address: str) -> str:
    """`10.0.0.1:6933` → `10.0.0.1`, `[::1]:6933` → `::1`."""
    return address.rpartition(":")[0].strip("[]")


def _ago_s(task: TaskSeen, at: datetime) -> float:
    when = task.stopped_at or task.created_at
    return float("inf") if when is None else (at - when).total_seconds()


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
