"""The checks are made one after the other, whatever each comes to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from auroral.aws_account import AwsError
from auroral.aws_calls import Failure, Kind
from auroral.ecs.verify.checks import Check, Found, State, Verdict, failed, passed
from auroral.ecs.verify.run import prove
from auroral.errors import TargetError, UsageError

TRIED = (Check.SERVICES, Check.EXEC, Check.ALARMS, Check.BENCHMARK)


class Clock:
    """A second goes by whenever it is looked at."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def raising(error: BaseException) -> Callable[[], Found]:
    def look() -> Found:
        raise error

    return look


def aws(kind: Kind, call: str) -> AwsError:
    return AwsError(Failure(kind=kind, code="X", words="no", call=call))


def run(**looks: Any) -> tuple[Any, list[str]]:
    said: list[str] = []
    made = {check: looks.get(check.value, lambda: passed("fine")) for check in TRIED}
    return prove(TRIED, made, said.append, now_s=Clock()), said


def states(proof: Any) -> list[State]:
    return [one.state for one in proof.checks]


def test_all_pass() -> None:
    proof, said = run(alarms=lambda: passed("none rings", "a note"))
    assert proof.verdict is Verdict.PASSED
    assert states(proof) == [State.PASSED] * 4
    assert proof.checks[2].notes == ("a note",)
    assert all(one.took_s == 1.0 for one in proof.checks)
    assert said[:2] == ["services: whether every service is steady", "services: passed"]


def test_a_failure_stops_only_what_needs_it() -> None:
    proof, said = run(services=lambda: failed("history fails", "auroral cluster logs history"))
    assert states(proof) == [State.FAILED, State.PASSED, State.PASSED, State.NOT_TRIED]
    assert proof.checks[0].remedy == "auroral cluster logs history"
    assert proof.checks[3].text == "needs services"
    assert proof.verdict is Verdict.FAILED
    assert "services: failed: history fails" in said
    assert not any(line.startswith("benchmark") for line in said)


@pytest.mark.parametrize("kind", [TargetError, UsageError])
def test_what_keeps_a_check_from_an_answer_is_its_failure(kind: Any) -> None:
    proof, _ = run(exec=raising(kind("no agent", hint="look there")))
    assert states(proof) == [State.PASSED, State.FAILED, State.PASSED, State.PASSED]
    assert (proof.checks[1].text, proof.checks[1].remedy) == ("no agent", "look there")


@pytest.mark.parametrize(
    ("error", "goes_on"),
    [
        (aws(Kind.EXPIRED, "cloudwatch:DescribeAlarms"), False),
        (aws(Kind.UNREACHABLE, "ecs:DescribeTasks"), False),
        (aws(Kind.UNREACHABLE, "aps:QueryMetrics"), True),
        (aws(Kind.DENIED, "ecs:ExecuteCommand"), True),
        (aws(Kind.THROTTLED, "ecs:DescribeTasks"), True),
    ],
)
def test_without_credentials_or_ecs_nothing_goes_on(error: AwsError, goes_on: bool) -> None:
    proof, _ = run(exec=raising(error))
    after = State.PASSED if goes_on else State.NOT_TRIED
    assert states(proof) == [State.PASSED, State.FAILED, after, after]
    assert proof.verdict is (Verdict.FAILED if goes_on else Verdict.UNREACHABLE)
    if not goes_on:
        assert proof.checks[2].text.startswith("AWS can no longer be asked: ")


def test_an_interrupt_ends_all() -> None:
    proof, _ = run(exec=raising(KeyboardInterrupt()))
    assert states(proof) == [State.PASSED, State.NOT_TRIED, State.NOT_TRIED, State.NOT_TRIED]
    assert proof.verdict is Verdict.INTERRUPTED


def test_a_bug_is_no_failed_check() -> None:
    with pytest.raises(ZeroDivisionError):
        run(exec=raising(ZeroDivisionError()))
