"""What must hold before a run starts: the cluster serves, the namespace is usable, the workers match and answer."""

from __future__ import annotations

import asyncio
import shlex
import socket
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from auroral.bench.manifest import NO_MANIFEST, PROBE_WORKFLOW_TYPE, Manifest, WorkerIdentity
from auroral.errors import TargetError, UsageError
from auroral.temporal.rpc import target_error
from auroral.temporal.spec import ConnectionSpec
from auroral.units import format_duration

if TYPE_CHECKING:
    from temporalio.client import Client
    from temporalio.service import RPCError

RETENTION = timedelta(days=1)
_TIMEOUT = timedelta(seconds=5)
_POLL_S = 0.1
_REPORT_EVERY_S = 2.0
_PROBE_EXECUTION_TIMEOUT = timedelta(seconds=60)
_POLLER_FRESH_S = 75.0
"""An idle worker polls anew every 60 s. The server shows a poller for 5 minutes after its last poll."""

Sleep = Callable[[float], Awaitable[None]]


class NamespaceState(msgspec.Struct, frozen=True):
    """What was found."""

    created: bool


class ClockOffset(msgspec.Struct, frozen=True):
    """Server clock − client clock, and half the width of the interval that it must lie in."""

    offset_us: int
    error_us: int


# Health


async def check_health(client: Client, address: str, *, timeout_s: float) -> None:
    """See that the frontend says SERVING. Raises `TargetError` with the reason within `timeout_s`."""
    from temporalio.service import RPCError

    try:
        serving = await client.service_client.check_health(timeout=timedelta(seconds=timeout_s))
    except RPCError as error:
        raise target_error(error, f"{address} does not answer its health check", hint=_HEALTH_HINT) from error
    if not serving:
        raise TargetError(f"{address} answers, but its frontend is not serving", hint=_HEALTH_HINT)


_HEALTH_HINT = "see the frontend's log: it does not serve while it starts, stops or has lost its persistence store"


# Namespace


def namespace_name_problem(name: str, *, allow: bool) -> str | None:
    """Say what speaks against a benchmark in a namespace; None: nothing. Pure."""
    if allow or name == "benchmark" or name.startswith("benchmark-"):
        return None
    return f"expected the namespace benchmark or benchmark-…, which nothing else uses, not {name!r}"


def require_benchmark_namespace(name: str, *, allow: bool) -> None:
    """Raise `UsageError` where a benchmark must not run in that namespace."""
    problem = namespace_name_problem(name, allow=allow)
    if problem:
        raise UsageError(problem, hint="name another with --namespace, or allow this one with --allow-namespace")


async def ensure_namespace(client: Client, connection: ConnectionSpec, *, allow_namespace: bool) -> NamespaceState:
    """Create the namespace with one day's retention if it is missing.

    Raises `UsageError` for a name that a benchmark may not use, and `TargetError` where the target does not let
    us see or create it, as Temporal Cloud.
    """
    from google.protobuf.duration_pb2 import Duration
    from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, RegisterNamespaceRequest
    from temporalio.service import RPCError, RPCStatusCode

    name = connection.namespace
    require_benchmark_namespace(name, allow=allow_namespace)
    try:
        await client.workflow_service.describe_namespace(
            DescribeNamespaceRequest(namespace=name), retry=True, timeout=_TIMEOUT
        )
        return NamespaceState(created=False)
    except RPCError as unseen:
        if unseen.status is not RPCStatusCode.NOT_FOUND:
            raise target_error(
                unseen,
                f"cannot see the namespace {name}",
                hint="check that it exists and that the credentials may use it",
            ) from unseen
    retention = Duration()
    retention.FromTimedelta(RETENTION)
    request = RegisterNamespaceRequest(
        namespace=name,
        description="load tests by auroral bench",
        workflow_execution_retention_period=retention,
    )
    try:
        await client.workflow_service.register_namespace(request, retry=True, timeout=_TIMEOUT)
    except RPCError as error:
        if error.status is RPCStatusCode.ALREADY_EXISTS:  # another run was first
            return NamespaceState(created=False)
        raise target_error(
            error,
            f"the namespace {name} does not exist and {connection.address} does not let us create it",
            hint="create it as that cluster wants it, or name an existing one with --namespace",
        ) from error
    return NamespaceState(created=True)


