"""The correctness properties of a plan or state, as text. Pure."""

from __future__ import annotations

from auroral.infra.check import Judgement, Verdict

_WORDS = {"pass": "pass", "fail": "FAIL", "unknown": "not known", "nothing": "-"}
_MOST = 12


def render(judgement: Judgement) -> str:
    """The table, then what is wrong with why, then what is open, waived, and the conclusion."""
    lines = [f"{'':>3} {'property':<28}{'':<11}{'kept':>6}{'broken':>8}{'open':>6}{'waived':>8}"]
    for one in judgement.verdicts:
        counts = f"{one.kept:>6}{len(one.broken):>8}{len(one.unknown):>6}{len(one.waived):>8}"
        lines.append(f"{one.number:>3} {one.name:<28}{_WORDS[one.status]:<11}{counts}")
    for one in judgement.failures:
        lines += ["", f"{one.number} {one.name}: {one.why}", *_listed(one)]
    waived = [(one, finding) for one in judgement.verdicts for finding in one.waived]
    if waived:
        lines += ["", "waived:"]
        for one, finding in waived:
            until = f", until {finding.until}" if finding.until is not None else ""
            lines.append(f"  {one.number} {finding.address}: {finding.message} ({finding.reason}{until})")
    for waiver in judgement.useless:
        over = f"ended on {waiver.until}" if waiver.until is not None else "waives nothing"
        lines += ["", f"a waiver can go: {waiver.property} of {waiver.address} {over}, or nothing is broken there"]
    return "\n".join([*lines, "", *conclusion(judgement)])


def _listed(one: Verdict) -> list[str]:
    shown = [f"  {finding.address}: {finding.message}" for finding in one.broken[:_MOST]]
    more = len(one.broken) - _MOST
    return [*shown, f"  and {more} more"] if more > 0 else shown


def conclusion(judgement: Judgement) -> list[str]:
    """The last lines: passed or not, and what is left to look at."""
    held = sum(1 for one in judgement.verdicts if one.status == "pass")
    failed, open_ = len(judgement.failures), len(judgement.open)
    what = f"the {judgement.kind} of {judgement.resources:,} resources"
    counted = f"{held} of {len(judgement.verdicts)} properties hold for all of {what}"
    told = [f"{'passed' if judgement.passed else 'FAILED'}: {counted}, {failed} broken, {open_} not known yet"]
    if open_ and judgement.kind == "plan":
        told.append("what a plan does not know is checked on the state after the apply: auroral infra check --state")
    return told
