"""Count and list a run's executions through the server's visibility store, which lags behind the truth."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from auroral.bench.manifest import PROBE_WORKFLOW_TYPE, ROOT_WORKFLOW_TYPE, Manifest
from auroral.temporal.rpc import bounded, target_error

if TYPE_CHECKING:
    from temporalio.api.workflow.v1 import WorkflowExecutionInfo
    from temporalio.client import Client

PAGE_SIZE = 1000
"""The server's own limit, `frontend.visibilityMaxPageSize`."""
_TIMEOUT = timedelta(seconds=10)

_STATUSES = {
    "Running": "running",
    "Completed": "completed",
    "Failed": "failed",
    "Canceled": "canceled",
    "Terminated": "terminated",
    "ContinuedAsNew": "continued_as_new",
    "TimedOut": "timed_out",
    "Paused": "running",
}


class Execution(msgspec.Struct, frozen=True, gc=False):
    """One run of one workflow id. A continue-as-new chain is several of these with the same id."""

    workflow_id: str
    run_id: str
    generator: int | None
    """From the id; None where the id is not one of the run's own."""
    index: int | None
    """Of the intended start, from the id."""
    root: bool
    """Whether it is of the workload itself: not a child, not a probe."""
    status: str
    """An outcome's name, `running` or `continued_as_new`."""
    started_unix_us: int
    closed_unix_us: int | None
    state_transitions: int
    history_length: int


def run_query(manifest: Manifest, *, root_only: bool = False, running_only: bool = False) -> str:
    """The visibility query that finds a run's executions, as `temporal workflow list --query` takes it."""
    parts = [f"WorkflowId STARTS_WITH '{manifest.id_prefix}'"]
    if root_only:
        parts.append(f"WorkflowType = '{ROOT_WORKFLOW_TYPE}'")
    if running_only:
        parts.append("ExecutionStatus = 'Running'")
    return " AND ".join(parts)


async def count_by_status(client: Client, manifest: Manifest, *, root_only: bool = True) -> dict[str, int]:
    """Count a run's executions by status, in outcomes' names; statuses without any are left out.

    A continue-as-new chain counts each of its runs. Raises `TargetError`.
    """
    from temporalio.api.workflowservice.v1 import CountWorkflowExecutionsRequest
    from temporalio.service import RPCError

    query = f"{run_query(manifest, root_only=root_only)} GROUP BY ExecutionStatus"
    request = CountWorkflowExecutionsRequest(namespace=manifest.namespace, query=query)
    try:
        counting = client.workflow_service.count_workflow_executions(request, retry=True, timeout=_TIMEOUT)
        response = await bounded(counting, _TIMEOUT.total_seconds() + 1)
    except RPCError as error:
        raise target_error(error, "cannot count the run's executions", hint=_HINT) from error
    counts: dict[str, int] = {}
    for group in response.groups:
        status = _STATUSES.get(json.loads(group.group_values[0].data), "unknown")
        counts[status] = counts.get(status, 0) + group.count
    return counts


async def list_executions(
    client: Client,
    manifest: Manifest,
    *,
    root_only: bool = False,
    closed_after_unix_us: int | None = None,
    generator: int | None = None,
    page_size: int = PAGE_SIZE,
) -> AsyncIterator[list[Execution]]:
    """List a run's executions page by page, the latest first.

    `closed_after_unix_us` leaves out what is open or closed before that instant of the server's clock, and
    `generator` what other generators started. Raises `TargetError`.
    """
    from temporalio.api.workflowservice.v1 import ListWorkflowExecutionsRequest
    from temporalio.service import RPCError

    query = run_query(manifest, root_only=root_only)
    if not root_only:
        query += f" AND WorkflowType != '{PROBE_WORKFLOW_TYPE}'"
    if generator is not None:
        query = query.replace(f"'{manifest.id_prefix}'", f"'{manifest.id_prefix}{generator}-'", 1)
    if closed_after_unix_us is not None:
        # The SQL stores give open executions a close time in the far future.
        query += f" AND ExecutionStatus != 'Running' AND CloseTime >= '{_rfc3339(closed_after_unix_us)}'"
    token = b""
    while True:
        request = ListWorkflowExecutionsRequest(
            namespace=manifest.namespace, query=query, page_size=page_size, next_page_token=token
        )
        try:
            page = client.workflow_service.list_workflow_executions(request, retry=True, timeout=_TIMEOUT)
            response = await bounded(page, _TIMEOUT.total_seconds() + 1)
        except RPCError as error:
            raise target_error(error, "cannot list the run's executions", hint=_HINT) from error
        yield [_execution(info, manifest) for info in response.executions]
        token = response.next_page_token
        if not token:
            return


_HINT = "the server's visibility store must answer; see whether the credentials may read the namespace"


def _execution(info: WorkflowExecutionInfo, manifest: Manifest) -> Execution:
    from temporalio.api.enums.v1 import WorkflowExecutionStatus

    generator, index = _parse_id(info.execution.workflow_id, manifest)
    known = info.status in WorkflowExecutionStatus.values()
    name = WorkflowExecutionStatus.Name(info.status) if known else "unknown"
    status = name.removeprefix("WORKFLOW_EXECUTION_STATUS_").lower()
    return Execution(
        workflow_id=info.execution.workflow_id,
        run_id=info.execution.run_id,
        generator=generator,
        index=index,
        root=info.type.name == ROOT_WORKFLOW_TYPE,
        status="running" if status == "paused" else status,
        started_unix_us=info.start_time.ToMicroseconds(),
        closed_unix_us=info.close_time.ToMicroseconds() if info.HasField("close_time") else None,
        state_transitions=info.state_transition_count,
        history_length=info.history_length,
    )


def _parse_id(workflow_id: str, manifest: Manifest) -> tuple[int | None, int | None]:
    """Read generator and index out of `<run id>-<generator>-<index>`, with or without a child's `/c…`."""
    parts = workflow_id.removeprefix(manifest.id_prefix).partition("/")[0].split("-")
    if not workflow_id.startswith(manifest.id_prefix) or len(parts) != 2 or not all(part.isdecimal() for part in parts):
        return None, None
    return int(parts[0]), int(parts[1])


def _rfc3339(unix_us: int) -> str:
    from datetime import UTC, datetime

    whole_s, part_us = divmod(unix_us, 1_000_000)
    return f"{datetime.fromtimestamp(whole_s, UTC):%Y-%m-%dT%H:%M:%S}.{part_us:06d}Z"
