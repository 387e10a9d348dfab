from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from auroral.bench.durations import Uniform
from auroral.bench.wire import decide
from auroral.bench.wire.decide import (
    Cancel,
    Command,
    Complete,
    Fail,
    HistoryMismatch,
    Run,
    ScheduleActivity,
    StartChild,
    StartTimer,
    UnknownWorkflow,
)
from auroral.bench.workload import Activity, Child, Signal, Timer, Workload, builtin
from tests.bench.wire.doubles import TASK_FAILED, History


def commands_of(events: list[HistoryEvent], *, cuts: list[int] | None = None) -> list[Command]:
    """What a run says that takes these events in pieces, cut at these places."""
    run = Run(events[0])
    said: Any = []
    begin = 0
    for end in [*sorted(cuts or []), len(events)]:
        said = run.take(events[begin:end])
        begin = end
    return list(said)


def first(workload: Workload | None, **options: Any) -> list[Command]:
    history = History(workload, **options)
    history.task()
    return commands_of(history.events)


def test_the_numbers_of_the_events_are_temporal_s() -> None:
    names = {
        "STARTED": "WORKFLOW_EXECUTION_STARTED",
        "ACTIVITY_SCHEDULED": "ACTIVITY_TASK_SCHEDULED",
        "ACTIVITY_STARTED": "ACTIVITY_TASK_STARTED",
        "ACTIVITY_COMPLETED": "ACTIVITY_TASK_COMPLETED",
        "ACTIVITY_FAILED": "ACTIVITY_TASK_FAILED",
        "ACTIVITY_TIMED_OUT": "ACTIVITY_TASK_TIMED_OUT",
        "ACTIVITY_CANCELED": "ACTIVITY_TASK_CANCELED",
        "TIMER_STARTED": "TIMER_STARTED",
        "TIMER_FIRED": "TIMER_FIRED",
        "CANCEL_REQUESTED": "WORKFLOW_EXECUTION_CANCEL_REQUESTED",
        "CHILD_INITIATED": "START_CHILD_WORKFLOW_EXECUTION_INITIATED",
        "CHILD_START_FAILED": "START_CHILD_WORKFLOW_EXECUTION_FAILED",
        "CHILD_STARTED": "CHILD_WORKFLOW_EXECUTION_STARTED",
        "CHILD_COMPLETED": "CHILD_WORKFLOW_EXECUTION_COMPLETED",
        "CHILD_FAILED": "CHILD_WORKFLOW_EXECUTION_FAILED",
        "CHILD_CANCELED": "CHILD_WORKFLOW_EXECUTION_CANCELED",
        "CHILD_TIMED_OUT": "CHILD_WORKFLOW_EXECUTION_TIMED_OUT",
        "CHILD_TERMINATED": "CHILD_WORKFLOW_EXECUTION_TERMINATED",
    }
    own = {name: value for name, value in vars(decide).items() if name.isupper() and isinstance(value, int)}
    assert own == {name: EventType.Value(f"EVENT_TYPE_{theirs}") for name, theirs in names.items()}


def test_simple_and_the_probe_complete_at_once() -> None:
    assert first(builtin("simple")) == [Complete()]
    assert first(None, kind="auroral.child") == [Complete()]
    assert first(None, kind="auroral.probe") == [Complete()]


def test_a_probe_needs_no_input_that_it_understands() -> None:
    history = History(kind="auroral.probe")
    history.events[0].workflow_execution_started_event_attributes.input.payloads.add(data=b"?")
    assert commands_of(history.events) == [Complete()]


def test_multi_activity_is_one_after_another() -> None:
    history = History(builtin("multi-activity", activity_count=3))
    history.task()
    run = Run(history.events[0])
    for number in range(1, 4):
        said = list(run.take(history.events[run.last_event_id :]))
        run.last_event_id = len(history.events)
        assert said == [ScheduleActivity(str(number), 0.0)]
        assert not run.closed
        history.answer(said)
        history.end(next(iter(history.open)))
        history.task()
    assert list(run.take(history.events[run.last_event_id :])) == [Complete()]
    assert run.closed


