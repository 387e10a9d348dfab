"""Between two steps: waits until what the last one left behind has cleared. Acts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Protocol

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client, WorkflowFailureError
from temporalio.service import RPCError

from auroral.bench import executions
from auroral.bench.cleanup import terminate_directly
from auroral.bench.manifest import PROBE_WORKFLOW_TYPE, Manifest
from auroral.bench.search.judge import uncleared
from auroral.errors import TargetError
from auroral.temporal.rpc import bounded
from auroral.units import format_duration

IDLE_PROBES = 12
"""Probe workflows before the first step, after those that find caches and connections cold."""
_COLD_PROBES = 4
_ANSWER_S = 5.0
_PROBE_S = 10.0
"""A probe that takes longer is given up, and counts as this long."""
_FEWEST_PROBES = 3
"""That `uncleared` needs to say that nothing is left."""
_PAUSE_S = 0.2
_SAY_AFTER_S = 2.0
_KINDS = (TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY)


class Asks(Protocol):
    """What looks at the cluster (`Asker`)."""

    async def backlog(self) -> int | None: ...
    async def in_flight(self, manifest: Manifest) -> int | None: ...
    async def probe_s(self) -> float: ...


class Asker:
    """Looks at an otherwise idle cluster: task queues, open workflows, and how long a probe workflow takes."""

    def __init__(self, client: Client, manifest: Manifest) -> None:
        """`manifest` is that of all steps: its task queues are looked at and its run id names the probes."""
        self._client = client
        self._manifest = manifest
        self._probes = 0

    async def backlog(self) -> int | None:
        """Tasks that wait in the task queues; None where the server does not say."""
        answers = await asyncio.gather(
            *(self._backlog_of(queue, kind) for queue in self._manifest.task_queues for kind in _KINDS)
        )
        known = [answer for answer in answers if answer is not None]
        return sum(known) if len(known) == len(answers) else None

    async def in_flight(self, manifest: Manifest) -> int | None:
        """Workflows of a step's run that visibility has as open; None where it does not answer."""
        try:
            counts = await executions.count_by_status(self._client, manifest, root_only=False)
        except TargetError:
            return None
        return counts.get("running", 0)

    async def probe_s(self) -> float:
        """Latency of one probe workflow through the workers, in seconds. The task queues take turns."""
        queues = self._manifest.task_queues
        workflow_id, queue = f"{self._manifest.run_id}-probe-{self._probes}", queues[self._probes % len(queues)]
        self._probes += 1
        began_s = time.monotonic()
        try:
            async with asyncio.timeout(_PROBE_S):
                handle = await self._client.start_workflow(
                    PROBE_WORKFLOW_TYPE,
                    id=workflow_id,
                    task_queue=queue,
                    execution_timeout=timedelta(seconds=60),
                    rpc_timeout=timedelta(seconds=_PROBE_S),
                )
                await handle.result()
        except (TimeoutError, RPCError, WorkflowFailureError):
            await terminate_directly(
                self._client, self._manifest.namespace, [workflow_id], concurrency=1, deadline_s=_ANSWER_S
            )
            return max(_PROBE_S, time.monotonic() - began_s)
        return time.monotonic() - began_s

    async def _backlog_of(self, queue: str, kind: TaskQueueType.ValueType) -> int | None:
        request = DescribeTaskQueueRequest(
            namespace=self._manifest.namespace,
            task_queue=TaskQueue(name=queue),
            task_queue_type=kind,
            report_stats=True,
        )
        asking = self._client.workflow_service.describe_task_queue(request, timeout=timedelta(seconds=_ANSWER_S))
        try:
            answer = await bounded(asking, _ANSWER_S + 0.5)
        except RPCError:
            return None
        return answer.stats.approximate_backlog_count


async def idle_probes(asker: Asks, count: int = IDLE_PROBES) -> list[float]:
    """Latencies of probe workflows while nothing else runs, in seconds."""
    probes_s = [await asker.probe_s() for _ in range(_COLD_PROBES + count)]
    return probes_s[_COLD_PROBES:]


async def clear(
    asker: Asks,
    manifest: Manifest,
    *,
    idle_s: Sequence[float],
    limit_s: float,
    report: Callable[[str], None],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[float, str | None]:
    """Wait until a step's backlog has cleared, at most `limit_s`: how long it took, and what has not cleared then.

    `manifest` is that of the step's run.
    """
    began_s = clock()
    probes_s: list[float] = []
    while True:
        backlog, in_flight = await asyncio.gather(asker.backlog(), asker.in_flight(manifest))
        probes_s.append(await asker.probe_s())
        left = uncleared(backlog=backlog, in_flight=in_flight, probes_s=probes_s, idle_s=idle_s)
        waited_s = clock() - began_s
        if left is None or (waited_s >= limit_s and len(probes_s) >= _FEWEST_PROBES):
            return waited_s, left
        if waited_s >= _SAY_AFTER_S:
            report(f"waiting for backlog to clear, {format_duration(waited_s)}: {left}")
        await sleep(_PAUSE_S)
