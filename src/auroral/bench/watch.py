"""Closes: a capped number of long polls, and sweeps through visibility for the rest.

A frontend refuses more than `frontend.namespaceCount` long polls of a namespace (1,200 by default; 1,500 waiting
polls gave exactly 300 refusals). So polls are capped, refused ones give way for a while, and workflows that no poll
watches are found closed by listing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta
from typing import Protocol

import msgspec
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType, HistoryEventFilterType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import (
    GetWorkflowExecutionHistoryRequest,
    GetWorkflowExecutionHistoryResponse,
)
from temporalio.service import RPCError, RPCStatusCode, WorkflowService

from auroral.bench.clock import Clock
from auroral.bench.samples import Observation, Outcome
from auroral.bench.starts import Flight
from auroral.errors import AuroralError
from auroral.temporal.rpc import bounded, refusal_cause

OUTCOME_OF_EVENT = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED: Outcome.COMPLETED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED: Outcome.FAILED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT: Outcome.TIMED_OUT,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED: Outcome.TERMINATED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED: Outcome.CANCELED,
}

# The server answers an idle poll after about 20 s; a poll that takes much longer is lost.
POLL_TIMEOUT_S = 70.0
_POLL_TIMEOUT = timedelta(seconds=POLL_TIMEOUT_S)
_ERROR_PAUSE_S = 0.5


Reply = GetWorkflowExecutionHistoryResponse | RPCError | None
"""How a first poll has ended, if there was one."""


class Call(Protocol):
    """A poll that is no task."""

    def cancel(self) -> object:
        """Give it up."""


class Closed(msgspec.Struct, frozen=True, kw_only=True):
    """A workflow's end. Times in µs since the epoch."""

    outcome: Outcome
    closed_us: int
    server_closed_us: int
    observation: Observation
    cause: str = ""


class SweptRow(Protocol):
    """What a sweep needs of a listed execution."""

    @property
    def index(self) -> int | None: ...
    @property
    def root(self) -> bool: ...
    @property
    def status(self) -> str: ...
    @property
    def closed_unix_us(self) -> int | None: ...


Lister = Callable[[int], AsyncIterator[Sequence[SweptRow]]]
"""Lists the closed executions of a generator; its argument bounds their close time from below (µs since 1970)."""


class Contact:
    """When the server last answered, and when it last failed to: µs since the epoch."""

    def __init__(self) -> None:
        self.answered_us = 0
        self.failed_us = -1

    def silent_us(self, now_us: int) -> int:
        """For how long every attempt has failed; 0 while the last one was answered."""
        return now_us - self.answered_us if self.failed_us > self.answered_us else 0


