"""Findings in order, verdicts as exit codes."""

from __future__ import annotations

import pytest

from auroral.ecs.health.verdict import Verdict, note, sorted_findings, unhealthy
from auroral.errors import ExitCode


def test_the_unhealthy_come_first_and_each_kind_keeps_its_order() -> None:
    found = [note("a", "1"), unhealthy("b", "2"), note("c", "3"), unhealthy("d", "4", "auroral doctor")]
    assert [one.subject for one in sorted_findings(found)] == ["b", "d", "a", "c"]


@pytest.mark.parametrize(
    ("verdict", "code"),
    [
        (Verdict.HEALTHY, ExitCode.OK),
        (Verdict.NOT_STARTED, ExitCode.OK),
        (Verdict.UNHEALTHY, ExitCode.FAILED),
    ],
)
def test_exit_codes(verdict: Verdict, code: ExitCode) -> None:
    assert verdict.exit_code is code
