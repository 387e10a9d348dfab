"""A generator on another machine, as `drive.Drive` sees a child process. Acts only by what it is given."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import msgspec

from auroral.bench.protocol import CleanedUp, CleanUp, Drained, FromChild, Go, ScheduleEnded, StopSchedule
from auroral.bench.result import ProcessUsage, SpreadGenerator
from auroral.bench.spread.merge import Inbox
from auroral.bench.spread.part import Account, decode_heartbeat
from auroral.bench.spread.plan import Released
from auroral.errors import AuroralError, LostProcessError

Send = Callable[[Go | StopSchedule | CleanUp], None]


class RemoteGenerator:
    """One of the generators of a run over several machines."""

    def __init__(self, number: int, seen: SpreadGenerator, send: Send) -> None:
        """`send` takes what is meant for all generators, once for each."""
        self.number = number
        self.name = seen.name
        self.seen = seen
        self.ended = asyncio.Event()
        self.broken: Exception | None = None
        self.expected_to_end = False
        self.on_frame: Callable[[RemoteGenerator, FromChild | Account], None] | None = None
        self._send = send
        self._inbox = Inbox(number)
        self._heard_s = time.monotonic()
        self._failure = ""
        self._told_ended = False
        self._told_to_stop = False
        self._unasked = ""
        """Why it has stopped, or is about to, although this run did not ask it to."""
        self._cpu_s = 0.0
        self._max_rss_bytes = 0

    @property
    def lost(self) -> bool:
        """Whether it has ended although nobody told it to."""
        return self.ended.is_set() and not self.expected_to_end

    def silent_s(self) -> float:
        """For how long it has said nothing."""
        return time.monotonic() - self._heard_s

    def send(self, frame: msgspec.Struct) -> None:
        """Have it told."""
        if isinstance(frame, Go | StopSchedule | CleanUp) and not self.ended.is_set():
            if isinstance(frame, Go):
                self._heard_s = time.monotonic()  # before, it had nothing to say
            self._told_to_stop = self._told_to_stop or isinstance(frame, StopSchedule)
            self._send(frame)

    def measure(self) -> None:
        """Nothing to do: it measures itself."""

    def usage(self) -> ProcessUsage:
        """What generator and agent used."""
        return ProcessUsage(
            name=self.name,
            cpu_s=self._cpu_s,
            max_rss_bytes=self._max_rss_bytes,
            lost=self.lost,
            detail=f"on {self.seen.where}: {self._failure}" if self.lost else "",
            transport=self.seen.transport,
        )

    def error(self) -> AuroralError:
        """The error of one that is lost."""
        return LostProcessError(
            f"{self.name} on {self.seen.where} was lost: {self._failure}", hint="see what its agent said there"
        )

    def abandon(self) -> None:
        """Give up on it: it counts as lost, and is not listened to any more."""
        self.fail(f"nothing was heard of it for {self.silent_s():.0f} s")

    # What comes of it

    def heard(self, data: bytes) -> None:
        """Take a heartbeat, whichever of them it is. One of which something was missed ends it as lost."""
        if self.ended.is_set():
            return
        try:
            heartbeat = decode_heartbeat(data)
            accounts = self._inbox.take(heartbeat)
        except ValueError as error:
            self.fail(str(error))
            return
        if accounts:
            self._heard_s = time.monotonic()
        self._cpu_s = max(self._cpu_s, heartbeat.cpu_s)
        self._max_rss_bytes = max(self._max_rss_bytes, heartbeat.max_rss_bytes)
        for account in accounts:
            self._say(account)
        if heartbeat.ended is not None and heartbeat.ended.interrupted and not self._told_to_stop:
            self.stopped_unasked("it stopped its schedule although this run did not ask it to")
        elif heartbeat.ended is not None and not self._told_ended:
            self._told_ended = True
            self._say(
                ScheduleEnded(
                    t_s=heartbeat.ended.t_s,
                    scheduled=heartbeat.ended.scheduled,
                    interrupted=heartbeat.ended.interrupted,
                )
            )

    def generated(self, data: bytes) -> None:
        """It has driven its part to the end, and this is its last heartbeat."""
        self.heard(data)
        if self.ended.is_set():
            return
        if self._unasked:
            # What it told counts; what it never sent, or did not wait for, was its to do.
            self.fail(self._unasked)
            return
        emptied = decode_heartbeat(data).emptied
        if emptied is None:
            self.fail("it ended before everything of its part had an outcome")
            return
        self._say(Drained(t_s=emptied.t_s, held=emptied.held, reason=emptied.reason))

    def never_began(self) -> None:
        """The run was stopped before its part began."""
        if not self.ended.is_set():
            self._told_ended = True
            self._say(ScheduleEnded(t_s=0.0, scheduled=0, interrupted=True))
            self._say(Drained(t_s=0.0, held=0))

    def stopped_unasked(self, words: str) -> None:
        """It stops, or has stopped, by itself: it counts as lost as soon as it has told all that it knows."""
        self._unasked = self._unasked or words

    def released(self, answer: Released) -> None:
        """It has cleaned up."""
        self._say(CleanedUp(terminated=answer.terminated, failed=answer.failed))
        self.end()

    def end(self) -> None:
        """It has ended as it should."""
        if not self.ended.is_set():
            self.expected_to_end = True
            self.ended.set()

    def fail(self, words: str) -> None:
        """It is lost."""
        if not self.ended.is_set():
            self._failure = words
            self.on_frame = None
            self.ended.set()

    def _say(self, frame: FromChild | Account) -> None:
        if self.on_frame is not None:
            self.on_frame(self, frame)
