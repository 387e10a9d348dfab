"""Runs workflows on the event loop's own thread: the interpreter never blocks, and a thread costs two wake-ups a task.

The SDK hands each activation to a thread, so that it can give up on a workflow that blocks, after two seconds. The
workflows of `workflows.py` only ever await; one that does block is told of in the log, as nothing can interrupt it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from typing import Any

BLOCKED_S = 2.0
"""From here on an activation is told of: after as long the SDK calls a workflow deadlocked (1.35)."""

_log = logging.getLogger(__name__)


class InlineExecutor(ThreadPoolExecutor):
    """A worker's `workflow_task_executor` without threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` tells seconds, for how long work has held the loop."""
        super().__init__(max_workers=1)  # a thread would come with the first piece of work: none is given to it
        self._clock = clock

    def submit(  # type: ignore[override]
        self, work: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> asyncio.Future[Any]:
        """Run the work when the loop comes round to it; the future is the loop's own, which `run_in_executor` takes.

        Not within the task that asks: a workflow has tasks of its own, and no task may begin in the midst of
        another (Python 3.14). Nor in that task's context: a thread would not have it either.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        loop.call_soon(self._run, loop, future, lambda: work(*args, **kwargs), context=Context())
        return future

    def _run(self, loop: asyncio.AbstractEventLoop, future: asyncio.Future[Any], work: Callable[[], Any]) -> None:
        if future.cancelled():
            return
        began_s = self._clock()
        try:
            result = work()
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(result)
        finally:
            # A workflow is an event loop, and takes itself for the running one until it is done.
            asyncio._set_running_loop(loop)
        held_s = self._clock() - began_s
        if held_s >= BLOCKED_S:
            _log.warning("a workflow blocked its worker for %.1f s: all of its tasks waited", held_s)
