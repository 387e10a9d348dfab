"""What a simulation is made of: processes, their demand, Aurora DSQL, the counter in DynamoDB. Pure.

Times are seconds here; the simulation computes in whole nanoseconds.
"""

from __future__ import annotations

import math
from typing import Literal

import msgspec

from auroral.dsql import limits
from auroral.errors import UsageError

Limiter = Literal["local", "distributed", "none"]

NANOS = 1_000_000_000
_Z99 = 2.3263478740408408
"""The standard normal distribution's 99th percentile."""


def nanos(seconds: float) -> int:
    """Whole nanoseconds of a time in seconds."""
    return round(seconds * NANOS)


class Lognormal(msgspec.Struct, frozen=True, kw_only=True, tag="lognormal"):
    """Times with a long tail, by their median and 99th percentile. With both equal, a constant."""

    median_s: float
    p99_s: float

    def __post_init__(self) -> None:
        if not 0 < self.median_s <= self.p99_s < math.inf:
            raise UsageError(
                f"expected 0 < median ≤ P99 of a distribution, not {self.median_s:g} s and {self.p99_s:g} s",
                hint="Give both in seconds, as measured.",
            )

    @property
    def mu(self) -> float:
        """Mean of the logarithm, of seconds."""
        return math.log(self.median_s)

    @property
    def sigma(self) -> float:
        """Deviation of the logarithm."""
        return math.log(self.p99_s / self.median_s) / _Z99

    @property
    def mean_s(self) -> float:
        """Mean, in seconds."""
        return self.median_s * math.exp(self.sigma**2 / 2)


class Exponential(msgspec.Struct, frozen=True, kw_only=True, tag="exponential"):
    """Times without memory, as textbooks' queues have them."""

    mean_s: float

    def __post_init__(self) -> None:
        if not 0 < self.mean_s < math.inf:
            raise UsageError(f"expected a mean above zero, not {self.mean_s:g} s")


class Demand(msgspec.Struct, frozen=True, kw_only=True):
    """Requests of one process: they come at random (Poisson) and hold a connection each for a while.

    The default hold is an assumption between a point read and `UpdateWorkflowExecution`, for which the project of the
    spec published a P50 of 35 ms; give what the server's own metrics say.
    """

    rate_per_s: float
    hold: Lognormal | Exponential = Lognormal(median_s=0.010, p99_s=0.100)

    def __post_init__(self) -> None:
        if not 0 <= self.rate_per_s < math.inf:
            raise UsageError(f"expected a rate of requests of zero or more, not {self.rate_per_s:g}/s")

    @property
    def busy(self) -> float:
        """Connections in use on average, where none has to wait (erlangs)."""
        return self.rate_per_s * self.hold.mean_s


class ProcessSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One server process: its pool, its limiters, its demand. The defaults are the server's (docs/server.md)."""

    service: str
    replica: int = 0
    generation: int = 0
    """Tells the processes of a deployment from those they replace: service, replica and generation are unique."""
    zone: str = ""
    pools: int = 1
    """Roles in the process, each with a pool of its own; all of them pass one gate."""
    pool_size: int = 50
    reservoir: int = 0
    rate_per_s: float = 10.0
    burst: int = 100
    stagger: bool = True
    stagger_max_s: float = 5.0
    lifetime_s: float = 3_300.0
    jitter: float = 0.1
    """Share of the lifetime over which expiries spread."""
    max_opening: int = 4
    warmup_max_retries: int = 5
    warmup_first_backoff_s: float = 0.2
    warmup_max_backoff_s: float = 5.0
    connect_timeout_s: float = 10.0
    acquire_timeout_s: float = 30.0
    probe_after_s: float = 60.0
    """Silence after which the keeper asks an idle connection for an answer, and so finds one that was cut."""
    limiter: Limiter = "local"
    """`distributed` has the local bucket too; `none` neither, which the server cannot: to see what limits are for."""
    clock_skew_s: float = 0.0
    """How far its clock is ahead of the true time: what the counter's seconds are told by."""
    demand: Demand | None = None
    """Of each process, shared by its pools. Requests come only once the process is warm."""
    startup_connections: int = 3
    """Short-lived connections that Temporal's start-up opens and closes before the pool is warmed. The double counted
    three of each process (Temporal 1.32.2, November 2026)."""
    warm: bool = False
    """Start in steady state: pools full, ages spread over the lifetime, no connection opened for it."""
    restart_after_s: float | None = 30.0
    """When a process that could open no connection (exit code 3) is back, as a new one; none: it stays away."""

    def __post_init__(self) -> None:
        problems = [
            f"{name} of {value}"
            for name, value, good in (
                ("pool_size", self.pool_size, 1 <= self.pool_size <= limits.MAX_CONNECTIONS),
                ("pools", self.pools, 1 <= self.pools <= 10),
                ("reservoir", self.reservoir, 0 <= self.reservoir <= limits.MAX_CONNECTIONS),
                ("max_opening", self.max_opening, self.max_opening >= 1),
                ("lifetime_s", self.lifetime_s, self.lifetime_s >= 1),
                ("jitter", self.jitter, 0 <= self.jitter < 1),
                ("startup_connections", self.startup_connections, self.startup_connections >= 0),
                ("connect_timeout_s", self.connect_timeout_s, self.connect_timeout_s > 0),
                ("acquire_timeout_s", self.acquire_timeout_s, self.acquire_timeout_s > 0),
                ("probe_after_s", self.probe_after_s, self.probe_after_s > 0),
            )
            if not good
        ]
        if problems:
            raise UsageError(
                f"process {self.id}: cannot simulate {', '.join(problems)}",
                hint="pool_size 1 to 10,000, pools 1 to 10, max_opening at least 1, lifetime at least 1 s, "
                "jitter in [0, 1), time-outs above zero.",
            )

    @property
    def id(self) -> str:
        """`history/3`; of a later generation `history/3.1`."""
        return f"{self.service}/{self.replica}" + (f".{self.generation}" if self.generation else "")


class DsqlSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Aurora DSQL as it admits and ends connections.

    The connect latency is an assumption: `auroral dsql probe` measures it on a cluster.
    """

    connect_rate_per_s: float = limits.CONNECT_RATE_PER_S
    burst: int = limits.CONNECT_BURST
    max_connections: int = limits.MAX_CONNECTIONS
    session_lifetime_s: float = limits.SESSION_LIFETIME_S
    connect_latency: Lognormal = Lognormal(median_s=0.060, p99_s=0.250)
    refusal_latency: Lognormal = Lognormal(median_s=0.030, p99_s=0.100)
    """From the attempt to the error, where it is refused."""


class CounterSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The counter per second in DynamoDB, one item a second for all processes.

    A partition takes 1,000 writes a second (DynamoDB developer guide, "Burst and adaptive capacity", read in November
    2026); beyond, and in an outage of the timeline, it throttles.
    """

    limit_per_s: int = limits.CONNECT_RATE_PER_S
    latency: Lognormal = Lognormal(median_s=0.005, p99_s=0.030)
    max_asks_per_s: int = 1_000
    timeout_s: float = 2.0
    """The server's, for one request with its retry."""
