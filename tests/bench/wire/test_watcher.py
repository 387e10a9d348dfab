"""Closes over the wire, answered by hand."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import (
    GetWorkflowExecutionHistoryRequest,
    GetWorkflowExecutionHistoryResponse,
)
from temporalio.service import RPCError, RPCStatusCode

from auroral.bench.samples import Observation, Outcome
from auroral.bench.starts import Flight
from auroral.bench.watch import Closed, Contact
from auroral.bench.wire.watcher import WireWatcher
from tests.bench.wire.doubles import Calls, Sent
from tests.support.virtual_clock import VirtualClock

POLL = "GetWorkflowExecutionHistory"


class Service:
    """Makes of what is awaited a call that is answered by hand."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    async def get_workflow_execution_history(
        self, request: GetWorkflowExecutionHistoryRequest, *, retry: bool, timeout: timedelta
    ) -> GetWorkflowExecutionHistoryResponse:
        assert not retry
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def ended(response: Any, error: RPCError | None) -> None:
            if error is None:
                done.set_result(response)
            else:
                done.set_exception(error)

        self.calls.call(POLL, request, ended, timeout_s=timeout.total_seconds())
        response: GetWorkflowExecutionHistoryResponse = await done
        return response


class Bench:
    """A watcher, and the server's side by hand."""

    def __init__(self, limit: int = 2) -> None:
        self.calls, self.clock, self.contact = Calls(), VirtualClock(), Contact()
        self.closed: dict[int, Closed] = {}
        self.refused: list[str] = []
        self.errors: list[BaseException] = []
        self.watcher = WireWatcher(
            Service(self.calls),
            "benchmark",
            self.clock,
            self.contact,
            limit=limit,
            epoch_unix_us=0,
            clock_offset_us=0,
            on_closed=lambda flight, closed: self.closed.update({flight.index: closed}),
            on_refused=self.refused.append,
            on_error=self.errors.append,
            calls=self.calls,
        )

    def add(self, *indices: int) -> None:
        for index in indices:
            self.watcher.add(Flight(index=index, workload=0, workflow_id=f"w-{index}", intended_us=0))

    @property
    def polls(self) -> list[Sent]:
        return self.calls.of(POLL)

    async def next_poll(self) -> Sent:
        for _ in range(200):
            await asyncio.sleep(0)
            if self.polls:
                break
        return self.polls[0]

    async def until(self, count: int) -> None:
        for _ in range(200):
            await asyncio.sleep(0)
            if len(self.closed) >= count:
                return


def close(kind: EventType.ValueType, *, successor: str = "") -> GetWorkflowExecutionHistoryResponse:
    response = GetWorkflowExecutionHistoryResponse()
    event = response.history.events.add(event_type=kind)
    if successor:
        event.workflow_execution_continued_as_new_event_attributes.new_execution_run_id = successor
    return response


COMPLETED = close(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED)
FAILED = close(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED)


async def test_the_first_poll_sees_the_close_without_a_task() -> None:
    bench = Bench()
    tasks = len(asyncio.all_tasks())
    bench.add(0)
    assert len(asyncio.all_tasks()) == tasks
    (sent,) = bench.polls
    assert (sent.request.execution.workflow_id, sent.request.wait_new_event) == ("w-0", True)
    bench.clock.advance(5_000)
    sent.answer(COMPLETED)
    assert bench.closed[0].outcome is Outcome.COMPLETED
    assert (bench.closed[0].closed_us, bench.closed[0].observation) == (5_000, Observation.WATCHED)
    assert bench.contact.answered_us == 5_000
    assert bench.watcher.active == 0


async def test_a_close_makes_room_for_the_next_poll() -> None:
    bench = Bench(limit=1)
    bench.add(0, 1)
    assert (bench.watcher.active, bench.watcher.unwatched) == (1, 1)
    bench.polls[0].answer(COMPLETED)
    assert [sent.request.execution.workflow_id for sent in bench.polls] == ["w-1"]


async def test_a_poll_that_waited_in_vain_is_followed_by_one_with_its_token() -> None:
    bench = Bench()
    async with bench.clock:
        bench.add(0)
        bench.polls[0].answer(GetWorkflowExecutionHistoryResponse(next_page_token=b"on"))
        again = await bench.next_poll()
        assert again.request.next_page_token == b"on"
        assert bench.watcher.active == 1
        again.answer(FAILED)
        await bench.until(1)
    assert bench.closed[0].outcome is Outcome.FAILED


async def test_a_run_that_goes_on_as_another_is_followed() -> None:
    bench = Bench()
    async with bench.clock:
        bench.add(0)
        going_on = close(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW, successor="second")
        bench.polls[0].answer(going_on)
        assert bench.closed == {}
        again = await bench.next_poll()
        assert again.request.execution.run_id == "second"
        again.answer(COMPLETED)
        await bench.until(1)
    assert bench.closed[0].outcome is Outcome.COMPLETED


async def test_a_refused_poll_gives_way_and_its_workflow_waits_for_another() -> None:
    bench = Bench(limit=3)
    bench.add(0, 1, 2)
    bench.polls[2].fail(RPCStatusCode.RESOURCE_EXHAUSTED)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert (bench.watcher.active, bench.watcher.unwatched, bench.watcher.allowed) == (2, 1, 2)
    assert bench.refused == ["RESOURCE_EXHAUSTED"]
    assert bench.contact.silent_us(bench.clock.now_us()) == 0
    bench.watcher.restore()
    assert (bench.watcher.active, bench.watcher.unwatched) == (3, 0)


async def test_a_workflow_that_the_server_does_not_know_is_unfinished() -> None:
    bench = Bench()
    bench.add(0)
    bench.polls[0].fail(RPCStatusCode.NOT_FOUND)
    await bench.until(1)
    assert (bench.closed[0].outcome, bench.closed[0].cause) == (Outcome.UNFINISHED, "NOT_FOUND")
    assert bench.watcher.active == 0


@pytest.mark.parametrize("status", [RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED])
async def test_a_poll_that_is_lost_is_begun_anew_after_a_pause(status: RPCStatusCode) -> None:
    bench = Bench()
    async with bench.clock:
        bench.clock.advance(1_000)
        bench.add(0)
        bench.polls[0].fail(status)
        again = await bench.next_poll()
        assert again.request.next_page_token == b""
        assert bench.clock.now_us() == 501_000
        assert bench.contact.silent_us(bench.clock.now_us()) == 501_000
        again.answer(COMPLETED)
        await bench.until(1)
    assert bench.contact.silent_us(bench.clock.now_us()) == 0


async def test_what_is_forgotten_or_stopped_is_given_up() -> None:
    bench = Bench(limit=3)
    bench.add(0, 1, 2)
    first, second, third = bench.polls
    bench.watcher.forget(0)
    assert (first.cancelled, bench.watcher.active) == (True, 2)
    third.answer(GetWorkflowExecutionHistoryResponse(next_page_token=b"on"))
    for _ in range(3):
        await asyncio.sleep(0)
    await bench.watcher.stop()
    assert second.cancelled
    assert (bench.watcher.active, bench.closed, bench.errors) == (0, {}, [])


async def test_what_breaks_on_a_close_is_told() -> None:
    bench = Bench()

    def breaks(_: Flight, __: Closed) -> None:
        raise RuntimeError("ours")

    bench.watcher._on_closed = breaks
    bench.add(0)
    bench.polls[0].answer(COMPLETED)
    assert [str(error) for error in bench.errors] == ["ours"]
