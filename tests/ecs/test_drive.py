"""The loop that carries decisions out: in virtual time, against a machine that is told what to answer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from auroral.aws_account import AwsError
from auroral.aws_calls import Call, Failure, Kind
from auroral.ecs.drive import HaltedError, drive
from auroral.ecs.machine import Act, Await, Decision, Finished, Halted, Run, after
from auroral.ecs.seen import ClusterSeen
from auroral.ecs.waiter import Patience
from auroral.errors import ExitCode, TargetError

SEEN = ClusterSeen(at=datetime(2026, 11, 26, tzinfo=UTC), services={})
CALL = Call(service="ecs", operation="update_service", arguments={"service": "a"})
SECOND = Call(service="ecs", operation="update_service", arguments={"service": "b"})


class World:
    """An account that may fail, and a clock."""

    region, profile = "eu-west-1", None

    def __init__(self, failures: Mapping[str, Failure] | None = None) -> None:
        self.now_s = 0.0
        self.waits: list[float] = []
        self.called: list[str] = []
        self.failures = dict(failures or {})

    def call(self, service: str, operation: str, /, **arguments: Any) -> Mapping[str, Any]:
        self.called.append(arguments["service"])
        if failure := self.failures.pop(arguments["service"], None):
            raise AwsError(failure)
        return {}

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now_s += seconds


class Told:
    """A machine that answers what it is told, and keeps the failures."""

    def __init__(self, *decisions: Decision, on_failure: Decision | None = None) -> None:
        self.decisions = list(decisions)
        self.failures: list[Failure] = []
        self.on_failure = on_failure

    def next(self, seen: ClusterSeen, now_s: float) -> Decision:
        return self.decisions.pop(0) if len(self.decisions) > 1 else self.decisions[0]

    def failed(self, failure: Failure, now_s: float) -> Decision:
        self.failures.append(failure)
        return self.on_failure or after(failure, doing="testing", again="again")

    def where(self) -> str:
        return "somewhere"


def _drive(
    machine: Told, world: World, said: list[str], *, deadline_s: float = 100, look: Any = None, works: Any = None
) -> Finished:
    return drive(
        machine,
        world,
        look or (lambda: SEEN),
        said.append,
        patience=Patience(deadline_s=deadline_s),
        again="auroral cluster up",
        works=works,
        sleep=world.sleep,
        now_s=lambda: world.now_s,
    )


def test_calls_are_made_in_order_and_waits_in_between() -> None:
    world, said = World(), list[str]()
    machine = Told(Act(calls=(CALL, SECOND), say="go"), Await(say="2 of 4"), Await(say="2 of 4"), Finished(say="done"))
    assert _drive(machine, world, said) == Finished(say="done")
    assert world.called == ["a", "b"]
    assert said == ["go", "2 of 4"]
    assert len(world.waits) == 2


def test_a_call_that_fails_ends_its_act_and_is_told_to_the_machine() -> None:
    throttled = Failure(kind=Kind.THROTTLED, code="ThrottlingException", words="no", call="ecs:UpdateService")
    world, said = World({"a": throttled}), list[str]()
    machine = Told(Act(calls=(CALL, SECOND), say="go"), Act(calls=(CALL, SECOND), say="go"), Finished(say="done"))
    _drive(machine, world, said)
    assert world.called == ["a", "a", "b"]
    assert machine.failures == [throttled]
    assert any("asking again more slowly" in one for one in said)


def test_an_observation_that_fails_is_told_to_the_machine() -> None:
    expired = Failure(kind=Kind.EXPIRED, code="ExpiredTokenException", words="over", call="ecs:DescribeServices")

    def look() -> ClusterSeen:
        raise AwsError(expired)

    with pytest.raises(HaltedError) as told:
        _drive(Told(Finished(say="never")), World(), [], look=look)
    assert "renew the credentials, then go on: again" in told.value.hint
    assert told.value.exit_code is ExitCode.UNREACHABLE


def test_a_halt_keeps_its_exit_code() -> None:
    halted = Halted(reason="over the budget", hint="fewer", exit_code=ExitCode.FAILED)
    with pytest.raises(HaltedError, match="over the budget") as told:
        _drive(Told(halted), World(), [])
    assert told.value.exit_code is ExitCode.FAILED


def test_the_deadline_says_where_it_stood() -> None:
    world = World()
    with pytest.raises(TargetError, match="not done after 60 s: somewhere") as told:
        _drive(Told(Await(say="waiting")), world, [], deadline_s=60)
    assert "auroral cluster up" in told.value.hint
    assert world.now_s == pytest.approx(60)


def test_work_is_done_then_looked_at_again_at_once() -> None:
    world, done, told = World(), list[float](), list[str]()

    def clean() -> None:
        done.append(world.now_s)

    machine = Told(Run(name="clean", say="cleaning"), Run(name="clean"), Finished(say="over"))
    _drive(machine, world, told, works={"clean": clean})
    assert (done, told, world.waits) == ([world.now_s] * 2, ["cleaning"], [])


def test_work_that_fails_is_answered_by_the_machine() -> None:
    answers = iter([Await(say="later"), Halted(reason="no", hint="")])
    world, told = World(), list[str]()
    with pytest.raises(HaltedError, match="no"):
        _drive(Told(Run(name="clean", say="cleaning")), world, told, works={"clean": lambda: next(answers)})
    assert told == ["cleaning", "later", "cleaning"]
    assert len(world.waits) == 1
