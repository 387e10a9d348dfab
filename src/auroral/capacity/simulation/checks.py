"""What a scenario asserts, against what happened. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from auroral.capacity.simulation.fleet import Fleet
from auroral.capacity.simulation.outcome import Outcome
from auroral.capacity.simulation.result import Check
from auroral.capacity.simulation.scenario import QUIET, Event, Scenario
from auroral.units import format_duration

Stretch = tuple[float, float]
_REFUSALS = ("refused-rate", "refused-cap")


def judge(scenario: Scenario, outcome: Outcome, fleet: Fleet) -> list[Check]:
    """Every assertion, with its margin."""
    return [
        _refused(scenario, outcome),
        *_converged(scenario, outcome, fleet),
        _longest_wait(scenario, outcome),
        _short(scenario, outcome),
        _most_connections(scenario, outcome),
    ]


def _refused(scenario: Scenario, outcome: Outcome) -> Check:
    totals, limit = outcome.totals, scenario.limits.refused
    observed = totals.refused_rate + totals.refused_cap
    first = next((v for v in outcome.violations if v.kind in _REFUSALS), None)
    left = totals.least_bucket / scenario.database.connect_burst
    passed = observed <= limit
    nearest_s = min(range(len(outcome.series.bucket_least)), key=outcome.series.bucket_least.__getitem__, default=0)
    return Check(
        name="refused",
        text="DSQL refuses no connection" if not limit else f"DSQL refuses at most {limit:,} connections",
        unit="",
        limit=limit,
        observed=observed,
        passed=passed,
        margin=left if passed else -float(observed - limit),
        at_s=first.at_s if first is not None else float(nearest_s),
        detail=f"its bucket held {totals.least_bucket:,} of {scenario.database.connect_burst:,} at least"
        if passed
        else f"{totals.refused_rate:,} by its rate (53400), {totals.refused_cap:,} by its cap (53300)",
    )


def _converged(scenario: Scenario, outcome: Outcome, fleet: Fleet) -> list[Check]:
    well = _overlaps([(interval.from_s, interval.until_s) for interval in outcome.full], _whole(fleet, outcome.until_s))
    return [
        _converged_after(scenario, outcome, fleet, well, index, event)
        for index, event in enumerate(scenario.events)
        if event.do != "load"
    ]


def _converged_after(  # noqa: PLR0917
    scenario: Scenario, outcome: Outcome, fleet: Fleet, well: Sequence[Stretch], index: int, event: Event
) -> Check:
    limit_s = within_s(scenario, event)
    at_s = next((max(start, event.ends_s) for start, end in well if end > event.ends_s), None)
    took_s = None if at_s is None else at_s - event.ends_s
    # What had no time before the end is judged by what there was.
    passed = took_s is not None and took_s <= limit_s
    late = fleet.lates.get(index)
    least_s = outcome.until_s - event.ends_s if took_s is None else took_s
    after = "its end" if event.ends_s > event.at_s else "its beginning"
    return Check(
        name=f"converged-{index + 1}",
        text=f"{event.label}: every task serves with a full pool within {format_duration(limit_s)} of {after}",
        unit="s",
        limit=limit_s,
        observed=took_s,
        passed=passed,
        margin=1 - least_s / limit_s if passed else min(0.0, 1 - least_s / limit_s),
        at_s=at_s if passed else min(event.ends_s + limit_s, outcome.until_s),
        detail="" if passed else "; ".join(late.missing if late is not None else ("not by the end",)),
    )


def _longest_wait(scenario: Scenario, outcome: Outcome) -> Check:
    limit_s, longest = scenario.limits.longest_wait_s, outcome.longest_wait
    observed_s = longest.wait_s if longest is not None else 0.0
    return Check(
        name="longest-wait",
        text=f"no request waits longer than {format_duration(limit_s)} for a connection",
        unit="s",
        limit=limit_s,
        observed=observed_s,
        passed=observed_s <= limit_s,
        margin=_margin(observed_s, limit_s),
        at_s=longest.began_s if longest is not None else None,
        detail=f"at {longest.process}" if longest is not None else "",
    )


def _short(scenario: Scenario, outcome: Outcome) -> Check:
    limit_s, excused = scenario.limits.short_s, excused_stretches(scenario)
    stretches = _merge([(s.from_s, s.until_s) for s in outcome.shortages])
    rest = [part for stretch in stretches for part in _without(stretch, excused)]
    observed_s = sum(end - start for start, end in rest)
    passed = observed_s <= limit_s + 1e-9
    first = next((s for s in outcome.shortages if rest and s.from_s <= rest[0][0] < s.until_s), None)
    return Check(
        name="short",
        text="pools are full in steady state"
        if not limit_s
        else f"pools are short for at most {format_duration(limit_s)} in steady state",
        unit="s",
        limit=limit_s,
        observed=observed_s,
        passed=passed,
        margin=_margin(observed_s, limit_s),
        at_s=rest[0][0] if rest else None,
        detail=f"{first.process} had {first.least} of {first.target}" if first is not None else "",
    )


def _most_connections(scenario: Scenario, outcome: Outcome) -> Check:
    limit, most = scenario.limits.most_connections, outcome.totals.most_open
    at_s = max(range(len(outcome.series.open)), key=outcome.series.open.__getitem__, default=0)
    return Check(
        name="most-connections",
        text=f"at most {limit:,} connections are open",
        unit="",
        limit=limit,
        observed=most,
        passed=most <= limit,
        margin=_margin(most, limit),
        at_s=float(at_s),
    )


def within_s(scenario: Scenario, event: Event) -> float:
    """The time that an event has to be over."""
    return event.within_s if event.within_s is not None else scenario.limits.converged_within_s


def excused_stretches(scenario: Scenario) -> list[Stretch]:
    """When pools may be short: from an event that closes connections until it has to be over."""
    return _merge([(e.at_s, e.ends_s + within_s(scenario, e)) for e in scenario.events if e.do not in QUIET])


def _margin(observed: float, limit: float) -> float:
    """What is left of a limit; of one that is zero, all or what is over."""
    return (limit - observed) / limit if limit else (1.0 if observed <= 0 else -observed)


def _whole(fleet: Fleet, until_s: float) -> list[Stretch]:
    ends = [at_s for at_s, _ in fleet.whole[1:]] + [until_s]
    return [(at_s, end_s) for (at_s, whole), end_s in zip(fleet.whole, ends, strict=True) if whole]


def _overlaps(first: Sequence[Stretch], second: Sequence[Stretch]) -> list[Stretch]:
    """Where both hold; each is in order and apart."""
    found, i, j = [], 0, 0
    while i < len(first) and j < len(second):
        start, end = max(first[i][0], second[j][0]), min(first[i][1], second[j][1])
        if start < end:
            found.append((start, end))
        if first[i][1] < second[j][1]:
            i += 1
        else:
            j += 1
    return found


def _merge(stretches: Sequence[Stretch]) -> list[Stretch]:
    merged: list[Stretch] = []
    for start, end in sorted(stretches):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _without(stretch: Stretch, excused: Sequence[Stretch]) -> list[Stretch]:
    """The parts of a stretch outside of the excused ones, which are in order and apart."""
    parts, (start, end) = [], stretch
    for first, last in excused:
        if last <= start or first >= end:
            continue
        if first > start:
            parts.append((start, first))
        start = max(start, last)
    return [*parts, (start, end)] if start < end else parts
