"""Starts over the wire: a call each, and a task for those alone whose acknowledgement is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from temporalio.service import RPCError

from auroral.bench.clock import Clock
from auroral.bench.starts import Accepted, Answered, Flight, Refused, Starter
from auroral.bench.wire.calls import Call, Calls, OnDone
from auroral.temporal.rpc import may_have_arrived, refusal_cause


class TakesEagerTasks(Protocol):
    """A worker beside the generator, as far as starts go (`queue_worker.QueueWorker`)."""

    @property
    def workflow_slots_free(self) -> int:
        """Workflow tasks that could be taken now."""

    def take_workflow_task(self, task: Any) -> None:
        """Work a first workflow task."""


class WireStarter:
    """Begins starts of a `Starter`'s requests."""

    def __init__(
        self,
        calls: Calls,
        starter: Starter,
        clock: Clock,
        *,
        timeout_s: float,
        workers: Mapping[str, TakesEagerTasks] | None = None,
    ) -> None:
        """`workers` by task queue: those that take the first workflow task from a start's answer."""
        self._calls = calls
        self._starter = starter
        self._clock = clock
        self._timeout_s = timeout_s
        self._workers = workers or {}
        self._asked: dict[str, set[int]] = {queue: set() for queue in self._workers}
        """Starts under way that ask for their first workflow task, by task queue: a slot is kept for each."""
        self._under_way: dict[int, Call | asyncio.Task[None]] = {}
        self.on_error: Callable[[BaseException], None] | None = None
        self.eager = 0

    def begin(self, flight: Flight, on_answer: Answered) -> None:
        """Send one start; `on_answer` hears what became of it."""
        if self._workers:
            queue = self._starter.queue(flight)
            asked = self._asked[queue]
            if self._workers[queue].workflow_slots_free > len(asked):
                asked.add(flight.index)

        def ended(response: Any, error: RPCError | None) -> None:
            try:
                self._ended(flight, on_answer, response, error)
            except Exception as broken:
                if self.on_error is None:
                    raise
                self.on_error(broken)

        self._under_way[flight.index] = self._send(flight, ended)

    def stop(self) -> None:
        """Give up those under way."""
        for call in self._under_way.values():
            call.cancel()
        self._under_way.clear()

    def _send(self, flight: Flight, on_done: OnDone) -> Call:
        request = self._starter.request(flight)
        if self._workers:
            # A start sent again asks as it did at first: the server has begun the task that it asked for then.
            request.request_eager_execution = flight.index in self._asked[self._starter.queue(flight)]
        return self._calls.call("StartWorkflowExecution", request, on_done, timeout_s=self._timeout_s)

    def _ended(self, flight: Flight, on_answer: Answered, response: Any, error: RPCError | None) -> None:
        if error is None:
            self._accepted(flight, response)
            self._answer(flight, on_answer, Accepted())
        elif not may_have_arrived(error):
            self._answer(flight, on_answer, Refused(refusal_cause(error)))
        else:
            task = asyncio.get_running_loop().create_task(self._find_out(flight, on_answer, error))
            self._under_way[flight.index] = task
            task.add_done_callback(self._found_out)

    def _accepted(self, flight: Flight, response: Any) -> None:
        flight.accepted_us = self._clock.now_us()
        if self._workers and response.HasField("eager_workflow_task"):
            self.eager += 1
            self._workers[self._starter.queue(flight)].take_workflow_task(response.eager_workflow_task)

    def _answer(self, flight: Flight, on_answer: Answered, answer: Accepted | Refused) -> None:
        del self._under_way[flight.index]
        if self._workers:
            self._asked[self._starter.queue(flight)].discard(flight.index)
        on_answer(flight, answer)

    async def _find_out(self, flight: Flight, on_answer: Answered, error: RPCError) -> None:
        self._answer(flight, on_answer, await self._starter.find_out(flight, error, self._send_again))

    async def _send_again(self, flight: Flight) -> RPCError | None:
        done: asyncio.Future[tuple[Any, RPCError | None]] = asyncio.get_running_loop().create_future()

        def ended(response: Any, error: RPCError | None) -> None:
            if not done.done():
                done.set_result((response, error))

        call = self._send(flight, ended)
        try:
            response, error = await done
        except asyncio.CancelledError:
            call.cancel()
            raise
        if error is None:
            self._accepted(flight, response)
        return error

    def _found_out(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None and self.on_error is not None:
            self.on_error(error)
