"""Pass, fail or inconclusive, with the reasons. Pure.

Inconclusive where the measurement itself is in doubt, whatever the thresholds say. Where only a confirmation is
missing, a pass becomes inconclusive and a fail stays one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from auroral.bench.result import ProcessUsage, Reconciliation, ThresholdResult, Times, Verdict
from auroral.bench.samples import SERVER_FAILURES, Outcome
from auroral.bench.thresholds import NO_DATA
from auroral.units import format_duration, format_ratio


class VerdictFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a verdict rests on."""

    scheduled: int
    outcomes: Mapping[str, int]
    thresholds: Sequence[ThresholdResult]
    reconciliation: Reconciliation
    doubts: Sequence[str] = ()
    """Whatever else puts the measurement in doubt, in words."""
    lost: Sequence[ProcessUsage] = ()
    """Processes of ours that ended when they should not have."""
    interrupted: bool = False
    times: Times | None = None
    steady_s: float | None = None
    """How much of the steady window was driven; None: not known, and so not judged."""


def judge(facts: VerdictFacts) -> Verdict:
    """Judge a run. A pass needs every threshold held and nothing in doubt."""
    doubts, unconfirmed = doubts_of(facts), _unconfirmed(facts)
    unmet = [
        f"{result.expression} was not met: {result.observed}"
        for result in facts.thresholds
        if not result.passed and result.observed != NO_DATA
    ]
    if doubts:
        return Verdict(status="inconclusive", reasons=[*doubts, *unmet, *unconfirmed])
    if unmet:
        return Verdict(status="fail", reasons=[*unmet, *unconfirmed])
    if unconfirmed:
        return Verdict(status="inconclusive", reasons=unconfirmed)
    held = len(facts.thresholds)
    return Verdict(status="pass", reasons=[f"{held} threshold{'' if held == 1 else 's'} held, and nothing is in doubt"])


def doubts_of(facts: VerdictFacts) -> list[str]:
    """Why the numbers themselves cannot be trusted."""
    doubts = []
    if facts.scheduled == 0:
        doubts.append("nothing was scheduled: there is nothing to judge")
    counted = sum(facts.outcomes.values())
    if counted != facts.scheduled:
        doubts.append(f"{facts.scheduled:,} starts were scheduled, but {counted:,} have an outcome")
    limited = facts.outcomes.get(Outcome.GENERATOR_LIMITED, 0)
    if limited:
        share = format_ratio(limited / facts.scheduled) if facts.scheduled else "?"
        doubts.append(f"{limited:,} starts ({share}) were never sent because the generator was the limit")
    doubts.extend(f"{process.name} was lost{f': {process.detail}' if process.detail else ''}" for process in facts.lost)
    if facts.reconciliation.status == "disagreed":
        doubts.append(f"our counts disagree with the server's: {facts.reconciliation.detail}")
    doubts.extend(facts.doubts)
    doubts.extend(_beyond_range(facts.times))
    doubts.extend(_cut_short(facts))
    return doubts


def _beyond_range(times: Times | None) -> list[str]:
    if times is None:
        return []
    return [
        f"{quantiles.out_of_range:,} of {quantiles.count:,} values of {name} are beyond the histogram's range"
        for name in times.__struct_fields__
        if (quantiles := getattr(times, name)).out_of_range
    ]


def _cut_short(facts: VerdictFacts) -> list[str]:
    """What an interruption leaves without meaning."""
    if not facts.interrupted:
        return []
    cut = []
    if facts.steady_s is not None and facts.steady_s < 1:
        cut.append(f"the run was interrupted {format_duration(facts.steady_s)} into its steady window")
    unfinished = facts.outcomes.get(Outcome.UNFINISHED, 0)
    others = sum(facts.outcomes.get(outcome, 0) for outcome in SERVER_FAILURES) - unfinished
    if unfinished and not others:
        # The drain of an interrupted run is brief: they might have completed.
        cut.append(f"the run was interrupted with {unfinished:,} starts still open, and nothing else had failed")
    return cut


def _unconfirmed(facts: VerdictFacts) -> list[str]:
    """What keeps a pass from being one."""
    missing = []
    if facts.interrupted:
        missing.append("the run was interrupted: what it would have carried to its end is not known")
    if facts.reconciliation.status == "unavailable":
        missing.append(f"the server's own counts were not to be had: {facts.reconciliation.detail}")
    missing.extend(
        f"{result.expression} could not be judged: {NO_DATA}"
        for result in facts.thresholds
        if not result.passed and result.observed == NO_DATA
    )
    return missing
