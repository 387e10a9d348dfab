"""What a simulation gives: series of each second, totals, and the events around what went wrong. Pure."""

from __future__ import annotations

import hashlib
from array import array
from typing import Any

import msgspec


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """Arrays with one value for each second, from the simulation's start."""

    attempts: Any
    """Openings that reached DSQL, admitted or not (array of 32-bit counts, as all of these)."""
    opened: Any
    """Connections that were established."""
    refused_rate: Any
    """Refused by its token bucket, 53400."""
    refused_cap: Any
    """Refused by its cap, 53300."""
    refused_outage: Any
    """Refused, or without an answer, in an outage of the timeline."""
    timed_out: Any
    """Admitted, but not established within the connect time-out."""
    open: Any
    """Connections that DSQL holds at the second's end."""
    bucket_least: Any
    """Fewest tokens in DSQL's bucket within the second (rounded down)."""
    short: Any
    """Running processes with fewer usable connections than their target at the second's end, warming ones included."""
    running: Any
    """Running processes at the second's end."""
    requests: Any
    """Requests simulated one by one; those that are skipped (see docs/simulation.md) are not among them."""
    waits: Any
    """Requests that had to wait for a connection, by the second in which the wait ended."""
    longest_wait_us: Any
    """Longest of those waits, in microseconds."""
    counted: Any
    """Openings that the counter in DynamoDB let through."""
    counter_refused: Any
    """Asks that it refused, the second being full."""
    uncounted: Any
    """Openings without its word: out, throttled, or held off."""
    open_by_service: dict[str, Any]
    attempts_by_service: dict[str, Any]


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened."""

    at_s: float
    what: str
    """One word, such as `opened`, `refused`, `due`, `retired`, `lost`, `start`, `warm`, `stop`, `wait`."""
    process: str = ""
    detail: str = ""


class Violation(msgspec.Struct, frozen=True, kw_only=True):
    """The first of its kind that went wrong, and the events around it."""

    kind: str
    """`refused-rate`, `refused-cap`, `wait`, `acquire-timeout`, `below-target`, `failed-start`."""
    at_s: float
    process: str
    detail: str
    before: list[Event]
    after: list[Event]


class Wait(msgspec.Struct, frozen=True, kw_only=True):
    """The longest wait of a request for a connection."""

    wait_s: float
    began_s: float
    process: str


class Warmup(msgspec.Struct, frozen=True, kw_only=True):
    """How a process came up."""

    process: str
    service: str
    started_s: float
    took_s: float
    """From the start of the process until its last pool was warm, start delay included."""
    created: int
    failed: int
    attempts: int
    usable: bool


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of time; one that had not ended by the simulation's end reaches to it."""

    from_s: float
    until_s: float


class Shortage(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch in which a pool of a warm process had fewer usable connections than its target."""

    process: str
    from_s: float
    until_s: float
    least: int
    target: int


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """Counts over the whole simulation."""

    attempts: int = 0
    opened: int = 0
    refused_rate: int = 0
    refused_cap: int = 0
    refused_outage: int = 0
    timed_out: int = 0
    most_open: int = 0
    most_attempts_in_a_second: int = 0
    least_bucket: int = 0
    expired: int = 0
    """Closed because their lifetime was over."""
    retired_short: int = 0
    """Of those, closed while the pool had fewer than its target left: none, or the keeper is wrong."""
    ended_by_dsql: int = 0
    """Sessions that reached DSQL's own lifetime."""
    cut: int = 0
    counted: int = 0
    counter_refused: int = 0
    uncounted: int = 0
    requests: int = 0
    """Simulated one by one."""
    waits: int = 0
    broken: int = 0
    """Requests whose connection broke under them."""
    acquire_timeouts: int = 0
    failed_starts: int = 0
    violations: dict[str, int] = {}
    """All of each kind, those without context included."""
    events: int = 0
    """That the engine handled: its work."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one simulation. Same arguments, same seed: same bytes."""

    seed: int
    until_s: float
    series: Series
    totals: Totals
    longest_wait: Wait | None
    violations: list[Violation]
    """In the order in which they happened; the first of each kind."""
    warmups: list[Warmup]
    """The first 10,000."""
    full: list[Interval]
    """When every running process was warm and had its target of usable connections; the first 10,000 stretches."""
    shortages: list[Shortage]
    """The first 1,000, in the order of their end."""
    skipped_wait_bound: float
    """Upper bound of the probability that any request that was not simulated one by one had to wait."""

    def digest(self) -> str:
        """SHA-256 over everything: equal for equal runs."""
        return hashlib.sha256(msgspec.msgpack.encode(self, enc_hook=_encode, order="deterministic")).hexdigest()

    def full_since_s(self, after_s: float) -> float | None:
        """From when on, not before `after_s`, everything stayed full to the simulation's end; none if it did not."""
        if not self.full or self.full[-1].until_s < self.until_s:
            return None
        return max(after_s, self.full[-1].from_s)

    def full_at_s(self, after_s: float) -> float | None:
        """The first moment from `after_s` on at which everything was full."""
        for interval in self.full:
            if interval.until_s > after_s:
                return max(after_s, interval.from_s)
        return None


def _encode(value: Any) -> Any:
    if isinstance(value, array):
        return value.tobytes()
    raise NotImplementedError(type(value))
