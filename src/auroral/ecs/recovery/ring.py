"""Judges the rows of `cluster_membership`: whose host is gone while every task is stopped, and who lacks. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from auroral.dsql.membership import DELETE, HEARTBEAT_WINDOW_S, LIST, Member
from auroral.ecs.fleet import TEMPORAL
from auroral.ecs.seen import ClusterSeen

UNMOVED_S = 30.0
"""A host writes its heartbeat every 10 to 15 s: one that has not moved for so long is nobody's, whatever time it
tells. Clocks that were ahead leave such rows."""

_INSTANT = timedelta(microseconds=1)


class Rows(msgspec.Struct, frozen=True, kw_only=True):
    """The table at one moment."""

    rows: tuple[Member, ...]
    read_at: datetime
    """By the database's clock, UTC without a zone."""


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """Rows while no task runs."""

    gone: tuple[Member, ...]
    """Their hosts are gone."""
    heard: tuple[Member, ...]
    """Heard of of late: their hosts have just ended, or live elsewhere."""


def silence(now: Rows, first: Rows) -> Silence:
    """Tell whose host is gone; `first` are the rows as they were read first since every task stopped."""
    waited_s = (now.read_at - first.read_at).total_seconds()
    was = {one.host_id: one.last_heartbeat for one in first.rows}
    gone = []
    for one in now.rows:
        unmoved = waited_s >= UNMOVED_S and was.get(one.host_id) == one.last_heartbeat
        if one.silent_s > HEARTBEAT_WINDOW_S or unmoved:
            gone.append(one)
    ids = {one.host_id for one in gone}
    return Silence(gone=tuple(gone), heard=tuple(one for one in now.rows if one.host_id not in ids))


def deletions(gone: Sequence[Member]) -> tuple[tuple[tuple[Member, ...], datetime], ...]:
    """What is deleted together, and what the heartbeats must be older than: whoever is heard of again keeps its row.

    Rows whose heartbeats lie ahead go by themselves, so that theirs is no leave for the others.
    """
    silent = tuple(one for one in gone if one.silent_s > HEARTBEAT_WINDOW_S)
    ahead = tuple(one for one in gone if one.silent_s <= HEARTBEAT_WINDOW_S)
    return tuple((some, max(one.last_heartbeat for one in some) + _INSTANT) for some in (silent, ahead) if some)


def statements(gone: Sequence[Member]) -> tuple[str, ...]:
    """The SQL that lists the rows, and what deletes these, with their values."""
    made = [LIST]
    for some, before in deletions(gone):
        ids = ",".join(one.host_id for one in some)
        made.append(DELETE % (f"'{{{ids}}}'", f"'{before.isoformat(sep=' ')}'"))
    return tuple(f"{one};" for one in made)


def hosts(rows: Rows) -> dict[str, int]:
    """Service → hosts that Temporal takes for alive."""
    heard = [one.role for one in rows.rows if one.silent_s <= HEARTBEAT_WINDOW_S]
    return {key: heard.count(key) for key in TEMPORAL}


def disagreements(rows: Rows, seen: ClusterSeen) -> tuple[str, ...]:
    """Where hosts and running tasks are not as many, a sentence each."""
    return tuple(_disagreements(hosts(rows), seen))


def _disagreements(counted: Mapping[str, int], seen: ClusterSeen) -> Iterator[str]:
    for key in TEMPORAL:
        if key not in seen.services:
            continue
        running = sum(one.status == "RUNNING" for one in seen.tasks_of(key))
        if running != counted[key]:
            yield f"{key}: {_count(running, 'task')} running, {_count(counted[key], 'host')} in cluster_membership"


def named(rows: Sequence[Member], most: int = 5) -> str:
    """`history 10.0.3.7:6934, …`."""
    told = ", ".join(f"{one.role} {one.address}" for one in rows[:most])
    return told + (f" and {len(rows) - most:,} more" if len(rows) > most else "")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
