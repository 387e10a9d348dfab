"""Crash loops are told by tasks that stop by themselves, rows that nobody has, and lines of servers without a ring."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from auroral.ecs.health.crash_loop import by_itself, crash_loop, evidence, host_of, stale_rows, suspected
from auroral.ecs.health.snapshot import Membership, RingLines
from auroral.ecs.seen import ClusterSeen, Deployment, ServiceSeen, TaskSeen
from tests.support.observed import row
from tests.support.seen_examples import cluster, definition, deployment, service

AT = datetime(2026, 11, 26, 9, tzinfo=UTC)


def _stopped(ago_s: float, *, lived_s: float | None = 40, service: str = "history", **more: Any) -> TaskSeen:
    stopped = AT - timedelta(seconds=ago_s)
    what = {
        "status": "STOPPED",
        "stop_code": "EssentialContainerExited",
        "reason": "Essential container in task exited",
        "exit_codes": {service: 1},
        "address": "10.0.0.9",
        "revision": "",
        **more,
    }
    return TaskSeen(
        arn=f"arn:aws:ecs:us-east-1:1:task/dev/{ago_s:g}",
        service=service,
        desired="STOPPED",
        health="UNKNOWN",
        instance="",
        zone="",
        family="dev-history",
        started_by="",
        created_at=stopped - timedelta(seconds=60),
        started_at=None if lived_s is None else stopped - timedelta(seconds=lived_s),
        stopped_at=stopped,
        **what,
    )


def _old(ago_s: float, **more: Any) -> TaskSeen:
    """Of revision 2, which its service runs no more."""
    return _stopped(ago_s, **{"revision": definition("history", 2), **more})


def _primary(rollout: str) -> Deployment:
    return deployment("history", rollout=rollout, desired=2, running=2)


def _seen(*stopped: TaskSeen, tasks: tuple[TaskSeen, ...] = ()) -> ClusterSeen:
    keys = ("frontend", "history", "ui")
    services = {key: ServiceSeen(key=key, name=f"dev-{key}", status="ACTIVE") for key in keys}
    return ClusterSeen(at=AT, services=services, tasks=tasks, stopped=stopped)


def test_three_stops_within_twenty_minutes_are_a_loop() -> None:
    stops = [_stopped(60, lived_s=20), _stopped(600, lived_s=40), _stopped(1_199, lived_s=60)]
    found = crash_loop("history", stops, AT)
    assert found is not None
    assert found.text == (
        "3 tasks stopped in the last 20 minutes, exit 1, after 40 s on average: Essential container in task exited"
    )
    assert crash_loop("history", stops[:2], AT) is None
    assert crash_loop("history", [*stops[:2], _stopped(1_201)], AT) is None
    assert crash_loop("frontend", stops, AT) is None


def test_tasks_that_never_ran() -> None:
    pull = {"stop_code": "TaskFailedToStart", "reason": "CannotPullContainerError: no such image", "exit_codes": {}}
    found = crash_loop("history", [_stopped(n, lived_s=None, **pull) for n in (1, 2, 3, 4)], AT)
    assert found is not None
    assert found.text == (
        "4 tasks stopped in the last 20 minutes, before they ran: CannotPullContainerError: no such image"
    )


@pytest.mark.parametrize(
    ("code", "reason", "itself"),
    [
        ("EssentialContainerExited", "", True),
        ("TaskFailedToStart", "", True),
        ("ServiceSchedulerInitiated", "Task failed container health checks", True),
        ("ServiceSchedulerInitiated", "Scaling activity initiated by (deployment ecs-svc/1)", False),
        ("UserInitiated", "interrupted by the user of auroral", False),
        ("SpotInterruption", "", False),
        ("", "", False),
    ],
)
def test_who_stopped_a_task(code: str, reason: str, itself: bool) -> None:
    assert by_itself(_stopped(1, stop_code=code, reason=reason)) is itself


def test_a_one_shot_task_that_is_done_did_its_work() -> None:
    assert not by_itself(_stopped(1, service="", exit_codes={"schema": 0}))
    assert by_itself(_stopped(1, service="", exit_codes={"schema": 3}))
    assert by_itself(_stopped(1, service="", exit_codes={}, stop_code="TaskFailedToStart"))
    assert by_itself(_stopped(1, exit_codes={"history": 0})), "a service has no work that is done"


def test_the_most_frequent_exit_codes_and_reason_are_told() -> None:
    oom = {"exit_codes": {"history": 137}, "reason": "OutOfMemoryError: Container killed due to memory usage"}
    found = crash_loop("history", [_stopped(1, **oom), _stopped(2, **oom), _stopped(3), _stopped(4, **oom)], AT)
    assert found is not None
    assert found.exit_codes == (137, 1)
    assert found.reason.startswith("OutOfMemoryError")


def test_rows_of_hosts_that_no_task_has() -> None:
    running = _stopped(0, status="RUNNING", address="10.0.0.1")
    draining = _stopped(0, status="DEACTIVATING", address="10.0.0.2")
    gone = _stopped(9, address="10.0.0.3")
    rows = [row(f"10.0.0.{n}") for n in (1, 2, 3, 4)]
    found = stale_rows(rows, _seen(draining, gone, tasks=(running,)))
    assert [host_of(one.address) for one in found] == ["10.0.0.3", "10.0.0.4"]
    assert host_of("[fd00::1]:6933") == "fd00::1"


def test_evidence_of_a_ring_that_lets_nobody_in() -> None:
    seen = _seen(*(_stopped(n) for n in range(6)))
    rows = Membership(rows=(row("10.0.1.1", silent_s=5), *(row(f"10.0.2.{n}", silent_s=4_000) for n in range(6))))
    ring = RingLines(by_service={"history": 12}, example="unable to bootstrap ringpop. retrying")
    found = evidence(seen, rows, ring)
    assert found.of_ring
    assert found.lines == (
        "history: 6 tasks stopped in the last 20 minutes, exit 1, after 40 s on average: "
        "Essential container in task exited",
        "membership: 7 rows of hosts that no running task has, 1 heard of within 20 s",
        "log: lines of servers that cannot join the ring (history 12): unable to bootstrap ringpop. retrying",
    )


def test_old_rows_alone_are_no_evidence_of_the_ring() -> None:
    """Every task that crashed leaves one, and no host asks for them after 20 s."""
    seen = _seen(*(_stopped(n) for n in range(6)))
    assert not evidence(seen, Membership(rows=(row("10.0.2.1", silent_s=4_000),))).of_ring
    assert evidence(seen, Membership(rows=(row("10.0.2.1", silent_s=19),))).of_ring
    assert not evidence(seen).of_ring
    assert evidence(seen).stale is None


def test_a_loop_of_what_has_no_ring_is_none_of_its_doing() -> None:
    seen = _seen(*(_stopped(n, service="ui") for n in range(6)))
    assert [one.service for one in evidence(seen).loops] == ["ui"]
    assert not evidence(seen, Membership(rows=(row("10.0.2.1"),))).of_ring
    assert suspected(seen) == ()
    assert suspected(_seen(*(_stopped(n) for n in range(6)))) == ("history",)


def _replaced(*stopped: TaskSeen, **changed: Any) -> ClusterSeen:
    """History at its count with revision 1, since tasks of others stopped."""
    return cluster(service("frontend", 2), service("history", 2, **changed), service("ui", 1), stopped=stopped)


@pytest.mark.parametrize(
    ("seen", "over"),
    [
        (_replaced(*(_old(ago) for ago in (200, 300, 400))), True),
        (_replaced(*(_old(ago) for ago in (179, 300, 400))), False),
        (_replaced(*(_old(ago, revision=definition("history")) for ago in (200, 300, 400))), False),
        (_replaced(*(_old(ago) for ago in (200, 300, 400)), _old(900, revision=definition("history"))), True),
        (_replaced(*(_old(ago) for ago in (200, 300, 400)), running=1), False),
        (_replaced(*(_old(ago) for ago in (200, 300, 400)), pending=1), False),
        (_replaced(*(_old(ago) for ago in (200, 300, 400)), status="DRAINING"), False),
        (_replaced(*(_old(ago) for ago in (200, 300, 400)), deployments=(_primary("IN_PROGRESS"),)), False),
        (
            _replaced(
                *(_old(ago) for ago in (200, 300, 400)),
                deployments=(_primary("COMPLETED"), deployment("history", "d0", status="ACTIVE")),
            ),
            False,
        ),
    ],
)
def test_a_loop_is_over_once_another_revision_is_steady(seen: ClusterSeen, over: bool) -> None:
    found = evidence(seen)
    told, other = (found.over, found.loops) if over else (found.loops, found.over)
    assert [one.service for one in told] == ["history"]
    assert other == ()
    assert suspected(seen) == (() if over else ("history",))