def test_timer_and_child_have_the_sdk_s_ids() -> None:
    assert first(builtin("timer", timer_duration_s=0.25)) == [StartTimer("1", 0.25)]
    assert first(builtin("child", child_count=3)) == [StartChild(f"w/c{number}") for number in range(3)]


def test_a_timer_of_zero_writes_no_events() -> None:
    assert first(builtin("timer", timer_duration_s=0.0)) == [Complete()]
    assert first(Workload(name="w", steps=(Timer(duration_s=0.0), Timer(duration_s=2.0)))) == [StartTimer("1", 2.0)]


def test_state_transitions_is_four_together_then_six_in_sequence() -> None:
    history = History(builtin("state-transitions"))
    tasks = play(history, Random(1))
    scheduled = [[one for one in commands if isinstance(one, ScheduleActivity)] for commands in tasks]
    numbers = [[one.activity_id for one in commands] for commands in scheduled if commands]
    assert numbers == [["1", "2", "3", "4"], ["5"], ["6"], ["7"], ["8"], ["9"], ["10"]]
    assert tasks[-1] == [Complete()]
    waits_s = [one.sleep_s for commands in scheduled for one in commands]
    assert all(0.1 <= wait_s <= 0.6 for wait_s in waits_s)
    assert len(set(waits_s)) == 10


def test_draws_are_the_run_s_own() -> None:
    workload = builtin("state-transitions")
    assert first(workload, run_id="a") == first(workload, run_id="a") != first(workload, run_id="b")


def play(history: History, random: Random, *, fail_task: bool = False) -> list[list[Command]]:
    """Run a workflow to its end by pieces, whatever ends first by chance; what was said in each workflow task."""
    run: Run | None = None
    said = []
    while not history.closed:
        history.task()
        if run is None:
            run = Run(history.events[0])
        commands = list(run.take(history.events[run.last_event_id :]))
        run.last_event_id = len(history.events)
        said.append(commands)
        if fail_task and random.random() < 0.2:
            history.add(TASK_FAILED)
            continue
        history.answer(commands)
        for _ in range(random.randint(1, 3)):
            if history.open:
                history.end(random.choice(list(history.open)))
    return said


steps = st.one_of(
    st.builds(
        Activity,
        count=st.integers(1, 5),
        mode=st.sampled_from(["sequence", "parallel"]),
        duration_s=st.floats(0, 3) | st.builds(lambda low: Uniform(min_s=low, max_s=low + 1), st.floats(0, 3)),
    ),
    st.builds(Timer, duration_s=st.sampled_from([0.0, 0.5, 7.0])),
    st.builds(Child, count=st.integers(1, 4)),
)


@given(st.lists(steps, max_size=5), st.integers(), st.data())
def test_however_a_history_is_cut_the_commands_are_the_same(parts: list[Any], seed: int, data: st.DataObject) -> None:
    history = History(Workload(name="w", steps=tuple(parts)), run_id=f"run-{seed}")
    random = Random(seed)
    tasks = play(history, random, fail_task=True)
    # Each workflow task again: its prefix of the history at once, and cut anywhere.
    started = [index + 1 for index, event in enumerate(history.events) if event.event_type == 6]
    assert len(started) == len(tasks)
    for end, said in zip(started, tasks, strict=True):
        prefix = history.events[:end]
        assert commands_of(prefix) == said
        cuts = data.draw(st.lists(st.integers(1, end), max_size=4))
        assert commands_of(prefix, cuts=cuts) == said
    # Nothing is lost: as many activities, timers and children as the steps say.
    begun = [command for command in started_once(tasks) if not isinstance(command, Complete)]
    expected = sum(
        step.count if isinstance(step, Activity | Child) else (1 if step.duration_s else 0) for step in parts
    )
    assert len(begun) == expected
    assert tasks[-1] == [Complete()]


def started_once(tasks: list[list[Command]]) -> list[Command]:
    # By kind too: as tuples, a timer and an activity of the same id and seconds are equal.
    return list({(type(command), command): command for commands in tasks for command in commands}.values())


def test_a_history_of_something_else_is_noticed() -> None:
    history = History(builtin("multi-activity"))
    history.task()
    history.answer([StartTimer("1", 1.0)])
    with pytest.raises(HistoryMismatch, match=r"event 5 .*StartTimer 1.*ScheduleActivity"):
        commands_of(history.events)


