"""Activations on the loop's own thread."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from collections.abc import Callable

import pytest

from auroral.bench.inline_executor import BLOCKED_S, InlineExecutor

_WHERE: contextvars.ContextVar[str] = contextvars.ContextVar("where", default="nowhere")


async def run(work: Callable[..., object], *arguments: object, executor: InlineExecutor | None = None) -> object:
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(executor or InlineExecutor(), work, *arguments)


async def test_work_runs_on_this_thread_with_its_arguments_and_without_a_thread_of_its_own() -> None:
    threads = threading.active_count()
    assert await run(lambda *given: (threading.get_ident(), *given), 1, "two") == (threading.get_ident(), 1, "two")
    assert threading.active_count() == threads


async def test_it_runs_outside_of_the_task_that_asked() -> None:
    """A workflow runs tasks of its own: Python 3.14 refuses to begin one while another is in the midst of a step."""
    assert await run(asyncio.current_task) is None


async def test_it_begins_only_when_the_loop_comes_round() -> None:
    order: list[str] = []
    waiting = asyncio.ensure_future(run(order.append, "work"))
    await asyncio.sleep(0)
    order.append("asked")
    await waiting
    assert order == ["asked", "work"]


async def test_what_it_raises_reaches_whoever_waits() -> None:
    def fail() -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await run(fail)


async def test_it_sees_no_context_of_the_task_and_leaves_none_behind() -> None:
    executor = InlineExecutor()
    _WHERE.set("task")
    assert await run(_WHERE.get, executor=executor) == "nowhere"
    await run(_WHERE.set, "work", executor=executor)
    assert _WHERE.get() == "task"
    assert await run(_WHERE.get, executor=executor) == "nowhere"


async def test_another_loop_run_within_gives_this_one_back() -> None:
    """A workflow is an event loop: it sets itself as the running one, and none when it is done."""
    ours = asyncio.get_running_loop()

    def as_a_workflow_does() -> str:
        other = asyncio.new_event_loop()
        asyncio._set_running_loop(None)
        try:
            return other.run_until_complete(asyncio.sleep(0, "inner"))
        finally:
            other.close()

    assert await run(as_a_workflow_does) == "inner"
    assert asyncio.get_running_loop() is ours
    assert await asyncio.sleep(0, "goes on") == "goes on"


async def test_the_loop_is_given_back_after_a_failure_too() -> None:
    def fail() -> None:
        asyncio._set_running_loop(None)
        raise ValueError

    with pytest.raises(ValueError):
        await run(fail)
    assert asyncio.get_running_loop() is not None


async def test_what_was_given_up_before_it_began_does_not_run() -> None:
    ran: list[int] = []
    future = InlineExecutor().submit(ran.append, 1)
    future.cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert ran == []
    assert future.cancelled()


async def test_work_that_ended_is_not_taken_for_a_deadlock_however_long_it_took() -> None:
    """The SDK bounds its wait by two seconds; the loop sees result and bound at once, and the result counts."""
    loop = asyncio.get_running_loop()
    future = InlineExecutor().submit(_hold_until, loop.time() + 0.02)
    assert await asyncio.wait_for(future, 0.01) == "done"


def _hold_until(end_s: float) -> str:
    loop_time = asyncio.get_running_loop().time
    while loop_time() < end_s:
        pass
    return "done"


@pytest.mark.parametrize(("held_s", "told"), [(BLOCKED_S - 0.01, False), (BLOCKED_S, True)])
async def test_work_that_blocked_the_worker_is_told_of(
    caplog: pytest.LogCaptureFixture, held_s: float, told: bool
) -> None:
    times_s = iter([100.0, 100.0 + held_s])
    with caplog.at_level(logging.WARNING):
        await run(lambda: None, executor=InlineExecutor(lambda: next(times_s)))
    assert [record.getMessage() for record in caplog.records] == (
        [f"a workflow blocked its worker for {held_s:.1f} s: all of its tasks waited"] if told else []
    )
