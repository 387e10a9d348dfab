from __future__ import annotations

from random import Random

import msgspec
import pytest
from temporalio.api.enums.v1 import TaskQueueKind
from temporalio.api.workflowservice.v1 import (
    PollActivityTaskQueueResponse,
    RespondWorkflowTaskCompletedResponse,
    ShutdownWorkerResponse,
)
from temporalio.service import RPCError, RPCStatusCode

from auroral.bench.wire.poller import FIRST
from auroral.bench.wire.queue_worker import QueueSettings, QueueWorker
from auroral.bench.workload import builtin
from tests.bench.wire.doubles import Calls, Sent, Timers
from tests.bench.wire.test_workflow_tasks import begun, task

POLL, ACTIVITY_POLL = "PollWorkflowTaskQueue", "PollActivityTaskQueue"
SETTINGS = QueueSettings(
    namespace="benchmark",
    task_queue="q",
    identity="me",
    build_id="b",
    workflow_tasks=200,
    activities=300,
    local_activities=200,
    workflow_pollers=32,
    activity_pollers=32,
    nonsticky_ratio=0.5,
    cached_workflows=10,
    eager_activities=100,
    sticky_timeout_s=5.0,
)


class Bench:
    """The worker of a queue, and the server's side by hand."""

    def __init__(self, **changes: object) -> None:
        self.calls, self.timers = Calls(), Timers()
        self.fatal: list[RPCError] = []
        settings = msgspec.structs.replace(SETTINGS, **changes)
        self.worker = QueueWorker(
            self.calls, self.timers, settings, random=Random(1), on_fatal=self.fatal.append, name="own"
        )
        self.worker.start()

    def polls(self, kind: TaskQueueKind.ValueType) -> list[Sent]:
        return [sent for sent in self.calls.of(POLL) if sent.request.task_queue.kind == kind]

    @property
    def normal(self) -> list[Sent]:
        return self.polls(TaskQueueKind.TASK_QUEUE_KIND_NORMAL)

    @property
    def sticky(self) -> list[Sent]:
        return self.polls(TaskQueueKind.TASK_QUEUE_KIND_STICKY)

    @property
    def activity(self) -> list[Sent]:
        return self.calls.of(ACTIVITY_POLL)

    def bring(self, workload: str, *, run_id: str = "run") -> None:
        """A normal poll brings the first task of a run."""
        self.normal[0].answer(task(begun(builtin(workload)), run_id=run_id))

    def accept(self) -> None:
        """The server takes every workflow task's answer."""
        for sent in self.calls.of("RespondWorkflowTaskCompleted"):
            sent.answer(RespondWorkflowTaskCompletedResponse())


def test_it_begins_with_few_polls_and_says_who_it_is() -> None:
    bench = Bench()
    assert (len(bench.normal), len(bench.sticky), len(bench.activity)) == (FIRST, 0, FIRST)
    for sent in (bench.normal[0], bench.activity[0]):
        assert (sent.request.namespace, sent.request.identity, sent.request.task_queue.name) == ("benchmark", "me", "q")
        assert sent.request.worker_version_capabilities.build_id == "b"
    assert not bench.worker.busy


def test_the_sticky_queue_is_polled_once_a_run_stays_open() -> None:
    bench = Bench()
    bench.bring("simple")
    assert bench.sticky == []
    bench.bring("timer")
    (sent, *_) = bench.sticky
    assert (sent.request.task_queue.name, sent.request.task_queue.normal_name) == ("me-own", "q")
    assert len(bench.sticky) == FIRST


def test_the_pollers_are_shared_out_as_the_sdk_does() -> None:
    bench = Bench(workflow_pollers=10, nonsticky_ratio=0.2)
    assert (bench.worker._normal._most, bench.worker._sticky._most) == (2, 8)
    least = Bench(workflow_pollers=2, nonsticky_ratio=0.01)
    assert (least.worker._normal._most, least.worker._sticky._most) == (1, 1)


def test_without_a_cache_there_is_no_sticky_queue() -> None:
    bench = Bench(cached_workflows=0)
    assert bench.worker._normal._most == 32
    bench.bring("timer")
    (sent,) = bench.calls.of("RespondWorkflowTaskCompleted")
    assert not sent.request.HasField("sticky_attributes")
    bench.accept()
    assert (bench.sticky, len(bench.worker.cache), bench.worker.cache.evictions) == ([], 0, 0)


