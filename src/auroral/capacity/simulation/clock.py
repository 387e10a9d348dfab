"""Simulated time: what is to happen, in order. Pure."""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Callable
from typing import Any

from auroral.capacity.simulation.spec import NANOS, Exponential, Lognormal


class Clock:
    """A heap of calls. Those of one moment are made in the order in which they were asked for."""

    __slots__ = ("count", "heap", "now")

    def __init__(self) -> None:
        self.now = 0
        self.heap: list[tuple[int, int, Callable[[Any], None], Any]] = []
        self.count = 0

    def at(self, time: int, call: Callable[[Any], None], argument: Any = None) -> None:
        """Have `call(argument)` made at a time, in nanoseconds; not before now."""
        self.count += 1
        heapq.heappush(self.heap, (max(time, self.now), self.count, call, argument))


def stream(*names: object) -> random.Random:
    """A random stream that depends on these names alone."""
    return random.Random("/".join(map(str, names)))


def sampler(chance: random.Random, distribution: Lognormal | Exponential) -> Callable[[], int]:
    """Draws whole nanoseconds from a distribution."""
    if isinstance(distribution, Exponential):
        rate = 1 / (distribution.mean_s * NANOS)
        return lambda: int(chance.expovariate(rate))
    sigma = distribution.sigma
    if not sigma:
        constant = round(distribution.median_s * NANOS)
        return lambda: constant
    mu = distribution.mu + math.log(NANOS)
    gauss, exp = chance.gauss, math.exp
    return lambda: int(exp(gauss(mu, sigma)))


def rest(chance: random.Random, distribution: Lognormal | Exponential) -> int:
    """What is left, in nanoseconds, of a time of this distribution that is met under way at a random moment.

    One that is met under way is longer than one at its start: with weight its own length.
    """
    if isinstance(distribution, Exponential):
        return int(chance.expovariate(1 / (distribution.mean_s * NANOS)))
    mu, sigma = distribution.mu, distribution.sigma
    return int(chance.random() * math.exp(chance.gauss(mu + sigma**2, sigma)) * NANOS)
