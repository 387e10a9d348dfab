"""Workflow tasks: from the task to its answer, with the history that is missing fetched in between."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from temporalio.api.enums.v1 import QueryResultType, TaskQueueKind, WorkflowTaskFailedCause
from temporalio.api.workflowservice.v1 import (
    GetWorkflowExecutionHistoryRequest,
    RespondQueryTaskCompletedRequest,
    RespondWorkflowTaskCompletedRequest,
    RespondWorkflowTaskFailedRequest,
)
from temporalio.service import RPCError

import auroral
from auroral.bench.wire.activities import Activities, waited_s
from auroral.bench.wire.cache import Cache
from auroral.bench.wire.calls import Answers
from auroral.bench.wire.commands import Writer
from auroral.bench.wire.decide import HistoryMismatch, Run
from auroral.bench.wire.readings import Readings, Slots

SDK_NAME = "auroral-wire"
"""Which library a history says has worked it."""
NO_QUERIES = "workers of the wire engine answer no queries"

_log = logging.getLogger("auroral.wire")


class WorkflowTasks:
    """Works the workflow tasks of one task queue."""

    def __init__(
        self,
        answers: Answers,
        readings: Readings,
        slots: Slots,
        cache: Cache,
        activities: Activities,
        *,
        namespace: str,
        task_queue: str,
        sticky_queue: str,
        sticky_timeout_s: float,
        identity: str,
        build_id: str,
        eager: Callable[[], int],
        on_free: Callable[[], None],
        on_kept: Callable[[], None],
    ) -> None:
        """`eager` says how many activities one task may reserve now; `on_free` is called when a slot is free again,
        `on_kept` when a run stays open and so has its next task in the sticky queue. Where that has no name, each
        task comes with the whole history, and no run is kept.
        """
        self._answers = answers
        self._readings = readings
        self._slots = slots
        self._cache = cache
        self._activities = activities
        self._eager = eager
        self._on_free = on_free
        self._on_kept = on_kept
        self._namespace = namespace
        self._writer = Writer(namespace)
        self._closing = RespondWorkflowTaskCompletedRequest(identity=identity, namespace=namespace)
        self._closing.worker_version_stamp.build_id = build_id
        self._closing.sdk_metadata.SetInParent()
        self._closing.metering_metadata.SetInParent()
        self._closing.capabilities.discard_speculative_workflow_task_with_events = True
        self._going_on = RespondWorkflowTaskCompletedRequest(return_new_workflow_task=True)
        self._going_on.MergeFrom(self._closing)
        self._keeps = bool(sticky_queue)
        if self._keeps:
            sticky = self._going_on.sticky_attributes
            sticky.worker_task_queue.name = sticky_queue
            sticky.worker_task_queue.kind = TaskQueueKind.TASK_QUEUE_KIND_STICKY
            sticky.worker_task_queue.normal_name = task_queue
            sticky.schedule_to_start_timeout.FromTimedelta(timedelta(seconds=sticky_timeout_s))
        self._failure = RespondWorkflowTaskFailedRequest(identity=identity, namespace=namespace)
        self._failure.worker_version.build_id = build_id

    def take(self, task: Any) -> float:
        """Work a task that a poll brought; return for how many seconds it had waited to be started."""
        self._slots.used += 1
        self._readings.workflow_tasks += 1
        wait_s = waited_s(task.scheduled_time, task.started_time)
        self._readings.workflow_wait.add(wait_s)
        self._work(task)
        return wait_s

    def _work(self, task: Any) -> None:
        if task.HasField("query"):
            self._refuse_query(task)
            return
        events = task.history.events
        run = self._cache.get(task.workflow_execution.run_id)
        first = events[0].event_id if events else 0
        if first == 1:
            run = None
        elif run is not None and first in (0, run.last_event_id + 1):
            self._readings.sticky_hits += 1
        else:
            self._readings.sticky_misses += 1
            _Fetch(self, task, [], b"").go()
            return
        if task.next_page_token:
            _Fetch(self, task, list(events), task.next_page_token, run).go()
            return
        self._decide(task, run, events)

    def _decide(self, task: Any, run: Run | None, events: Any) -> None:
        try:
            if run is None:
                run = Run(events[0])
            commands = run.take(events)
        except Exception as error:  # a history that is none of ours, or a bug: the server must hear of either
            self._fail(task, error)
            return
        run.last_event_id = task.started_event_id
        run_id = task.workflow_execution.run_id
        request = RespondWorkflowTaskCompletedRequest()
        if run.closed:
            self._cache.drop(run_id)
            request.CopyFrom(self._closing)
        else:
            request.CopyFrom(self._going_on)
            if self._keeps:
                self._cache.keep(run_id, run)
                self._on_kept()
        request.task_token = task.task_token
        reserved = 0
        if commands:
            messages, reserved = self._writer.write(run, commands, eager=0 if run.closed else self._eager())
            request.commands.extend(messages)
            self._activities.reserve(reserved)
        if not task.previous_started_event_id:
            request.sdk_metadata.sdk_name = SDK_NAME
            request.sdk_metadata.sdk_version = auroral.__version__
        if task.queries:
            for query_id in task.queries:
                result = request.query_results[query_id]
                result.result_type = QueryResultType.QUERY_RESULT_TYPE_FAILED
                result.error_message = NO_QUERIES
        self._answers.send("RespondWorkflowTaskCompleted", request, _Completed(self, run_id, reserved).done)

    def _completed(self, run_id: str, reserved: int, response: Any, error: RPCError | None) -> None:
        eager = 0
        if error is not None:
            # Whether it counted is not known: the next task brings what did.
            self._cache.drop(run_id)
        else:
            for task in response.activity_tasks:
                eager += 1
                self._activities.take_reserved(task)
        if reserved > eager:
            self._activities.release(reserved - eager)
        if error is None and response.HasField("workflow_task") and response.workflow_task.task_token:
            self._work(response.workflow_task)
        else:
            self._release()

    def _fail(self, task: Any, error: Exception) -> None:
        """Say once that a task cannot be worked: the next attempts time out, so that the server does not spin."""
        self._cache.drop(task.workflow_execution.run_id)
        self._readings.failed_tasks += 1
        _log.warning(
            "a task of workflow %s cannot be worked: %s: %s",
            task.workflow_execution.workflow_id,
            type(error).__name__,
            error,
        )
        if task.attempt > 1:
            self._release()
            return
        request = RespondWorkflowTaskFailedRequest()
        request.CopyFrom(self._failure)
        request.task_token = task.task_token
        request.cause = (
            WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR
            if isinstance(error, HistoryMismatch)
            else WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE
        )
        request.failure.message = str(error) or type(error).__name__
        request.failure.application_failure_info.type = type(error).__name__
        self._answers.send("RespondWorkflowTaskFailed", request, self._released)

    def _refuse_query(self, task: Any) -> None:
        request = RespondQueryTaskCompletedRequest(
            task_token=task.task_token,
            namespace=self._namespace,
            completed_type=QueryResultType.QUERY_RESULT_TYPE_FAILED,
            error_message=NO_QUERIES,
        )
        self._answers.send("RespondQueryTaskCompleted", request, self._released)

    def _released(self, _response: Any, _error: Any) -> None:
        self._release()

    def _release(self) -> None:
        self._slots.used -= 1
        self._on_free()


class _Completed:
    """What becomes of one task's answer."""

    __slots__ = ("_reserved", "_run_id", "_tasks")

    def __init__(self, tasks: WorkflowTasks, run_id: str, reserved: int) -> None:
        self._tasks = tasks
        self._run_id = run_id
        self._reserved = reserved

    def done(self, response: Any, error: RPCError | None) -> None:
        self._tasks._completed(self._run_id, self._reserved, response, error)


class _Fetch:
    """Fetches what a task's history lacks, page by page, and goes on with the task."""

    def __init__(
        self, tasks: WorkflowTasks, task: Any, events: list[Any], token: bytes, run: Run | None = None
    ) -> None:
        self._tasks = tasks
        self._task = task
        self._events = events
        self._run = run
        self._request = GetWorkflowExecutionHistoryRequest(
            namespace=tasks._namespace, execution=task.workflow_execution, next_page_token=token
        )

    def go(self) -> None:
        self._tasks._answers.send("GetWorkflowExecutionHistory", self._request, self._page)

    def _page(self, response: Any, error: RPCError | None) -> None:
        tasks, task = self._tasks, self._task
        if error is not None:
            # The task times out, and comes again with all of its history.
            tasks._cache.drop(task.workflow_execution.run_id)
            tasks._release()
            return
        last = task.started_event_id
        self._events.extend(event for event in response.history.events if event.event_id <= last)
        if response.next_page_token:
            self._request.next_page_token = response.next_page_token
            self.go()
        elif self._events:
            tasks._decide(task, self._run, self._events)
        else:
            tasks._release()
