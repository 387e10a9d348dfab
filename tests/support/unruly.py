"""Workflows that end otherwise than well, so that a server counts each kind of end."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

QUEUE = "unruly"
NOBODY = "nobody-polls"
"""A task queue without a worker."""

_ONCE = RetryPolicy(maximum_attempts=1)


@activity.defn
async def oversleep() -> None:
    """Take longer than it may."""
    await asyncio.sleep(4)


@workflow.defn
class Unruly:
    """Does what its argument says."""

    @workflow.run
    async def run(self, how: str) -> None:
        """Fail, time out, go on anew, or wait."""
        second = timedelta(seconds=1)
        match how:
            case "fail":
                raise ApplicationError("of the tests")
            case "late":
                await workflow.execute_activity(oversleep, start_to_close_timeout=second, retry_policy=_ONCE)
            case "unpolled":
                await workflow.execute_activity(
                    oversleep, task_queue=NOBODY, schedule_to_start_timeout=second, start_to_close_timeout=second,
                    retry_policy=_ONCE,
                )  # fmt: skip
            case "anew":
                workflow.continue_as_new("done")
            case "confused" if workflow.info().attempt < 2 and not workflow.unsafe.is_replaying():
                raise RuntimeError("no failure of the workflow, but of its task")
            case "wait":
                await workflow.wait_condition(lambda: False)


async def all_ends(client: Client, *, unpolled: int = 6) -> None:
    """Start one of each kind, see each end, and leave so many workflows that nobody takes."""
    worker = Worker(
        client, task_queue=QUEUE, workflows=[Unruly], activities=[oversleep],
        workflow_runner=UnsandboxedWorkflowRunner(), graceful_shutdown_timeout=timedelta(seconds=1),
    )  # fmt: skip
    async with worker:
        ends = [
            await client.start_workflow(
                Unruly.run, how, id=f"unruly-{how}", task_queue=QUEUE, execution_timeout=timedelta(seconds=60)
            )
            for how in ("fail", "late", "unpolled", "anew", "confused")
        ]
        waits = [
            await client.start_workflow(
                Unruly.run, "wait", id=f"unruly-{end}", task_queue=QUEUE, execution_timeout=limit
            )
            for end, limit in (("terminate", None), ("cancel", None), ("timeout", timedelta(seconds=2)))
        ]
        for number in range(unpolled):
            await client.start_workflow(Unruly.run, "fail", id=f"unpolled-{number}", task_queue=NOBODY)
        await asyncio.sleep(1)
        await waits[0].terminate("of the tests")
        await waits[1].cancel()
        await asyncio.gather(*(handle.result() for handle in (*ends, *waits)), return_exceptions=True)
