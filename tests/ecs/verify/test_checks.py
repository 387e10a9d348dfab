"""Which checks are made, which need which, what they come to."""

from __future__ import annotations

import pytest

from auroral.ecs.verify.checks import (
    BY_OUTPUTS,
    CLAIMS,
    NEEDS,
    Check,
    Checked,
    State,
    Verdict,
    chosen,
    lacking,
    not_tried,
    verdict,
    with_flags,
)
from auroral.errors import ExitCode

OUTPUTS = ("--outputs", "a b.json", "--profile", "ops")
NAMES = ("--cluster", "dev", "--project", "dev", "--region", "eu-west-1")


def checked(check: Check, state: State = State.PASSED, *, unreachable: bool = False) -> Checked:
    return Checked(check=check, state=state, text="x", unreachable=unreachable)


def test_every_check_claims_something_of_its_own() -> None:
    assert set(CLAIMS) == set(Check)
    assert len(set(CLAIMS.values())) == len(Check)


def test_nothing_needs_what_comes_after_it() -> None:
    order = list(Check)
    assert all(order.index(one) < order.index(check) for check, needed in NEEDS.items() for one in needed)


def test_the_benchmark_is_last_as_it_alone_changes_something() -> None:
    assert list(Check)[-1] is Check.BENCHMARK


def test_all_are_chosen_in_order_unless_told_otherwise() -> None:
    assert chosen((), (), benchmark=True) == tuple(Check)
    assert chosen((), (), benchmark=False) == tuple(Check)[:-1]
    assert chosen((Check.UI, Check.SERVICES), (), benchmark=True) == (Check.SERVICES, Check.UI)
    assert chosen((Check.UI, Check.EXEC), (Check.EXEC,), benchmark=True) == (Check.UI,)
    assert chosen((), tuple(Check), benchmark=True) == ()


def test_what_failed_or_was_not_tried_is_lacking() -> None:
    before = [checked(Check.SERVICES), checked(Check.SCHEMA, State.FAILED), not_tried(Check.VISIBILITY, "x")]
    assert lacking(Check.BENCHMARK, before) == (Check.SCHEMA, Check.VISIBILITY)
    assert lacking(Check.UI, before) == ()


def test_what_nobody_asked_for_is_taken_for_granted() -> None:
    assert lacking(Check.BENCHMARK, [checked(Check.SERVICES)]) == ()


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([State.PASSED, State.PASSED], Verdict.PASSED),
        ([State.PASSED, State.FAILED], Verdict.FAILED),
        ([State.PASSED, State.NOT_TRIED], Verdict.FAILED),
        ([], Verdict.FAILED),
    ],
)
def test_all_must_have_passed(states: list[State], expected: Verdict) -> None:
    checks = [checked(check, state) for check, state in zip(Check, states, strict=False)]
    assert verdict(checks, interrupted=False, cut_off=False) is expected


def test_an_interrupt_and_an_aws_out_of_reach_come_first() -> None:
    one = [checked(Check.SERVICES)]
    assert verdict(one, interrupted=True, cut_off=True) is Verdict.INTERRUPTED
    assert verdict(one, interrupted=False, cut_off=True) is Verdict.UNREACHABLE
    away = [checked(check, State.FAILED, unreachable=True) for check in (Check.ALARMS, Check.METRICS)]
    assert verdict(away, interrupted=False, cut_off=False) is Verdict.UNREACHABLE
    assert verdict([*away, *one], interrupted=False, cut_off=False) is Verdict.FAILED


def test_each_verdict_has_an_exit_code_of_its_own() -> None:
    assert [one.exit_code for one in Verdict] == [
        ExitCode.OK, ExitCode.FAILED, ExitCode.UNREACHABLE, ExitCode.INTERRUPTED
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("remedy", "flags", "where", "expected"),
    [
        ("auroral cluster up", OUTPUTS, None, "auroral cluster up --outputs 'a b.json' --profile ops"),
        ("auroral cluster up", OUTPUTS, "cluster", "auroral cluster up --outputs 'a b.json' --profile ops"),
        ("auroral cluster up", NAMES, None, "auroral cluster up --cluster dev --project dev --region eu-west-1"),
        ("auroral schema setup", NAMES, "here", "auroral schema setup --region eu-west-1 --where here"),
        ("auroral dsql connections", (), None, "auroral dsql connections"),
        ("auroral infra apply", OUTPUTS, "here", "auroral infra apply"),
        ("renew the credentials", OUTPUTS, None, "renew the credentials"),
        ("", OUTPUTS, None, ""),
    ],
)
def test_a_remedy_gets_the_flags_that_it_takes(
    remedy: str, flags: tuple[str, ...], where: str | None, expected: str
) -> None:
    assert with_flags(remedy, flags, where) == expected


def test_names_alone_are_enough_for_what_aws_says_itself() -> None:
    assert not BY_OUTPUTS & {Check.SERVICES, Check.EXEC, Check.UI, Check.GRAFANA, Check.ALARMS, Check.BUDGET}
