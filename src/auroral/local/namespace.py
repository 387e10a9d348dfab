"""The namespace of a local cluster: made, and usable when the cluster is said to be ready."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import TYPE_CHECKING

from auroral.errors import TargetError
from auroral.temporal.rpc import bounded
from auroral.temporal.spec import ConnectionSpec

if TYPE_CHECKING:
    from temporalio.client import Client

RETENTION = timedelta(days=1)
_RPC_TIMEOUT_S = 5.0
_POLL_S = 0.1
_PROBE = "auroral-local-probe"


async def ensure_usable(connection: ConnectionSpec, *, timeout_s: float) -> None:
    """Register the namespace where it is missing, and wait until frontend, matching and history know it.

    Raises `TargetError` with the last refusal after `timeout_s`.
    """
    from temporalio.service import RPCError

    from auroral.temporal.connect import connect

    client = await connect(connection, retry=False, patience_s=timeout_s)
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            await _register(client, connection.namespace)
            await _ask(client, connection.namespace)
        except RPCError as error:
            if time.monotonic() > deadline:
                raise TargetError(
                    f"the namespace {connection.namespace} is not usable after {timeout_s:g} s: "
                    f"{error.status.name}: {error.message}"
                ) from error
            await asyncio.sleep(_POLL_S)
        else:
            return


async def _register(client: Client, namespace: str) -> None:
    from google.protobuf.duration_pb2 import Duration
    from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
    from temporalio.service import RPCError, RPCStatusCode

    retention = Duration()
    retention.FromTimedelta(RETENTION)
    request = RegisterNamespaceRequest(
        namespace=namespace, description="a local cluster's", workflow_execution_retention_period=retention
    )
    try:
        await bounded(client.workflow_service.register_namespace(request), _RPC_TIMEOUT_S)
    except RPCError as error:
        if error.status is not RPCStatusCode.ALREADY_EXISTS:
            raise


async def _ask(client: Client, namespace: str) -> None:
    """Ask matching and history something about the namespace; a frontend knows a new one after about 2 s."""
    from temporalio.api.common.v1 import WorkflowExecution
    from temporalio.api.enums.v1 import TaskQueueType
    from temporalio.api.taskqueue.v1 import TaskQueue
    from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest, DescribeWorkflowExecutionRequest
    from temporalio.service import RPCError, RPCStatusCode

    await bounded(
        client.workflow_service.describe_task_queue(
            DescribeTaskQueueRequest(
                namespace=namespace,
                task_queue=TaskQueue(name=_PROBE),
                task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
            )
        ),
        _RPC_TIMEOUT_S,
    )
    try:
        await bounded(
            client.workflow_service.describe_workflow_execution(
                DescribeWorkflowExecutionRequest(namespace=namespace, execution=WorkflowExecution(workflow_id=_PROBE))
            ),
            _RPC_TIMEOUT_S,
        )
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:  # there is no such workflow: history has looked
            raise
