"""The search as a state machine: which rate to try next, and what was found. Pure."""

from __future__ import annotations

import math

from auroral.bench.search.conclude import conclude
from auroral.bench.search.settings import SHORTEST_STEP_S, SearchSettings
from auroral.bench.search.table import ALMOST_NOTHING, Table
from auroral.bench.search.types import Found, Kind, Measured, Status, Step
from auroral.units import format_rate

__all__ = ["Found", "Kind", "Measured", "Search", "Status", "Step"]

_FACTOR = 2.0
"""Between two rates of the bracket."""
_MOST_CONFIRMS = 6
_STEP_DOWN, _STEP_FURTHER_DOWN = 0.9, 1.5
"""From the first confirmation that failed and from later ones, in units of the precision."""
_CLOSE = 1.6
"""Precisions between a confirmed rate and a lost one that still count as found: a step further down, and rounding."""
_MOST_LOOKS = 3
"""At one rate."""
_MOST_STEPS = 100
_ROUNDING_S = 1e-6


def _rounded(rate_per_s: float, low_per_s: float, high_per_s: float) -> float:
    """To three digits where that stays well between the two, else to more."""
    for digits in range(2, 8):
        rounded = float(f"{rate_per_s:.{digits}e}")
        if abs(rounded - rate_per_s) < (high_per_s - low_per_s) / 10:
            return rounded
    return rate_per_s


