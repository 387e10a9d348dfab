"""5,000 activities in their wait of 100 to 600 ms, held by one process: what that costs, and how late they wake.

`python -m benchmarks.engines_waits ENGINE` holds them with the engine's own waits and nothing else: each one that is
over is replaced at once, so that about 14,300 end each second. What tasks cost besides is measured with the workload
state-transitions. Prints a line of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from auroral.bench.child import quiet_collector
from benchmarks.engines_usage import read

if TYPE_CHECKING:
    from temporalio.service import RPCError

ENGINES = ("sdk", "wire")
LEAST_S, MOST_S = 0.1, 0.6
"""What activities of state-transitions wait."""
_SETTLE_S = 1.0


class Holder:
    """Keeps a number of waits going: `begin(wait_s, done)` starts one and calls `done` at its end."""

    def __init__(self, begin: Callable[[float, Callable[[], None]], None], seed: int) -> None:
        self._begin = begin
        self._random = random.Random(seed)
        self.late_s: list[float] = []
        self.counting = False
        self.stopping = False
        self.held = 0

    def add(self) -> None:
        """Start a wait that is followed by another."""
        wait_s = self._random.uniform(LEAST_S, MOST_S)
        due_s = time.monotonic() + wait_s
        self.held += 1

        def done() -> None:
            self.held -= 1
            if self.counting:
                self.late_s.append(time.monotonic() - due_s)
            if not self.stopping:
                self.add()

        self._begin(wait_s, done)


def sdk_waits() -> Callable[[float, Callable[[], None]], None]:
    """The SDK engine's: the activity's own coroutine, a task of the event loop each."""
    from auroral.bench.workflows import wait_activity

    tasks: set[asyncio.Task[bytes | None]] = set()

    def begin(wait_s: float, done: Callable[[], None]) -> None:
        task = asyncio.get_running_loop().create_task(wait_activity({"sleep_s": wait_s}))
        tasks.add(task)

        def ended(task: asyncio.Task[bytes | None]) -> None:
            tasks.discard(task)
            done()

        task.add_done_callback(ended)

    return begin


def wire_waits() -> Callable[[float, Callable[[], None]], None]:
    """The wire engine's: its activity tasks, whose answers go nowhere and are acknowledged at once."""
    from temporalio.api.workflowservice.v1 import PollActivityTaskQueueResponse, RespondActivityTaskCompletedRequest

    from auroral.bench.inputs import ACTIVITY_NAME, encode_sleep
    from auroral.bench.wire.activities import Activities
    from auroral.bench.wire.calls import Answers
    from auroral.bench.wire.readings import Readings, Slots

    loop = asyncio.get_running_loop()
    waiting: dict[bytes, Callable[[], None]] = {}

    class Nobody:
        """Acknowledges answers."""

        def call(
            self, method: str, request: Any, on_done: Callable[[Any, RPCError | None], None], /, *, timeout_s: float
        ) -> asyncio.Handle:
            if not isinstance(request, RespondActivityTaskCompletedRequest):
                raise TypeError(f"expected the activity to complete, not {method}")
            waiting.pop(request.task_token)()
            return loop.call_soon(on_done, None, None)

    readings = Readings("benchmark", "waits")
    activities = Activities(
        Answers(Nobody(), loop, readings, random.Random(1)),
        loop,
        readings,
        Slots(1_000_000),
        namespace="benchmark",
        identity="waits",
        build_id="waits",
        on_free=lambda: None,
    )
    number = 0

    def begin(wait_s: float, done: Callable[[], None]) -> None:
        nonlocal number
        number += 1
        token = number.to_bytes(8, "big")
        waiting[token] = done
        task = PollActivityTaskQueueResponse(task_token=token)
        task.activity_type.name = ACTIVITY_NAME
        task.input.payloads.add().data = encode_sleep(wait_s)
        activities.take(task)

    return begin


async def hold(engine: str, count: int, duration_s: float) -> dict[str, float]:
    """Hold `count` waits for a while; say what it cost and how late they ended."""
    holder = Holder(sdk_waits() if engine == "sdk" else wire_waits(), seed=1)
    for _ in range(count):
        holder.add()
    quiet_collector()
    await asyncio.sleep(_SETTLE_S)
    before, begun_s = read(os.getpid()), time.monotonic()
    holder.counting = True
    await asyncio.sleep(duration_s)
    holder.counting = False
    after, window_s, held = read(os.getpid()), time.monotonic() - begun_s, holder.held
    holder.stopping = True
    await asyncio.sleep(MOST_S + _SETTLE_S)
    assert before is not None
    assert after is not None
    late_ms = sorted(one * 1e3 for one in holder.late_s)
    return {
        "held": held,
        "ended_per_s": round(len(late_ms) / window_s, 1),
        "cores": round((after.cpu_s - before.cpu_s) / window_s, 3),
        "late_p50_ms": round(quantile(late_ms, 0.5), 3),
        "late_p99_ms": round(quantile(late_ms, 0.99), 3),
        "late_max_ms": round(late_ms[-1], 3),
    }


def quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest of the ordered values that `share` of them do not exceed."""
    return ordered[max(0, -(-int(len(ordered) * share * 1000) // 1000) - 1)]


def main(arguments: list[str]) -> int:
    """Hold them and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engines_waits", description=__doc__)
    parser.add_argument("engine", choices=ENGINES)
    parser.add_argument("--held", type=int, default=5_000, help="waits held at one time")
    parser.add_argument("--duration", type=float, default=5.0, help="seconds to measure")
    options = parser.parse_args(arguments)
    if options.held < 1 or options.duration <= 0:
        parser.error("expected --held of at least 1 and --duration above 0")
    print(json.dumps(asyncio.run(hold(options.engine, options.held, options.duration))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
