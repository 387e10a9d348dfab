"""A scenario: the fleet, what happens to it and when, and what must hold. Pure.

Times are seconds from the scenario's start, rates per second, shares 0 to 1.
"""

from __future__ import annotations

import math
from typing import Literal

import msgspec

from auroral.capacity.budget import Allowance
from auroral.capacity.simulation.spec import CounterSpec, DsqlSpec, Limiter, Lognormal
from auroral.capacity.warmup import Pace
from auroral.dsql import limits

Begin = Literal["stopped", "warm"]
Action = Literal[
    "start",
    "deploy",
    "lose-zone",
    "kill",
    "refuse-connects",
    "cut",
    "expire",
    "scale",
    "load",
    "counter-fails",
]

ZONES = ("a", "b", "c", "d", "e", "f")
"""Tasks are spread over as many of these as the cluster has, as ECS does it: in turn."""
MOST_CONNECTIONS = limits.MAX_CONNECTIONS - Allowance().operator_connections
"""What the servers may have open: the model itself refuses what is above DSQL's own limit."""

_HOLD = Lognormal(median_s=0.010, p99_s=0.100)
_CONNECT = DsqlSpec().connect_latency
_COUNT = CounterSpec().latency


class ServiceShape(msgspec.Struct, frozen=True, kw_only=True):
    """One service as deployed: its tasks, their pools and limits, how it is rolled, what its pools are asked for."""

    service: str
    replicas: int
    pool_size: int
    rate_per_s: float
    burst: int
    reservoir: int = 0
    max_replicas: int = 0
    """What autoscaling may reach; below `replicas`: none."""
    min_healthy_percent: int = 100
    max_percent: int = 200
    """ECS's own defaults for a rolling deployment."""
    requests_per_s: float = 0.0
    """Uses of a connection, of all tasks together."""

    @property
    def most(self) -> int:
        """The tasks that autoscaling may reach."""
        return max(self.replicas, self.max_replicas)


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What every process does alike: the settings of `docs/server.md`, with its defaults."""

    limiter: Limiter = "local"
    stagger_s: float = 5.0
    """Largest random delay before a process's first connection; 0: none."""
    lifetime_s: float = 3300.0
    jitter: float = 0.1
    connect_timeout_s: float = 10.0
    max_opening: int = 4
    warmup_retries: int = 5
    warmup_backoff_s: float = 0.2
    warmup_max_backoff_s: float = 5.0
    acquire_timeout_s: float = 30.0
    hold_median_s: float = _HOLD.median_s
    hold_p99_s: float = _HOLD.p99_s
    """How long a request keeps its connection."""
    clock_skew_s: float = 0.0
    """Each process's clock is off by at most this, either way."""


class Database(msgspec.Struct, frozen=True, kw_only=True):
    """DSQL, as its limits and its door behave."""

    connect_rate_per_s: float = limits.CONNECT_RATE_PER_S
    connect_burst: int = limits.CONNECT_BURST
    max_connections: int = limits.MAX_CONNECTIONS
    session_lifetime_s: float = limits.SESSION_LIFETIME_S
    connect_median_s: float = _CONNECT.median_s
    connect_p99_s: float = _CONNECT.p99_s
    """Time to open a connection: TCP, TLS, token check. Assumed, until `auroral dsql probe` has measured it."""


class Counter(msgspec.Struct, frozen=True, kw_only=True):
    """The distributed limiter's table."""

    limit_per_s: int = limits.CONNECT_RATE_PER_S
    median_s: float = _COUNT.median_s
    p99_s: float = _COUNT.p99_s
    """Time of a conditional write. Assumed: DynamoDB names single-digit milliseconds."""


