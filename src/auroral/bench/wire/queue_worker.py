"""The worker of one task queue: its polls, its slots, its tasks."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from random import Random
from typing import Any

import msgspec
from google.protobuf.message import Message
from temporalio.api.enums.v1 import TaskQueueKind, TaskQueueType
from temporalio.api.workflowservice.v1 import (
    PollActivityTaskQueueRequest,
    PollWorkflowTaskQueueRequest,
    ShutdownWorkerRequest,
)
from temporalio.service import RPCError

from auroral.bench.wire.activities import Activities
from auroral.bench.wire.cache import Cache
from auroral.bench.wire.calls import Answers, Call, Calls, Timers
from auroral.bench.wire.poller import Poller
from auroral.bench.wire.readings import Readings, Slots
from auroral.bench.wire.workflow_tasks import WorkflowTasks

SHUTDOWN_S = 1.0


class QueueSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the worker of one task queue gets."""

    namespace: str
    task_queue: str
    identity: str
    build_id: str
    workflow_tasks: int
    """Slots."""
    activities: int
    local_activities: int
    """Slots that nothing uses: they are shown where an SDK worker shows them."""
    workflow_pollers: int
    """The most polls for workflow tasks, sticky ones included."""
    activity_pollers: int
    nonsticky_ratio: float
    """Share of the workflow pollers that serve the normal queue."""
    cached_workflows: int
    """0: none, and no sticky queue."""
    eager_activities: int
    """The most that one workflow task reserves; 0: none."""
    sticky_timeout_s: float


