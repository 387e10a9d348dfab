from __future__ import annotations

from random import Random
from typing import Any

import pytest
from temporalio.api.enums.v1 import QueryResultType, TaskQueueKind, WorkflowTaskFailedCause
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import (
    GetWorkflowExecutionHistoryResponse,
    PollWorkflowTaskQueueResponse,
    RespondWorkflowTaskCompletedResponse,
)
from temporalio.service import RPCStatusCode

import auroral
from auroral.bench.wire.activities import Activities
from auroral.bench.wire.cache import Cache
from auroral.bench.wire.calls import Answers
from auroral.bench.wire.decide import ScheduleActivity, StartTimer
from auroral.bench.wire.readings import Readings, Slots
from auroral.bench.wire.workflow_tasks import WorkflowTasks
from auroral.bench.workload import Workload, builtin
from tests.bench.wire.doubles import Calls, History, Timers

ANSWER = "RespondWorkflowTaskCompleted"
FETCH = "GetWorkflowExecutionHistory"


def task(
    history: History, since: int = 0, *, run_id: str = "run", attempt: int = 1, token: bytes = b""
) -> PollWorkflowTaskQueueResponse:
    """The workflow task that the history ends with, with its events after this id."""
    response = PollWorkflowTaskQueueResponse(
        task_token=b"t%d" % len(history.events),
        started_event_id=len(history.events),
        previous_started_event_id=since,
        attempt=attempt,
        next_page_token=token,
    )
    response.workflow_execution.workflow_id = "w"
    response.workflow_execution.run_id = run_id
    response.history.events.extend(history.events[since:])
    return response


def begun(workload: Workload, **options: Any) -> History:
    history = History(workload, **options)
    history.task()
    return history


class Bench:
    """A worker of workflow tasks, with what is around it."""

    def __init__(self, *, cached: int = 10, eager: int = 0) -> None:
        self.calls, self.timers, self.readings = Calls(), Timers(), Readings("benchmark", "q")
        self.slots, self.activity_slots, self.cache = Slots(10), Slots(10), Cache(cached)
        self.freed = self.kept = 0
        answers = Answers(self.calls, self.timers, self.readings, Random(1))
        given: dict[str, Any] = {"namespace": "benchmark", "identity": "me", "build_id": "b"}
        self.activities = Activities(
            answers, self.timers, self.readings, self.activity_slots, **given, on_free=lambda: None
        )
        self.tasks = WorkflowTasks(
            answers,
            self.readings,
            self.slots,
            self.cache,
            self.activities,
            **given,
            task_queue="q",
            sticky_queue="q-sticky",
            sticky_timeout_s=5.0,
            eager=lambda: eager,
            on_free=self._on_free,
            on_kept=self._on_kept,
        )

    def _on_free(self) -> None:
        self.freed += 1

    def _on_kept(self) -> None:
        self.kept += 1

    def commands(self) -> list[str]:
        """Kinds of the commands of the one answer under way."""
        (sent,) = self.calls.of(ANSWER)
        return [
            command.WhichOneof("attributes").removesuffix("_command_attributes") for command in sent.request.commands
        ]

    def accept(self, response: RespondWorkflowTaskCompletedResponse | None = None) -> None:
        """The server takes the one answer under way."""
        (sent,) = self.calls.of(ANSWER)
        sent.answer(response or RespondWorkflowTaskCompletedResponse())


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_run_that_ends_is_answered_and_not_kept(bench: Bench) -> None:
    bench.tasks.take(task(begun(builtin("simple"))))
    assert bench.commands() == ["complete_workflow_execution"]
    request = bench.calls.under_way[0].request
    assert (request.task_token, request.identity, request.namespace) == (b"t3", "me", "benchmark")
    assert not request.HasField("sticky_attributes")
    assert not request.return_new_workflow_task
    assert (request.sdk_metadata.sdk_name, request.sdk_metadata.sdk_version) == ("auroral-wire", auroral.__version__)
    assert (len(bench.cache), bench.kept, bench.slots.used) == (0, 0, 1)
    bench.accept()
    assert (bench.slots.used, bench.freed) == (0, 1)