class Tasks(msgspec.Struct, frozen=True, kw_only=True):
    """What lies between asking ECS for a task and its first connection, and between SIGTERM and the end."""

    start_s: float = Pace().task_start_s
    """Placement, network interface, image, start of the program."""
    drain_s: float = 20.0
    """SIGTERM until the process and its connections are gone. Assumed; `AURORAL_STOP_TIMEOUT` caps it at 100 s."""
    linger_s: float = 60.0
    """How long DSQL counts the connections of a lost machine as open: it says no goodbye. Assumed."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happens to the fleet."""

    at_s: float
    do: Action
    services: tuple[str, ...] = ()
    """Which services; none named: all."""
    for_s: float = 0.0
    """How long an outage lasts."""
    over_s: float = 0.0
    """Over how long a change of load, or a start, spreads."""
    share: float = 1.0
    """Of the connections that are cut."""
    count: int = 1
    """Of the tasks of each service that are killed."""
    to: int | Literal["max", "planned"] = "max"
    """How many tasks a service is scaled to."""
    factor: float = 1.0
    """Of the planned load."""
    how: Literal["refuse", "hang", "throttle", "out"] = "refuse"
    """What a failure looks like: DSQL refuses or hangs; the counter's table throttles or is out of reach."""
    zone: str = "a"
    replaced_after_s: float = Pace().notice_s
    """From a task's death until ECS asks for another."""
    within_s: float | None = None
    """The time for all pools to be full again; none: the scenario's."""

    @property
    def label(self) -> str:
        """The event in a few words."""
        of = f" {', '.join(self.services)}" if self.services else ""
        labels = {
            "start": f"start{of or ' all tasks'}",
            "deploy": f"deploy{of or ' every service'}",
            "lose-zone": f"zone {self.zone} lost",
            "kill": f"kill {self.count} of{of or ' each service'}",
            "refuse-connects": "DSQL hangs" if self.how == "hang" else "DSQL refuses",
            "cut": f"{self.share:.0%} of the connections cut{of and f': {of}'}",
            "expire": f"all connections due{of and f': {of}'}",
            "scale": f"scale{of or ' all'} to {self.to}",
            "load": f"load × {self.factor:g}",
            "counter-fails": "counter throttled" if self.how == "throttle" else "counter out",
        }
        return labels[self.do]

    @property
    def ends_s(self) -> float:
        """When recovery is timed from: an outage's end; anything else, a deployment too, from its beginning."""
        return self.at_s + (self.for_s if self.do in OUTAGES else 0.0)


OUTAGES: tuple[Action, ...] = ("refuse-connects", "counter-fails")
QUIET: tuple[Action, ...] = ("load", "counter-fails", "refuse-connects", "expire", "scale")
"""What must leave the pools of those that serve full: a pool opens first and closes then."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What must hold."""

    refused: int = 0
    """Connects that DSQL refuses, but for those while an event has its door shut."""
    converged_within_s: float = 180.0
    """From each event to all tasks there with full pools."""
    longest_wait_s: float = 1.0
    """Of a request for a connection, at a task that serves."""
    short_s: float = 0.0
    """Seconds in which any serving task's pool is below its size, outside of the time that an event has to be over."""
    most_connections: int = MOST_CONNECTIONS
    """Open at the same time, DSQL's less what the budget keeps for operators."""


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """All of it. `services` empty: those of the preset or plan that it is run with."""

    name: str
    about: str
    duration_s: float
    begin: Begin = "warm"
    services: tuple[ServiceShape, ...] = ()
    events: tuple[Event, ...] = ()
    limits: Limits = Limits()
    policy: Policy = Policy()
    database: Database = Database()
    counter: Counter = Counter()
    tasks: Tasks = Tasks()
    zones: int = 3

    def shape(self, service: str) -> ServiceShape:
        """The service of this name."""
        return next(shape for shape in self.services if shape.service == service)


def upper(replicas: int, max_percent: int) -> int:
    """The most tasks that ECS lets run or start during a deployment: rounded down (ECS, `maximumPercent`)."""
    return replicas * max_percent // 100


def lower(replicas: int, min_healthy_percent: int) -> int:
    """The fewest healthy tasks that ECS keeps during a deployment: rounded up (ECS, `minimumHealthyPercent`)."""
    return math.ceil(replicas * min_healthy_percent / 100)


def can_roll(shape: ServiceShape) -> bool:
    """Whether ECS can replace a task at all: start one more, or stop one first."""
    return upper(shape.replicas, shape.max_percent) > shape.replicas or (
        lower(shape.replicas, shape.min_healthy_percent) < shape.replicas
    )
