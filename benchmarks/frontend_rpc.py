"""The RPCs of the small frontend: what it answers, by the state of its executions."""

from __future__ import annotations

import asyncio
import random
import re
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable
from itertools import islice
from typing import Any

import grpc
from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload, WorkflowExecution
from temporalio.api.enums.v1 import (
    BatchOperationState,
    HistoryEventFilterType,
    NamespaceState,
    ResourceExhaustedCause,
    ResourceExhaustedScope,
    TaskQueueType,
    WorkflowIdReusePolicy,
)
from temporalio.api.errordetails.v1 import (
    NamespaceAlreadyExistsFailure,
    NamespaceNotFoundFailure,
    NotFoundFailure,
    ResourceExhaustedFailure,
    WorkflowExecutionAlreadyStartedFailure,
)
from temporalio.api.taskqueue.v1 import PollerInfo
from temporalio.api.workflowservice import v1 as api
from temporalio.bridge.proto.health.v1 import HealthCheckRequest, HealthCheckResponse

from auroral.bench.manifest import PROBE_WORKFLOW_TYPE
from benchmarks.frontend_behaviour import Behaviour
from benchmarks.frontend_messages import STATUS, Refusal, close_event, info_of, parse_query, started_event
from benchmarks.frontend_state import Execution

SERVER_VERSION = "0.0.0-auroral-frontend"
LONG_POLL_S = 20.0
"""After this long a poll is answered empty, as Temporal does."""

_ROUNDING_S = 1e-6
"""Seconds since 1970 are doubles, exact to less than this."""
_RATES_OVER_S = 5.0
"""Rates of a task queue are means of about this long, or since it was first described."""

_IMPLEMENTED = (
    "GetSystemInfo",
    "GetClusterInfo",
    "RegisterNamespace",
    "DescribeNamespace",
    "DescribeTaskQueue",
    "StartWorkflowExecution",
    "TerminateWorkflowExecution",
    "DescribeWorkflowExecution",
    "GetWorkflowExecutionHistory",
    "CountWorkflowExecutions",
    "ListWorkflowExecutions",
    "StartBatchOperation",
    "DescribeBatchOperation",
)


