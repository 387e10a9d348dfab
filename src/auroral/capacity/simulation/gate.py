"""What holds a process's openings back: start delay, local bucket, counter per second. Pure.

The order is that of `server/internal/connect/gate.go`. Openings take their turn at the bucket in the order in which
they came and none gives up, so the moment of each is known when it joins: a reservation instead of a queue.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from auroral.capacity.simulation import policy
from auroral.capacity.simulation.clock import Clock, sampler, stream
from auroral.capacity.simulation.counter import Counter
from auroral.capacity.simulation.record import Record
from auroral.capacity.simulation.spec import NANOS, ProcessSpec, nanos
from auroral.errors import UsageError

COUNTER_HOLDOFF = 5 * NANOS
COUNTER_HOLDOFF_MAX = 60 * NANOS
"""How long the server leaves the counter alone after a failure (`connect/gate.go`)."""

Pass = Callable[[Any], None]


class Gate:
    """All pools of a process share one. `enter(call)` makes the call when one connection may be opened."""

    __slots__ = (
        "_bucket", "_chance", "_clock", "_counter", "_holdoff", "_latency", "_opens_at", "_probing", "_record", "_skew",
        "_spec",
    )  # fmt: skip

    def __init__(
        self, clock: Clock, spec: ProcessSpec, counter: Counter | None, record: Record, names: tuple[object, ...]
    ) -> None:
        self._clock = clock
        self._spec = spec
        self._record = record
        self._chance = stream(*names, "gate")
        self._opens_at: int | None = None
        self._bucket = None if spec.limiter == "none" else policy.Bucket(spec.rate_per_s, spec.burst, clock.now)
        self._counter = counter if spec.limiter == "distributed" else None
        if spec.limiter == "distributed" and counter is None:
            raise UsageError(
                f"process {spec.id} has the distributed limiter, and the simulation no counter",
                hint="Give the counter of the table in DynamoDB, or use the local limiter.",
            )
        self._holdoff = policy.Holdoff(COUNTER_HOLDOFF, COUNTER_HOLDOFF_MAX)
        self._latency = sampler(self._chance, counter.spec.latency) if counter else int
        self._skew = nanos(spec.clock_skew_s)
        self._probing = False

    def enter(self, call: Pass) -> None:
        """Ask for one opening."""
        now = start = self._clock.now
        if self._opens_at is None:
            delay = policy.start_delay(self._spec.stagger, nanos(self._spec.stagger_max_s), self._chance.random())
            self._opens_at = now + delay
        start = max(start, self._opens_at)
        granted = start if self._bucket is None else self.reserve(self._bucket, start)
        if self._counter is not None:
            self._clock.at(granted, self._ask, (call, 0))
        elif granted > now:
            self._clock.at(granted, call)
        else:
            call(None)

    @staticmethod
    def reserve(bucket: policy.Bucket, start: int) -> int:
        """Take a token for who joins the queue at `start`; return when it is theirs."""
        granted = start + max(0, bucket.full_at - start - bucket.slack)
        bucket.full_at = max(bucket.full_at, granted) + bucket.interval
        return granted

    def _ask(self, waiting: tuple[Pass, int]) -> None:
        assert self._counter is not None
        now = self._clock.now
        leave = self._holdoff.leave(now)
        if leave == "held" or (leave == "probe" and self._probing):
            self._record.uncounted()
            waiting[0](None)
            return
        self._probing = self._probing or leave == "probe"
        answer, took = self._counter.ask(now, now + self._skew, self._latency, self._chance)
        self._clock.at(now + took, self._answered, (waiting, answer))

    def _answered(self, answered: tuple[tuple[Pass, int], str]) -> None:
        (call, refusals), answer = answered
        now = self._clock.now
        self._probing = False
        if answer == "failed":
            self._holdoff.failed(now, self._chance.random())
            self._record.uncounted()
            call(None)
            return
        self._holdoff.succeeded()
        if answer == "taken":
            self._record.counted()
            call(None)
            return
        self._record.counter_refused()
        wait = policy.after_refusal(now + self._skew, refusals + 1, self._chance.random())
        self._clock.at(now + wait, self._ask, (call, refusals + 1))