class QueueWorker:
    """Serves one task queue from `start` to `stop`."""

    def __init__(
        self,
        calls: Calls,
        timers: Timers,
        settings: QueueSettings,
        *,
        random: Random,
        on_fatal: Callable[[RPCError], None],
        name: str = "",
    ) -> None:
        """`name` is the worker's own, by which its sticky queue is called; empty: one that no other has."""
        self._calls = calls
        self._settings = settings
        self._key = name or uuid.uuid4().hex
        self._sticky_queue = f"{settings.identity}-{self._key}"
        self.readings = readings = Readings(settings.namespace, settings.task_queue)
        self._workflow_slots = Slots(settings.workflow_tasks)
        self._activity_slots = Slots(settings.activities)
        self.answers = Answers(calls, timers, readings, random)
        self.cache = Cache(settings.cached_workflows)
        given = {"namespace": settings.namespace, "identity": settings.identity, "build_id": settings.build_id}
        self.activities = Activities(
            self.answers, timers, readings, self._activity_slots, **given, on_free=self._activity_freed
        )
        tasks = WorkflowTasks(
            self.answers,
            readings,
            self._workflow_slots,
            self.cache,
            self.activities,
            **given,
            task_queue=settings.task_queue,
            sticky_queue=self._sticky_queue if settings.cached_workflows else "",
            sticky_timeout_s=settings.sticky_timeout_s,
            eager=self._eager,
            on_free=self._workflow_freed,
            on_kept=self._kept,
        )
        self._tasks = tasks
        # As the SDK shares them out.
        normal_polls = max(1, int(settings.workflow_pollers * settings.nonsticky_ratio))
        if not settings.cached_workflows:
            normal_polls = settings.workflow_pollers

        def poller(request: Message, method: str, **rest: object) -> Poller:
            return Poller(calls, timers, readings, random, method=method, request=request, on_fatal=on_fatal, **rest)  # type: ignore[arg-type]

        self._normal = poller(
            self._workflow_poll(settings.task_queue, sticky=False),
            "PollWorkflowTaskQueue",
            most=normal_polls,
            room=self._normal_room,
            on_task=tasks.take,
        )
        self._sticky = poller(
            self._workflow_poll(self._sticky_queue, sticky=True),
            "PollWorkflowTaskQueue",
            most=max(1, settings.workflow_pollers - normal_polls),
            room=self._sticky_room,
            on_task=tasks.take,
        )
        self._activity = poller(
            self._activity_poll(),
            "PollActivityTaskQueue",
            most=settings.activity_pollers,
            room=self._activity_room,
            on_task=self.activities.take,
        )
        readings.slots = {
            "WorkflowWorker": self._workflow_slots,
            "ActivityWorker": self._activity_slots,
            "LocalActivityWorker": Slots(settings.local_activities),
        }
        readings.pollers = {
            "workflow_task": lambda: self._normal.waiting,
            "sticky_workflow_task": lambda: self._sticky.waiting,
            "activity_task": lambda: self._activity.waiting,
        }
        readings.cached = self.cache.__len__
        readings.evicted = lambda: self.cache.evictions

    @property
    def polls(self) -> int:
        """Polls under way."""
        return self._normal.waiting + self._sticky.waiting + self._activity.waiting

    @property
    def busy(self) -> bool:
        """Whether a task is held or an answer is under way."""
        return bool(self._workflow_slots.used or self._activity_slots.used or self.answers.under_way)

    def start(self) -> None:
        """Begin to poll. The sticky queue follows once a run stays open."""
        self._normal.start()
        self._activity.start()

    def take_workflow_task(self, task: Any) -> None:
        """Work a workflow task that no poll brought: the one that an eager start's answer holds."""
        self._tasks.take(task)

    @property
    def workflow_slots_free(self) -> int:
        """Workflow tasks that could be taken now beside those that the polls may bring."""
        return self._normal_room()

    def stop_polling(self, done: Callable[[], None]) -> Call:
        """Begin no further polls, and tell the server so; `done` is called when it knows, or does not answer.

        A server that knows ends the polls itself (1.30 and later), and hands the sticky queue's tasks to others.
        """
        request = ShutdownWorkerRequest(
            namespace=self._settings.namespace,
            sticky_task_queue=self._sticky_queue,
            identity=self._settings.identity,
            reason="graceful shutdown",
            worker_instance_key=self._key,
            task_queue=self._settings.task_queue,
            task_queue_types=[TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY],
        )
        for poller in (self._normal, self._sticky, self._activity):
            poller.stop()
        return self._calls.call("ShutdownWorker", request, lambda *_: done(), timeout_s=SHUTDOWN_S)

    def cancel_polls(self) -> None:
        """Give up the polls under way."""
        for poller in (self._normal, self._sticky, self._activity):
            poller.cancel()

    def stop(self) -> None:
        """Let go of what still waits."""
        self.activities.stop()

    # Slots: a poll under way holds one, as its task will.

    def _normal_room(self) -> int:
        """One slot is always left to the sticky queue, whose tasks end runs and so free what is held."""
        sticky = max(self._sticky.waiting, 1 if self._sticky.active else 0)
        return self._workflow_slots.size - self._workflow_slots.used - self._normal.waiting - sticky

    def _sticky_room(self) -> int:
        return self._workflow_slots.size - self._workflow_slots.used - self._normal.waiting - self._sticky.waiting

    def _activity_room(self) -> int:
        return self._activity_slots.size - self._activity_slots.used - self._activity.waiting

    def _eager(self) -> int:
        return max(0, min(self._settings.eager_activities, self._activity_room()))

    def _workflow_freed(self) -> None:
        self._sticky.fill()
        self._normal.fill()

    def _activity_freed(self) -> None:
        self._activity.fill()

    def _kept(self) -> None:
        if not self._sticky.active and self._normal.active:
            self._sticky.start()

    # Requests

    def _workflow_poll(self, task_queue: str, *, sticky: bool) -> PollWorkflowTaskQueueRequest:
        settings = self._settings
        request = PollWorkflowTaskQueueRequest(
            namespace=settings.namespace, identity=settings.identity, worker_instance_key=self._key
        )
        request.task_queue.name = task_queue
        request.task_queue.kind = TaskQueueKind.TASK_QUEUE_KIND_NORMAL
        if sticky:
            request.task_queue.kind = TaskQueueKind.TASK_QUEUE_KIND_STICKY
            request.task_queue.normal_name = settings.task_queue
        request.worker_version_capabilities.build_id = settings.build_id
        return request

    def _activity_poll(self) -> PollActivityTaskQueueRequest:
        settings = self._settings
        request = PollActivityTaskQueueRequest(
            namespace=settings.namespace, identity=settings.identity, worker_instance_key=self._key
        )
        request.task_queue.name = settings.task_queue
        request.task_queue.kind = TaskQueueKind.TASK_QUEUE_KIND_NORMAL
        request.worker_version_capabilities.build_id = settings.build_id
        return request
