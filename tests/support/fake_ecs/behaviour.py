"""How tasks behave: when they become healthy, what they log, how they end."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from auroral.ecs.fleet import ADDRESS_LINE, WARMUP_LINE

Line = tuple[float, str]
"""Seconds after the container's start, and the text."""

HEALTH_INTERVAL_S = 10.0
HEALTH_RETRIES = 3
UNCHECKED_HEALTHY_S = 40.0
"""A task without a health check counts as healthy so long after it runs (ECS API Reference, minimumHealthyPercent)."""


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """A task of a service. Seconds count from the start of its container."""

    healthy_after_s: float = 20.0
    never_healthy: bool = False
    """Its health check fails for good once the start period and the retries are over."""
    unhealthy_after_s: float | None = None
    """It was healthy, and is no more."""
    crash_after_s: float | None = None
    exit_code: int = 1
    reason: str = ""
    """Of the container that ended: `OutOfMemoryError: Container killed due to memory usage`."""
    pull_error: str = ""
    """It never starts: `CannotPullContainerError: …`."""
    lines: Sequence[Line] | None = None
    """None: what the server writes."""
    warm_after_s: float | None = 12.0
    """When the server writes that its pool is warm; None: never."""
    stop_s: float = 10.0
    """From SIGTERM to its end."""


Chooser = Callable[[int], Behaviour]
"""By how many tasks of that service and revision came before."""


class Behaviours:
    """Which task behaves how."""

    def __init__(self) -> None:
        self._chosen: dict[tuple[str, int | None], Behaviour | Chooser] = {}
        self._count: dict[tuple[str, int], int] = {}

    def set(self, service: str, behaviour: Behaviour | Chooser, revision: int | None = None) -> None:
        """From now on; `revision` None is for all that have none of their own."""
        self._chosen[service, revision] = behaviour

    def next(self, service: str, revision: int) -> Behaviour:
        """Of one more task."""
        before = self._count.get((service, revision), 0)
        self._count[service, revision] = before + 1
        chosen = self._chosen.get((service, revision)) or self._chosen.get((service, None)) or Behaviour()
        return chosen if isinstance(chosen, Behaviour) else chosen(before)


@dataclass(frozen=True, kw_only=True)
class Run:
    """A one-shot task, as its program sees it."""

    family: str
    container: str
    task_id: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a program does: its lines at their seconds, then its end."""

    lines: Sequence[Line] = field(default_factory=tuple)
    exit_code: int = 0
    lasts_s: float | None = None
    """None: until one second after its last line."""
    at_end: Callable[[], None] | None = None
    """Not called where the task is stopped before."""
    pull_error: str = ""
    stopped_exit_code: int = 143
    stop_s: float = 2.0

    @property
    def end_s(self) -> float:
        """When it ends."""
        return self.lasts_s if self.lasts_s is not None else max((at_s for at_s, _ in self.lines), default=0.0) + 1.0


Program = Callable[[Run], Outcome]


def server_line(at: datetime, message: str, **tags: object) -> str:
    """A line as the server's logger writes it: JSON of zap."""
    stamp = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({"level": "info", "ts": stamp, "msg": message, **tags}, separators=(",", ":"))


def server_lines(behaviour: Behaviour, at: Callable[[float], datetime], address: str, pool_size: int) -> list[Line]:
    """What a task of Temporal's writes at its start: server/internal/{host/prepare.go,pool/keeper.go}."""
    lines = [(1.0, server_line(at(1.0), ADDRESS_LINE, ip=address, origin="ECS task metadata"))]
    began = server_line(at(2.0), "Starting DSQL pool warmup", target_connections=pool_size)
    lines.append((2.0, began))
    if behaviour.warm_after_s is not None:
        warm_s = behaviour.warm_after_s
        tags = {"connections_created": pool_size, "connections_failed": 0, "attempts": pool_size}
        lines.append((warm_s, server_line(at(warm_s), WARMUP_LINE, **tags, took=f"{warm_s - 2:.3f}s")))
    return lines
