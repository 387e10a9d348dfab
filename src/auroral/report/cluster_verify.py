"""The proof of a deployment as text and as JSON (`auroral.cluster-verify/1`). Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from auroral.ecs.fleet import Fleet
from auroral.ecs.verify.checks import CLAIMS, Check, Checked, Proof, State, Verdict, with_flags
from auroral.json_document import json_text
from auroral.report.dsql_plain import wrapped
from auroral.units import format_duration

SCHEMA = "auroral.cluster-verify/1"
_INDENT = " " * 13


class CheckRow(msgspec.Struct, frozen=True, kw_only=True):
    """One check."""

    check: Check
    claim: str
    """What it proves."""
    state: State
    found: str
    remedy: str
    """A command, or what to do; empty where nothing is wrong, or nobody knows."""
    notes: list[str]
    took_s: float


class VerifyDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A proof."""

    schema: str = SCHEMA
    at: str
    """When it began: UTC, ISO 8601."""
    cluster: str
    region: str
    project: str
    source: str
    """Where it was read from what the deployment consists of."""
    verdict: Verdict
    took_s: float
    checks: list[CheckRow]
    left_out: list[Check]
    """That nobody asked for."""


def document(fleet: Fleet, proof: Proof, *, at: str, flags: Sequence[str], where: str | None = None) -> VerifyDocument:
    """Put together what is printed. `flags` name the deployment, `where` says where stores are asked from: both are
    added to the remedies that take them."""
    made = [one.check for one in proof.checks]
    return VerifyDocument(
        at=at,
        cluster=fleet.cluster,
        region=fleet.region,
        project=fleet.project,
        source=fleet.source,
        verdict=proof.verdict,
        took_s=round(proof.took_s, 3),
        checks=[_row(one, flags, where) for one in proof.checks],
        left_out=[one for one in Check if one not in made],
    )


def encode(found: VerifyDocument) -> str:
    """The document of `--json`."""
    return json_text(found)


def text(found: VerifyDocument) -> str:
    """A line for each check, with its remedy beneath it where it failed, and what they come to."""
    lines = [f"{found.cluster} in {found.region}, {found.at}", ""]
    for one in found.checks:
        lines += _lines(one)
    if found.left_out:
        lines += wrapped(", ".join(found.left_out), first="  left out   ", then=_INDENT)
    return "\n".join([*lines, "", _conclusion(found)])


def _row(one: Checked, flags: Sequence[str], where: str | None) -> CheckRow:
    return CheckRow(
        check=one.check,
        claim=CLAIMS[one.check],
        state=one.state,
        found=one.text,
        remedy=with_flags(one.remedy, flags, where),
        notes=list(one.notes),
        took_s=round(one.took_s, 3),
    )


def _lines(one: CheckRow) -> list[str]:
    took = f" ({format_duration(round(one.took_s))})" if one.took_s >= 1 else ""
    lines = wrapped(f"{one.check}: {one.found}{took}", first=f"  {one.state:<11}", then=_INDENT + "  ")
    for note in one.notes:
        lines += wrapped(f"note: {note}", first=_INDENT, then=_INDENT + "  ")
    if one.remedy:  # on a line of its own, whole: it is copied
        lines.append(f"{_INDENT}→ {one.remedy}")
    return lines


def _conclusion(found: VerifyDocument) -> str:
    def named(state: State) -> list[Check]:
        return [one.check for one in found.checks if one.state is state]

    count, took = len(found.checks), format_duration(round(found.took_s))
    if found.verdict is Verdict.PASSED:
        return f"PASSED: {count} of {count} checks in {took}"
    told = [f"{words} {', '.join(named(state))}" for words, state in _TOLD if named(state)]
    return f"{found.verdict.upper()}: {len(named(State.PASSED))} of {count} checks passed in {took}; {'; '.join(told)}"


_TOLD = (("failed:", State.FAILED), ("not tried:", State.NOT_TRIED))
