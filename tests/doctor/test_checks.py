"""Exit codes by what was found, and what a question without an answer says."""

from __future__ import annotations

import pytest

from auroral.aws_calls import Failure, Kind
from auroral.doctor.checks import Check, Diagnosis, Group, State, not_asked
from auroral.errors import ExitCode


def _diagnosis(*states: State, group: Group = Group.TOOLS, reached: bool | None = True) -> Diagnosis:
    return Diagnosis(
        auroral_version="1",
        at="2026-11-26T00:00:00+00:00",
        region="eu-west-1",
        account_id=None,
        needs=None,
        aws_reached=reached,
        checks=tuple(Check(group=group, name=str(n), state=one, found="x") for n, one in enumerate(states)),
    )


@pytest.mark.parametrize(
    ("states", "code"),
    [
        ((), ExitCode.OK),
        ((State.OK, State.WARN, State.UNKNOWN), ExitCode.OK),
        ((State.OK, State.MISSING), ExitCode.FAILED),
    ],
)
def test_only_what_is_missing_fails(states: tuple[State, ...], code: ExitCode) -> None:
    assert _diagnosis(*states).exit_code is code
    assert _diagnosis(*states, reached=None).exit_code is code


def test_an_aws_that_does_not_answer_comes_before_what_is_missing() -> None:
    assert _diagnosis(State.OK, State.MISSING, reached=False).exit_code is ExitCode.UNREACHABLE
    assert _diagnosis(State.OK, reached=False).exit_code is ExitCode.UNREACHABLE


def test_a_region_that_does_not_exist_is_not_blamed_on_the_network() -> None:
    assert _diagnosis(State.MISSING, group=Group.REGION, reached=False).exit_code is ExitCode.FAILED


def _failure(kind: Kind, code: str, call: str) -> Failure:
    return Failure(kind=kind, code=code, words="words", call=call)


@pytest.mark.parametrize(
    ("failure", "found", "remedy"),
    [
        (
            _failure(Kind.DENIED, "AccessDenied", "ecs:ListAccountSettings"),
            "denied",
            "allow ecs:ListAccountSettings to",
        ),
        (
            _failure(Kind.DENIED, "AccessDenied", "service-quotas:GetServiceQuota"),
            "denied",
            "servicequotas:GetServiceQuota",
        ),
        (_failure(Kind.DENIED, "403", "s3:HeadBucket"), "denied", "allow s3:ListBucket to"),
        (_failure(Kind.EXPIRED, "ExpiredToken", "ecs:ListClusters"), "expired", "aws sso login"),
        (_failure(Kind.THROTTLED, "Throttling", "ecs:ListClusters"), "throttled", "in a minute"),
        (_failure(Kind.UNREACHABLE, "503", "ecs:ListClusters"), "HTTP status 503", "in a minute"),
        (_failure(Kind.UNKNOWN, "Odd", "ecs:ListClusters"), "ecs:ListClusters: Odd: words", ""),
    ],
)
def test_what_cannot_be_asked_is_not_known_and_says_what_it_needs(failure: Failure, found: str, remedy: str) -> None:
    check = not_asked(Group.ACCOUNT, "name", failure)
    assert check.state is State.UNKNOWN
    assert found in check.found
    assert remedy in check.remedy