class Watcher:
    """Watches accepted workflows until they close."""

    def __init__(
        self,
        service: WorkflowService,
        namespace: str,
        clock: Clock,
        contact: Contact,
        *,
        limit: int,
        epoch_unix_us: int,
        clock_offset_us: int,
        on_closed: Callable[[Flight, Closed], None],
        on_refused: Callable[[str], None],
        on_error: Callable[[BaseException], None],
    ) -> None:
        """`limit` caps the polls; `clock_offset_us` is server − client, to place closes nobody saw."""
        self._service = service
        self._namespace = namespace
        self._clock = clock
        self._contact = contact
        self._limit = limit
        self._epoch_unix_us = epoch_unix_us
        self._offset_us = clock_offset_us
        self._on_closed = on_closed
        self._on_refused = on_refused
        self._on_error = on_error
        self._polls: dict[int, asyncio.Task[None] | Call] = {}
        self._waiting: dict[int, Flight] = {}
        self.allowed = limit

    @property
    def active(self) -> int:
        """Polls open now."""
        return len(self._polls)

    @property
    def unwatched(self) -> int:
        """Workflows that wait for a poll."""
        return len(self._waiting)

    def add(self, flight: Flight) -> None:
        """Watch a workflow now, or when a poll is free."""
        if len(self._polls) < self.allowed:
            self._begin(flight, prompt=True)
        else:
            self._waiting[flight.index] = flight

    def forget(self, index: int) -> None:
        """A sweep has found it closed: stop watching."""
        poll = self._polls.pop(index, None)
        if poll is not None:
            poll.cancel()
            self._next()
        else:
            self._waiting.pop(index, None)

    def restore(self) -> None:
        """Allow one more poll after refusals. Called once a second."""
        self.allowed = min(self._limit, self.allowed + max(1, self._limit // 100))
        self._next()

    async def stop(self) -> None:
        """End every poll."""
        polls = list(self._polls.values())
        self._polls.clear()
        self._waiting.clear()
        for poll in polls:
            poll.cancel()
        await asyncio.gather(*(poll for poll in polls if isinstance(poll, asyncio.Task)), return_exceptions=True)

    def _begin(self, flight: Flight, *, prompt: bool) -> None:
        # A workflow that had closed before a late poll began was not seen to close.
        self._follow(flight, self._request(flight), None if prompt else self._clock.now_us())

    def _follow(
        self, flight: Flight, request: GetWorkflowExecutionHistoryRequest, seen_from_us: int | None, first: Reply = None
    ) -> None:
        task = asyncio.get_running_loop().create_task(self._watch(flight, request, seen_from_us, first))
        self._polls[flight.index] = task
        task.add_done_callback(self._see_failure)

    def _request(self, flight: Flight) -> GetWorkflowExecutionHistoryRequest:
        return GetWorkflowExecutionHistoryRequest(
            namespace=self._namespace,
            execution=WorkflowExecution(workflow_id=flight.workflow_id),
            wait_new_event=True,
            history_event_filter_type=HistoryEventFilterType.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT,
        )

    def _see_failure(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_error(error)

    def _next(self) -> None:
        while self._waiting and len(self._polls) < self.allowed:
            index = next(iter(self._waiting))
            self._begin(self._waiting.pop(index), prompt=False)

    async def _watch(
        self, flight: Flight, request: GetWorkflowExecutionHistoryRequest, seen_from_us: int | None, first: Reply
    ) -> None:
        closed: Closed | None = None
        while closed is None:
            reply, first = first, None
            try:
                response = await self._reply(request, reply)
            except RPCError as error:
                self._contact.failed_us = self._clock.now_us()
                if error.status is RPCStatusCode.RESOURCE_EXHAUSTED:
                    self._contact.answered_us = self._contact.failed_us
                    self._give_way(flight, refusal_cause(error))
                    return
                if error.status is RPCStatusCode.NOT_FOUND:
                    self._contact.answered_us = self._contact.failed_us
                    closed = self._missing()
                else:
                    # A token may be what is wrong: begin the poll anew.
                    request.next_page_token = b""
                    await self._clock.sleep(_ERROR_PAUSE_S)
                continue
            self._contact.answered_us = self._clock.now_us()
            if not response.history.events:
                request.next_page_token = response.next_page_token
                continue
            event = response.history.events[-1]
            successor = successor_of(event)
            if successor:
                request.execution.run_id = successor
                request.next_page_token = b""
                continue
            closed = self._closed(event, seen_from_us)
        self._ended(flight, closed)

    async def _reply(
        self, request: GetWorkflowExecutionHistoryRequest, reply: Reply
    ) -> GetWorkflowExecutionHistoryResponse:
        if isinstance(reply, RPCError):
            raise reply
        if reply is not None:
            return reply
        poll = self._service.get_workflow_execution_history(request, retry=False, timeout=_POLL_TIMEOUT)
        return await bounded(poll, POLL_TIMEOUT_S + 1)

    def _ended(self, flight: Flight, closed: Closed) -> None:
        self._polls.pop(flight.index, None)
        self._on_closed(flight, closed)
        self._next()

    def _closed(self, event: HistoryEvent, seen_from_us: int | None) -> Closed:
        server_us = event.event_time.seconds * 1_000_000 + event.event_time.nanos // 1_000 - self._epoch_unix_us
        estimated_us = server_us - self._offset_us
        seen = seen_from_us is None or estimated_us >= seen_from_us
        return Closed(
            outcome=OUTCOME_OF_EVENT.get(event.event_type, Outcome.FAILED),
            closed_us=self._clock.now_us() if seen else estimated_us,
            server_closed_us=server_us,
            observation=Observation.WATCHED if seen else Observation.SWEPT,
        )

    def _missing(self) -> Closed:
        now_us = self._clock.now_us()
        return Closed(
            outcome=Outcome.UNFINISHED,
            closed_us=now_us,
            server_closed_us=now_us,
            observation=Observation.NONE,
            cause="NOT_FOUND",
        )

    def _give_way(self, flight: Flight, cause: str) -> None:
        self._on_refused(cause)
        self._polls.pop(flight.index, None)
        self.allowed = max(1, min(self.allowed, len(self._polls)))
        self._waiting[flight.index] = flight


def successor_of(event: HistoryEvent) -> str:
    """The run that follows a closed one, where there is one."""
    for attributes in (
        event.workflow_execution_continued_as_new_event_attributes,
        event.workflow_execution_completed_event_attributes,
        event.workflow_execution_failed_event_attributes,
        event.workflow_execution_timed_out_event_attributes,
    ):
        if attributes.new_execution_run_id:
            return attributes.new_execution_run_id
    return ""


class Sweeper:
    """Finds closed workflows by listing those that closed since the last time, with a margin."""

    MARGIN_US = 3_000_000
    DEEP_MARGIN_US = 30_000_000
    """Every fifth sweep: visibility may lag behind by this much before only the last sweep finds a close."""
    DEEP_EVERY = 5

    def __init__(
        self,
        lister: Lister,
        clock: Clock,
        contact: Contact,
        *,
        epoch_unix_us: int,
        clock_offset_us: int,
        on_swept: Callable[[int, Closed], None],
        on_refused: Callable[[str], None],
    ) -> None:
        """`on_swept` gets an index and its close; it may be one already known."""
        self._list = lister
        self._clock = clock
        self._contact = contact
        self._epoch_unix_us = epoch_unix_us
        self._offset_us = clock_offset_us
        self._on_swept = on_swept
        self._on_refused = on_refused
        self._swept_to_us: int | None = None
        self._sweeps = 0

    async def sweep(self, oldest_open_us: int, *, everything: bool = False) -> None:
        """List once and report every root that has closed. A refusal is counted, not raised.

        `oldest_open_us` is when the oldest workflow in question was sent: nothing of interest closed before.
        `everything` since then is listed on request, else what closed since the last sweep.
        """
        began_us = self._clock.now_us()
        since_us = oldest_open_us - self.MARGIN_US
        if not everything and self._swept_to_us is not None:
            self._sweeps += 1
            margin_us = self.MARGIN_US if self._sweeps % self.DEEP_EVERY else self.DEEP_MARGIN_US
            since_us = max(since_us, self._swept_to_us - margin_us)
        try:
            async for rows in self._list(since_us + self._epoch_unix_us + self._offset_us):
                self._contact.answered_us = self._clock.now_us()
                for row in rows:
                    self._report(row)
        except AuroralError as error:
            self._contact.failed_us = self._clock.now_us()
            self._on_refused(f"sweep: {error.message}")
            return
        self._swept_to_us = began_us

    def _report(self, row: SweptRow) -> None:
        if not row.root or row.index is None or row.closed_unix_us is None:
            return
        try:
            outcome = Outcome(row.status)
        except ValueError:
            return
        server_us = row.closed_unix_us - self._epoch_unix_us
        self._on_swept(
            row.index,
            Closed(
                outcome=outcome,
                closed_us=server_us - self._offset_us,
                server_closed_us=server_us,
                observation=Observation.SWEPT,
            ),
        )