async def wait_usable(
    client: Client,
    namespace: str,
    task_queue: str,
    *,
    successes: int = 5,
    timeout_s: float,
    sleep: Sleep = asyncio.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Start probes on a queue that nobody serves until `successes` starts in a row worked, then end them.

    Every frontend caches namespaces for about 2 s, so that one may know a new namespace before another does.
    Raises `TargetError` after `timeout_s`, or at once where the credentials do not allow starts.
    """
    from temporalio.service import RPCError, RPCStatusCode

    end = clock() + timeout_s
    started: list[str] = []
    in_a_row = 0
    try:
        while in_a_row < successes:
            workflow_id = f"{task_queue}-{uuid.uuid4().hex[:12]}"
            try:
                await _start_probe(client, namespace, workflow_id, task_queue)
            except RPCError as error:
                if error.status is not RPCStatusCode.RESOURCE_EXHAUSTED:  # which says nothing of the namespace
                    in_a_row = 0
                final = error.status in (RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNAUTHENTICATED)
                if final or clock() >= end:
                    raise _unusable(error, namespace, timeout_s, final=final) from error
                await sleep(_POLL_S)
            else:
                in_a_row += 1
                started.append(workflow_id)
    finally:
        await _end_probes(client, namespace, started)


def _unusable(error: RPCError, namespace: str, timeout_s: float, *, final: bool) -> TargetError:
    waited = "" if final else f" after {format_duration(timeout_s)}"
    return target_error(
        error,
        f"workflows cannot be started in the namespace {namespace}{waited}",
        hint="check that the credentials may start workflows there, and the cluster's own logs",
    )


async def _start_probe(
    client: Client, namespace: str, workflow_id: str, task_queue: str, *, retry: bool = False
) -> None:
    from google.protobuf.duration_pb2 import Duration
    from temporalio.api.common.v1 import WorkflowType
    from temporalio.api.taskqueue.v1 import TaskQueue
    from temporalio.api.workflowservice.v1 import StartWorkflowExecutionRequest

    timeout = Duration()
    timeout.FromTimedelta(_PROBE_EXECUTION_TIMEOUT)
    request = StartWorkflowExecutionRequest(
        namespace=namespace,
        workflow_id=workflow_id,
        workflow_type=WorkflowType(name=PROBE_WORKFLOW_TYPE),
        task_queue=TaskQueue(name=task_queue),
        workflow_execution_timeout=timeout,
        request_id=uuid.uuid4().hex,
        identity=client.identity,
    )
    await client.workflow_service.start_workflow_execution(request, retry=retry, timeout=_TIMEOUT)


async def _end_probes(client: Client, namespace: str, ids: Sequence[str]) -> None:
    from auroral.bench.cleanup import terminate_directly

    if ids:  # what fails here ends by its execution timeout
        await terminate_directly(client, namespace, ids, concurrency=10, deadline_s=_TIMEOUT.total_seconds())


# Workers


async def await_workers(
    client: Client,
    manifest: Manifest,
    *,
    timeout_s: float,
    report: Callable[[str], None],
    sleep: Sleep = asyncio.sleep,
    clock: Callable[[], float] = time.monotonic,
    wall_clock_s: Callable[[], float] = time.time,
) -> list[WorkerIdentity]:
    """Wait until enough workers that match the manifest poll each of its task queues for both kinds of task.

    Raises `TargetError` at once where a poller does not match or is not one of auroral's, naming each, and after
    `timeout_s` where too few came.
    """
    end = clock() + timeout_s
    reported = clock()
    while True:
        ready: dict[str, WorkerIdentity] | None = None
        foreign: dict[str, str] = {}
        for queue, kind in _queues(manifest):
            identities = await _pollers(client, manifest.namespace, queue, kind, wall_clock_s() - _POLLER_FRESH_S)
            matching = {}
            for identity in identities:
                worker = WorkerIdentity.parse(identity)
                difference = mismatch(worker, manifest)
                if worker is not None and difference and _left_over(worker, manifest):
                    continue
                if worker is None or difference:
                    foreign.setdefault(identity, f"{difference} (on {queue})")
                else:
                    matching[worker.where] = worker
            # Only who polls everything counts.
            ready = matching if ready is None else {where: one for where, one in ready.items() if where in matching}
        if foreign:
            raise TargetError(
                "\n".join(
                    ["workers poll this run's task queues that do not match it:"]
                    + [f"  {identity}: {difference}" for identity, difference in sorted(foreign.items())]
                ),
                hint="end them, or choose other task queues with --task-queue; "
                f"one that has ended is forgotten {format_duration(_POLLER_FRESH_S)} after its last poll",
            )
        ready = ready or {}
        if len(ready) >= manifest.expected_workers:
            return list(ready.values())
        if clock() >= end:
            raise TargetError(
                f"expected {manifest.expected_workers} worker{'s' if manifest.expected_workers > 1 else ''} to poll "
                f"{', '.join(manifest.task_queues)}, but {len(ready)} came within {format_duration(timeout_s)}",
                hint=f"start them: {worker_command(client, manifest)}",
            )
        if clock() - reported >= _REPORT_EVERY_S:
            reported = clock()
            report(f"waiting for workers: {len(ready)} of {manifest.expected_workers} poll")
        await sleep(_POLL_S)


def mismatch(worker: WorkerIdentity | None, manifest: Manifest) -> str:
    """Say what keeps a worker from serving a run; empty: nothing. Pure."""
    if worker is None:
        return "no worker of auroral's"
    differences = []
    if worker.language_version != manifest.language_version:
        differences.append(f"speaks step language {worker.language_version}, not {manifest.language_version}")
    if worker.engine != manifest.engine:
        differences.append(f"runs the engine {worker.engine}, not {manifest.engine}")
    if worker.manifest_digest not in (NO_MANIFEST, manifest.digest):
        differences.append(f"serves the run of manifest {worker.manifest_digest}, not this one's, {manifest.digest}")
    return ", ".join(differences)


def _left_over(worker: WorkerIdentity, manifest: Manifest) -> bool:
    """Whether a worker differs by its manifest alone and was a process of this machine that has ended.

    The server shows it for a while, which must not keep the next run off the same task queue.
    """
    import psutil

    if mismatch(msgspec.structs.replace(worker, manifest_digest=NO_MANIFEST), manifest):
        return False
    pid, _, host = worker.where.partition("@")
    return host == socket.gethostname() and not psutil.pid_exists(int(pid))


def worker_command(client: Client, manifest: Manifest) -> str:
    """The command that starts workers for a run."""
    command = ["auroral", "bench", "worker", "--address", client.service_client.config.target_host]
    command += ["--namespace", manifest.namespace]
    first = manifest.task_queues[0]
    if len(manifest.task_queues) > 1:
        command += ["--task-queues", str(len(manifest.task_queues))]
        first = first.rpartition("-")[0]
    command += ["--task-queue", first, "--worker-count", str(manifest.expected_workers)]
    return shlex.join(command)


def _queues(manifest: Manifest) -> list[tuple[str, int]]:
    from temporalio.api.enums.v1 import TaskQueueType

    kinds = (TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY)
    return [(queue, kind) for queue in manifest.task_queues for kind in kinds]


async def _pollers(client: Client, namespace: str, queue: str, kind: int, fresh_unix_s: float) -> set[str]:
    from temporalio.api.enums.v1 import TaskQueueType
    from temporalio.api.taskqueue.v1 import TaskQueue
    from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
    from temporalio.service import RPCError

    request = DescribeTaskQueueRequest(
        namespace=namespace,
        task_queue=TaskQueue(name=queue),
        task_queue_type=TaskQueueType.ValueType(kind),
        report_pollers=True,
    )
    try:
        response = await client.workflow_service.describe_task_queue(request, retry=True, timeout=_TIMEOUT)
    except RPCError as error:
        raise target_error(error, f"cannot see who polls the task queue {queue}") from error
    return {one.identity for one in response.pollers if one.last_access_time.seconds >= fresh_unix_s}


# Warm-up


async def warm_up(
    client: Client,
    manifest: Manifest,
    *,
    probes: int = 10,
    timeout_s: float = 30.0,
    now_unix_us: Callable[[], int] = lambda: time.time_ns() // 1000,
) -> ClockOffset:
    """Run probe workflows through the workers of each task queue, at least two each; estimate the clock offset.

    Raises `TargetError` where they do not complete within `timeout_s`.
    """
    from temporalio.client import WorkflowFailureError
    from temporalio.service import RPCError

    spans: list[tuple[int, int, int]] = []
    each = max(2, -(-probes // len(manifest.task_queues)))
    end = time.monotonic() + timeout_s
    ids = [
        (f"{manifest.run_id}-probe-{number}-{probe}", queue)
        for number, queue in enumerate(manifest.task_queues)
        for probe in range(each)
    ]
    waiting = [workflow_id for workflow_id, _ in ids]
    try:
        for workflow_id, queue in ids:
            handle = client.get_workflow_handle(workflow_id)
            sent_us = now_unix_us()
            await _start_probe(client, manifest.namespace, workflow_id, queue, retry=True)
            accepted_us = now_unix_us()
            async with asyncio.timeout(end - time.monotonic()):  # the SDK polls on whatever its RPCs' timeout
                await handle.result()
            description = await handle.describe(rpc_timeout=_TIMEOUT)
            waiting.remove(workflow_id)
            spans.append((sent_us, accepted_us, round(description.start_time.timestamp() * 1e6)))
    except (RPCError, WorkflowFailureError, TimeoutError) as error:
        await _end_probes(client, manifest.namespace, waiting)
        doing = f"{len(waiting)} of {len(ids)} probe workflows did not complete within {format_duration(timeout_s)}"
        raise target_error(
            error if str(error) else TimeoutError("no answer"),
            doing,
            hint=f"workers poll {', '.join(manifest.task_queues)} but do not answer: see their logs",
        ) from error
    return estimate_offset(spans)


async def estimate_clock(
    client: Client,
    task_queue: str,
    *,
    probes: int = 5,
    now_unix_us: Callable[[], int] = lambda: time.time_ns() // 1000,
) -> ClockOffset:
    """Estimate the offset of a server's clock without workers: by starts on a queue that nobody serves, then ended.

    Raises `TargetError`.
    """
    from temporalio.service import RPCError

    spans: list[tuple[int, int, int]] = []
    started: list[str] = []
    try:
        for _ in range(probes):
            workflow_id = f"{task_queue}-{uuid.uuid4().hex[:12]}"
            sent_us = now_unix_us()
            await _start_probe(client, client.namespace, workflow_id, task_queue)
            accepted_us = now_unix_us()
            started.append(workflow_id)
            description = await client.get_workflow_handle(workflow_id).describe(rpc_timeout=_TIMEOUT)
            spans.append((sent_us, accepted_us, round(description.start_time.timestamp() * 1e6)))
    except RPCError as error:
        raise target_error(
            error,
            f"the server's clock could not be seen in the namespace {client.namespace}",
            hint="check that the credentials may start and describe workflows there",
        ) from error
    finally:
        await _end_probes(client, client.namespace, started)
    return estimate_offset(spans)


def estimate_offset(spans: Sequence[tuple[int, int, int]]) -> ClockOffset:
    """Estimate server clock − client clock from (sent, accepted, start event's time), in µs. Pure.

    The start event lies between sent and accepted, so each span confines the offset to an interval; all of them
    to what they have in common, as in NTP. Where clocks moved in between they may have nothing in common: then
    the narrowest one is taken.
    """
    intervals = [(started - accepted, started - sent) for sent, accepted, started in spans]
    low = max(low for low, _ in intervals)
    high = min(high for _, high in intervals)
    if low > high:
        low, high = min(intervals, key=lambda interval: interval[1] - interval[0])
    return ClockOffset(offset_us=(low + high) // 2, error_us=-(-(high - low) // 2))
