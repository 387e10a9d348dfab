"""A plain client and worker of Temporal's Python SDK, as a user would write them, to compare auroral with.

`python -m benchmarks.plain_sdk worker` serves the workflow `simple`, which completes at once, in a process of its
own, without the sandbox. `python -m benchmarks.plain_sdk generator` starts it at a rate and waits for each result. The
generator prints a line of JSON when its schedule begins and one when everything is done.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from datetime import timedelta

from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

_DRAIN_S = 30.0


@workflow.defn(sandboxed=False)
class Simple:
    """Completes at once."""

    @workflow.run
    async def run(self) -> None:
        """Do nothing."""


async def work(client: Client, task_queue: str) -> None:
    """Serve the task queue until standard input ends."""
    worker = Worker(client, task_queue=task_queue, workflows=[Simple], workflow_runner=UnsandboxedWorkflowRunner())
    async with worker:
        print(json.dumps({"ready": True}), flush=True)
        await asyncio.to_thread(sys.stdin.read)


async def generate(client: Client, task_queue: str, rate_per_s: float, duration_s: float) -> None:
    """Start workflows at a rate and wait for all of them."""
    lags_s: list[float] = []
    ended: list[bool] = []

    async def one(number: int) -> None:
        try:
            handle = await client.start_workflow(
                Simple.run,
                id=f"{task_queue}-{number}",
                task_queue=task_queue,
                execution_timeout=timedelta(minutes=10),
            )
            await handle.result()
        except Exception:
            ended.append(False)
        else:
            ended.append(True)

    for number in range(10):
        await client.execute_workflow(Simple.run, id=f"{task_queue}-warm-up-{number}", task_queue=task_queue)
    scheduled = int(rate_per_s * duration_s)
    tasks = []
    begun_s = time.monotonic()
    print(json.dumps({"begun_unix_s": time.time()}), flush=True)
    for number in range(scheduled):
        due_s = begun_s + number / rate_per_s
        if (wait_s := due_s - time.monotonic()) > 0:
            await asyncio.sleep(wait_s)
        lags_s.append(time.monotonic() - due_s)
        tasks.append(asyncio.create_task(one(number)))
    await asyncio.wait(tasks, timeout=_DRAIN_S)
    drain_s = max(0.0, time.monotonic() - begun_s - duration_s)
    lags_s.sort()
    print(
        json.dumps(
            {
                "scheduled": scheduled,
                "sent": len(lags_s),
                "completed": sum(ended),
                "lag_p99_ms": round(lags_s[(len(lags_s) - 1) * 99 // 100] * 1e3, 3),
                "drain_s": round(drain_s, 3),
            }
        ),
        flush=True,
    )


def main(arguments: list[str]) -> int:
    """Run one of the two."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plain_sdk", description=__doc__)
    parser.add_argument("part", choices=("worker", "generator"))
    parser.add_argument("--address", required=True)
    parser.add_argument("--namespace", default="benchmark")
    parser.add_argument("--task-queue", default="plain-sdk")
    parser.add_argument("--rate", type=float, default=40.0, help="workflows per second")
    parser.add_argument("--duration", type=float, default=60.0, help="seconds of the schedule")
    options = parser.parse_args(arguments)
    if options.rate <= 0 or options.rate * options.duration < 1:
        parser.error("expected --rate and --duration to give at least one workflow")

    async def run() -> None:
        client = await Client.connect(options.address, namespace=options.namespace)
        if options.part == "worker":
            await work(client, options.task_queue)
        else:
            await generate(client, options.task_queue, options.rate, options.duration)

    asyncio.run(run())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
