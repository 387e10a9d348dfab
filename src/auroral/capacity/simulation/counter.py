"""The counter per second in DynamoDB, as a process sees it. Pure."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Literal

from auroral.capacity.simulation import policy
from auroral.capacity.simulation.spec import NANOS, CounterSpec, nanos
from auroral.capacity.simulation.timeline import CounterOutage

Answer = Literal["taken", "full", "failed"]
_RETRY = 2 * NANOS
"""The SDK waits up to this before its second try (aws-sdk-go-v2 1.48, `retry.ExponentialJitterBackoff`)."""
_SECONDS_KEPT = policy.WINDOW_TTL_S


class Counter:
    """Counts openings of all processes, by the second that the asker's clock tells."""

    def __init__(self, spec: CounterSpec) -> None:
        self.spec = spec
        self._timeout = nanos(spec.timeout_s)
        self._taken: dict[int, int] = {}
        self._asks = 0
        self._asks_in = -1
        self._outages: list[CounterOutage] = []

    def fail(self, outage: CounterOutage) -> None:
        """Fail while the outage lasts; it begins now."""
        self._outages.append(outage)

    def ask(self, now: int, wall: int, latency: Callable[[], int], chance: random.Random) -> tuple[Answer, int]:
        """Count one opening in the second of the asker's clock; the answer, and how long it takes.

        A lost answer is not modelled: the server's counter then holds less than it could, never more.
        """
        took = latency()
        self._outages = [outage for outage in self._outages if now < outage.until_s * NANOS]
        if any(outage.mode == "unreachable" for outage in self._outages):
            return "failed", self._timeout
        if self._throttles(now, chance):
            took += int(chance.random() * _RETRY) + latency()
            if self._throttles(now, chance):
                return "failed", min(took, self._timeout)
        if took >= self._timeout:
            return "failed", self._timeout
        second = policy.unix_second(wall)
        taken = self._taken.get(second, 0)
        if taken >= self.spec.limit_per_s:
            return "full", took
        if not taken and len(self._taken) >= _SECONDS_KEPT:
            self._forget()
        self._taken[second] = taken + 1
        return "taken", took

    def _throttles(self, now: int, chance: random.Random) -> bool:
        second = now // NANOS
        if second != self._asks_in:
            self._asks, self._asks_in = 0, second
        self._asks += 1
        if self._asks > self.spec.max_asks_per_s:
            return True
        return any(chance.random() < outage.share for outage in self._outages)

    def _forget(self) -> None:
        for second in sorted(self._taken)[: _SECONDS_KEPT // 2]:
            del self._taken[second]
