"""Who was the limit: readings taken each second, and the first limit that they show. Pure."""

from __future__ import annotations

import msgspec


class QueueReading(msgspec.Struct, frozen=True, kw_only=True):
    """The run's task queues of one kind, summed."""

    backlog: int = 0
    backlog_age_s: float = 0.0
    add_per_s: float = 0.0
    dispatch_per_s: float = 0.0
    pollers: int = 0


class SlotsReading(msgspec.Struct, frozen=True, kw_only=True):
    """The slots of one kind over all of our worker processes."""

    used: int = 0
    available: int = 0


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """One second of the run. A field that could not be read is null or absent."""

    t_s: float
    """Since the epoch."""
    in_flight: int = 0
    in_flight_limit: int = 0
    watchers: int = 0
    watcher_limit: int = 0
    refusals: dict[str, int] = {}
    """Refused requests of any kind in this second, by `STATUS/cause/scope`."""
    back_pressured: int = 0
    generator_limited: int = 0
    lag_p99_ms: float | None = None
    workflow_queue: QueueReading | None = None
    activity_queue: QueueReading | None = None
    slots: dict[str, SlotsReading] = {}
    """By worker type: `WorkflowWorker`, `ActivityWorker`, `LocalActivityWorker`."""
    pollers: dict[str, int] = {}
    """By poller type, as the SDK counts them."""
    cpu: dict[str, float] = {}
    """CPU of each process of ours, in cores: `generator-0`, `worker-0`, `coordinator`, `server`."""
    machine_cpu: float | None = None
    """Share of all cores that were busy, 0 to 1."""
    server: dict[str, float] = {}
    """From `--server-metrics`: rates per second and means, by name."""


class LimitFinding(msgspec.Struct, frozen=True, kw_only=True):
    """One limit that was reached."""

    name: str
    """Stable: `server-refusals`, `worker-slots`, …"""
    whose: str
    """`server`, `workers`, `generator`, `machine` or `setting`."""
    since_s: float
    """When it began to hold."""
    seconds: int
    """For how many seconds it held in all."""
    evidence: str
    """A sentence with the numbers."""
    advice: str
    """What to do about it."""


class LimitReport(msgspec.Struct, frozen=True, kw_only=True):
    """The limits in order of their first appearance; empty: none was reached."""

    findings: list[LimitFinding]
    unread: list[str] = []
    """What could not be sampled, and why."""

    @property
    def first(self) -> LimitFinding | None:
        """The first limit reached, or None."""
        return self.findings[0] if self.findings else None
