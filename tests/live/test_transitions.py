"""State transitions: what is reckoned of a workload against what a server counts."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from temporalio.api.common.v1 import WorkflowType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import ListWorkflowExecutionsRequest, StartWorkflowExecutionRequest
from temporalio.client import Client, WorkflowHandle

from auroral.bench.manifest import ROOT_WORKFLOW_TYPE
from auroral.bench.protocol import Hello, Ready, WorkerOrder, decode_from_child, encode
from auroral.bench.settings import WorkerSettings
from auroral.bench.steps import Activity, Child, ContinueAsNew, Signal, Timer, Update, Workload, interactions
from auroral.bench.workflows import SIGNAL_NAME, UPDATE_NAME, encode_input
from auroral.bench.workload import builtin
from auroral.capacity.loads import transitions
from auroral.temporal.local import LocalServer
from auroral.temporal.spec import ConnectionSpec

pytestmark = pytest.mark.live

STARTS = 8
"""Of each workload: how parallel parts end differs from one to the next."""


@pytest.fixture(scope="module")
def task_queue(temporal_server: LocalServer) -> Iterator[str]:
    """A task queue that one worker process serves while this module's tests run."""
    queue = f"transitions-{uuid.uuid4().hex[:8]}"
    order = WorkerOrder(
        connection=ConnectionSpec(address=temporal_server.address, namespace=temporal_server.namespace),
        task_queues=[queue],
        settings=WorkerSettings(eager_activities=False),
        max_concurrent_activities=200,
        engine="sdk",
        name="worker-0",
        metrics=False,
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "auroral.bench.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(encode(order))
    process.stdin.flush()
    assert isinstance(decode_from_child(process.stdout.readline()), Hello)
    assert isinstance(decode_from_child(process.stdout.readline()), Ready)
    yield queue
    process.stdin.close()
    assert process.wait(timeout=10) == 0


@pytest_asyncio.fixture
async def client(temporal_server: LocalServer) -> AsyncIterator[Client]:
    yield await Client.connect(temporal_server.address, namespace=temporal_server.namespace)


async def counted(client: Client, task_queue: str, workload: Workload) -> list[int]:
    """The server's count for each of several starts, children and continued runs included."""
    prefix = f"t{uuid.uuid4().hex[:12]}"
    names = [f"{prefix}-{number}" for number in range(STARTS)]
    await asyncio.gather(*(run(client, task_queue, workload, name) for name in names))
    wanted = STARTS * transitions(workload).executions
    request = ListWorkflowExecutionsRequest(
        namespace=client.namespace,
        query=f"WorkflowId STARTS_WITH '{prefix}' AND ExecutionStatus != 'Running'",
        page_size=1_000,
    )
    for _ in range(100):
        found = (await client.workflow_service.list_workflow_executions(request)).executions
        if len(found) == wanted:
            break
        await asyncio.sleep(0.1)
    assert len(found) == wanted
    return [
        sum(one.state_transition_count for one in found if one.execution.workflow_id.split("/")[0] == name)
        for name in names
    ]


async def run(client: Client, task_queue: str, workload: Workload, workflow_id: str) -> None:
    request = StartWorkflowExecutionRequest(
        namespace=client.namespace,
        workflow_id=workflow_id,
        request_id=workflow_id,
        workflow_type=WorkflowType(name=ROOT_WORKFLOW_TYPE),
        task_queue=TaskQueue(name=task_queue),
        input=encode_input(workload),
    )
    request.workflow_execution_timeout.FromTimedelta(timedelta(seconds=60))
    await client.workflow_service.start_workflow_execution(request)
    handle: WorkflowHandle[Any, Any] = client.get_workflow_handle(workflow_id)
    await asyncio.sleep(0.3)
    for one in interactions(workload):
        for _ in range(one.total):
            if one.kind == "signal":
                await handle.signal(SIGNAL_NAME, args=[one.index, b""])
            else:
                await handle.execute_update(UPDATE_NAME, args=[one.index, b""])
            await asyncio.sleep(one.every_s)
    await handle.result()


WORKLOADS = {
    "simple": builtin("simple"),
    "multi-activity": builtin("multi-activity"),
    "timer": builtin("timer"),
    "child": builtin("child"),
    "state-transitions": builtin("state-transitions"),
    "parallel": Workload(name="parallel", steps=(Activity(count=10, mode="parallel"),)),
    "local": Workload(name="local", steps=(Activity(count=3, local=True),)),
    "children-in-sequence": Workload(
        name="children-in-sequence", steps=(Child(count=3, mode="sequence", steps=(Activity(), Timer(duration_s=0.1))),)
    ),
    "signals": Workload(name="signals", steps=(Signal(count=3, every_s=0.1),)),
    "updates": Workload(name="updates", steps=(Update(count=3, every_s=0.1),)),
    "continued": Workload(name="continued", steps=(Activity(), ContinueAsNew(times=2))),
}


@pytest.mark.whole
@pytest.mark.parametrize("name", WORKLOADS)
async def test_the_reckoned_count_is_the_servers(client: Client, task_queue: str, name: str) -> None:
    reckoned = transitions(WORKLOADS[name])
    counts = await counted(client, task_queue, WORKLOADS[name])
    assert min(counts) >= reckoned.least
    assert max(counts) <= reckoned.most
