"""Starts over the wire with workers beside the generator, answered by hand."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from temporalio.api.workflowservice.v1 import StartWorkflowExecutionResponse
from temporalio.service import RPCStatusCode

from auroral.bench.samples import UNRESOLVED
from auroral.bench.starts import Accepted, Flight, Refused, Starter
from auroral.bench.wire.starter import WireStarter
from tests.bench.test_load import order
from tests.bench.wire.doubles import Calls, Sent
from tests.support.virtual_clock import VirtualClock

START = "StartWorkflowExecution"


class Worker:
    """What a starter sees of a worker."""

    def __init__(self, free: int) -> None:
        self.workflow_slots_free = free
        self.taken: list[bytes] = []

    def take_workflow_task(self, task: Any) -> None:
        self.taken.append(task.task_token)


class Bench:
    """A starter, and the server's side by hand."""

    def __init__(self, *free: int, queues: int = 1, resolve_s: float = 30.0) -> None:
        """`free` workflow slots of the worker of each queue; none: there are no workers."""
        names = [f"q-{number}" for number in range(queues)]
        manifest = msgspec.structs.replace(order().manifest, task_queues=names)
        self.calls, self.clock = Calls(), VirtualClock()
        self.workers = {name: Worker(slots) for name, slots in zip(names, free, strict=bool(free))}
        starter = Starter(
            None,  # type: ignore[arg-type] # nothing goes that way
            manifest,
            [None],
            self.clock,
            identity="me",
            timeout_s=5.0,
            resolve_s=resolve_s,
        )
        self.starts = WireStarter(self.calls, starter, self.clock, timeout_s=5.0, workers=self.workers)
        self.errors: list[BaseException] = []
        self.starts.on_error = self.errors.append
        self.answers: list[tuple[Flight, Accepted | Refused]] = []

    def begin(self, index: int = 0) -> Sent:
        flight = Flight(index=index, workload=0, workflow_id=f"w-{index}", intended_us=0)
        self.starts.begin(flight, lambda each, answer: self.answers.append((each, answer)))
        return self.calls.of(START)[-1]

    async def again(self) -> Sent:
        """The next sending of a start whose acknowledgement was lost."""
        for _ in range(200):
            await asyncio.sleep(0)
            if self.calls.of(START):
                break
        return self.calls.of(START)[0]

    async def settled(self, count: int = 1) -> list[Accepted | Refused]:
        """So many answers, when they are there."""
        for _ in range(200):
            await asyncio.sleep(0)
            if len(self.answers) >= count:
                break
        assert not self.errors
        return [answer for _, answer in self.answers]


def answer(*, token: bytes = b"") -> StartWorkflowExecutionResponse:
    """The server has it; with a token its first workflow task comes along."""
    response = StartWorkflowExecutionResponse(run_id="run")
    if token:
        response.eager_workflow_task.task_token = token
    return response


async def test_without_workers_nothing_is_asked_for() -> None:
    bench = Bench()
    sent = bench.begin()
    assert not sent.request.request_eager_execution
    sent.answer(answer())
    assert await bench.settled() == [Accepted()]
    assert bench.starts.eager == 0


async def test_the_first_task_goes_to_the_worker_of_its_queue() -> None:
    bench = Bench(5, 5, queues=2)
    for index in range(3):
        sent = bench.begin(index)
        assert sent.request.request_eager_execution
        sent.answer(answer(token=b"%d" % index))
    assert {name: worker.taken for name, worker in bench.workers.items()} == {"q-0": [b"0", b"2"], "q-1": [b"1"]}
    assert bench.starts.eager == 3


async def test_a_server_that_gives_no_task_along_is_taken_at_its_word() -> None:
    bench = Bench(5)
    bench.begin().answer(answer())
    assert await bench.settled() == [Accepted()]
    assert (bench.starts.eager, bench.workers["q-0"].taken) == (0, [])


async def test_a_worker_without_a_free_slot_is_given_nothing() -> None:
    bench = Bench(0)
    assert not bench.begin().request.request_eager_execution


