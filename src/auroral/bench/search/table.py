"""What is known of each rate of a search, its repetitions taken together. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from auroral.bench.search.types import Measured

_MARGINAL = 2.0
"""A doubtful loss by more than this is that of a passing stall: a repetition takes its place."""


ALMOST_NOTHING = 0.2
"""Of what is permitted: a rate that uses no more held easily."""
_NEIGHBOURS = 2.0
"""Precisions within which a second lost rate bears out the first."""


class Table:
    """The conclusive measurements by rate."""

    def __init__(self, steps: Sequence[Measured]) -> None:
        self._at: dict[float, list[Measured]] = {}
        self._in_a_wake: set[int] = set()
        for number, measured in enumerate(steps):
            if number and steps[number - 1].early:
                self._in_a_wake.add(measured.step.number)
            if measured.held is not None:
                self._at.setdefault(measured.step.rate_per_s, []).append(measured)

    def times(self, rate_per_s: float) -> int:
        """How often a rate was measured."""
        return len(self._at.get(rate_per_s, ()))

    def last_at(self, rate_per_s: float) -> Measured:
        """The last measurement of a rate."""
        return self._at[rate_per_s][-1]

    def spent(self, rate_per_s: float) -> float:
        """The largest share of what is permitted that a rate used; 1 where that is not known."""
        return max(1.0 if measured.spent is None else measured.spent for measured in self._at[rate_per_s])

    def held(self, rate_per_s: float) -> bool:
        """Whether a rate was sustained, by all that was measured at it."""
        return self._held(self._at[rate_per_s])

    def bracket(self) -> tuple[float | None, float | None]:
        """The smallest rate that was lost, and the largest below it that held."""
        lost_per_s = min((rate_per_s for rate_per_s in self._at if not self.held(rate_per_s)), default=None)
        held_per_s = max(
            (each for each in self._at if self.held(each) and (lost_per_s is None or each < lost_per_s)), default=None
        )
        return held_per_s, lost_per_s

    def confirmed(self, rate_per_s: float) -> Measured | None:
        """The confirming step that held at a rate that did, where there is one. A lost one confirms nothing."""
        measurements = self._at.get(rate_per_s, [])
        confirming = [measured for measured in measurements if measured.step.kind == "confirm" and measured.held]
        return confirming[-1] if confirming and self._held(measurements) else None

    def lost_alone(self, rate_per_s: float, precision: float) -> bool:
        """Whether no other rate that was lost close above bears out that this one was."""
        most_per_s = rate_per_s * (1 + _NEIGHBOURS * precision)
        return not any(rate_per_s < each <= most_per_s and not self.held(each) for each in self._at)

    def in_a_wake(self, measured: Measured) -> bool:
        """Whether it came right after a rate that was lost by far."""
        return measured.step.number in self._in_a_wake

    def _held(self, measurements: Sequence[Measured]) -> bool:
        """By the share of what is permitted that was used, over all of them; one alone by its word.

        A loss that may have been a stall's or the overload's before it gives way to a repetition, and any loss to
        one that held easily.
        """
        last = len(measurements) - 1
        easily = _held_easily(measurements[last])
        counted = [
            measured
            for number, measured in enumerate(measurements)
            if number == last or measured.held or not (easily or _is_stall(measured) or self.in_a_wake(measured))
        ]
        if len(counted) == 1:
            return bool(counted[0].held)
        spent, weight_s = 0.0, 0.0
        for measured in counted:
            if measured.spent is None or (not measured.held and measured.spent <= 1):
                # Lost for another reason than late starts: as often as not is too often.
                return 2 * sum(bool(each.held) for each in counted) > len(counted)
            held_s = max(1.0, measured.load_s - measured.step.ramp_s)
            spent += measured.spent * held_s
            weight_s += held_s
        return spent <= weight_s


def _held_easily(measured: Measured) -> bool:
    return bool(measured.held) and measured.spent is not None and measured.spent < ALMOST_NOTHING


def _is_stall(measured: Measured) -> bool:
    return not measured.held and measured.doubtful and measured.spent is not None and measured.spent >= _MARGINAL
