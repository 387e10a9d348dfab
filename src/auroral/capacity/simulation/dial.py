"""Opens connections of one process: an attempt at DSQL, and how it ends. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from auroral.capacity.simulation.clock import Clock, sampler, stream
from auroral.capacity.simulation.dsql import Dsql
from auroral.capacity.simulation.record import Record
from auroral.capacity.simulation.spec import ProcessSpec, nanos


class Opener(Protocol):
    """What is asked of the process for which one opens."""

    spec: ProcessSpec
    id: str
    names: tuple[object, ...]
    """What its random streams are named by."""
    clock: Clock
    record: Record
    dsql: Dsql


class Dial:
    """Opens connections of one process: gate, attempt, answer."""

    __slots__ = ("_attempts", "_latency", "_owner", "_refusal", "_timeout")

    def __init__(self, owner: Opener, name: object) -> None:
        chance = stream(*owner.names, name, "dial")
        self._owner = owner
        self._attempts = owner.record.series.attempts_by_service[owner.spec.service]
        self._latency = sampler(chance, owner.dsql.spec.connect_latency)
        self._refusal = sampler(chance, owner.dsql.spec.refusal_latency)
        self._timeout = nanos(owner.spec.connect_timeout_s)

    def attempt(self, opened: Callable[[None], None], refused: Callable[[str], None]) -> None:
        """Knock at DSQL now; one of the two is called when the answer is there."""
        owner = self._owner
        record, clock, dsql = owner.record, owner.clock, owner.dsql
        second = record.second
        record.attempts[second] += 1
        self._attempts[second] += 1
        verdict = dsql.knock(clock.now)
        if verdict not in {"hang", "outage"}:
            record.level(dsql.level)
        if verdict == "admitted":
            record.open_of[owner.spec.service] += 1
            took = self._latency()
            if took < self._timeout:
                clock.at(clock.now + took, opened)
            else:
                clock.at(clock.now + self._timeout, refused, "time-out")
        else:
            took = self._timeout if verdict == "hang" else min(self._refusal(), self._timeout)
            clock.at(clock.now + took, refused, verdict)

    def closed(self, count: int = 1) -> None:
        """So many connections of this process are no more, at DSQL too."""
        self._owner.dsql.close(count)
        self._owner.record.open_of[self._owner.spec.service] -= count
