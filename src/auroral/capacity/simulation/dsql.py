"""Aurora DSQL as it admits connections: a bucket, a cap, a door that can be shut. Pure."""

from __future__ import annotations

from typing import Literal

from auroral.capacity.simulation.spec import NANOS, DsqlSpec
from auroral.capacity.simulation.timeline import DsqlOutage

Verdict = Literal["admitted", "rate", "cap", "outage", "hang"]


class Dsql:
    """Decides on each attempt. Its bucket is a level, unlike the limiters', so that one error is not in both."""

    __slots__ = ("_at", "_full", "_outages", "_rate", "level", "most_open", "open", "spec")

    def __init__(self, spec: DsqlSpec) -> None:
        self.spec = spec
        self._rate = spec.connect_rate_per_s
        self._full = spec.burst * NANOS
        self.level = self._full
        """Tokens, in billionths."""
        self._at = 0
        self._outages: list[DsqlOutage] = []
        self.open = 0
        """Sessions, those being established included."""
        self.most_open = 0

    def shut(self, outage: DsqlOutage) -> None:
        """Take no connection while the outage lasts; it begins now."""
        self._outages.append(outage)

    def refill(self, now: int) -> int:
        """The level now."""
        self.level = min(self._full, self.level + int((now - self._at) * self._rate))
        self._at = now
        return self.level

    def knock(self, now: int) -> Verdict:
        """One attempt. It costs a token, unless the door is shut. What is admitted is open from now on."""
        if self._outages:
            self._outages = [outage for outage in self._outages if now < outage.until_s * NANOS]
            if self._outages:
                return "hang" if any(outage.mode == "hang" for outage in self._outages) else "outage"
        if self.refill(now) < NANOS:
            return "rate"
        self.level -= NANOS
        if self.open >= self.spec.max_connections:
            return "cap"
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        return "admitted"

    def close(self, count: int = 1) -> None:
        """So many sessions ended."""
        self.open -= count
