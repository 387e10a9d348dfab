"""Events of several logs in one order: duplicates by their ids, late ones within a window. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

LATE_MS = 30_000
"""How far back every look reaches again: the log driver sends lines in batches, and CloudWatch shows them within
seconds."""
HOLD_MS = 4_000
"""How long an event waits for earlier ones of other logs, from its own time on."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One event of CloudWatch Logs."""

    at_ms: int
    """Since 1970, as the log driver stamped it."""
    id: str
    source: str
    """Which log: a service's key, or the name of another group."""
    stream: str
    message: str

    @property
    def order(self) -> tuple[int, str]:
        """By time; ids of one millisecond grow in the order of arrival."""
        return self.at_ms, self.id

    @property
    def task(self) -> str:
        """Id of the task: awslogs names a stream PREFIX/CONTAINER/TASK; empty for other streams."""
        parts = self.stream.split("/")
        return parts[2] if len(parts) == 3 else ""

    @property
    def container(self) -> str:
        """Name of the container; empty for other streams."""
        parts = self.stream.split("/")
        return parts[1] if len(parts) == 3 else ""


def event_of(source: str, found: Mapping[str, Any]) -> Event:
    """Read one of FilterLogEvents."""
    return Event(
        at_ms=int(found.get("timestamp", 0)),
        id=str(found.get("eventId", "")),
        source=source,
        stream=str(found.get("logStreamName", "")),
        message=str(found.get("message", "")).rstrip("\r\n"),
    )


def in_order(logs: Iterable[Iterable[Event]]) -> Iterator[Event]:
    """Merge logs each of which is in order, without reading them ahead."""
    return heapq.merge(*logs, key=lambda event: event.order)


class Merge:
    """What is offered once or more comes out once. All that comes within the hold of its own time comes in order; a
    later one comes at once, out of order, and is counted."""

    def __init__(self, *, hold_ms: int = HOLD_MS, late_ms: int = LATE_MS) -> None:
        self._hold_ms = hold_ms
        self._late_ms = late_ms
        self._waiting: list[tuple[tuple[int, str], str, Event]] = []
        self._known: dict[tuple[str, str], int] = {}
        self._told_ms = 0
        self.late = 0
        """Events that came out after a later one."""

    def know(self, event: Event) -> bool:
        """Take note of an event that was shown elsewhere; whether it is new."""
        key = (event.source, event.id)
        if key in self._known:
            return False
        self._known[key] = event.at_ms
        return True

    def offer(self, event: Event) -> None:
        """Take an event, unless it was taken before."""
        if self.know(event):
            heapq.heappush(self._waiting, (event.order, event.source, event))

    def ready(self, now_ms: int) -> list[Event]:
        """The events whose hold is over, in order."""
        return self._taken(now_ms - self._hold_ms)

    def rest(self) -> list[Event]:
        """All that still waits, in order."""
        return self._taken(None)

    def from_ms(self, now_ms: int) -> int:
        """Where the next look begins. What is older is forgotten: no look shows it again."""
        floor_ms = now_ms - self._late_ms
        self._known = {key: at_ms for key, at_ms in self._known.items() if at_ms >= floor_ms}
        return floor_ms

    def _taken(self, until_ms: int | None) -> list[Event]:
        taken = []
        while self._waiting and (until_ms is None or self._waiting[0][0][0] <= until_ms):
            event = heapq.heappop(self._waiting)[2]
            self.late += event.at_ms < self._told_ms
            self._told_ms = max(self._told_ms, event.at_ms)
            taken.append(event)
        return taken


class Pace:
    """How long to wait between two rounds of looks: longer while nothing comes, longer still where AWS throttles."""

    FIRST_S = 1.0
    IDLE_S = 5.0
    THROTTLED_S = 30.0

    def __init__(self) -> None:
        self._next_s = self.FIRST_S
        self._least_s = self.FIRST_S

    def wait_s(self, *, came: bool, throttled: bool) -> float:
        """Seconds until the next round. A throttled one doubles the wait, and what comes later halves its floor."""
        if throttled:
            self._least_s = min(max(self._next_s, self._least_s) * 2, self.THROTTLED_S)
            self._next_s = self._least_s
            return self._next_s
        self._least_s = max(self._least_s * 0.8, self.FIRST_S)
        self._next_s = self._least_s if came else min(self._next_s * 1.4, max(self.IDLE_S, self._least_s))
        return self._next_s