class Frontend:
    """Answers requests by the state of `Executions`."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self._executions = behaviour.executions()
        self._pauses = behaviour.pauses()
        self._namespaces = set(behaviour.namespaces)
        self._random = random.Random(behaviour.seed)
        # The wall clock is read once: executions never see time go back.
        self._unix_s = time.time() - time.monotonic()
        self._first_start_s: float | None = None
        self._waiting: dict[Execution, list[asyncio.Future[None]]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._described: deque[tuple[float, int, int]] = deque()
        """When the queue was described, with what had come and been dispatched by then."""
        self._batches: dict[str, int] = {}
        self.counts: Counter[str] = Counter()

    def handlers(self) -> tuple[grpc.GenericRpcHandler, ...]:
        """What a gRPC server needs to serve this."""
        methods = {
            name: self._method(name, getattr(self, re.sub("(?<!^)([A-Z])", r"_\1", name).lower()))
            for name in _IMPLEMENTED
        }
        health = grpc.unary_unary_rpc_method_handler(
            self.check_health,
            request_deserializer=HealthCheckRequest.FromString,
            response_serializer=HealthCheckResponse.SerializeToString,
        )
        return (
            grpc.method_handlers_generic_handler("temporal.api.workflowservice.v1.WorkflowService", methods),
            grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": health}),
        )

    def _method(self, name: str, answer: Callable[[Any], Any]) -> grpc.RpcMethodHandler:
        async def handle(request: Any, context: grpc.aio.ServicerContext) -> Any:
            self.counts[name] += 1
            await self._out_of_pause()
            self._advance()
            try:
                response = answer(request)
                if asyncio.iscoroutine(response):
                    response = await response
            except Refusal as refusal:
                await self._out_of_pause()
                await context.abort(refusal.code, refusal.message, refusal.trailing_metadata())
            await self._out_of_pause()
            return response

        return grpc.unary_unary_rpc_method_handler(
            handle,
            request_deserializer=getattr(api, f"{name}Request").FromString,
            response_serializer=getattr(api, f"{name}Response").SerializeToString,
        )

    # The cluster

    async def check_health(self, _request: HealthCheckRequest, _context: grpc.aio.ServicerContext) -> Message:
        """Always serving."""
        await self._out_of_pause()
        return HealthCheckResponse(status=HealthCheckResponse.ServingStatus.SERVING)

    def get_system_info(self, _request: api.GetSystemInfoRequest) -> Message:
        """Capabilities that the SDK asks for when it connects."""
        response = api.GetSystemInfoResponse(server_version=SERVER_VERSION)
        response.capabilities.internal_error_differentiation = True
        response.capabilities.count_group_by_execution_status = True
        return response

    def get_cluster_info(self, _request: api.GetClusterInfoRequest) -> Message:
        """What a result says of the server."""
        return api.GetClusterInfoResponse(
            server_version=SERVER_VERSION,
            cluster_name="auroral-frontend",
            history_shard_count=1,
            persistence_store="memory",
            visibility_store="memory",
        )

    def register_namespace(self, request: api.RegisterNamespaceRequest) -> Message:
        """Usable at once."""
        if request.namespace in self._namespaces:
            raise Refusal(grpc.StatusCode.ALREADY_EXISTS, "Namespace already exists.", NamespaceAlreadyExistsFailure())
        self._namespaces.add(request.namespace)
        return api.RegisterNamespaceResponse()

    def describe_namespace(self, request: api.DescribeNamespaceRequest) -> Message:
        """Name, state and a day's retention."""
        self._require_namespace(request.namespace)
        response = api.DescribeNamespaceResponse()
        response.namespace_info.name = request.namespace
        response.namespace_info.state = NamespaceState.NAMESPACE_STATE_REGISTERED
        response.config.workflow_execution_retention_ttl.FromSeconds(86_400)
        return response

    def describe_task_queue(self, request: api.DescribeTaskQueueRequest) -> Message:
        """One poller, if there is one. The queue of workflow tasks holds the executions that wait for a server."""
        self._require_namespace(request.namespace)
        response = api.DescribeTaskQueueResponse()
        if request.task_queue_type != TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY:
            now_s, stats = self._now_s(), response.stats
            stats.approximate_backlog_count = self._executions.backlog
            stats.approximate_backlog_age.FromMicroseconds(round(self._executions.backlog_age_s(now_s) * 1e6))
            while len(self._described) > 1 and self._described[1][0] <= now_s - _RATES_OVER_S:
                self._described.popleft()
            self._described.append((now_s, self._executions.added, self._executions.dispatched))
            since_s, added, dispatched = self._described[0]
            elapsed_s = max(now_s - since_s, 1e-3)
            stats.tasks_add_rate = (self._executions.added - added) / elapsed_s
            stats.tasks_dispatch_rate = (self._executions.dispatched - dispatched) / elapsed_s
        if self._behaviour.worker_identity:
            poller = PollerInfo(identity=self._behaviour.worker_identity, rate_per_second=100_000)
            poller.last_access_time.GetCurrentTime()
            response.pollers.append(poller)
        return response

    # Executions

    def start_workflow_execution(self, request: api.StartWorkflowExecutionRequest) -> Message:
        """Accept, refuse, or accept and lose the acknowledgement."""
        now_s = self._now_s()
        if self._first_start_s is None and request.workflow_type.name != PROBE_WORKFLOW_TYPE:
            self._first_start_s = now_s
        if request.namespace not in self._namespaces:
            self._require_namespace(request.namespace)
        behaviour = self._behaviour
        if behaviour.refuse_ratio and self._random.random() < behaviour.refuse_ratio:
            self.counts["refused"] += 1
            raise Refusal(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                "namespace rate limit exceeded",
                ResourceExhaustedFailure(
                    cause=ResourceExhaustedCause.RESOURCE_EXHAUSTED_CAUSE_RPS_LIMIT,
                    scope=ResourceExhaustedScope.RESOURCE_EXHAUSTED_SCOPE_NAMESPACE,
                ),
            )
        execution = self._executions.find(request.workflow_id)
        if execution is None or execution.request_id != request.request_id:
            if execution is not None:
                self._require_reusable(execution, request.workflow_id_reuse_policy)
            execution = Execution(
                workflow_id=request.workflow_id,
                run_id=str(uuid.uuid4()),
                request_id=request.request_id,
                workflow_type=request.workflow_type.name,
                task_queue=request.task_queue.name,
                started_s=now_s,
            )
            self._executions.start(execution)
            self.counts["accepted"] += 1
        if behaviour.lose_ratio and self._random.random() < behaviour.lose_ratio:
            self.counts["lost"] += 1
            raise Refusal(grpc.StatusCode.UNAVAILABLE, "the acknowledgement is lost")
        return api.StartWorkflowExecutionResponse(
            run_id=execution.run_id,
            first_execution_run_id=execution.run_id,
            started=True,
            status=STATUS[execution.status],
        )

    def terminate_workflow_execution(self, request: api.TerminateWorkflowExecutionRequest) -> Message:
        """Close an open execution."""
        execution = self._require_execution(request.workflow_execution)
        if not execution.is_open:
            raise Refusal(grpc.StatusCode.NOT_FOUND, "workflow execution already completed", NotFoundFailure())
        self._terminate(execution)
        return api.TerminateWorkflowExecutionResponse()

    def describe_workflow_execution(self, request: api.DescribeWorkflowExecutionRequest) -> Message:
        """Its row."""
        execution = self._require_execution(request.execution)
        return api.DescribeWorkflowExecutionResponse(workflow_execution_info=info_of(execution))

    async def get_workflow_execution_history(self, request: api.GetWorkflowExecutionHistoryRequest) -> Message:
        """The start and the close event, or the close event alone, waited for where asked."""
        execution = self._require_execution(request.execution)
        closes_only = request.history_event_filter_type == HistoryEventFilterType.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT
        response = api.GetWorkflowExecutionHistoryResponse()
        if execution.is_open and request.wait_new_event:
            await self._closed(execution)
            if execution.is_open:
                response.next_page_token = b"again"
                response.history.SetInParent()
                return response
        events = [] if closes_only else [started_event(execution)]
        if not execution.is_open:
            events.append(close_event(execution))
        response.history.events.extend(events)
        return response

    def count_workflow_executions(self, request: api.CountWorkflowExecutionsRequest) -> Message:
        """All that match, in groups where asked."""
        query = parse_query(request.query)
        counts = self._executions.count(query)
        response = api.CountWorkflowExecutionsResponse(count=counts.total())
        if query.grouped:
            for status, count in counts.items():
                value = Payload(
                    metadata={"encoding": b"json/plain", "type": b"Keyword"}, data=b'"%b"' % status.encode()
                )
                response.groups.add(group_values=[value], count=count)
        return response

    def list_workflow_executions(self, request: api.ListWorkflowExecutionsRequest) -> Message:
        """One page of those that match and are kept."""
        first = int(request.next_page_token or b"0")
        size = request.page_size or 1_000
        matching = self._executions.select(parse_query(request.query))
        page = [info_of(execution) for execution in islice(matching, first, first + size)]
        token = str(first + size).encode() if len(page) == size else b""
        return api.ListWorkflowExecutionsResponse(executions=page, next_page_token=token)

    def start_batch_operation(self, request: api.StartBatchOperationRequest) -> Message:
        """Terminate all that match and are open, at once."""
        if not request.HasField("termination_operation"):
            raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, "only a batch of terminations is understood")
        matching = [each for each in self._executions.select(parse_query(request.visibility_query)) if each.is_open]
        for execution in matching:
            self._terminate(execution)
        self._batches[request.job_id] = len(matching)
        return api.StartBatchOperationResponse()

    def describe_batch_operation(self, request: api.DescribeBatchOperationRequest) -> Message:
        """It is over when it is described."""
        if request.job_id not in self._batches:
            raise Refusal(grpc.StatusCode.NOT_FOUND, f"no batch operation {request.job_id}", NotFoundFailure())
        total = self._batches[request.job_id]
        return api.DescribeBatchOperationResponse(
            job_id=request.job_id,
            state=BatchOperationState.BATCH_OPERATION_STATE_COMPLETED,
            total_operation_count=total,
            complete_operation_count=total,
        )

    # Time

    def _now_s(self) -> float:
        return self._unix_s + time.monotonic()

    async def _out_of_pause(self) -> None:
        if self._first_start_s is None:
            return
        now_s = self._now_s()
        delay_s = self._pauses.end_s(now_s - self._first_start_s) + self._first_start_s - now_s
        if delay_s > _ROUNDING_S:
            await asyncio.sleep(delay_s)

    async def _closed(self, execution: Execution) -> None:
        """Return when it is closed, or after as long as a poll may take."""
        closed = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(execution, []).append(closed)
        self._arm()
        try:
            async with asyncio.timeout(LONG_POLL_S):
                await closed
        except TimeoutError:
            pass
        finally:
            waiting = self._waiting.get(execution)
            if waiting is not None:
                waiting.remove(closed)
                if not waiting:
                    del self._waiting[execution]

    def _advance(self) -> None:
        for execution in self._executions.advance(self._now_s()):
            self._wake(execution)

    def _terminate(self, execution: Execution) -> None:
        self._executions.terminate(execution, self._now_s())
        self._wake(execution)

    def _wake(self, execution: Execution) -> None:
        for closed in self._waiting.pop(execution, ()):
            if not closed.done():
                closed.set_result(None)

    def _arm(self) -> None:
        next_s = self._executions.next_close_s()
        if self._timer is None and self._waiting and next_s is not None:
            delay_s = max(0.0, next_s - self._now_s())
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._due)

    def _due(self) -> None:
        self._timer = None
        self._advance()
        self._arm()

    # What must be

    def _require_namespace(self, namespace: str) -> None:
        if namespace not in self._namespaces:
            detail = NamespaceNotFoundFailure(namespace=namespace)
            raise Refusal(grpc.StatusCode.NOT_FOUND, f"Namespace {namespace} is not found.", detail)

    def _require_execution(self, wanted: WorkflowExecution) -> Execution:
        execution = self._executions.find(wanted.workflow_id)
        if execution is None or wanted.run_id not in ("", execution.run_id):
            raise Refusal(
                grpc.StatusCode.NOT_FOUND, f"workflow not found for ID: {wanted.workflow_id}", NotFoundFailure()
            )
        return execution

    def _require_reusable(self, execution: Execution, policy: int) -> None:
        if execution.is_open or policy == WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE:
            raise Refusal(
                grpc.StatusCode.ALREADY_EXISTS,
                "Workflow execution already started.",
                WorkflowExecutionAlreadyStartedFailure(start_request_id=execution.request_id, run_id=execution.run_id),
            )
