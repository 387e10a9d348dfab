"""What a search found, in numbers and in sentences. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from auroral.bench.search.settings import SearchSettings
from auroral.bench.search.table import ALMOST_NOTHING, Table
from auroral.bench.search.types import Found, Measured, Status
from auroral.units import format_duration, format_number, format_rate

_FEWEST_STARTS = 300
"""Of a confirming step: below, three late starts decide on a 99th percentile."""

_NEIGHBOURING = 1.6
"""Precisions between two rates of which little separates one that held easily from one that was lost."""


def conclude(settings: SearchSettings, steps: Sequence[Measured], status: Status, reason: str = "") -> Found:
    """How a search ended, with what its steps say about the largest rate."""
    table = Table(steps)
    held_per_s, lost_per_s = table.bracket()
    confirming = None if held_per_s is None else table.confirmed(held_per_s)
    return Found(
        status=status,
        rate_per_s=held_per_s,
        held_per_s=held_per_s,
        lost_per_s=lost_per_s,
        confirmed=confirming is not None,
        sentences=[
            _headline(settings, status, " and ".join(settings.slo), held_per_s),
            *([f"It ended early: {reason}."] if reason else []),
            *_of_confirmation(held_per_s, confirming),
            *_of_the_lost(steps, held_per_s, lost_per_s),
            *_of_chance(table, settings.precision, held_per_s, lost_per_s),
            _of_the_load(steps),
        ],
        steps=list(steps),
    )


def _of_confirmation(held_per_s: float | None, confirming: Measured | None) -> list[str]:
    if held_per_s is None:
        return []
    rate = format_rate(held_per_s)
    if confirming is None:
        return [f"No confirming step held at {rate}: it rests on shorter ones."]
    held_s = confirming.load_s - confirming.step.ramp_s
    sentences = [f"A step of {format_duration(held_s)} at {rate} confirms it."]
    starts = confirming.offered_per_s * held_s
    if starts < _FEWEST_STARTS:
        sentences.append(f"That step had {starts:,.0f} starts only: a longer one would be surer.")
    return sentences


def _of_the_lost(steps: Sequence[Measured], held_per_s: float | None, lost_per_s: float | None) -> list[str]:
    if lost_per_s is None:
        return []
    lost = [each for each in steps if each.step.rate_per_s == lost_per_s and each.held is False]
    rate, why = format_rate(lost_per_s), "; ".join(lost[-1].reasons)
    if held_per_s is None:
        return [f"{rate} was lost: {why}."]
    more = format_number((lost_per_s / held_per_s - 1) * 100)
    return [f"The next rate tried above, {rate} ({more} % more), was lost: {why}."]


def _of_chance(table: Table, precision: float, held_per_s: float | None, lost_per_s: float | None) -> list[str]:
    """A loss that may be chance, where there was no load left for a second look."""
    if held_per_s is None or lost_per_s is None or lost_per_s > held_per_s * (1 + _NEIGHBOURING * precision):
        return []
    chance = table.times(lost_per_s) == 1 and table.lost_alone(lost_per_s, precision)
    if not chance or table.spent(held_per_s) >= ALMOST_NOTHING:
        return []
    return ["It was tried once only, and right below it next to nothing was late: the limit may lie higher."]


def _of_the_load(steps: Sequence[Measured]) -> str:
    used_s = sum(measured.load_s for measured in steps)
    return f"{len(steps)} step{'' if len(steps) == 1 else 's'}, {format_duration(used_s)} of load."


def _headline(settings: SearchSettings, status: Status, objective: str, held_per_s: float | None) -> str:
    rate = "" if held_per_s is None else format_rate(held_per_s)
    match status:
        case "found":
            return f"The cluster sustains {rate} with {objective}."
        case "above-most":
            return f"The cluster sustains at least {rate}, the most that was asked for, with {objective}."
        case "below-least":
            return (
                f"The cluster does not sustain {format_rate(settings.least_per_s)}, the least rate, with {objective}."
            )
        case "budget-spent":
            spent = f"the {format_duration(settings.budget_s)} of load ended before the search did"
            return (
                f"The cluster sustains at least {rate} with {objective}; {spent}."
                if rate
                else f"Nothing found: {spent}."
            )
        case "inconclusive":
            return (
                f"Inconclusive; up to {rate} the cluster held {objective}." if rate else "Inconclusive: no rate held."
            )