def test_another_activity_than_the_one_commanded_is_noticed() -> None:
    history = History(builtin("multi-activity"))
    history.task()
    history.answer([ScheduleActivity("2", 0.0)])
    with pytest.raises(HistoryMismatch):
        commands_of(history.events)


def test_more_than_was_commanded_is_noticed() -> None:
    history = History(builtin("multi-activity"))
    history.task()
    history.answer([ScheduleActivity("1", 0.0), ScheduleActivity("2", 0.0)])
    with pytest.raises(HistoryMismatch, match="None"):
        commands_of(history.events)


def test_the_end_of_what_nothing_began_is_noticed() -> None:
    history = History(builtin("timer"))
    history.task()
    history.add(decide.TIMER_FIRED).timer_fired_event_attributes.started_event_id = 3
    with pytest.raises(HistoryMismatch, match="event 3"):
        commands_of(history.events)


def test_a_foreign_workflow_is_not_taken() -> None:
    with pytest.raises(UnknownWorkflow, match="theirs"):
        Run(History(kind="theirs").events[0])


def test_what_the_engine_does_not_run_fails_the_workflow_with_the_reason() -> None:
    (failed,) = first(Workload(name="w", steps=(Activity(), Signal())))
    assert isinstance(failed, Fail)
    assert "steps[1].signal" in failed.message
    assert failed.kind == "auroral.input"


def test_an_input_of_another_language_fails_the_workflow() -> None:
    history = History()
    payload = history.events[0].workflow_execution_started_event_attributes.input.payloads.add()
    payload.data = b'{"steps":[{"step":"nap"}]}'
    (failed,) = commands_of(history.events)
    assert isinstance(failed, Fail)
    assert "does not understand the workload" in failed.message


@pytest.mark.parametrize(
    ("workload", "kind", "attributes", "begun_by"),
    [
        ("multi-activity", decide.ACTIVITY_FAILED, "activity_task_failed", "scheduled_event_id"),
        ("multi-activity", decide.ACTIVITY_TIMED_OUT, "activity_task_timed_out", "scheduled_event_id"),
        ("multi-activity", decide.ACTIVITY_CANCELED, "activity_task_canceled", "scheduled_event_id"),
        ("child", decide.CHILD_START_FAILED, "start_child_workflow_execution_failed", "initiated_event_id"),
        ("child", decide.CHILD_FAILED, "child_workflow_execution_failed", "initiated_event_id"),
        ("child", decide.CHILD_CANCELED, "child_workflow_execution_canceled", "initiated_event_id"),
        ("child", decide.CHILD_TIMED_OUT, "child_workflow_execution_timed_out", "initiated_event_id"),
        ("child", decide.CHILD_TERMINATED, "child_workflow_execution_terminated", "initiated_event_id"),
    ],
)
def test_what_ends_otherwise_fails_the_workflow(workload: str, kind: int, attributes: str, begun_by: str) -> None:
    history = History(builtin(workload, child_count=1))
    history.task()
    history.answer(first(builtin(workload, child_count=1)))
    event = history.add(kind)
    setattr(getattr(event, f"{attributes}_event_attributes"), begun_by, next(iter(history.open)))
    (failed,) = commands_of(history.events)
    assert isinstance(failed, Fail)
    assert failed.event is event


def test_only_the_first_failure_counts() -> None:
    history = History(builtin("child", child_count=2))
    history.task()
    history.answer(first(builtin("child", child_count=2)))
    for begun_by in list(history.open):
        event = history.add(decide.CHILD_FAILED)
        event.child_workflow_execution_failed_event_attributes.initiated_event_id = begun_by
    (failed,) = commands_of(history.events)
    assert isinstance(failed, Fail)
    assert failed.event is history.events[-2]


def test_a_request_to_cancel_ends_it() -> None:
    history = History(builtin("timer"))
    history.task()
    history.answer([StartTimer("1", 1.0)])
    history.add(decide.CANCEL_REQUESTED)
    history.task()
    assert commands_of(history.events) == [Cancel()]
