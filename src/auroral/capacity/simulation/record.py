"""Keeps what a simulation is to tell, in bounded memory: counts of each second, events, what went wrong. Pure."""

from __future__ import annotations

from array import array
from collections import deque
from typing import Protocol

import msgspec

from auroral.capacity.simulation.outcome import Event, Interval, Series, Shortage, Violation, Wait, Warmup
from auroral.capacity.simulation.spec import NANOS

_MOST_WARMUPS = 10_000
_MOST_INTERVALS = 10_000
_MOST_SHORTAGES = 1_000
_MOST_KINDS = 100


class Probes(msgspec.Struct, frozen=True, kw_only=True):
    """What counts as a violation, and how many events around the first of each kind are kept."""

    max_wait_s: float | None = None
    """A request that waited longer for a connection."""
    refusals: bool = True
    """A connection that DSQL refused by its rate or its cap (an outage of the timeline is none)."""
    below_target: bool = False
    """A pool of a warm process with fewer usable connections than its target."""
    below_target_from_s: float = 0.0
    """Not counted before."""
    events_before: int = 20
    events_after: int = 20


_Raw = tuple[int, str, str, str]


def counts(length: int) -> array[int]:
    """32-bit counts, all of which are there (and resident) from the start."""
    return array("I", [0]) * length


class Watched(Protocol):
    """What wants to be told of the end of each second."""

    def end_second(self, now: int) -> None:
        """A second ends now."""


