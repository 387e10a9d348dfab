"""What a detector of limits is, and what several of them ask of a reading. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from auroral.bench.limits import Reading, SlotsReading

IN_A_ROW = 3
"""Seconds that a rule has to hold before it counts, unless it is a refusal."""
WORKER_CPU = 0.9
MACHINE_CPU = 0.95
FREE_SLOTS = 0.02
"""Slots are exhausted when at most this share of them is free."""


@dataclass(frozen=True)
class Detector:
    """One rule."""

    name: str
    """Stable; the name of the finding."""
    whose: str
    rule: str
    """The rule as the documentation states it."""
    holds: Callable[[Reading], bool | None]
    """Whether it holds in one second; None: not known."""
    evidence: Callable[[Sequence[Reading]], str]
    """The numbers, from the seconds in which it held."""
    advice: str
    in_a_row: int = IN_A_ROW


def held_in(detector: Detector, readings: Sequence[Reading]) -> list[Reading]:
    """The readings of every long enough row in which the rule held."""
    held: list[Reading] = []
    row: list[Reading] = []
    for reading in readings:
        holds = detector.holds(reading)
        if holds:
            row.append(reading)
        elif holds is False:
            held.extend(row if len(row) >= detector.in_a_row else ())
            row = []
    return [*held, *(row if len(row) >= detector.in_a_row else ())]


def any_cpu(prefix: str, limit: float) -> Callable[[Reading], bool | None]:
    """Whether one of the processes so named uses that many cores."""

    def holds(reading: Reading) -> bool | None:
        cores = [used for name, used in reading.cpu.items() if name.startswith(prefix)]
        return max(cores) >= limit if cores else None

    return holds


def machine_busy(reading: Reading) -> bool | None:
    """Whether hardly any core of the machine is idle."""
    return None if reading.machine_cpu is None else reading.machine_cpu >= MACHINE_CPU


def exhausted(slots: SlotsReading) -> bool:
    """Whether hardly any slot is free."""
    return slots.used > 0 and slots.available <= FREE_SLOTS * (slots.used + slots.available)
