"""The calls that a worker makes: how they are made, and answers that are sent until the server has them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from random import Random
from typing import Any, Protocol

from google.protobuf.message import Message
from temporalio.service import RPCError, RPCStatusCode

from auroral.bench.wire.readings import Readings

OnDone = Callable[[Any, RPCError | None], None]
"""Takes the response or what went wrong, the other one None."""

AGAIN = frozenset(
    {
        RPCStatusCode.CANCELLED,
        RPCStatusCode.UNKNOWN,
        RPCStatusCode.DEADLINE_EXCEEDED,
        RPCStatusCode.RESOURCE_EXHAUSTED,
        RPCStatusCode.ABORTED,
        RPCStatusCode.INTERNAL,
        RPCStatusCode.UNAVAILABLE,
    }
)
"""Statuses after which the same answer may be taken later."""
ANSWER_S = 10.0
"""Time-out of one call, and how long an answer is sent again: a workflow task's own time-out."""
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 2.0

_log = logging.getLogger("auroral.wire")


class Call(Protocol):
    """A call under way."""

    def cancel(self) -> object:
        """Give it up: `on_done` is not called any more."""


class Calls(Protocol):
    """Makes calls without a task for each: what the wire transport's service offers."""

    def call(self, method: str, request: Message, on_done: OnDone, /, *, timeout_s: float) -> Call:
        """Send a request, which may change once this returns; `on_done` is called later, never from within."""


class Timers(Protocol):
    """Of an event loop: what is due later."""

    def time(self) -> float:
        """Now, in seconds of the loop's clock."""

    def call_later(self, delay: float, callback: Callable[..., Any], *args: Any) -> Any:
        """Call back after so many seconds."""


class Answers:
    """Sends answers, again where the server could not take them; counts what is under way."""

    def __init__(self, calls: Calls, timers: Timers, readings: Readings, random: Random) -> None:
        self._calls = calls
        self._timers = timers
        self._readings = readings
        self._random = random
        self.under_way = 0
        self.on_idle: Callable[[], None] | None = None
        """Called when the last answer under way is done."""

    def send(self, method: str, request: Message, on_done: OnDone | None = None) -> None:
        """Send an answer. `on_done` gets the response; or the error where the server will not take it any more,
        because its task has timed out (NOT_FOUND), or no longer than the answer is worth anything.
        """
        self.under_way += 1
        _Answer(self, method, request, on_done).send()

    def _ended(self, answer: _Answer, response: Any, error: RPCError | None) -> None:
        if error is not None:
            if error.status is RPCStatusCode.NOT_FOUND:
                self._readings.late += 1
            else:
                _log.warning("%s was not taken: %s: %s", answer.method, error.status.name, error.message)
        if answer.on_done is not None:
            answer.on_done(response, error)
        self.under_way -= 1
        if not self.under_way and self.on_idle is not None:
            self.on_idle()


class _Answer:
    __slots__ = ("_answers", "_pause_s", "_request", "_sent_s", "_until_s", "method", "on_done")

    def __init__(self, answers: Answers, method: str, request: Message, on_done: OnDone | None) -> None:
        self.method = method
        self.on_done = on_done
        self._answers = answers
        self._request = request
        self._pause_s = _FIRST_PAUSE_S
        self._sent_s = answers._timers.time()
        self._until_s = self._sent_s + ANSWER_S

    def send(self) -> None:
        self._answers._calls.call(self.method, self._request, self._done, timeout_s=ANSWER_S)

    def _done(self, response: Any, error: RPCError | None) -> None:
        answers = self._answers
        now_s = answers._timers.time()
        answers._readings.answered(self.method, now_s - self._sent_s, error)
        if error is None or error.status not in AGAIN or now_s + self._pause_s > self._until_s:
            answers._ended(self, response, error)
            return
        answers._timers.call_later(self._pause_s * (0.5 + answers._random.random()), self._again)
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)

    def _again(self) -> None:
        self._sent_s = self._answers._timers.time()
        self.send()
