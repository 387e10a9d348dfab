"""One start: the request, the server's answer, and what becomes of a lost acknowledgement.

The client does not retry by itself: a refusal is an outcome. Only a start that may or may not have arrived is
sent again, with the same request id, by which the server tells one start from two.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Protocol

import msgspec
from temporalio.api.common.v1 import Payloads, WorkflowType
from temporalio.api.enums.v1 import WorkflowIdReusePolicy
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import StartWorkflowExecutionRequest
from temporalio.service import RPCError, WorkflowService

from auroral.bench.clock import Clock
from auroral.bench.manifest import ROOT_WORKFLOW_TYPE, Manifest
from auroral.bench.samples import UNRESOLVED
from auroral.temporal.rpc import bounded, may_have_arrived, refusal_cause

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 2.0
_SEARCHES_PER_S = 500.0


class Flight(msgspec.Struct, kw_only=True):
    """A start under way. Times in µs since the epoch."""

    index: int
    workload: int
    workflow_id: str
    intended_us: int
    sent_us: int = 0
    accepted_us: int = 0
    sends: int = 0


class Accepted(msgspec.Struct, frozen=True):
    """The server has it."""


class Refused(msgspec.Struct, frozen=True):
    """The server does not have it, or nobody could tell."""

    cause: str


Answered = Callable[[Flight, Accepted | Refused], None]
Sends = Callable[[Flight], Awaitable[RPCError | None]]


class SendsOne(Protocol):
    """What sends one start and awaits what becomes of it."""

    async def start(self, flight: Flight) -> Accepted | Refused:
        """Send it and find out; fills the flight's times."""


class InTasks:
    """Begins starts, each in a task of its own."""

    def __init__(self, starter: SendsOne) -> None:
        self._starter = starter
        self._tasks: set[asyncio.Task[None]] = set()
        self.on_error: Callable[[BaseException], None] | None = None
        self.eager = 0

    def begin(self, flight: Flight, on_answer: Answered) -> None:
        """Begin one; `on_answer` hears what became of it."""
        task = asyncio.get_running_loop().create_task(self._run(flight, on_answer))
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def stop(self) -> None:
        """Give up those under way."""
        for task in self._tasks:
            task.cancel()

    async def _run(self, flight: Flight, on_answer: Answered) -> None:
        on_answer(flight, await self._starter.start(flight))

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and self.on_error is not None:
            self.on_error(error)


class Starter:
    """Sends starts. One request message per workload serves them all: it is serialised before the first await."""

    def __init__(
        self,
        service: WorkflowService,
        manifest: Manifest,
        inputs: Sequence[Payloads | None],
        clock: Clock,
        *,
        identity: str,
        timeout_s: float,
        resolve_s: float,
    ) -> None:
        """`inputs` are the workloads' encoded arguments; `resolve_s` bounds the search for a lost acknowledgement."""
        self._service = service
        self._clock = clock
        self._timeout_s = timeout_s
        self._timeout = timedelta(seconds=timeout_s)
        self._manifest = manifest
        self._searching = 0
        self._resolve_us = round(resolve_s * 1e6)
        self._queues = manifest.task_queues
        execution_timeout = timedelta(seconds=manifest.execution_timeout_s)
        self._requests = []
        for payloads in inputs:
            request = StartWorkflowExecutionRequest(
                namespace=manifest.namespace,
                workflow_type=WorkflowType(name=ROOT_WORKFLOW_TYPE),
                task_queue=TaskQueue(name=manifest.task_queues[0]),
                input=payloads,
                identity=identity,
                # An id is used once: a second start under it must not run.
                workflow_id_reuse_policy=WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
            )
            request.workflow_execution_timeout.FromTimedelta(execution_timeout)
            self._requests.append(request)

    def request(self, flight: Flight) -> StartWorkflowExecutionRequest:
        """The message of this start, which the next one's takes the place of; fills the flight's time of sending."""
        sent_us = self._clock.now_us()
        if flight.sends == 0:
            flight.sent_us = sent_us
        flight.sends += 1
        request = self._requests[flight.workload]
        request.workflow_id = flight.workflow_id
        request.request_id = self._manifest.request_id(flight.workflow_id)
        if len(self._queues) > 1:
            request.task_queue.name = self.queue(flight)
        return request

    def queue(self, flight: Flight) -> str:
        """The task queue of this start."""
        return self._queues[flight.index % len(self._queues)]

    async def start(self, flight: Flight) -> Accepted | Refused:
        """Send one start and find out whether it was accepted. Fills the flight's times."""
        error = await self._send(flight)
        if error is None:
            return Accepted()
        if not may_have_arrived(error):
            return Refused(refusal_cause(error))
        return await self.find_out(flight, error, self._send)

    async def find_out(self, flight: Flight, error: RPCError, send: Sends) -> Accepted | Refused:
        """Send a start again whose first sending ended with this error and may have arrived, until it is known.

        `send` sends it, fills the time of its acceptance, and returns what went wrong.
        """
        pause_s = _FIRST_PAUSE_S
        while self._clock.now_us() - flight.sent_us <= self._resolve_us:
            self._searching += 1
            # However many are searched for, all of them together ask at a bounded rate.
            await self._clock.sleep(max(pause_s, self._searching / _SEARCHES_PER_S))
            self._searching -= 1
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
            if await send(flight) is None:
                return Accepted()
        return Refused(f"{error.status.name}/{UNRESOLVED}")

    async def _send(self, flight: Flight) -> RPCError | None:
        try:
            call = self._service.start_workflow_execution(self.request(flight), retry=False, timeout=self._timeout)
            await bounded(call, self._timeout_s + 1)
        except RPCError as error:
            return error
        flight.accepted_us = self._clock.now_us()
        return None
