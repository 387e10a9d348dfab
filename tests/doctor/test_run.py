"""Everything at once, each with its deadline: in order, late ones said, bugs not hidden."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from auroral.doctor.checks import Check, Group, State
from auroral.doctor.run import Probe, look_at_all


def _check(name: str) -> Check:
    return Check(group=Group.TOOLS, name=name, state=State.OK, found="x")


def _probe(name: str, **more: Any) -> Probe:
    return Probe(Group.TOOLS, name, lambda: [_check(name)], **more)


def test_the_checks_come_in_the_order_of_the_probes_though_the_first_ends_last() -> None:
    last = threading.Event()

    def first() -> list[Check]:
        last.wait(10)
        return [_check("a"), _check("b")]

    def second() -> list[Check]:
        last.set()
        return [_check("c")]

    found = look_at_all([Probe(Group.TOOLS, "one", first), Probe(Group.TOOLS, "two", second)])
    assert [one.name for one in found] == ["a", "b", "c"]


def test_they_run_at_once() -> None:
    meet = threading.Barrier(8, timeout=10)

    def look() -> list[Check]:
        meet.wait()
        return []

    assert look_at_all([Probe(Group.TOOLS, str(n), look) for n in range(8)]) == ()


def test_one_that_does_not_end_is_not_known_and_holds_up_nobody() -> None:
    never = threading.Event()

    def stuck() -> list[Check]:
        never.wait(30)
        return [_check("stuck")]

    late, done = look_at_all([Probe(Group.NETWORK, "stuck", stuck, deadline_s=0.05), _probe("done")])
    never.set()
    assert (late.group, late.name, late.state) == (Group.NETWORK, "stuck", State.UNKNOWN)
    assert "0.05 s" in late.found
    assert done.state is State.OK


def test_what_nobody_waits_for_is_ended() -> None:
    ended, never = [], threading.Event()

    def stuck() -> list[Check]:
        never.wait(30)
        return []

    def stop(name: str) -> Callable[[], None]:
        return lambda: ended.append(name)

    look_at_all(
        [Probe(Group.TOOLS, "late", stuck, deadline_s=0.05, stop=stop("late")), _probe("done", stop=stop("done"))]
    )
    assert ended == ["late"]

    def broken() -> list[Check]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        look_at_all([Probe(Group.TOOLS, "b", broken), Probe(Group.TOOLS, "other", stuck, stop=stop("other"))])
    assert ended == ["late", "other"]
    never.set()


def test_each_has_its_own_deadline() -> None:
    released = threading.Event()

    def slow() -> list[Check]:
        released.wait(10)
        return [_check("slow")]

    def stuck() -> list[Check]:
        released.wait(0.1)
        threading.Timer(0.1, released.set).start()
        released.wait(10)
        return [_check("stuck")]

    found = look_at_all(
        [
            Probe(Group.TOOLS, "slow", slow, deadline_s=20),
            Probe(Group.TOOLS, "stuck", stuck, deadline_s=0.05),
        ]
    )
    assert [one.state for one in found] == [State.OK, State.UNKNOWN]


def test_a_bug_comes_out() -> None:
    def broken() -> list[Check]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        look_at_all([_probe("fine"), Probe(Group.TOOLS, "broken", broken)])


def test_nothing_to_look_at_is_nothing() -> None:
    assert look_at_all([]) == ()
