"""State transitions of one workflow of a workload: what scales a cluster's size from one workload to another. Pure.

A state transition is one committed change of one execution's state; Temporal counts them (`StateTransitionCount`, a
search attribute) and its own capacity is quoted in them. The counts for each step are what Temporal does without eager
activities, and were compared with a server's own (tests/live/test_transitions.py):

- an execution's start: 1, and 1 more for a child, whose first workflow task is scheduled by itself
- continue-as-new: the same 1 more where the server holds the new run back (it starts one a second at most)
- a workflow task: 2 (started, completed); what it completes with (activities, timers, children, the workflow's end)
  is part of it
- an activity: 2 (started, completed), each retry 2 more; a local one: none, the workflow task carries it
- a timer: 1 (fired)
- a child: 2 in its parent (started, closed), and its own
- a signal: 1; an update: 1 with its workflow task, whose start is not stored; a query: none

What closes while a workflow task is waited for shares that task: parallel activities and children that end at one
moment need one workflow task together, spread ones one each. `most` counts one each, `least` one for all.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from auroral.bench import durations
from auroral.bench.steps import Activity, Child, Signal, Step, Timer, Update, Workload

START = 1
DEFERRED_START = 2
"""Of a child, and of a continued run that is held back."""
WORKFLOW_TASK = 2
ACTIVITY = 2
TIMER = 1
CHILD_IN_PARENT = 2
SIGNAL = 1
UPDATE = 1
REFERENCE_WORKLOAD = "state-transitions"
"""The workload of every built-in anchor."""


class Transitions(msgspec.Struct, frozen=True, kw_only=True):
    """State transitions of one start, children and continued runs included."""

    least: float
    """Everything parallel ends together."""
    most: float
    """Everything ends by itself: what sizing goes by."""
    executions: int


def transitions(workload: Workload) -> Transitions:
    """Reckon the state transitions that one start of this workload causes."""
    least, most, executions = _run(workload.steps, START)
    runs = workload.repetitions
    held_back = (runs - 1) * (DEFERRED_START - START)
    return Transitions(least=runs * least, most=runs * most + held_back, executions=runs * executions)


def factor(workload: Workload, reference: Workload) -> float:
    """How much one start of this workload weighs, in starts of the reference."""
    return transitions(workload).most / transitions(reference).most


def _run(steps: Sequence[Step], start: int) -> tuple[float, float, int]:
    """One execution: its start, its first workflow task, its steps. (least, most, executions with children)."""
    least = most = float(start + WORKFLOW_TASK)
    executions = 1
    for step in steps:
        step_least, step_most, step_executions = _step(step)
        least, most, executions = least + step_least, most + step_most, executions + step_executions
    return least, most, executions


def _step(step: Step) -> tuple[float, float, int]:
    least = most = 0.0
    executions = 0
    match step:
        case Activity(local=False):
            own = step.count * ACTIVITY * _attempts(step)
            least, most = own + _tasks(step, least=True), own + _tasks(step, least=False)
        case Timer() if not durations.is_zero(step.duration_s):
            least = most = TIMER + WORKFLOW_TASK
        case Child():
            child_least, child_most, each = _run(step.steps, DEFERRED_START)
            in_parent = CHILD_IN_PARENT * step.count
            # A child's start and its close each bring its parent a workflow task; both can fall into one.
            least = in_parent + step.count * child_least + _tasks(step, least=True)
            most = in_parent + step.count * (child_most + WORKFLOW_TASK) + _tasks(step, least=False)
            executions = step.count * each
        case Signal():
            least, most = SIGNAL * step.count + WORKFLOW_TASK, step.count * (SIGNAL + WORKFLOW_TASK)
        case Update():
            least, most = UPDATE, step.count * UPDATE
    return least, most, executions


def _tasks(step: Activity | Child, *, least: bool) -> float:
    """Transitions of the workflow tasks that answer what this step's activities or children bring back."""
    if step.mode == "sequence" or not least:
        return step.count * WORKFLOW_TASK
    return WORKFLOW_TASK


def _attempts(step: Activity) -> float:
    """Expected attempts of one activity."""
    if step.failure_rate >= 1:
        return float(max(1, step.max_attempts))
    last = step.failure_rate**step.max_attempts if step.max_attempts else 0.0
    return (1 - last) / (1 - step.failure_rate)