class Record:
    """One for a simulation. `second` is the index of the present second in every array."""

    def __init__(self, seconds: int, services: list[str], probes: Probes) -> None:
        self.probes = probes
        self.second = 0
        self.now = 0
        """Kept by the engine."""
        self._length = length = seconds
        self.series = Series(
            **{name: counts(length) for name in Series.__struct_fields__ if not name.endswith("_by_service")},
            open_by_service={service: counts(length) for service in services},
            attempts_by_service={service: counts(length) for service in services},
        )
        self.attempts = self.series.attempts
        self.opened = self.series.opened
        self.bucket_least: int | None = None
        self.open_of = dict.fromkeys(services, 0)
        self.least_bucket = -1
        self.totals: dict[str, int] = {}
        self.longest: Wait | None = None
        self.warmups: list[Warmup] = []
        self.shortages: list[Shortage] = []
        self.full: list[Interval] = []
        self._full_from: int | None = None
        self.running = 0
        self.lacking = 0
        """Running processes that are not warm or miss a connection."""
        self.watched: dict[Watched, None] = {}
        """Those whose requests are simulated one by one, in the order in which that began."""
        self._ring: deque[_Raw] = deque(maxlen=max(probes.events_before, 1))
        self._collecting: list[Violation] = []
        self.violations: list[Violation] = []
        self.max_wait = None if probes.max_wait_s is None else round(probes.max_wait_s * NANOS)
        self.below_from = round(probes.below_target_from_s * NANOS) if probes.below_target else None

    def add_service(self, service: str) -> None:
        """A service that was not known at the start has its own series from now on."""
        if service not in self.open_of:
            self.open_of[service] = 0
            self.series.open_by_service[service] = counts(self._length)
            self.series.attempts_by_service[service] = counts(self._length)

    def count(self, name: str, by: int = 1) -> None:
        """Add to one of the totals."""
        self.totals[name] = self.totals.get(name, 0) + by

    def note(self, what: str, process: str = "", detail: str = "") -> None:
        """Remember an event, for as long as the ring reaches."""
        self._ring.append((self.now, what, process, detail))
        if self._collecting:
            self._collect()

    def _collect(self) -> None:
        event = _event(self._ring[-1])
        for violation in self._collecting:
            violation.after.append(event)
        most = self.probes.events_after
        self._collecting = [violation for violation in self._collecting if len(violation.after) < most]

    def violate(self, kind: str, process: str, detail: str, at: int | None = None) -> None:
        """Something went wrong. The first of its kind is kept with the events around it."""
        self.count(f"!{kind}")
        if self.totals[f"!{kind}"] > 1 or len(self.violations) >= _MOST_KINDS:
            return
        violation = Violation(
            kind=kind,
            at_s=(self.now if at is None else at) / NANOS,
            process=process,
            detail=detail,
            before=[_event(raw) for raw in self._ring] if self.probes.events_before else [],
            after=[],
        )
        self.violations.append(violation)
        if self.probes.events_after:
            self._collecting.append(violation)

    def level(self, billionths: int) -> None:
        """DSQL's bucket holds so much now."""
        if self.bucket_least is None or billionths < self.bucket_least:
            self.bucket_least = billionths

    def refused(self, verdict: str, process: str) -> None:
        """DSQL took no connection."""
        if verdict == "rate":
            self.series.refused_rate[self.second] += 1
        elif verdict == "cap":
            self.series.refused_cap[self.second] += 1
        elif verdict == "time-out":
            self.series.timed_out[self.second] += 1
        else:
            self.series.refused_outage[self.second] += 1
        self.note("refused", process, verdict)
        if verdict in ("rate", "cap") and self.probes.refusals:
            code = "53400, more than its rate" if verdict == "rate" else "53300, more than its connections"
            self.violate(f"refused-{verdict}", process, f"DSQL refused a connection ({code})")

    def counted(self) -> None:
        """The counter let an opening through."""
        self.series.counted[self.second] += 1

    def counter_refused(self) -> None:
        """The counter's second was full."""
        self.series.counter_refused[self.second] += 1

    def uncounted(self) -> None:
        """An opening went on without the counter."""
        self.series.uncounted[self.second] += 1

    def waited(self, process: str, began: int, ended: int, timed_out: bool = False) -> None:
        """A request's wait for a connection ended, with one or in vain. Told at `ended` or up to a second later."""
        second = min(ended // NANOS, self._length - 1)
        wait = ended - began
        self.series.waits[second] += 1
        self.series.longest_wait_us[second] = max(self.series.longest_wait_us[second], min(wait // 1_000, 2**32 - 1))
        if self.longest is None or wait > self.longest.wait_s * NANOS:
            self.longest = Wait(wait_s=wait / NANOS, began_s=began / NANOS, process=process)
        if timed_out:
            self.count("acquire_timeouts")
            self.violate("acquire-timeout", process, f"a request had no connection within {wait / NANOS:g} s", ended)
        if self.max_wait is not None and wait > self.max_wait:
            self.violate("wait", process, f"a request waited {wait / NANOS:.3f} s for a connection", ended)

    def warm(self, warmup: Warmup) -> None:
        """A process has come up, or could not."""
        if len(self.warmups) < _MOST_WARMUPS:
            self.warmups.append(warmup)

    def shortage(self, shortage: Shortage) -> None:
        """A shortage has ended. Beyond the bound the last one kept is stretched: too long rather than forgotten."""
        if len(self.shortages) < _MOST_SHORTAGES:
            self.shortages.append(shortage)
            return
        last = self.shortages[-1]
        self.shortages[-1] = msgspec.structs.replace(
            last, from_s=min(last.from_s, shortage.from_s), until_s=max(last.until_s, shortage.until_s)
        )

    def change(self, running: int = 0, lacking: int = 0) -> None:
        """So many processes more run, or lack something."""
        self.running += running
        self.lacking += lacking
        full = self.running > 0 and self.lacking == 0
        if full and self._full_from is None:
            self._full_from = self.now
        elif not full and self._full_from is not None:
            self._close_full()

    def _close_full(self) -> None:
        began, self._full_from = self._full_from, None
        if began is not None and began < self.now and len(self.full) < _MOST_INTERVALS:
            self.full.append(Interval(from_s=began / NANOS, until_s=self.now / NANOS))

    def end_second(self, open_: int, level: int) -> None:
        """The present second is over: enter what stands, and go to the next."""
        at, series = self.second, self.series
        series.open[at] = open_
        for service, count in self.open_of.items():
            series.open_by_service[service][at] = count
        self.level(level)
        least = self.bucket_least or 0
        series.bucket_least[at] = least // NANOS
        self.least_bucket = least if self.least_bucket < 0 else min(least, self.least_bucket)
        self.bucket_least = None
        series.short[at] = self.lacking
        series.running[at] = self.running
        self.second = min(at + 1, self._length - 1)

    def end(self) -> None:
        """The simulation is over."""
        if self._full_from is not None:
            self._close_full()


def _event(raw: _Raw) -> Event:
    return Event(at_s=raw[0] / NANOS, what=raw[1], process=raw[2], detail=raw[3])
