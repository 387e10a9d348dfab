"""What a control workflow's history says."""

from __future__ import annotations

from typing import Any

import pytest
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.enums.v1 import EventType, TimeoutType
from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure, TimeoutFailureInfo
from temporalio.api.history.v1 import HistoryEvent

from auroral.bench.spread import plan
from auroral.bench.spread.history import Done, GivenUp, Over, Reader


def payloads(data: bytes) -> Payloads:
    return Payloads(payloads=[Payload(data=data)])


def event(number: int, name: str, **attributes: Any) -> HistoryEvent:
    kind = EventType.Value(f"EVENT_TYPE_{name.upper()}")
    made = HistoryEvent(event_id=number, event_type=kind)
    holder = getattr(made, f"{name}_event_attributes")
    holder.CopyFrom(type(holder)(**attributes))
    return made


def reader(activity_id: str = "auroral.generate-3") -> Reader:
    """One that has seen an activity scheduled, as event 5."""
    reading = Reader()
    assert reading.read(event(5, "activity_task_scheduled", activity_id=activity_id)) is None
    return reading


def test_an_answer() -> None:
    done = reader().read(event(7, "activity_task_completed", scheduled_event_id=5, result=payloads(b"last")))
    assert done == Done(kind=plan.GENERATE, generator=3, data=b"last")


def test_an_activity_that_is_no_generators_is_passed_over() -> None:
    reading = reader(plan.COORDINATOR)
    assert reading.read(event(7, "activity_task_completed", scheduled_event_id=5)) is None
    assert reading.read(event(8, "workflow_task_completed")) is None


def test_a_coordinator_that_is_given_up() -> None:
    failure = Failure(timeout_failure_info=TimeoutFailureInfo(timeout_type=TimeoutType.TIMEOUT_TYPE_HEARTBEAT))
    said = reader(plan.COORDINATOR).read(event(7, "activity_task_timed_out", scheduled_event_id=5, failure=failure))
    assert isinstance(said, GivenUp)
    failed = Failure(message="gone")
    said = reader(plan.COORDINATOR).read(event(7, "activity_task_failed", scheduled_event_id=5, failure=failed))
    assert said == GivenUp(failure="gone")


@pytest.mark.parametrize("kind", [plan.REFUSED, plan.UNABLE])
def test_a_refusal_with_its_hint(kind: str) -> None:
    info = ApplicationFailureInfo(type=kind, details=payloads(b'"do this"'))
    failure = Failure(message="it differs", application_failure_info=info)
    done = reader("auroral.claim-0").read(event(7, "activity_task_failed", scheduled_event_id=5, failure=failure))
    refused = kind == plan.REFUSED
    assert done == Done(kind=plan.CLAIM, generator=0, failure="it differs", hint="do this", refused=refused)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (TimeoutType.TIMEOUT_TYPE_HEARTBEAT, "nothing was heard of it for 15 s"),
        (TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_START, "its agent did not take up its task within 20 s"),
        (TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE, "it took longer than its run may take"),
    ],
)
def test_a_silence_with_the_last_that_was_heard(kind: TimeoutType.ValueType, words: str) -> None:
    info = TimeoutFailureInfo(timeout_type=kind, last_heartbeat_details=payloads(b"the last"))
    failure = Failure(message="activity timeout", timeout_failure_info=info)
    done = reader().read(event(7, "activity_task_timed_out", scheduled_event_id=5, failure=failure))
    assert done == Done(kind=plan.GENERATE, generator=3, failure=words, last=b"the last")


def test_a_cancelled_activity() -> None:
    done = reader().read(event(7, "activity_task_canceled", scheduled_event_id=5, started_event_id=6))
    assert done == Done(kind=plan.GENERATE, generator=3, failure="it was stopped")
    done = reader().read(event(7, "activity_task_canceled", scheduled_event_id=5))
    assert done == Done(kind=plan.GENERATE, generator=3, failure="it was stopped", untaken=True)


@pytest.mark.parametrize(
    ("name", "words"),
    [("completed", ""), ("failed", "has failed"), ("terminated", "terminated"), ("timed_out", "longer than")],
)
def test_the_end_of_the_workflow(name: str, words: str) -> None:
    over = Reader().read(event(9, f"workflow_execution_{name}"))
    assert isinstance(over, Over)
    assert words in over.failure
    assert bool(over.failure) == bool(words)


def test_a_history_read_again_from_its_beginning_says_nothing_twice() -> None:
    reading = reader()
    answer = event(7, "activity_task_completed", scheduled_event_id=5)
    assert reading.read(answer) is not None
    assert reading.read(event(5, "activity_task_scheduled", activity_id="auroral.generate-3")) is None
    assert reading.read(answer) is None
