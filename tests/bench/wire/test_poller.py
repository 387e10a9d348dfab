from __future__ import annotations

from random import Random
from typing import Any

import pytest
from temporalio.api.workflowservice.v1 import PollWorkflowTaskQueueRequest, PollWorkflowTaskQueueResponse
from temporalio.service import RPCError, RPCStatusCode

from auroral.bench.wire.poller import FIRST, LONG_WAIT_S, Poller
from auroral.bench.wire.readings import Readings
from tests.bench.wire.doubles import Calls, Timers

TASK = PollWorkflowTaskQueueResponse(task_token=b"t")
NONE = PollWorkflowTaskQueueResponse()


class Bench:
    """A poller, with what is around it."""

    def __init__(self, *, most: int = 16, slots: int = 1_000) -> None:
        self.calls, self.timers, self.readings = Calls(), Timers(), Readings("benchmark", "q")
        self.slots = slots
        self.wait_s = 0.001
        """Of each task."""
        self.tasks: list[Any] = []
        self.fatal: list[RPCError] = []
        self.poller = Poller(
            self.calls,
            self.timers,
            self.readings,
            Random(1),
            method="PollWorkflowTaskQueue",
            request=PollWorkflowTaskQueueRequest(namespace="benchmark"),
            most=most,
            room=lambda: self.slots - len(self.tasks) - self.poller.waiting,
            on_task=self._take,
            on_fatal=self.fatal.append,
        )
        self.poller.start()

    def _take(self, task: Any) -> float:
        self.tasks.append(task)
        return self.wait_s

    @property
    def under_way(self) -> int:
        assert self.poller.waiting == len(self.calls.under_way)
        return self.poller.waiting

    def burst(self) -> None:
        """Every poll under way brings a task."""
        for sent in list(self.calls.under_way):
            sent.answer(TASK)


def test_there_are_a_few_to_begin_with() -> None:
    assert Bench().under_way == FIRST
    assert Bench(most=1).under_way == 1


def test_tasks_that_come_one_by_one_need_no_more() -> None:
    bench = Bench()
    for _ in range(50):
        bench.calls.under_way[0].answer(TASK)
    assert len(bench.tasks) == 50
    assert bench.under_way == FIRST


def test_a_burst_brings_more_up_to_what_is_allowed() -> None:
    bench = Bench(most=16)
    seen = [bench.under_way]
    for _ in range(40):
        # The server answers all of them before any new one reaches it.
        batch = list(bench.calls.under_way)
        begin, bench.poller.fill = bench.poller.fill, lambda: None  # type: ignore[method-assign]
        for sent in batch:
            sent.answer(TASK)
        bench.poller.fill = begin  # type: ignore[method-assign]
        bench.poller.fill()
        seen.append(bench.under_way)
    assert seen[-1] == 16
    assert seen == sorted(seen)


def test_tasks_that_waited_bring_more_however_many_polls_are_under_way() -> None:
    """A server that is slow with each poll: all the others are under way whenever one brings a task."""
    bench = Bench(most=16)
    bench.wait_s = LONG_WAIT_S
    seen = []
    for _ in range(20):
        bench.calls.under_way[0].answer(TASK)
        seen.append(bench.under_way)
    assert seen == [*range(FIRST + 1, 17), *[16] * (20 - 12)]


def test_polls_that_wait_for_nothing_become_fewer_again() -> None:
    bench = Bench(most=16)
    bench.poller._wanted = 16
    bench.poller.fill()
    for _ in range(100):
        bench.timers.advance(60.0)
        bench.calls.under_way[0].answer(NONE)
    assert bench.under_way == FIRST
    assert bench.tasks == []


def test_a_server_that_lets_polls_go_at_once_is_not_asked_in_a_loop() -> None:
    bench = Bench()
    asked = 0
    while bench.timers.now_s < 60:
        for sent in list(bench.calls.under_way):
            asked += 1
            if asked % 2:
                sent.answer(NONE)
            else:
                sent.fail(RPCStatusCode.CANCELLED)
        bench.timers.advance(0.01)
    assert FIRST * 5 <= asked <= FIRST * 20


def test_no_poll_is_begun_without_a_slot() -> None:
    bench = Bench(slots=5)
    bench.burst()
    assert len(bench.tasks) + bench.under_way == 5
    bench.burst()
    assert (len(bench.tasks), bench.under_way) == (5, 0)
    bench.tasks.pop()
    bench.poller.fill()
    assert bench.under_way == 1


@pytest.mark.parametrize(
    "status", [RPCStatusCode.UNAVAILABLE, RPCStatusCode.RESOURCE_EXHAUSTED, RPCStatusCode.NOT_FOUND]
)
def test_polls_that_fail_are_tried_again_at_growing_pauses(status: RPCStatusCode) -> None:
    bench = Bench()
    pauses_s = []
    for _ in range(9):
        for sent in list(bench.calls.under_way):
            sent.fail(status)
        assert bench.under_way == 0
        began_s = bench.timers.now_s
        while not bench.under_way:
            bench.timers.advance(0.01)
        pauses_s.append(bench.timers.now_s - began_s)
        assert bench.under_way == FIRST
    assert 0.05 <= pauses_s[0] <= 0.17
    assert 5 <= pauses_s[-1] <= 15.1
    bench.calls.under_way[0].answer(TASK)
    bench.calls.under_way[0].fail(status)
    bench.timers.advance(0.16)
    assert bench.under_way == FIRST
    assert bench.readings.long_failures[("PollWorkflowTaskQueue", status.name)] == 9 * FIRST + 1
    assert bench.fatal == []


@pytest.mark.parametrize("status", [RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED])
def test_a_poll_that_something_in_between_ended_is_begun_again_at_once(status: RPCStatusCode) -> None:
    bench = Bench()
    bench.timers.advance(30.0)
    bench.calls.under_way[0].fail(status)
    assert bench.under_way == FIRST
    assert bench.readings.failures == {}


def test_a_refusal_for_good_is_told() -> None:
    bench = Bench()
    bench.calls.under_way[0].fail(RPCStatusCode.PERMISSION_DENIED)
    assert [error.status for error in bench.fatal] == [RPCStatusCode.PERMISSION_DENIED]
    assert bench.under_way == FIRST - 1


def test_at_the_end_no_poll_is_begun_and_what_still_comes_is_worked() -> None:
    bench = Bench()
    bench.poller.stop()
    bench.calls.under_way[0].answer(TASK)
    bench.calls.under_way[0].answer(NONE)
    assert (len(bench.tasks), bench.under_way) == (1, FIRST - 2)
    left = list(bench.calls.under_way)
    bench.poller.cancel()
    assert all(sent.cancelled for sent in left)
    assert bench.under_way == 0
    bench.poller.fill()
    assert bench.under_way == 0