def test_a_run_that_stays_open_is_kept_and_asks_for_the_sticky_queue(bench: Bench) -> None:
    bench.tasks.take(task(begun(builtin("timer"))))
    assert bench.commands() == ["start_timer"]
    request = bench.calls.under_way[0].request
    sticky = request.sticky_attributes
    assert (sticky.worker_task_queue.name, sticky.worker_task_queue.normal_name) == ("q-sticky", "q")
    assert sticky.worker_task_queue.kind == TaskQueueKind.TASK_QUEUE_KIND_STICKY
    assert sticky.schedule_to_start_timeout.seconds == 5
    assert request.return_new_workflow_task
    assert (len(bench.cache), bench.kept) == (1, 1)


def test_the_news_alone_are_enough_for_a_run_that_is_kept(bench: Bench) -> None:
    history = begun(builtin("timer"))
    bench.tasks.take(task(history))
    bench.accept()
    history.answer([StartTimer("1", 1.0)])
    history.end(5)
    history.task()
    bench.tasks.take(task(history, since=3))
    assert bench.commands() == ["complete_workflow_execution"]
    assert not bench.calls.under_way[0].request.sdk_metadata.sdk_name
    assert bench.readings.sticky_hits == 1
    assert len(bench.cache) == 0


def test_a_task_that_adds_nothing_is_answered_with_nothing(bench: Bench) -> None:
    history = begun(builtin("child"))
    bench.tasks.take(task(history))
    bench.accept()
    history.answer([])  # no child is confirmed in this piece
    history.task()
    bench.tasks.take(task(history, since=3))
    assert bench.commands() == ["start_child_workflow_execution"] * 3


def test_the_next_task_that_an_answer_brings_is_worked_in_the_same_slot(bench: Bench) -> None:
    history = begun(builtin("timer"))
    bench.tasks.take(task(history))
    history.answer([StartTimer("1", 1.0)])
    history.end(5)
    history.task()
    bench.accept(RespondWorkflowTaskCompletedResponse(workflow_task=task(history, since=3)))
    assert bench.commands() == ["complete_workflow_execution"]
    assert (bench.slots.used, bench.freed) == (1, 0)
    bench.accept()
    assert (bench.slots.used, bench.freed) == (0, 1)


def pages(bench: Bench, *batches: list[HistoryEvent]) -> None:
    """Answer the fetches of a history in these pieces."""
    for number, events in enumerate(batches, 1):
        (sent,) = bench.calls.of(FETCH)
        assert sent.request.execution.run_id == "run"
        response = GetWorkflowExecutionHistoryResponse()
        response.history.events.extend(events)
        response.next_page_token = b"" if number == len(batches) else b"page%d" % number
        sent.answer(response)


def test_a_run_that_was_forgotten_is_built_again_from_the_whole_history(bench: Bench) -> None:
    history = begun(builtin("multi-activity", activity_count=2))
    history.answer([ScheduleActivity("1", 0.0)])
    history.end(5)
    history.task()
    bench.tasks.take(task(history, since=3))
    assert bench.readings.sticky_misses == 1
    assert bench.calls.of(FETCH)[0].request.next_page_token == b""
    pages(bench, history.events[:4], history.events[4:])
    assert bench.commands() == ["schedule_activity_task"]
    assert bench.calls.under_way[0].request.commands[0].schedule_activity_task_command_attributes.activity_id == "2"


def test_events_after_the_task_s_own_are_left_for_the_next(bench: Bench) -> None:
    history = begun(builtin("timer"))
    history.answer([StartTimer("1", 1.0)])
    history.task()
    asked = task(history, since=3)
    history.end(5)
    bench.tasks.take(asked)
    pages(bench, list(history.events))
    assert bench.commands() == []


def test_a_kept_run_whose_news_do_not_follow_is_built_again(bench: Bench) -> None:
    history = begun(builtin("timer"))
    bench.tasks.take(task(history))
    bench.accept()
    history.answer([StartTimer("1", 1.0)])
    history.task()
    history.answer([])
    history.end(5)
    history.task()
    bench.tasks.take(task(history, since=8))
    pages(bench, list(history.events))
    assert bench.commands() == ["complete_workflow_execution"]