def test_slots_bound_what_is_held_and_polled_for() -> None:
    bench = Bench(workflow_tasks=5)
    for number in range(20):
        if bench.normal:
            bench.bring("timer", run_id=f"run-{number}")
        held = len(bench.calls.of("RespondWorkflowTaskCompleted"))
        assert held + len(bench.normal) + len(bench.sticky) <= 5
    # The last slot is the sticky queue's: its tasks end runs.
    assert (len(bench.normal), len(bench.sticky)) == (0, 1)
    bench.accept()
    assert len(bench.normal) + len(bench.sticky) == 5


def test_eager_activities_take_what_slots_leave() -> None:
    bench = Bench(activities=6)  # of which four are held by polls
    bench.bring("state-transitions")
    (sent,) = bench.calls.of("RespondWorkflowTaskCompleted")
    asked = [
        command.schedule_activity_task_command_attributes.request_eager_execution for command in sent.request.commands
    ]
    assert asked == [True, True, False, False]
    assert bench.worker.busy


def test_no_activity_is_asked_for_where_that_is_switched_off() -> None:
    bench = Bench(eager_activities=0)
    bench.bring("state-transitions")
    (sent,) = bench.calls.of("RespondWorkflowTaskCompleted")
    assert not any(
        command.schedule_activity_task_command_attributes.request_eager_execution for command in sent.request.commands
    )


def test_a_task_that_no_poll_brought_is_worked() -> None:
    bench = Bench()
    assert bench.worker.workflow_slots_free == 200 - FIRST
    bench.worker.take_workflow_task(task(begun(builtin("simple"))))
    assert len(bench.calls.of("RespondWorkflowTaskCompleted")) == 1
    assert bench.worker.workflow_slots_free == 199 - FIRST


def test_an_activity_frees_its_slot_for_a_poll() -> None:
    bench = Bench(activities=FIRST)
    response = PollActivityTaskQueueResponse(task_token=b"a")
    response.activity_type.name = "auroral.activity"
    bench.activity[0].answer(response)
    assert len(bench.activity) == FIRST - 1
    bench.calls.of("RespondActivityTaskCompleted")[0].answer(None)
    assert len(bench.activity) == FIRST


def test_the_end_is_told_and_what_still_comes_is_worked() -> None:
    bench = Bench()
    known: list[bool] = []
    bench.worker.stop_polling(lambda: known.append(True))
    (sent,) = bench.calls.of("ShutdownWorker")
    assert (sent.request.sticky_task_queue, sent.request.task_queue) == ("me-own", "q")
    assert sent.request.worker_instance_key == bench.normal[0].request.worker_instance_key
    bench.bring("timer")
    assert bench.sticky == []
    assert len(bench.normal) == FIRST - 1
    sent.answer(ShutdownWorkerResponse())
    assert known == [True]
    bench.worker.cancel_polls()
    assert (bench.normal, bench.activity, bench.worker.polls) == ([], [], 0)
    assert bench.worker.busy
    bench.accept()
    assert not bench.worker.busy


@pytest.mark.parametrize("method", [POLL, ACTIVITY_POLL])
def test_polls_that_are_refused_for_good_are_told(method: str) -> None:
    bench = Bench()
    bench.calls.of(method)[0].fail(RPCStatusCode.PERMISSION_DENIED)
    assert [error.status for error in bench.fatal] == [RPCStatusCode.PERMISSION_DENIED]


def test_what_it_shows_of_itself() -> None:
    bench = Bench()
    bench.bring("timer")
    readings = bench.worker.readings
    assert {kind: (slots.used, slots.size) for kind, slots in readings.slots.items()} == {
        "WorkflowWorker": (1, 200),
        "ActivityWorker": (0, 300),
        "LocalActivityWorker": (0, 200),
    }
    shown = {kind: count() for kind, count in readings.pollers.items()}
    assert shown == {"workflow_task": FIRST, "sticky_workflow_task": FIRST, "activity_task": FIRST}
    assert (readings.cached(), readings.evicted(), readings.workflow_tasks) == (1, 0, 1)
