"""Runs of a server whose latencies are alike from second to second and that pauses, to compare with one another."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache
from random import Random
from statistics import NormalDist

from auroral.bench.bootstrap import RunSeconds
from auroral.bench.compare import Run
from auroral.bench.histogram import bucket_index
from auroral.bench.result import Result


@dataclass(frozen=True)
class Server:
    """How a run behaves. Times in seconds."""

    rate_per_s: int = 100
    length_s: int = 300
    median_s: float = 0.2
    spread: float = 0.2
    """Of the logarithm of a latency about its second's level."""
    drift: float = 0.04
    """Of the logarithm of the level, from second to second an autoregression."""
    memory: float = 0.7
    pauses_per_s: float = 1 / 10
    pause_s: float = 0.25
    failing: float = 0.0
    """Share of seconds in which a third of the starts fails."""
    tail: float = 1.0
    """What the slowest 5 % are stretched by, from nothing at P95 to this at P99 and beyond."""
    between: float = 0.0
    """Of the logarithm of a whole run's level."""


@cache
def _factors(spread: float) -> list[float]:
    """A lognormal distribution to draw from, which is faster than to compute each."""
    normal = NormalDist()
    return [math.exp(spread * normal.inv_cdf((number + 0.5) / 20_000)) for number in range(20_000)]


def seconds_of(server: Server, seed: object) -> RunSeconds:
    """Simulate one run."""
    rng = Random(repr(seed))
    gauss = rng.gauss
    factors = _factors(server.spread)
    own = rng.gauss(0, server.between) if server.between else 0.0
    level, pauses_until = rng.gauss(0, server.drift), -1.0
    step = server.drift * math.sqrt(1 - server.memory**2)
    latencies: list[list[int]] = []
    failed: list[int] = []
    completed_events = [0] * server.length_s
    for second in range(server.length_s):
        level = server.memory * level + gauss(0, step)
        middle = server.median_s * math.exp(level + own)
        if rng.random() < server.pauses_per_s:
            began = second + rng.random()
            pauses_until = began + server.pause_s * (0.5 + rng.random())
        else:
            began = math.inf if pauses_until < second else float(second)
        failing = server.failing > 0 and rng.random() < server.failing
        values = []
        for number, factor in enumerate(rng.choices(factors, k=server.rate_per_s)):
            if failing and number % 3 == 0:
                continue
            at = second + number / server.rate_per_s
            latency = middle * factor
            if began <= at < pauses_until:
                latency += pauses_until - at
            values.append(latency)
            end = int(at + latency)
            if end < server.length_s:
                completed_events[end] += 1
        latencies.append(values)
        failed.append(server.rate_per_s - len(values))
    if server.tail != 1.0:
        latencies = stretched(latencies, server.tail)
    completed = [len(values) for values in latencies]
    return RunSeconds(
        latencies=[sorted(bucket_index(round(value * 1e6)) for value in values) for values in latencies],
        counts={
            "intended": [server.rate_per_s] * server.length_s,
            "completed": completed,
            "failed": failed,
            "rejected": [0] * server.length_s,
            "unfinished": [0] * server.length_s,
            "dropped": [0] * server.length_s,
            "completed_events": completed_events,
        },
    )


def stretched(latencies: list[list[float]], tail: float) -> list[list[float]]:
    """Make what is slower than P95 slower, so that P99 is `tail` times what it was and P95 stays."""
    ordered = sorted(value for values in latencies for value in values)
    p95, p99 = (ordered[math.ceil(share * len(ordered)) - 1] for share in (0.95, 0.99))
    factor = (p99 * tail - p95) / (p99 - p95)
    return [[value if value <= p95 else p95 + (value - p95) * factor for value in values] for values in latencies]


def run_of(server: Server, seed: object, like: Result) -> Run:
    """The same as a run that `compare` takes; what it does not look at is taken from `like`."""
    return Run(where=f"run-{seed}", result=like, source="samples", seconds=seconds_of(server, seed))


def with_tail(server: Server, tail: float) -> Server:
    """The same server with a longer tail."""
    return replace(server, tail=tail)