def test_a_history_in_pages_is_read_to_its_end(bench: Bench) -> None:
    history = begun(builtin("timer"))
    history.answer([StartTimer("1", 1.0)])
    history.end(5)
    history.task()
    first = task(history, token=b"page0")
    del first.history.events[4:]
    bench.tasks.take(first)
    assert bench.calls.of(FETCH)[0].request.next_page_token == b"page0"
    pages(bench, history.events[4:6], history.events[6:])
    assert bench.commands() == ["complete_workflow_execution"]


def test_a_history_that_cannot_be_had_leaves_the_task_to_its_timeout(bench: Bench) -> None:
    history = begun(builtin("timer"))
    bench.tasks.take(task(history, since=3))
    bench.calls.of(FETCH)[0].fail(RPCStatusCode.NOT_FOUND)
    assert bench.calls.under_way == []
    assert (bench.slots.used, bench.freed) == (0, 1)


def test_activities_that_the_answer_brings_are_worked_at_once() -> None:
    bench = Bench(eager=3)
    bench.tasks.take(task(begun(builtin("state-transitions"))))
    request = bench.calls.of(ANSWER)[0].request
    eager = [command.schedule_activity_task_command_attributes.request_eager_execution for command in request.commands]
    assert eager == [True, True, True, False]
    assert bench.activity_slots.used == 3
    response = RespondWorkflowTaskCompletedResponse()
    for number in range(2):
        granted = response.activity_tasks.add(task_token=b"a%d" % number)
        granted.activity_type.name = "auroral.activity"
    bench.accept(response)
    assert len(bench.calls.of("RespondActivityTaskCompleted")) == 2
    assert bench.activity_slots.used == 2


def test_an_answer_that_fails_gives_back_what_was_reserved_and_forgets_the_run() -> None:
    bench = Bench(eager=3)
    bench.tasks.take(task(begun(builtin("multi-activity"))))
    assert (bench.activity_slots.used, len(bench.cache)) == (1, 1)
    bench.calls.of(ANSWER)[0].fail(RPCStatusCode.NOT_FOUND)
    assert (bench.activity_slots.used, bench.slots.used, len(bench.cache)) == (0, 0, 0)


def test_a_history_of_another_workflow_fails_the_task_once(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    history = begun(builtin("timer"))
    history.answer([ScheduleActivity("1", 0.0)])
    history.task()
    bench.tasks.take(task(history))
    (sent,) = bench.calls.of("RespondWorkflowTaskFailed")
    assert sent.request.cause == WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR
    assert "ScheduleActivity 1" in sent.request.failure.message
    assert "workflow w" in caplog.text
    sent.answer(None)
    assert (bench.slots.used, bench.readings.failed_tasks) == (0, 1)
    bench.tasks.take(task(history, attempt=2))
    assert bench.calls.under_way == []
    assert bench.slots.used == 0


def test_a_workflow_of_a_foreign_type_fails_its_task(bench: Bench) -> None:
    history = History(kind="theirs")
    history.task()
    bench.tasks.take(task(history))
    (sent,) = bench.calls.of("RespondWorkflowTaskFailed")
    assert sent.request.cause == WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE
    assert "'theirs'" in sent.request.failure.message


def test_queries_are_refused_in_words(bench: Bench) -> None:
    query = PollWorkflowTaskQueueResponse(task_token=b"t")
    query.query.query_type = "where"
    bench.tasks.take(query)
    (sent,) = bench.calls.of("RespondQueryTaskCompleted")
    assert sent.request.completed_type == QueryResultType.QUERY_RESULT_TYPE_FAILED
    assert "answer no queries" in sent.request.error_message
    sent.answer(None)
    assert bench.slots.used == 0


def test_queries_that_come_with_a_task_are_refused_with_its_answer(bench: Bench) -> None:
    asked = task(begun(builtin("timer")))
    asked.queries["q1"].query_type = "where"
    bench.tasks.take(asked)
    request = bench.calls.of(ANSWER)[0].request
    assert request.query_results["q1"].result_type == QueryResultType.QUERY_RESULT_TYPE_FAILED
    assert bench.commands() == ["start_timer"]
