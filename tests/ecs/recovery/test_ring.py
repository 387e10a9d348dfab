"""Whose host is gone, and whether the ring is whole: judged of rows alone."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
import pytest

from auroral.dsql.membership import Member
from auroral.ecs.recovery.ring import Rows, deletions, disagreements, hosts, named, silence, statements
from tests.support.observed import deployed, look, members, row

AT = datetime(2026, 11, 26, 8)


def _rows(*rows: Member, later_s: float = 0.0) -> Rows:
    return Rows(rows=rows, read_at=AT + timedelta(seconds=later_s))


def test_the_silent_are_gone_and_the_others_are_heard() -> None:
    old, just, edge = row("10.0.0.1", silent_s=20.001), row("10.0.0.2", silent_s=3), row("10.0.0.3", silent_s=20)
    first = _rows(old, just, edge)
    found = silence(first, first)
    assert (found.gone, found.heard) == ((old,), (just, edge))


@pytest.mark.parametrize(("later_s", "gone"), [(29.9, False), (30.0, True)])
def test_a_heartbeat_that_lies_ahead_and_does_not_move_is_nobodys(later_s: float, gone: bool) -> None:
    ahead = row("10.0.0.1", silent_s=-600)
    later = msgspec.structs.replace(ahead, silent_s=-600 + later_s)
    found = silence(_rows(later, later_s=later_s), _rows(ahead))
    assert bool(found.gone) is gone


def test_one_that_moves_or_came_since_is_heard_however_long_it_is_waited_for() -> None:
    was = row("10.0.0.1", silent_s=5)
    now = msgspec.structs.replace(was, last_heartbeat=was.last_heartbeat + timedelta(seconds=60))
    came = row("10.0.0.2", silent_s=5)
    found = silence(_rows(now, came, later_s=60), _rows(was))
    assert (found.gone, found.heard) == ((), (now, came))


def test_a_deletion_spares_whoever_is_heard_of_after_the_last_of_them() -> None:
    older, newer, ahead = row("10.0.0.1", silent_s=500), row("10.0.0.2", silent_s=21), row("10.0.0.3", silent_s=-60)
    (silent, before), (others, later) = deletions([older, ahead, newer])
    assert (silent, others) == ((older, newer), (ahead,))
    assert newer.last_heartbeat < before <= newer.last_heartbeat + timedelta(milliseconds=1)
    assert ahead.last_heartbeat < later <= ahead.last_heartbeat + timedelta(milliseconds=1)


def test_the_sql_has_its_values() -> None:
    one = row("10.0.0.1", silent_s=500)
    listed, deleted = statements([one])
    assert listed.startswith("SELECT host_id::text")
    assert f"ANY('{{{one.host_id}}}'::uuid[]) AND last_heartbeat < '2026-11-26 07:51:40.000001';" in deleted
    assert statements([]) == (listed,)


def test_rows_and_tasks_agree_service_by_service() -> None:
    aws = deployed()
    seen = look(aws).cluster
    rows = members(aws).rows
    assert disagreements(_rows(*rows), seen) == ()
    assert hosts(_rows(*rows)) == {"frontend": 2, "history": 4, "matching": 3, "worker": 2}
    more = row("10.9.9.9", "matching")
    less = [one for one in rows if one.role != "worker"]
    assert disagreements(_rows(*less, more), seen) == (
        "matching: 3 tasks running, 4 hosts in cluster_membership",
        "worker: 2 tasks running, 0 hosts in cluster_membership",
    )
    silent = [msgspec.structs.replace(one, silent_s=20.5) for one in rows]
    assert len(disagreements(_rows(*silent), seen)) == 4


def test_names_of_many_are_cut() -> None:
    rows = [row(f"10.0.0.{number}") for number in range(7)]
    assert named(rows[:1]) == "history 10.0.0.0:6934"
    assert named(rows).endswith("history 10.0.0.4:6934 and 2 more")
