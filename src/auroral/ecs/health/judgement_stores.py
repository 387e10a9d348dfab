"""Judges what a deployment stands on: DSQL, OpenSearch, alarms, the rows of its ring. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from auroral.dsql.membership import HEARTBEAT_WINDOW_S, SILENT_AFTER_S
from auroral.ecs.fleet import TEMPORAL, Fleet
from auroral.ecs.health import crash_loop
from auroral.ecs.health.snapshot import WINDOW_S, Membership, Refusals, Snapshot
from auroral.ecs.health.verdict import Finding, note, unhealthy
from auroral.ecs.seen import TaskSeen
from auroral.units import format_duration, format_ratio

NEARLY_FULL = 0.95
FILLING = 0.8
"""Shares of DSQL's connections: the alarm `<project>-dsql-connections` rings between them."""

JOINING_S = 60.0
"""After its start period a task may take so long to write its first heartbeat: it may wait 30 s for a connection."""

_SEE = re.compile(r"See: (auroral [a-z -]+[a-z])")
_REFUSED = {
    "connections": (True, "all of DSQL's connections were taken", "auroral dsql connections"),
    "auth": (True, "DSQL did not admit a role", "auroral schema status"),
    "rate": (False, "more connects a second than DSQL admits", "auroral dsql connections"),
    "timeout": (False, "DSQL did not answer in time", "auroral dsql probe"),
    "network": (False, "DSQL could not be reached", "auroral dsql probe"),
    "other": (False, "another reason", "auroral cluster logs"),
}
"""Reason → whether it is unhealthy, what it means, the command that shows more: docs/reference/server-metrics.md."""


def stores(fleet: Fleet, seen: Snapshot) -> Iterator[Finding]:
    """What is found of them; what is not known is not judged."""
    yield from _connections(fleet, seen)
    if seen.refusals is not None:
        yield from _refusals(seen.refusals)
    yield from _search(seen)
    yield from _alarms(seen)
    if seen.membership is not None:
        yield from _membership(fleet, seen, seen.membership)


def _connections(fleet: Fleet, seen: Snapshot) -> Iterator[Finding]:
    limit = fleet.allowance.connections
    if seen.connections is None or seen.connections.connections < FILLING * limit:
        return
    count = seen.connections.connections
    make = unhealthy if count >= NEARLY_FULL * limit else note
    told = f"{count:,.0f} of {limit:,} connections are open ({format_ratio(count / limit)})"
    yield make("dsql", told, "auroral dsql connections")


def _refusals(refusals: Refusals) -> Iterator[Finding]:
    for reason, count in refusals.by_reason.items():
        matters, meaning, command = _REFUSED.get(reason, _REFUSED["other"])
        make = unhealthy if matters else note
        least = "at least " if refusals.at_least else ""
        window = format_duration(WINDOW_S)
        yield make("dsql", f"{least}{count:,} connects refused in {window} ({reason}): {meaning}", command)


def _search(seen: Snapshot) -> Iterator[Finding]:
    command = "auroral visibility status"
    if seen.search is not None:
        if seen.search.status == "red":
            yield unhealthy("opensearch", "red: a primary shard has no node; workflows cannot be listed", command)
        elif seen.search.status == "yellow":
            yield note("opensearch", "yellow: a replica has no node", command)
        if seen.search.writes_blocked:
            yield unhealthy("opensearch", "it takes no writes: visibility stands still", command)
    if seen.domain is not None:
        if seen.domain.deleted:
            yield unhealthy("opensearch", "the domain is being deleted", "auroral infra plan")
        elif seen.domain.upgrading:
            yield note("opensearch", "the domain is being upgraded")
        elif seen.domain.processing:
            yield note("opensearch", "a change of the domain's configuration is under way")


def _alarms(seen: Snapshot) -> Iterator[Finding]:
    for alarm in seen.alarms or ():
        found = _SEE.search(alarm.description)
        command = found[1] if found and found[1] != "auroral cluster status" else ""
        said = _SEE.sub("", alarm.description).strip().rstrip(".")
        told = f"{alarm.name} rings since {format_duration(round((seen.at - alarm.since).total_seconds()))}"
        yield unhealthy("alarms", f"{told}: {said}" if said else told, command)


def _membership(fleet: Fleet, seen: Snapshot, membership: Membership) -> Iterator[Finding]:
    heard = {crash_loop.host_of(row.address) for row in membership.rows if row.silent_s <= SILENT_AFTER_S}
    for key in TEMPORAL:
        service = fleet.services.get(key)
        if service is None:
            continue
        settled_s = service.start_period_s + JOINING_S
        absent = [
            task
            for task in seen.cluster.tasks
            if task.service == key and task.address and task.address not in heard and _ran_s(task, seen) > settled_s
        ]
        if absent:
            which = ", ".join(task.address for task in absent[:5]) + (", …" if len(absent) > 5 else "")
            told = f"{len(absent)} of its running tasks wrote no heartbeat of late ({which})"
            yield unhealthy(key, told, f"auroral cluster logs {key}")
    fresh = [
        row
        for row in crash_loop.stale_rows(membership.rows, seen.cluster)
        if row.silent_s <= HEARTBEAT_WINDOW_S and not _stopped_of_late(seen)
    ]
    if fresh:
        hosts = ", ".join(row.address for row in fresh[:5]) + (", …" if len(fresh) > 5 else "")
        told = f"{len(fresh)} hosts write heartbeats that are no task of this cluster ({hosts})"
        yield note("membership", f"{told}: does another Temporal use this database?")


def _ran_s(task: TaskSeen, seen: Snapshot) -> float:
    running = task.status == "RUNNING" and task.started_at is not None
    return (seen.at - task.started_at).total_seconds() if running and task.started_at else 0.0


def _stopped_of_late(seen: Snapshot) -> bool:
    """Whether a task's row may outlive it by now."""
    times = (task.stopped_at for task in seen.cluster.stopped)
    return any(time is None or (seen.at - time).total_seconds() <= SILENT_AFTER_S for time in times)