class Search:
    """Ask `next` for a step, drive it, hand what it showed to `take`, until `next` gives what was found."""

    def __init__(self, settings: SearchSettings) -> None:
        self.settings = settings
        self._steps: list[Measured] = []
        self._given: Step | Found | None = None

    def next(self) -> Step | Found:
        """The step to drive now, or how the search ended. Asking again changes nothing."""
        if self._given is None:
            self._given = self._decide()
        return self._given

    def take(self, measured: Measured) -> None:
        """Take what the step last given showed. Raises `ValueError` for another step's."""
        if not isinstance(self._given, Step) or measured.step != self._given:
            raise ValueError(f"expected what the step last given showed, got that of step {measured.step.number}")
        self._steps.append(measured)
        self._given = None

    def stop(self, reason: str) -> Found:
        """End here, e.g. because backlog did not clear or the user stopped it: what is known so far."""
        if not isinstance(self._given, Found):
            self._given = self._end("inconclusive", reason)
        return self._given

    # The budget

    @property
    def _left_s(self) -> float:
        return self.settings.budget_s - sum(measured.load_s for measured in self._steps)

    def _fits(self, hold_s: float, *, confirming: int = 1) -> bool:
        """Whether so long a step can be driven, and that many confirming ones after it."""
        settings = self.settings
        needed_s = hold_s + settings.ramp_s + confirming * (settings.confirm_s + settings.ramp_s)
        return needed_s <= self._left_s + _ROUNDING_S

    # The decisions

    def _decide(self) -> Step | Found:
        last = self._steps[-1] if self._steps else None
        if len(self._steps) >= _MOST_STEPS:
            return self._end("budget-spent")
        if last is not None and last.held is None:
            return self._again(last)
        table = Table(self._steps)
        held_per_s, lost_per_s = table.bracket()
        if last is not None and (repeated := self._second_look(last, table, held_per_s, lost_per_s)):
            return repeated
        if lost_per_s is None or held_per_s is None:
            return self._bracket(held_per_s, lost_per_s)
        return self._narrow(table, held_per_s, lost_per_s)

    def _again(self, last: Measured) -> Step | Found:
        """Repeat a measurement in doubt once."""
        doubtful = [each for each in self._steps if each.held is None and each.step.rate_per_s == last.step.rate_per_s]
        confirming = 0 if last.step.kind == "confirm" else 1
        if len(doubtful) == 1 and self._fits(last.step.hold_s, confirming=confirming):
            return self._step(last.step.kind, last.step.rate_per_s, last.step.hold_s)
        twice = " twice" if len(doubtful) > 1 else ""
        reasons = "; ".join(last.reasons)
        return self._end(
            "inconclusive", f"the measurement at {format_rate(last.step.rate_per_s)} was in doubt{twice}: {reasons}"
        )

    def _second_look(
        self, last: Measured, table: Table, held_per_s: float | None, lost_per_s: float | None
    ) -> Step | None:
        """Measure a lost rate a second time where the loss may be chance: marginal, a stall, or out of proportion."""
        if lost_per_s is None:
            return None
        lost, times = table.last_at(lost_per_s), table.times(lost_per_s)
        hold_s = max(lost.step.hold_s, self.settings.step_s)
        if times >= _MOST_LOOKS or not self._fits(hold_s):
            return None
        just_now = last is lost and lost.doubtful
        at_the_end = (
            held_per_s is not None
            and self._narrow_enough(held_per_s, lost_per_s)
            and table.confirmed(held_per_s) is None
        )
        # Where next to nothing is late right below it, stalls may have come twice, an overload had not passed, or
        # whatever lost it came once: no other loss close by bears it out.
        sudden = held_per_s is not None and table.spent(held_per_s) < ALMOST_NOTHING
        lone = table.in_a_wake(lost) or table.lost_alone(lost_per_s, self.settings.precision)
        by_chance = (lost.doubtful and (times == 1 or sudden)) or (lone and sudden and times == 1)
        if (times == 1 and just_now) or (at_the_end and by_chance):
            return self._step(lost.step.kind, lost_per_s, hold_s)
        return None

    def _bracket(self, held_per_s: float | None, lost_per_s: float | None) -> Step | Found:
        """Double what held or halve what was lost until there is one of each."""
        settings = self.settings
        if held_per_s is None and lost_per_s is None:
            return self._step("bracket", settings.first_per_s, self._bracket_s)
        if held_per_s is not None:
            if held_per_s >= settings.most_per_s or not self._fits(self._bracket_s):
                return self._confirm(held_per_s)
            return self._step("bracket", min(held_per_s * _FACTOR, settings.most_per_s), self._bracket_s)
        assert lost_per_s is not None
        if lost_per_s <= settings.least_per_s:
            return self._end("below-least")
        if not self._fits(self._bracket_s):
            return self._end("budget-spent")
        # What completed at a lost rate is what the cluster can do at most, unless it does less when overloaded.
        completed_per_s = Table(self._steps).last_at(lost_per_s).completed_per_s
        rate_per_s = min(lost_per_s / _FACTOR, max(completed_per_s, lost_per_s / _FACTOR**3))
        return self._step("bracket", max(rate_per_s, settings.least_per_s), self._bracket_s)

    def _narrow(self, table: Table, held_per_s: float, lost_per_s: float) -> Step | Found:
        """Bisect while the bracket is wide, then confirm; from a confirmation that failed step down."""
        settings = self.settings
        failed = sum(each.step.kind == "confirm" and each.held is False for each in self._steps)
        middle_per_s = _rounded(math.sqrt(held_per_s * lost_per_s), held_per_s, lost_per_s)
        confirmed = table.confirmed(held_per_s) is not None
        if self._narrow_enough(held_per_s, lost_per_s, _CLOSE if confirmed else 1.0):
            return self._confirm(held_per_s)
        if confirmed:
            # Stepping down has gone further than was needed.
            return self._confirm(middle_per_s if self._may_confirm else held_per_s)
        if failed and table.last_at(lost_per_s).step.kind == "confirm":
            return self._step_down(held_per_s, lost_per_s, _STEP_DOWN if failed == 1 else _STEP_FURTHER_DOWN)
        if not self._fits(settings.step_s):
            return self._confirm(held_per_s)
        return self._step("bisect", middle_per_s, settings.step_s)

    def _step_down(self, held_per_s: float, lost_per_s: float, widths: float) -> Step | Found:
        """Confirm a rate below one whose confirmation failed, by a shorter step where there is no load for more.

        Shorter steps have held there already, but they tell less than the longer one that was lost.
        """
        settings = self.settings
        rate_per_s = lost_per_s / (1 + settings.precision * widths)
        rate_per_s = max(held_per_s, _rounded(rate_per_s, rate_per_s, lost_per_s))
        if not self._may_confirm and rate_per_s > held_per_s and self._fits(settings.step_s, confirming=0):
            return self._step("bisect", rate_per_s, settings.step_s)
        return self._confirm(rate_per_s)

    def _confirm(self, rate_per_s: float) -> Step | Found:
        """Confirm a rate by a longer step, or end where it is confirmed or there is no load left for that."""
        table = Table(self._steps)
        if table.confirmed(rate_per_s) is not None:
            return self._end(self._status_of(*table.bracket()))
        if not self._may_confirm:
            return self._end("budget-spent")
        return self._step("confirm", rate_per_s, self.settings.confirm_s)

    @property
    def _may_confirm(self) -> bool:
        confirms = sum(each.step.kind == "confirm" for each in self._steps)
        return confirms < _MOST_CONFIRMS and self._fits(self.settings.confirm_s, confirming=0)

    def _status_of(self, held_per_s: float | None, lost_per_s: float | None) -> Status:
        """Of a search whose largest rate is confirmed."""
        if held_per_s is not None and held_per_s >= self.settings.most_per_s:
            return "above-most"
        close = (
            held_per_s is not None and lost_per_s is not None and self._narrow_enough(held_per_s, lost_per_s, _CLOSE)
        )
        return "found" if close else "budget-spent"

    @property
    def _bracket_s(self) -> float:
        return max(SHORTEST_STEP_S, self.settings.step_s / 2)

    def _narrow_enough(self, held_per_s: float, lost_per_s: float, precisions: float = 1.0) -> bool:
        return lost_per_s <= held_per_s * (1 + self.settings.precision * precisions) * (1 + 1e-9)

    def _step(self, kind: Kind, rate_per_s: float, hold_s: float) -> Step:
        return Step(
            number=len(self._steps) + 1, kind=kind, rate_per_s=rate_per_s, ramp_s=self.settings.ramp_s, hold_s=hold_s
        )

    def _end(self, status: Status, reason: str = "") -> Found:
        return conclude(self.settings, self._steps, status, reason)
