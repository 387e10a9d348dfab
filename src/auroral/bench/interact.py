"""Signals, updates and queries: what the benchmark's client sends to workflows while they run.

Like starts they keep to a schedule, counted from the accepted start: one that is slow does not hold up the next,
and its time counts from when it was due.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from datetime import timedelta

from temporalio.api.common.v1 import Payloads, WorkflowExecution
from temporalio.api.enums.v1 import UpdateWorkflowExecutionLifecycleStage
from temporalio.api.query.v1 import WorkflowQuery
from temporalio.api.update.v1 import Input, Meta, Request, WaitPolicy
from temporalio.api.workflowservice.v1 import (
    QueryWorkflowRequest,
    SignalWorkflowExecutionRequest,
    UpdateWorkflowExecutionRequest,
)
from temporalio.converter import DataConverter
from temporalio.service import RPCError, WorkflowService

from auroral.bench.clock import Clock
from auroral.bench.samples import InteractionKind
from auroral.bench.starts import Flight
from auroral.bench.workload import (
    QUERY_NAME,
    SIGNAL_NAME,
    UPDATE_NAME,
    Interaction,
    Workload,
    block,
    interactions,
)
from auroral.temporal.rpc import refusal_cause

_TIMEOUT = timedelta(seconds=30)
_GIVE_UP_S = 60.0


class Interactor:
    """Sends each workflow what its workload's steps wait for."""

    def __init__(
        self,
        service: WorkflowService,
        namespace: str,
        workloads: Sequence[Workload],
        clock: Clock,
        on_done: Callable[[InteractionKind, int, str], None],
    ) -> None:
        """`on_done` gets the kind, the time in µs since it was due, and the cause of a failure or nothing."""
        self._service = service
        self._namespace = namespace
        self._clock = clock
        self._on_done = on_done
        self._plans = [interactions(workload) for workload in workloads]
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def needed(self) -> bool:
        """Whether any workload wants anything sent."""
        return any(self._plans)

    def begin(self, flight: Flight) -> None:
        """A workflow was accepted: send it what it waits for, in time."""
        for interaction in self._plans[flight.workload]:
            self._run(self._follow(flight, interaction))

    async def stop(self) -> None:
        """Send nothing more."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _run(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _follow(self, flight: Flight, interaction: Interaction) -> None:
        never = asyncio.Event()
        for number in range(interaction.total):
            due_us = flight.accepted_us + round((interaction.after_s + number * interaction.every_s) * 1e6)
            await self._clock.sleep_until(due_us, never)
            self._run(self._send(flight, interaction, number, due_us))

    async def _send(self, flight: Flight, interaction: Interaction, number: int, due_us: int) -> None:
        execution = WorkflowExecution(workflow_id=flight.workflow_id)
        request_id = f"{flight.workflow_id}/{interaction.kind}/{interaction.index}/{number}"
        cause = ""
        try:
            async with asyncio.timeout(_GIVE_UP_S):
                match interaction.kind:
                    case "signal":
                        await self._signal(execution, request_id, interaction)
                    case "update":
                        await self._update(execution, request_id, interaction)
                    case "query":
                        await self._query(execution)
        except TimeoutError:
            cause = "DEADLINE_EXCEEDED"
        except RPCError as error:
            cause = refusal_cause(error)
        self._on_done(interaction.kind, self._clock.now_us() - due_us, cause)

    async def _signal(self, execution: WorkflowExecution, request_id: str, interaction: Interaction) -> None:
        await self._service.signal_workflow_execution(
            SignalWorkflowExecutionRequest(
                namespace=self._namespace,
                workflow_execution=execution,
                signal_name=SIGNAL_NAME,
                input=_arguments(interaction),
                request_id=request_id,
            ),
            retry=False,
            timeout=_TIMEOUT,
        )

    async def _update(self, execution: WorkflowExecution, request_id: str, interaction: Interaction) -> None:
        request = UpdateWorkflowExecutionRequest(
            namespace=self._namespace,
            workflow_execution=execution,
            wait_policy=WaitPolicy(
                lifecycle_stage=UpdateWorkflowExecutionLifecycleStage.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED
            ),
            request=Request(
                meta=Meta(update_id=request_id), input=Input(name=UPDATE_NAME, args=_arguments(interaction))
            ),
        )
        # The server answers early while the update waits: the same update id asks on.
        while True:
            response = await self._service.update_workflow_execution(request, retry=False, timeout=_TIMEOUT)
            if response.stage == request.wait_policy.lifecycle_stage:
                return

    async def _query(self, execution: WorkflowExecution) -> None:
        await self._service.query_workflow(
            QueryWorkflowRequest(
                namespace=self._namespace, execution=execution, query=WorkflowQuery(query_type=QUERY_NAME)
            ),
            retry=False,
            timeout=_TIMEOUT,
        )


def _arguments(interaction: Interaction) -> Payloads:
    """The step's index, and a block of its payload's size where it has one."""
    values: list[object] = [interaction.index]
    if interaction.payload_bytes:
        values.append(block(interaction.payload_bytes))
    return Payloads(payloads=DataConverter.default.payload_converter.to_payloads(values))
