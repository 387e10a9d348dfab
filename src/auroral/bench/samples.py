"""One intended start: its times, its outcome, and how its close was seen. Pure.

All times are microseconds since the run's epoch, the instant at which the schedule starts. Client times
(`intended_us`, `sent_us`, `accepted_us`, `closed_us`) are on the generator's monotonic clock; server times
(`server_started_us`, `server_closed_us`) are event times on the server's wall clock, minus the epoch's wall
clock time, and so may differ from client times by the clock offset that the result states.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

import msgspec

UNRESOLVED = "unresolved"
"""Last part of the cause of a start of which nobody could tell whether it arrived."""

InteractionKind = Literal["signal", "update", "query"]
"""What a client sends to a running workflow."""


class Outcome(StrEnum):
    """What became of an intended start: exactly one of these."""

    COMPLETED = "completed"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    TERMINATED = "terminated"
    CANCELED = "canceled"
    REJECTED = "rejected"
    """The server refused the start."""
    UNFINISHED = "unfinished"
    """Open when the drain ended."""
    BACK_PRESSURED = "back_pressured"
    """Never sent: the stated in-flight limit was full. The server's doing."""
    GENERATOR_LIMITED = "generator_limited"
    """Never sent: our own lag or CPU was the limit."""


DROPPED = frozenset({Outcome.BACK_PRESSURED, Outcome.GENERATOR_LIMITED})
"""Never sent."""

CLOSED = frozenset({Outcome.COMPLETED, Outcome.FAILED, Outcome.TIMED_OUT, Outcome.TERMINATED, Outcome.CANCELED})
"""Accepted and closed by the server."""

SERVER_FAILURES = frozenset(Outcome) - {Outcome.COMPLETED, Outcome.GENERATOR_LIMITED}
"""Failures of the server under test."""


class Observation(StrEnum):
    """How the close became known."""

    WATCHED = "watched"
    """A long poll returned: `closed_us` is the client's own time."""
    SWEPT = "swept"
    """Found closed afterwards: `closed_us` is the server's close time moved by the estimated clock offset."""
    NONE = "none"
    """Not seen to close."""


class Sample(msgspec.Struct, frozen=True, gc=False, array_like=True, kw_only=True):
    """One intended start of the schedule. Times in µs since the run's epoch; None: it never happened."""

    index: int
    """Its number in the run's schedule, from 0; unique in the run."""
    workload: int
    """Which of the manifest's workloads."""
    outcome: Outcome
    intended_us: int
    sent_us: int | None = None
    accepted_us: int | None = None
    closed_us: int | None = None
    server_started_us: int | None = None
    server_closed_us: int | None = None
    observation: Observation = Observation.NONE
    sends: int = 1
    """How often the start was sent. More than one: an acknowledgement was lost, and the request id told."""
    cause: str = ""
    """For rejected: `STATUS/cause/scope`, e.g. `RESOURCE_EXHAUSTED/RPS_LIMIT/NAMESPACE`. Else what is known."""

    @property
    def latency_us(self) -> int | None:
        """closed − intended."""
        return None if self.closed_us is None else self.closed_us - self.intended_us

    @property
    def service_time_us(self) -> int | None:
        """closed − sent."""
        if self.closed_us is None or self.sent_us is None:
            return None
        return self.closed_us - self.sent_us

    @property
    def start_latency_us(self) -> int | None:
        """accepted − sent."""
        if self.accepted_us is None or self.sent_us is None:
            return None
        return self.accepted_us - self.sent_us

    @property
    def lag_us(self) -> int | None:
        """sent − intended."""
        return None if self.sent_us is None else self.sent_us - self.intended_us

    @property
    def server_time_us(self) -> int | None:
        """Close event − start event, both the server's."""
        if self.server_closed_us is None or self.server_started_us is None:
            return None
        return self.server_closed_us - self.server_started_us
