"""What a judgement of a deployment consists of: findings, each with the command that mends it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import msgspec

from auroral.errors import ExitCode


class Severity(StrEnum):
    """How much a finding matters."""

    UNHEALTHY = "unhealthy"
    """Something that should work does not."""
    NOTE = "note"
    """Worth knowing; nothing is wrong, or not yet."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was found."""

    severity: Severity
    subject: str
    """A service's key, `pool main`, `dsql`, `opensearch`, `alarms`, `membership`, `operation`."""
    text: str
    command: str = ""
    """That mends it, or shows more of it; empty: none does."""


class Verdict(StrEnum):
    """In a word."""

    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    NOT_STARTED = "not started"
    """Every service is at 0 on purpose, and nothing else is wrong."""

    @property
    def exit_code(self) -> ExitCode:
        """Of the command that tells it."""
        return ExitCode.FAILED if self is Verdict.UNHEALTHY else ExitCode.OK


def unhealthy(subject: str, text: str, command: str = "") -> Finding:
    """Something does not work."""
    return Finding(severity=Severity.UNHEALTHY, subject=subject, text=text, command=command)


def note(subject: str, text: str, command: str = "") -> Finding:
    """Something is worth knowing."""
    return Finding(severity=Severity.NOTE, subject=subject, text=text, command=command)


def sorted_findings(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The unhealthy first, else in the order in which they were found."""
    return tuple(sorted(findings, key=lambda one: one.severity is Severity.NOTE))
