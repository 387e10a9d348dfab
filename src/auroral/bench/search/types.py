"""What the parts of a search hand to each other: steps, what they showed, and what was found. Pure."""

from __future__ import annotations

from typing import Literal

import msgspec

Kind = Literal["bracket", "bisect", "confirm"]
Status = Literal["found", "above-most", "below-least", "inconclusive", "budget-spent"]


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One rate to drive: a ramp that is not measured, then a hold that is."""

    number: int
    """From 1."""
    kind: Kind
    rate_per_s: float
    ramp_s: float
    hold_s: float

    @property
    def duration_s(self) -> float:
        """The load that it is."""
        return self.ramp_s + self.hold_s


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What a step showed. `judge.judge` makes it."""

    step: Step
    held: bool | None
    """Whether the rate was sustained; None: the measurement is in doubt."""
    reasons: list[str]
    """Why, a sentence each."""
    offered_per_s: float
    """Due by the schedule, in the hold."""
    completed_per_s: float
    quantiles_ms: dict[str, float | None]
    """Latency of the hold: `p50`, `p90`, `p95`, `p99`; null: did not complete."""
    backlog_start: float | None
    """Open at the beginning of the hold, a mean over seconds; null: not seen."""
    backlog_end: float | None
    """Open at its end."""
    load_s: float
    """What of the budget it used."""
    early: bool = False
    """Whether it was ended before its time, because it was clearly lost."""
    spent: float | None = None
    """Share of what the objective permits that was used, of its quantiles: 1 is the limit. Null: not known."""
    doubtful: bool = False
    """Whether the rate could as well have been judged the other way: a marginal result, or a passing stall."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """How a search ended."""

    status: Status
    rate_per_s: float | None
    """The largest rate that was sustained; with `above-most` the most rate. Null: none was."""
    held_per_s: float | None
    """The largest rate that held and that no lost rate contradicts."""
    lost_per_s: float | None
    """The smallest rate that was lost above it."""
    confirmed: bool
    """Whether a confirming step held at `rate_per_s`."""
    sentences: list[str]
    """What was found and how sure it is."""
    steps: list[Measured]
