"""Activity tasks: each waits as told, as a timer of the event loop, and is answered."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import msgspec
from temporalio.api.workflowservice.v1 import RespondActivityTaskCompletedRequest, RespondActivityTaskFailedRequest

from auroral.bench.inputs import ACTIVITY_NAME, Work, decode_work
from auroral.bench.wire.calls import Answers, Timers
from auroral.bench.wire.commands import NOTHING
from auroral.bench.wire.readings import Readings, Slots

_log = logging.getLogger("auroral.wire")


class Activities:
    """Works the activity tasks of one task queue."""

    def __init__(
        self,
        answers: Answers,
        timers: Timers,
        readings: Readings,
        slots: Slots,
        *,
        namespace: str,
        identity: str,
        build_id: str,
        on_free: Callable[[], None],
    ) -> None:
        """`on_free` is called when a slot is free again."""
        self._answers = answers
        self._timers = timers
        self._readings = readings
        self._slots = slots
        self._on_free = on_free
        self._completed = RespondActivityTaskCompletedRequest(identity=identity, namespace=namespace, result=NOTHING)
        self._completed.worker_version.build_id = build_id
        self._failed = RespondActivityTaskFailedRequest(identity=identity, namespace=namespace)
        self._failed.worker_version.build_id = build_id
        self._waiting: dict[bytes, Any] = {}

    @property
    def waiting(self) -> int:
        """Activities in their wait."""
        return len(self._waiting)

    def take(self, task: Any) -> float:
        """Work a task that a poll brought; return for how many seconds it had waited to be started."""
        self._slots.used += 1
        return self.take_reserved(task)

    def take_reserved(self, task: Any) -> float:
        """Work a task whose slot is held already; return as `take`."""
        self._readings.activities += 1
        wait_s = waited_s(task.current_attempt_scheduled_time, task.started_time)
        self._readings.activity_wait.add(wait_s)
        try:
            sleep_s = _sleep_s(task)
        except ValueError as error:
            self._refuse(task.task_token, str(error))
            return wait_s
        if sleep_s > 0:
            token = task.task_token
            self._waiting[token] = self._timers.call_later(sleep_s, self._wake, token)
        else:
            self._complete(task.task_token)
        return wait_s

    def reserve(self, count: int) -> None:
        """Hold slots for activities that a workflow task asks to be given at once."""
        self._slots.used += count

    def release(self, count: int) -> None:
        """Give back slots that were reserved and not needed."""
        self._slots.used -= count
        self._on_free()

    def stop(self) -> None:
        """Forget what still waits: the server gives it to others when it times out."""
        for timer in self._waiting.values():
            timer.cancel()
        self._waiting.clear()

    def _wake(self, token: bytes) -> None:
        del self._waiting[token]
        self._complete(token)

    def _complete(self, token: bytes) -> None:
        request = RespondActivityTaskCompletedRequest()
        request.CopyFrom(self._completed)
        request.task_token = token
        self._answers.send("RespondActivityTaskCompleted", request, self._done)

    def _refuse(self, token: bytes, reason: str) -> None:
        self._readings.failed_activities += 1
        _log.warning("an activity was refused: %s", reason)
        request = RespondActivityTaskFailedRequest()
        request.CopyFrom(self._failed)
        request.task_token = token
        request.failure.message = reason
        request.failure.application_failure_info.type = "auroral.input"
        request.failure.application_failure_info.non_retryable = True
        self._answers.send("RespondActivityTaskFailed", request, self._done)

    def _done(self, _response: Any, _error: Any) -> None:
        self._slots.used -= 1
        self._on_free()


def waited_s(scheduled: Any, started: Any) -> float:
    """Seconds from one of the server's timestamps to another."""
    between_s: float = started.seconds - scheduled.seconds + (started.nanos - scheduled.nanos) / 1e9
    return max(0.0, between_s)


def _sleep_s(task: Any) -> float:
    """How long a task is to wait. Raises `ValueError` for one that only the SDK engine works."""
    if task.activity_type.name != ACTIVITY_NAME:
        raise ValueError(f"expected the activity {ACTIVITY_NAME}, got {task.activity_type.name!r}")
    payloads = task.input.payloads
    if not payloads:
        return 0.0
    try:
        work: Work = decode_work(payloads[0].data)
    except msgspec.DecodeError as error:
        raise ValueError(f"this worker does not understand the activity: {error}") from error
    if work.failure_rate or work.result_bytes or len(payloads) > 1:
        raise ValueError(
            "the wire engine runs activities that only wait: payloads, results and failures need the SDK's"
        )
    return work.sleep_s
