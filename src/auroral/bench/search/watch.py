"""What a search tells whoever watches it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from auroral.bench.progress import Observer
from auroral.bench.search.machine import Measured, Step


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What the search is about to do."""

    objective: Sequence[str]
    least_per_s: float
    most_per_s: float
    budget_s: float


class SearchObserver(Observer, Protocol):
    """Whoever watches a search. Between `step` and `measured` it is told the phases of the step's run, too."""

    def plan(self, plan: Plan) -> None:
        """The search begins."""

    def step(self, step: Step) -> None:
        """A step begins."""

    def measured(self, measured: Measured) -> None:
        """A step has ended."""
