from __future__ import annotations

from random import Random
from typing import Any

import pytest
from temporalio.api.workflowservice.v1 import RespondActivityTaskCompletedRequest
from temporalio.service import RPCError, RPCStatusCode

from auroral.bench.wire.calls import AGAIN, ANSWER_S, Answers
from auroral.bench.wire.readings import Readings
from tests.bench.wire.doubles import Calls, Timers

METHOD = "RespondActivityTaskCompleted"


class Bench:
    """Answers, with what is around them."""

    def __init__(self) -> None:
        self.calls, self.timers, self.readings = Calls(), Timers(), Readings("benchmark", "q")
        self.answers = Answers(self.calls, self.timers, self.readings, Random(1))
        self.ends: list[tuple[Any, RPCError | None]] = []
        self.idle = 0
        self.answers.on_idle = self._on_idle

    def _on_idle(self) -> None:
        self.idle += 1

    def send(self) -> None:
        request = RespondActivityTaskCompletedRequest(task_token=b"t")
        self.answers.send(METHOD, request, lambda response, error: self.ends.append((response, error)))


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_an_answer_that_is_taken(bench: Bench) -> None:
    bench.send()
    assert bench.answers.under_way == 1
    bench.timers.advance(0.03)
    bench.calls.under_way[0].answer("taken")
    assert (bench.answers.under_way, bench.ends, bench.idle) == (0, [("taken", None)], 1)
    spread = bench.readings.requests[METHOD]
    assert sum(spread.counts) == 1
    assert spread.sum_s == pytest.approx(0.03)


@pytest.mark.parametrize("status", sorted(AGAIN))
def test_what_the_server_could_not_take_is_sent_again(bench: Bench, status: RPCStatusCode) -> None:
    bench.send()
    bench.calls.under_way[0].fail(status)
    assert bench.calls.under_way == []
    assert bench.answers.under_way == 1
    bench.timers.advance(0.2)
    (again,) = bench.calls.under_way
    assert again.request.task_token == b"t"
    again.answer("taken")
    assert bench.ends == [("taken", None)]
    assert bench.readings.failures == {(METHOD, status.name): 1}


def test_it_is_sent_no_longer_than_its_task_lives(bench: Bench) -> None:
    bench.send()
    sends = 0
    while bench.answers.under_way:
        bench.calls.under_way[0].fail(RPCStatusCode.UNAVAILABLE)
        sends += 1
        bench.timers.advance(3.0)
    assert bench.timers.now_s <= ANSWER_S + 6
    assert 3 <= sends <= 12
    ((response, error),) = bench.ends
    assert response is None
    assert error is not None
    assert error.status is RPCStatusCode.UNAVAILABLE


def test_a_task_that_timed_out_is_counted_and_not_sent_again(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.send()
    bench.calls.under_way[0].fail(RPCStatusCode.NOT_FOUND)
    assert bench.timers.waiting == 0
    assert bench.readings.late == 1
    assert [error.status for _, error in bench.ends if error] == [RPCStatusCode.NOT_FOUND]
    assert caplog.text == ""


def test_what_the_server_will_never_take_is_said(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.send()
    bench.calls.under_way[0].fail(RPCStatusCode.INVALID_ARGUMENT, "bad command")
    assert bench.timers.waiting == 0
    assert "INVALID_ARGUMENT: bad command" in caplog.text


def test_idle_is_told_when_the_last_one_is_done(bench: Bench) -> None:
    bench.send()
    bench.send()
    first, second = bench.calls.under_way
    second.answer("b")
    assert bench.idle == 0
    first.answer("a")
    assert bench.idle == 1
