from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from temporalio.api.workflowservice.v1 import PollActivityTaskQueueResponse
from temporalio.service import RPCStatusCode

from auroral.bench.inputs import encode_sleep
from auroral.bench.wire.activities import Activities, waited_s
from auroral.bench.wire.calls import Answers
from auroral.bench.wire.commands import NOTHING
from auroral.bench.wire.readings import Readings, Slots
from tests.bench.wire.doubles import Calls, Timers


def task(token: bytes = b"t", *, sleep_s: float | None = None, data: bytes | None = None) -> Any:
    response = PollActivityTaskQueueResponse(task_token=token)
    response.activity_type.name = "auroral.activity"
    response.current_attempt_scheduled_time.seconds = 100
    response.started_time.seconds = 100
    response.started_time.nanos = 250_000_000
    if sleep_s is not None or data is not None:
        payload = response.input.payloads.add()
        payload.data = data if data is not None else encode_sleep(sleep_s or 0.0)
    return response


class Bench:
    """Activities, with what is around them."""

    def __init__(self, calls: Any = None, timers: Any = None, *, slots: int = 5) -> None:
        self.calls = Calls() if calls is None else calls
        self.timers = Timers() if timers is None else timers
        self.readings, self.slots = Readings("benchmark", "q"), Slots(slots)
        self.freed = 0
        self.answers = Answers(self.calls, self.timers, self.readings, Random(1))
        self.activities = Activities(
            self.answers,
            self.timers,
            self.readings,
            self.slots,
            namespace="benchmark",
            identity="me",
            build_id="b",
            on_free=self._on_free,
        )

    def _on_free(self) -> None:
        self.freed += 1


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_one_without_input_is_answered_at_once(bench: Bench) -> None:
    bench.activities.take(task())
    assert bench.slots.used == 1
    (sent,) = bench.calls.of("RespondActivityTaskCompleted")
    assert (sent.request.task_token, sent.request.identity, sent.request.namespace) == (b"t", "me", "benchmark")
    assert sent.request.result == NOTHING
    sent.answer(None)
    assert (bench.slots.used, bench.freed) == (0, 1)
    assert bench.readings.activity_wait.sum_s == pytest.approx(0.25)


def test_one_that_waits_is_answered_after_its_wait(bench: Bench) -> None:
    bench.activities.take(task(b"a", sleep_s=0.5))
    bench.activities.take(task(b"b", sleep_s=0.2))
    bench.timers.advance(0.19)
    assert bench.calls.under_way == []
    bench.timers.advance(0.02)
    assert [sent.request.task_token for sent in bench.calls.under_way] == [b"b"]
    assert (bench.activities.waiting, bench.slots.used) == (1, 2)
    bench.timers.advance(0.3)
    assert [sent.request.task_token for sent in bench.calls.under_way] == [b"b", b"a"]


def test_a_slot_is_free_again_whatever_becomes_of_the_answer(bench: Bench) -> None:
    bench.activities.take(task())
    bench.calls.under_way[0].fail(RPCStatusCode.NOT_FOUND)
    assert (bench.slots.used, bench.freed, bench.readings.late) == (0, 1, 1)


def test_reserved_slots_are_held_once(bench: Bench) -> None:
    bench.activities.reserve(3)
    bench.activities.take_reserved(task())
    assert bench.slots.used == 3
    bench.activities.release(2)
    assert (bench.slots.used, bench.freed) == (1, 1)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda one: setattr(one.activity_type, "name", "theirs"), "'theirs'"),
        (lambda one: one.input.payloads.add(data=b"?"), "does not understand"),
        (lambda one: one.input.payloads.add(data=b'{"failure_rate":0.5}'), "need the SDK's"),
        (lambda one: one.input.payloads.add(data=b'{"result_bytes":5}'), "need the SDK's"),
    ],
)
def test_what_only_the_sdk_engine_works_is_refused(
    bench: Bench, change: Callable[[Any], Any], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    one = task()
    change(one)
    bench.activities.take(one)
    (sent,) = bench.calls.of("RespondActivityTaskFailed")
    assert sent.request.task_token == b"t"
    assert reason in sent.request.failure.message
    assert sent.request.failure.application_failure_info.non_retryable
    assert reason in caplog.text
    assert bench.readings.failed_activities == 1
    sent.answer(None)
    assert bench.slots.used == 0


def test_at_the_end_what_waits_is_left(bench: Bench) -> None:
    bench.activities.take(task(sleep_s=5.0))
    bench.activities.stop()
    bench.timers.advance(10.0)
    assert bench.calls.under_way == []
    assert bench.activities.waiting == 0


def test_clocks_that_go_back_count_as_no_wait() -> None:
    one = task()
    assert waited_s(one.current_attempt_scheduled_time, one.started_time) == pytest.approx(0.25)
    assert waited_s(one.started_time, one.current_attempt_scheduled_time) == 0.0


async def test_one_process_holds_five_thousand_in_their_wait() -> None:
    """On the real event loop: all of them wait together for 100 to 600 ms, and none ends before its time."""
    loop = asyncio.get_running_loop()
    due_s: dict[bytes, float] = {}
    late_s: list[float] = []
    all_done = asyncio.Event()

    class Taken:
        """A server that takes every answer at once."""

        def call(self, _: str, request: Any, on_done: Callable[..., None], /, *, timeout_s: float) -> Any:
            late_s.append(loop.time() - due_s[request.task_token])
            if len(late_s) == len(due_s):
                all_done.set()
            return loop.call_soon(on_done, None, None)

    bench = Bench(Taken(), loop, slots=5_000)
    random = Random(1)
    waits_s = [random.uniform(0.1, 0.6) for _ in range(5_000)]
    tasks = [task(b"%d" % number, sleep_s=wait_s) for number, wait_s in enumerate(waits_s)]
    for one, wait_s in zip(tasks, waits_s, strict=True):
        # The loop counts from when it last looked at the clock, or later.
        due_s[one.task_token] = loop.time() + wait_s
        bench.activities.take(one)
    # All were taken before the loop could run any of them.
    assert bench.activities.waiting == bench.slots.used == 5_000
    async with asyncio.timeout(30):
        await all_done.wait()
    assert len(late_s) == 5_000
    assert min(late_s) > -0.005
    assert bench.activities.waiting == 0
