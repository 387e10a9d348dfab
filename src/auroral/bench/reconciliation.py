"""Our counts of the run's root executions against the server's own. Pure.

A chain of continue-as-new is one root execution: its ends by `continued_as_new` are left out. What we last saw
open may have closed since, so a surplus of the server among the closed is settled against our `unfinished`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from auroral.bench.result import Reconciliation
from auroral.bench.samples import CLOSED, Outcome

_RUNNING = "running"
_OPEN = (_RUNNING, "paused")
_NOT_AN_END = "continued_as_new"
_CLOSED = tuple(outcome.value for outcome in Outcome if outcome in CLOSED)


def compare(
    outcomes: Mapping[str, int],
    server: Mapping[str, int] | None,
    *,
    settled_after_s: float,
    failure: str = "",
) -> Reconciliation:
    """Hold our outcomes against the server's counts by status; None: it could not say, for the given `failure`."""
    ours = {status: outcomes.get(status, 0) for status in (*_CLOSED, Outcome.UNFINISHED.value)}
    if server is None:
        return Reconciliation(
            status="unavailable",
            settled_after_s=settled_after_s,
            ours=ours,
            server={},
            detail=failure or "the server's counts could not be read",
        )
    differences = _differences(ours, server)
    return Reconciliation(
        status="disagreed" if differences else "agreed",
        settled_after_s=settled_after_s,
        ours=ours,
        server=dict(server),
        detail="; ".join(differences),
    )


_AGREED_POLLS = 2


class Settling:
    """How long to ask visibility, which is asynchronous: until it agrees, stands still, or its time is up."""

    def __init__(self, deadline_s: float, stable_polls: int = 3, stable_s: float = 10.0) -> None:
        """Take a disagreement as final when `stable_polls` equal answers span `stable_s`, or at `deadline_s`."""
        self._deadline_s = deadline_s
        self._stable_polls = stable_polls
        self._stable_s = stable_s
        self._last: Mapping[str, int] | None = None
        self._since_s = 0.0
        self._polls = 0
        self._agreed = 0

    def observe(
        self, elapsed_s: float, ours: Mapping[str, int], server: Mapping[str, int] | None
    ) -> Literal["again", "settled"]:
        """Take one answer, `elapsed_s` after the first question; None: there was none.

        With `ours` empty nothing can agree yet, and only an answer that stands still settles.
        """
        if server is not None and ours and not _differences(ours, server):
            # Twice in a row: something late may still come in.
            self._agreed += 1
            return "settled" if self._agreed >= _AGREED_POLLS or elapsed_s >= self._deadline_s else "again"
        self._agreed = 0
        if elapsed_s >= self._deadline_s:
            return "settled"
        if server is None:
            self._last, self._polls = None, 0
            return "again"
        if server != self._last:
            self._last, self._since_s, self._polls = dict(server), elapsed_s, 1
        else:
            self._polls += 1
        still = self._polls >= self._stable_polls and elapsed_s - self._since_s >= self._stable_s
        return "settled" if still else "again"


def _differences(ours: Mapping[str, int], server: Mapping[str, int]) -> list[str]:
    differences = []
    surplus = 0
    for status in _CLOSED:
        mine, theirs = ours.get(status, 0), server.get(status, 0)
        surplus += max(0, theirs - mine)
        if theirs < mine:
            differences.append(f"{status}: {mine:,} counted here, {theirs:,} by the server")
    unfinished = ours.get(Outcome.UNFINISHED.value, 0)
    running = sum(server.get(status, 0) for status in _OPEN)
    if surplus + running != unfinished:
        later = f" and {surplus:,} more closed" if surplus else ""
        differences.append(f"unfinished: {unfinished:,} counted here, {running:,} running{later} by the server")
    unknown = sorted(set(server) - {*_CLOSED, *_OPEN, _NOT_AN_END})
    differences.extend(
        f"{status}: {server[status]:,} by the server, unknown here" for status in unknown if server[status]
    )
    return differences
