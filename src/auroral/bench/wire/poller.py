"""Long polls of one kind, as few as bring the tasks in.

A poll that waits costs next to nothing until the server lets it go after about a minute; one that is missing when a
task arrives costs that task its direct way to a worker. So there are a few to begin with. One more is begun whenever a
task comes that waited for a poll, or while fewer than half of the polls wait, up to what the settings allow; there is
one less whenever one waited for nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from random import Random
from typing import Any

from google.protobuf.message import Message
from temporalio.service import RPCError, RPCStatusCode

from auroral.bench.wire.calls import Call, Calls, Timers
from auroral.bench.wire.readings import Readings

FIRST = 4
"""Polls to begin with: a task queue has four partitions by default, and a poll waits at one of them."""
LONG_WAIT_S = 0.05
"""A task that was started so long after it was scheduled waited for a poll, or for a server that is slow with each of
them, and then more of them help as well."""
POLL_S = 70.0
"""Longer than servers let a poll wait: one minute, `matching.longPollExpirationInterval`."""
BRIEF_S = 0.5
"""A poll that ends without a task sooner than this is not begun again at once."""
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 10.0
_QUIET = (RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED)
"""How a poll ends that waited for nothing, where a proxy ends it or the server stops."""
_FATAL = (
    RPCStatusCode.PERMISSION_DENIED,
    RPCStatusCode.UNAUTHENTICATED,
    RPCStatusCode.INVALID_ARGUMENT,
    RPCStatusCode.UNIMPLEMENTED,
)
"""Polls that fail so will fail again."""

_log = logging.getLogger("auroral.wire")


class Poller:
    """Keeps polls of one kind under way."""

    def __init__(
        self,
        calls: Calls,
        timers: Timers,
        readings: Readings,
        random: Random,
        *,
        method: str,
        request: Message,
        most: int,
        room: Callable[[], int],
        on_task: Callable[[Any], float],
        on_fatal: Callable[[RPCError], None],
    ) -> None:
        """`room` says how many further polls the slots have room for, `on_task` takes each task and says for how many
        seconds it had waited.
        """
        self._calls = calls
        self._timers = timers
        self._readings = readings
        self._random = random
        self._method = method
        self._request = request
        self._most = most
        self._room = room
        self._on_task = on_task
        self._on_fatal = on_fatal
        self._idle: list[_Poll] = []
        self._waiting: set[_Poll] = set()
        self._wanted = 0
        self._paused = False
        self._pause_s = _FIRST_PAUSE_S

    @property
    def waiting(self) -> int:
        """Polls under way."""
        return len(self._waiting)

    @property
    def active(self) -> bool:
        """Whether it was started."""
        return self._wanted > 0

    def start(self) -> None:
        """Begin to poll."""
        self._wanted = min(FIRST, self._most)
        self.fill()

    def stop(self) -> None:
        """Begin no further polls; a task that still comes is worked."""
        self._wanted = 0

    def cancel(self) -> None:
        """Give up the polls under way."""
        self._wanted = 0
        for poll in self._waiting:
            poll.cancel()
        self._waiting.clear()

    def fill(self) -> None:
        """Begin as many polls as are wanted and have room."""
        while len(self._waiting) < self._wanted and not self._paused and self._room() > 0:
            poll = self._idle.pop() if self._idle else _Poll(self)
            self._waiting.add(poll)
            poll.begin()

    def _done(self, poll: _Poll, response: Any, error: RPCError | None) -> None:
        self._waiting.discard(poll)
        self._idle.append(poll)
        if not self._wanted:
            if error is None and response.task_token:
                self._on_task(response)
            return
        if error is not None and error.status not in _QUIET:
            self._failed(error)
            return
        if error is None and response.task_token:
            self._pause_s = _FIRST_PAUSE_S
            few = 2 * len(self._waiting) < self._wanted
            if (self._on_task(response) >= LONG_WAIT_S or few) and self._wanted < self._most:
                self._wanted += 1
        else:
            self._wanted = max(min(FIRST, self._most), self._wanted - 1)
            if self._timers.time() - poll.begun_s < BRIEF_S:
                # A frontend that leaves ends polls as soon as they come.
                self._pause()
            else:
                self._pause_s = _FIRST_PAUSE_S
        self.fill()

    def _failed(self, error: RPCError) -> None:
        self._readings.failed(self._method, error, waits=True)
        if error.status in _FATAL:
            self._on_fatal(error)
            return
        if not self._paused:
            _log.warning("%s failed, and is tried again: %s: %s", self._method, error.status.name, error.message)
            self._pause()

    def _pause(self) -> None:
        if self._paused:
            return
        self._paused = True
        self._timers.call_later(self._pause_s * (0.5 + self._random.random()), self._resume)
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)

    def _resume(self) -> None:
        self._paused = False
        self.fill()


class _Poll:
    __slots__ = ("_call", "_poller", "begun_s")

    def __init__(self, poller: Poller) -> None:
        self._poller = poller
        self.begun_s = 0.0
        self._call: Call | None = None

    def begin(self) -> None:
        poller = self._poller
        self.begun_s = poller._timers.time()
        self._call = poller._calls.call(poller._method, poller._request, self._done, timeout_s=POLL_S)

    def cancel(self) -> None:
        if self._call is not None:
            self._call.cancel()

    def _done(self, response: Any, error: RPCError | None) -> None:
        self._call = None
        self._poller._done(self, response, error)
