"""The proof that a deployment works: its checks, which need which, and what they come to together. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import StrEnum

import msgspec

from auroral.errors import ExitCode


class Check(StrEnum):
    """What is looked at, in this order."""

    SERVICES = "services"
    SCHEMA = "schema"
    EXEC = "exec"
    UI = "ui"
    GRAFANA = "grafana"
    METRICS = "metrics"
    VISIBILITY = "visibility"
    WORKFLOWS = "workflows"
    ALARMS = "alarms"
    BUDGET = "budget"
    BENCHMARK = "benchmark"


CLAIMS: Mapping[Check, str] = {
    Check.SERVICES: "every service is steady",
    Check.SCHEMA: "the schema and its roles are there",
    Check.EXEC: "a command runs in a task of the frontend, whose server is the image's and healthy",
    Check.UI: "the UI loads through a forwarded port, and reaches the frontend",
    Check.GRAFANA: "Grafana loads through a forwarded port, and lets nobody in without a login",
    Check.METRICS: "fresh metrics of each of Temporal's tasks are in the workspace",
    Check.VISIBILITY: "the visibility index is as it must be, and takes writes",
    Check.WORKFLOWS: "the frontend lists workflows, which it reads from the visibility store",
    Check.ALARMS: "no alarm rings",
    Check.BUDGET: "DSQL has no more connections than the tasks may hold",
    Check.BENCHMARK: "a short benchmark passes",
}

NEEDS: Mapping[Check, tuple[Check, ...]] = {Check.BENCHMARK: (Check.SERVICES, Check.SCHEMA, Check.VISIBILITY)}
"""What must not have failed before; all else is found out each by itself."""

BY_OUTPUTS = frozenset({Check.SCHEMA, Check.METRICS, Check.VISIBILITY, Check.BENCHMARK})
"""What only a deployment's outputs say enough for: names given by flag do not."""

_BY_NAMES_TOO = ("auroral cluster ", "auroral bench remote ")
_OF_DEPLOYMENT = (*_BY_NAMES_TOO, "auroral schema ", "auroral visibility ", "auroral dsql ")
_BY_NAMES = ("--cluster", "--project")
"""Flags that the first alone know."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What one check came to."""

    passed: bool
    text: str
    remedy: str = ""
    """The command that mends it or shows more of it, without the flags that name the deployment; or what to do."""
    notes: tuple[str, ...] = ()
    """Worth knowing; no fault."""


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """Not yet: it may become well by itself."""

    text: str
    remedy: str = ""


class State(StrEnum):
    """How a check ended."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_TRIED = "not tried"


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """One check, over."""

    check: Check
    state: State
    text: str
    remedy: str = ""
    notes: tuple[str, ...] = ()
    took_s: float = 0.0
    unreachable: bool = False
    """Whether it failed as AWS could not be asked."""


class Verdict(StrEnum):
    """Of the whole."""

    PASSED = "passed"
    FAILED = "failed"
    UNREACHABLE = "unreachable"
    INTERRUPTED = "interrupted"

    @property
    def exit_code(self) -> ExitCode:
        """Of the command that tells it."""
        return {
            Verdict.PASSED: ExitCode.OK,
            Verdict.FAILED: ExitCode.FAILED,
            Verdict.UNREACHABLE: ExitCode.UNREACHABLE,
            Verdict.INTERRUPTED: ExitCode.INTERRUPTED,
        }[self]


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """All checks, over."""

    checks: tuple[Checked, ...]
    verdict: Verdict
    took_s: float


def passed(text: str, *notes: str) -> Found:
    """As it should be."""
    return Found(passed=True, text=text, notes=notes)


def failed(text: str, remedy: str = "", *notes: str) -> Found:
    """Not as it should be."""
    return Found(passed=False, text=text, remedy=remedy, notes=notes)


def chosen(only: Collection[Check], skip: Collection[Check], *, benchmark: bool) -> tuple[Check, ...]:
    """The checks to make, in order; `only` empty: all."""
    left_out = {*skip, *(() if benchmark else (Check.BENCHMARK,))}
    return tuple(one for one in Check if (not only or one in only) and one not in left_out)


def lacking(check: Check, before: Iterable[Checked]) -> tuple[Check, ...]:
    """What a check needs and did not pass. What nobody asked for is taken for granted."""
    states = {one.check: one.state for one in before}
    return tuple(one for one in NEEDS.get(check, ()) if states.get(one, State.PASSED) is not State.PASSED)


def not_tried(check: Check, why: str) -> Checked:
    """A check that was not made."""
    return Checked(check=check, state=State.NOT_TRIED, text=why)


def verdict(checks: Sequence[Checked], *, interrupted: bool, cut_off: bool) -> Verdict:
    """What they come to. `cut_off`: AWS could no longer be asked at all."""
    tried = [one for one in checks if one.state is not State.NOT_TRIED]
    if interrupted:
        return Verdict.INTERRUPTED
    if cut_off or (tried and all(one.unreachable for one in tried)):
        return Verdict.UNREACHABLE
    well = bool(checks) and all(one.state is State.PASSED for one in checks)
    return Verdict.PASSED if well else Verdict.FAILED


def with_flags(remedy: str, flags: Sequence[str], where: str | None = None) -> str:
    """A remedy that is a command on a deployment, with the flags that name it, and where it runs; else as it is."""
    if not f"{remedy} ".startswith(_OF_DEPLOYMENT):
        return remedy
    by_names = f"{remedy} ".startswith(_BY_NAMES_TOO)
    pairs = zip(flags[::2], flags[1::2], strict=True)
    parts = [part for flag, value in pairs if by_names or flag not in _BY_NAMES for part in (flag, value)]
    parts += ["--where", where] if where and not by_names else []
    return f"{remedy} {shlex.join(parts)}" if parts else remedy
