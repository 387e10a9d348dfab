"""End what a run has left open: by batch operation where it is the server's, directly where the ids are held."""

from __future__ import annotations

import asyncio
import shlex
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from auroral.bench.executions import run_query
from auroral.bench.manifest import Manifest
from auroral.errors import AuroralError
from auroral.temporal.rpc import bounded, target_error
from auroral.temporal.spec import ConnectionSpec

if TYPE_CHECKING:
    from temporalio.client import Client

REASON = "the auroral benchmark run is over"
_TIMEOUT = timedelta(seconds=10)
_POLL_S = 0.5
_SETTLE_S = 5.0  # how long visibility may take to see what a finished batch has ended
_IDENTITY = "auroral"


class Rest(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the executions that were still open."""

    found: int
    """Open when the clean-up began, children included."""
    terminated: int
    remaining: int | None
    """Open afterwards; None: unknown."""
    failure: str = ""
    commands: list[str] = []
    """To end the remaining by hand."""


def manual_commands(connection: ConnectionSpec, manifest: Manifest) -> list[str]:
    """The commands that end a run's open executions by hand. Secrets are left to the reader's environment."""
    command = ["temporal", "workflow", "terminate", "--query", run_query(manifest, running_only=True)]
    command += ["--namespace", manifest.namespace, "--address", connection.address]
    if connection.tls:
        command.append("--tls")
    command += ["--reason", REASON, "--yes"]
    return [shlex.join(command)]


async def terminate_rest(
    client: Client,
    connection: ConnectionSpec,
    manifest: Manifest,
    *,
    deadline_s: float,
    report: Callable[[str], None],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Rest:
    """End a run's open executions by batch operation, with progress, within `deadline_s`.

    The server works off a batch at 50 a second and runs one per namespace at a time
    (`worker.batcherRPS`, `frontend.MaxConcurrentBatchOperationPerNamespace`): another's is waited for. Never
    raises `TargetError`: what failed is in the answer, with the commands to do it by hand.
    """
    end = clock() + deadline_s
    found: int | None = None
    ended = 0
    remaining: int | None
    try:
        # Visibility sees late what was terminated directly a moment ago: give it a little time first.
        found = await _settled(client, manifest, end=end, sleep=sleep, clock=clock)
        if found == 0:
            return Rest(found=0, terminated=0, remaining=0)
        report(f"{found:,} executions are open: ending them by batch operation")
        async for ended, total in _batch(client, manifest, end=end, report=report, sleep=sleep, clock=clock):
            report(f"batch operation: {ended:,} of {total or found:,} ended")
        remaining = await _settled(client, manifest, end=max(end, clock() + 1.0), sleep=sleep, clock=clock)
        failure = f"{remaining:,} executions are still open" if remaining else ""
    except (AuroralError, TimeoutError) as error:
        failure = error.message if isinstance(error, AuroralError) else str(error)
        remaining = await _remaining(client, manifest)
        if remaining is not None and found is not None:
            ended = max(ended, found - remaining)
    return Rest(
        found=found or 0,
        terminated=ended,
        remaining=remaining,
        failure=failure,
        commands=manual_commands(connection, manifest) if remaining != 0 else [],
    )


async def terminate_directly(
    client: Client, namespace: str, ids: Iterable[str], *, concurrency: int = 50, deadline_s: float
) -> tuple[int, int]:
    """End executions whose ids are held; return how many are ended, closed ones included, and how many failed."""
    from temporalio.api.common.v1 import WorkflowExecution
    from temporalio.api.workflowservice.v1 import TerminateWorkflowExecutionRequest
    from temporalio.service import RPCError, RPCStatusCode

    waiting = iter(ids)
    done = failed = 0
    end = time.monotonic() + deadline_s

    async def work() -> None:
        nonlocal done, failed
        for workflow_id in waiting:
            left_s = end - time.monotonic()
            if left_s <= 0:
                failed += 1
                continue
            request = TerminateWorkflowExecutionRequest(
                namespace=namespace,
                workflow_execution=WorkflowExecution(workflow_id=workflow_id),
                reason=REASON,
                identity=_IDENTITY,
            )
            try:
                timeout = min(_TIMEOUT, timedelta(seconds=left_s))
                ending = client.workflow_service.terminate_workflow_execution(request, retry=True, timeout=timeout)
                await bounded(ending, timeout.total_seconds() + 1)
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:  # not found: closed already
                    failed += 1
                    continue
            done += 1

    await asyncio.gather(*(work() for _ in range(concurrency)))
    return done, failed


async def _batch(
    client: Client,
    manifest: Manifest,
    *,
    end: float,
    report: Callable[[str], None],
    sleep: Callable[[float], Awaitable[None]],
    clock: Callable[[], float],
) -> AsyncIterator[tuple[int, int]]:
    """Start the batch operation and yield (ended, total) until it is over."""
    from temporalio.api.enums.v1 import BatchOperationState
    from temporalio.api.workflowservice.v1 import DescribeBatchOperationRequest
    from temporalio.service import RPCError

    job_id = f"{manifest.run_id}-{uuid.uuid4().hex[:8]}"
    await _start(client, manifest, job_id, end=end, report=report, sleep=sleep, clock=clock)
    describe = DescribeBatchOperationRequest(namespace=manifest.namespace, job_id=job_id)
    while True:
        try:
            asking = client.workflow_service.describe_batch_operation(describe, retry=True, timeout=_TIMEOUT)
            state = await bounded(asking, _TIMEOUT.total_seconds() + 1)
        except RPCError as error:
            raise target_error(error, "cannot follow the batch operation that ends the run's executions") from error
        yield state.complete_operation_count, state.total_operation_count
        if state.state == BatchOperationState.BATCH_OPERATION_STATE_COMPLETED:
            return
        if state.state == BatchOperationState.BATCH_OPERATION_STATE_FAILED:
            raise TimeoutError(f"the batch operation failed: {state.reason or 'no reason given'}")
        if clock() >= end:
            raise TimeoutError(
                "the batch operation was not done within the clean-up timeout; the server goes on with it"
            )
        await sleep(min(_POLL_S, max(0.0, end - clock())))


async def _start(
    client: Client,
    manifest: Manifest,
    job_id: str,
    *,
    end: float,
    report: Callable[[str], None],
    sleep: Callable[[float], Awaitable[None]],
    clock: Callable[[], float],
) -> None:
    from temporalio.api.batch.v1 import BatchOperationTermination
    from temporalio.api.workflowservice.v1 import StartBatchOperationRequest
    from temporalio.service import RPCError, RPCStatusCode

    request = StartBatchOperationRequest(
        namespace=manifest.namespace,
        job_id=job_id,
        reason=REASON,
        visibility_query=run_query(manifest, running_only=True),
        termination_operation=BatchOperationTermination(identity=_IDENTITY),
    )
    told = False
    while True:
        try:
            starting = client.workflow_service.start_batch_operation(request, timeout=_TIMEOUT)
            await bounded(starting, _TIMEOUT.total_seconds() + 1)
        except RPCError as error:
            if error.status is RPCStatusCode.ALREADY_EXISTS:  # our own, sent before
                return
            busy = error.status in (RPCStatusCode.RESOURCE_EXHAUSTED, RPCStatusCode.UNAVAILABLE)
            if not busy or clock() >= end:
                raise target_error(error, "cannot start the batch operation that ends the run's executions") from error
            if not told:
                report(f"waiting to start the batch operation: {error.message}")
                told = True
            await sleep(min(_POLL_S, max(0.0, end - clock())))
        else:
            return


async def _count_open(client: Client, manifest: Manifest) -> int:
    from temporalio.api.workflowservice.v1 import CountWorkflowExecutionsRequest
    from temporalio.service import RPCError

    request = CountWorkflowExecutionsRequest(namespace=manifest.namespace, query=run_query(manifest, running_only=True))
    try:
        counting = client.workflow_service.count_workflow_executions(request, retry=True, timeout=_TIMEOUT)
        response = await bounded(counting, _TIMEOUT.total_seconds() + 1)
    except RPCError as error:
        raise target_error(error, "cannot count the run's open executions") from error
    return response.count


async def _settled(
    client: Client,
    manifest: Manifest,
    *,
    end: float,
    sleep: Callable[[float], Awaitable[None]],
    clock: Callable[[], float],
) -> int:
    """Count what is open until it is nothing, as visibility sees the last terminations late."""
    until = min(end, clock() + _SETTLE_S)
    while True:
        count = await _count_open(client, manifest)
        if count == 0 or clock() >= until:
            return count
        await sleep(_POLL_S)


async def _remaining(client: Client, manifest: Manifest) -> int | None:
    try:
        return await _count_open(client, manifest)
    except AuroralError:
        return None
