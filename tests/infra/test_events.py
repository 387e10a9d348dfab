"""Terraform's JSON lines as progress, and its errors as auroral's."""

from __future__ import annotations

import json
from typing import Any

import pytest

from auroral.errors import ExitCode
from auroral.infra.events import Diagnostic, Progress, diagnostic, failure


def read(*events: dict[str, Any]) -> list[str]:
    progress = Progress()
    return [line for event in events for line in progress.line(json.dumps(event))]


def planned(action: str, address: str, module: str = "") -> dict[str, Any]:
    return {"type": "planned_change", "change": {"action": action, "resource": {"addr": address, "module": module}}}


def test_a_plan_in_few_lines() -> None:
    lines = read(
        planned("create", "module.a.x.y", "module.a"),
        planned("create", "module.a.x.z", "module.a"),
        planned("create", "x.root"),
        planned("delete", "x.gone"),
        {"type": "change_summary", "changes": {"operation": "plan", "add": 3, "change": 0, "remove": 1}},
    )
    assert lines == [
        "- delete x.gone",
        "+ create 2 in module.a",
        "+ create 1 in the root",
        "plan: 3 to create, 0 to change, 1 to destroy",
    ]


def test_an_apply_counts_towards_its_end() -> None:
    progress = Progress()
    progress.expect(2)
    hook = {"action": "create", "resource": {"addr": "x.y"}, "elapsed_seconds": 3}
    assert progress.line(json.dumps({"type": "apply_complete", "hook": hook})) == ["[1/2] created x.y (3 s)"]
    waiting = {"resource": {"addr": "x.z"}, "elapsed_seconds": 40}
    assert progress.line(json.dumps({"type": "apply_progress", "hook": waiting})) == []
    waiting["elapsed_seconds"] = 60
    assert "still working after 60 s" in progress.line(json.dumps({"type": "apply_progress", "hook": waiting}))[0]


def test_what_is_no_event_is_shown_or_passed_over() -> None:
    progress = Progress()
    assert progress.line("plain words\n") == ["plain words"]
    assert progress.line("\n") == []
    assert progress.line('{"type": "something_new"}') == []
    assert progress.line("[1]") == ["[1]"]


def test_errors_are_kept_once() -> None:
    progress = Progress()
    event = {"type": "diagnostic", "diagnostic": {"severity": "error", "summary": "s", "detail": "d"}}
    for _ in range(2):
        assert progress.line(json.dumps(event)) == []
    assert len(progress.errors) == 1


LOCK = """Error message: api error PreconditionFailed
Lock Info:
  ID:        7f9d6e9a-1
  Path:      bucket/dev/terraform.tfstate
  Operation: OperationTypeApply
  Who:       ada@example
  Version:   1.11.4
  Created:   2026-11-25 10:00:00 +0000 UTC
  Info:
"""


@pytest.mark.parametrize(
    ("summary", "detail", "code", "words"),
    [
        ("Error acquiring the state lock", LOCK, ExitCode.UNREACHABLE, "locked by ada@example since 2026-11-25"),
        ("Error acquiring the state lock", LOCK, ExitCode.UNREACHABLE, "auroral infra unlock 7f9d6e9a-1"),
        ("Error acquiring the state lock", "no bucket", ExitCode.UNREACHABLE, "cannot be locked: no bucket"),
        ("No valid credential sources found", "", ExitCode.UNREACHABLE, "aws sso login"),
        ("creating X", "api error ExpiredToken: the token", ExitCode.UNREACHABLE, "--aws-profile"),
        ("Backend initialization required, please run terraform init", "", ExitCode.USAGE, "auroral infra init"),
        ("Module not installed", "", ExitCode.USAGE, "auroral infra init"),
        ("No value for required variable", 'variable "region" is not set', ExitCode.USAGE, '"region" is not set'),
        ("creating X", "dial tcp: no such host", ExitCode.UNREACHABLE, "is the region right"),
        ("creating X", "api error Throttled", ExitCode.UNREACHABLE, "creating X: api error Throttled"),
    ],
)
def test_failures(summary: str, detail: str, code: ExitCode, words: str) -> None:
    told = failure([Diagnostic(severity="error", summary=summary, detail=detail)], "apply")
    assert told.exit_code == code
    assert words in str(told)


def test_a_validation_is_shown_as_the_module_wrote_it() -> None:
    detail = "The sum:\n16 × 8 history = 128/s of 100\n\nThis was checked by the validation rule at main.tf:1,2-3."
    told = failure([Diagnostic(severity="error", summary="Invalid value for variable", detail=detail)], "plan")
    assert told.exit_code == ExitCode.USAGE
    assert str(told) == "The sum:\n16 × 8 history = 128/s of 100"


def test_a_failure_without_a_word() -> None:
    assert "without saying why" in str(failure([], "plan"))
    assert "killed" in str(failure([], "plan", "killed\n"))


def test_a_diagnostic_says_where() -> None:
    told = diagnostic({"severity": "error", "summary": "s", "detail": "d", "range": _range("main.tf", 7)})
    assert str(told) == "s (main.tf:7): d"
    assert str(diagnostic({"severity": "error", "summary": "s", "address": "x.y"})) == "s (x.y)"


def _range(file: str, line: int) -> dict[str, Any]:
    return {"filename": file, "start": {"line": line}}