async def test_no_more_tasks_are_asked_for_than_there_are_slots() -> None:
    bench = Bench(2)
    sent = [bench.begin(index) for index in range(4)]
    assert [each.request.request_eager_execution for each in sent] == [True, True, False, False]
    sent[0].answer(answer())
    sent[1].fail(RPCStatusCode.RESOURCE_EXHAUSTED)
    assert [bench.begin(index).request.request_eager_execution for index in (4, 5, 6)] == [True, True, False]


async def test_a_start_sent_again_brings_its_first_task_to_the_worker() -> None:
    """Else nobody works it until its time-out: the server has counted it as begun."""
    bench = Bench(1)
    async with bench.clock:
        bench.begin().fail(RPCStatusCode.UNAVAILABLE)
        bench.workers["q-0"].workflow_slots_free = 0  # its slot is kept for it
        sent = await bench.again()
        assert sent.request.request_eager_execution
        sent.answer(answer(token=b"task"))
        assert await bench.settled() == [Accepted()]
    assert (bench.starts.eager, bench.workers["q-0"].taken) == (1, [b"task"])
    ((flight, _),) = bench.answers
    assert flight.sends == 2
    assert flight.accepted_us > flight.sent_us


async def test_a_start_sent_again_asks_for_no_task_that_it_did_not_ask_for_at_first() -> None:
    bench = Bench(1)
    async with bench.clock:
        first, second = bench.begin(0), bench.begin(1)
        second.fail(RPCStatusCode.UNAVAILABLE)
        first.answer(answer())
        assert bench.begin(2).request.request_eager_execution
        bench.calls.of(START)[0].answer(answer())
        sent = await bench.again()
        assert sent.request.workflow_id == "w-1"
        assert not sent.request.request_eager_execution


async def test_a_start_that_nobody_answers_ends_unresolved() -> None:
    bench = Bench(1, resolve_s=1.0)
    async with bench.clock:
        bench.begin().fail(RPCStatusCode.UNAVAILABLE)
        while not bench.answers:
            sent = await bench.again()
            sent.fail(RPCStatusCode.UNAVAILABLE)
            await bench.settled()
    ((flight, given),) = bench.answers
    assert given == Refused(f"UNAVAILABLE/{UNRESOLVED}")
    assert flight.sends > 2
    assert bench.begin(1).request.request_eager_execution, "its slot is free again"


async def test_a_refusal_is_not_sent_again() -> None:
    bench = Bench()
    bench.begin().fail(RPCStatusCode.INVALID_ARGUMENT)
    assert await bench.settled() == [Refused("INVALID_ARGUMENT")]
    assert bench.calls.under_way == []


async def test_the_end_gives_up_what_is_under_way() -> None:
    bench = Bench()
    async with bench.clock:
        bench.begin(0)
        bench.begin(1).fail(RPCStatusCode.UNAVAILABLE)
        waiting = bench.calls.of(START)[0]
        for _ in range(200):
            await asyncio.sleep(0)
            if len(bench.calls.of(START)) == 2:
                break
        again = bench.calls.of(START)[1]
        bench.starts.stop()
        for _ in range(5):
            await asyncio.sleep(0)
    assert (waiting.cancelled, again.cancelled) == (True, True)
    assert (bench.calls.under_way, bench.answers, bench.errors) == ([], [], [])


@pytest.mark.parametrize("lost", [False, True])
async def test_what_breaks_on_an_answer_is_told(lost: bool) -> None:
    bench = Bench()

    def breaks(_: Flight, __: Accepted | Refused) -> None:
        raise RuntimeError("ours")

    async with bench.clock:
        bench.starts.begin(Flight(index=0, workload=0, workflow_id="w-0", intended_us=0), breaks)
        sent = bench.calls.of(START)[0]
        if lost:
            sent.fail(RPCStatusCode.UNAVAILABLE)
            sent = await bench.again()
        sent.answer(answer())
        for _ in range(5):
            await asyncio.sleep(0)
    assert [str(error) for error in bench.errors] == ["ours"]
