"""The interpreter workflow and its activities: what a worker runs for every workload.

Imported unsandboxed: the interpreter is deterministic by itself (its only randomness is `workflow.random()`), and
the sandbox would cost more than most workloads do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from random import Random
from typing import Any

import msgspec
from temporalio import activity, workflow
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.common import RawValue, RetryPolicy
from temporalio.exceptions import ApplicationError
from temporalio.workflow import ParentClosePolicy

from auroral.bench.durations import sample
from auroral.bench.inputs import ACTIVITY_NAME, Input, Work, decode_input
from auroral.bench.manifest import CHILD_WORKFLOW_TYPE, PROBE_WORKFLOW_TYPE, ROOT_WORKFLOW_TYPE
from auroral.bench.steps import (
    Activity,
    Child,
    ContinueAsNew,
    Query,
    Signal,
    Timer,
    Update,
    Workload,
)
from auroral.bench.workload import QUERY_NAME, SIGNAL_NAME, UPDATE_NAME, block

__all__ = [
    "ACTIVITIES",
    "ACTIVITY_NAME",
    "INJECTED_FAILURE",
    "QUERY_NAME",
    "SIGNAL_NAME",
    "UPDATE_NAME",
    "WORKFLOWS",
    "encode_input",
]

INJECTED_FAILURE = "auroral.injected-failure"
"""Type of the failures that a workload's failure rate asks for."""

_NOTHING = RawValue(Payload())
_chance = Random()


def encode_input(workload: Workload) -> Payloads:
    """The arguments of a start of this workload, the same for all of its starts."""
    if not workload.steps:
        return Payloads()
    return Payloads(payloads=[_json_payload(Input(steps=workload.steps))])


def _json_payload(value: Any) -> Payload:
    return Payload(metadata={"encoding": b"json/plain"}, data=msgspec.json.encode(value))


def _read_input(data: bytes) -> Input:
    try:
        return decode_input(data)
    except msgspec.DecodeError as error:
        raise ApplicationError(
            f"this worker does not understand the workload: {error}", type="auroral.input", non_retryable=True
        ) from error


class _Interpreter:
    """Runs steps one after another."""

    def __init__(self) -> None:
        self._step = 0
        self._run = 0
        self._children = 0
        self._received: dict[int, int] = {}

    async def interpret(self, argument: RawValue) -> None:
        given = _read_input(argument.payload.data)
        self._run = given.run
        for earlier, count in given.received.items():
            self._count(earlier, count)
        for index, step in enumerate(given.steps):
            self._step = index
            match step:
                case Activity():
                    await self._activities(step)
                case Timer():
                    # A sleep of zero would still write a timer's events.
                    if (duration_s := sample(step.duration_s, workflow.random())) > 0:
                        await asyncio.sleep(duration_s)
                case Child():
                    await self._start_children(step)
                case Signal() | Update():
                    await self._wait_for(index, step.count)
                case Query():
                    pass
                case ContinueAsNew():
                    self._continue(given, step)

    async def _activities(self, step: Activity) -> None:
        work = _LocalActivity(step) if step.local else _RemoteActivity(step)
        await _all(step.mode, step.count, work)

    async def _start_children(self, step: Child) -> None:
        info = workflow.info()
        arguments = [RawValue(_json_payload(Input(steps=step.steps)))] if step.steps else []

        def child() -> Awaitable[Any]:
            number = self._children
            self._children += 1
            return workflow.execute_child_workflow(
                CHILD_WORKFLOW_TYPE,
                args=arguments,
                id=f"{info.workflow_id}/c{number}",
                parent_close_policy=ParentClosePolicy.TERMINATE,
                execution_timeout=info.execution_timeout,
            )

        await _all(step.mode, step.count, child)

    async def _wait_for(self, index: int, count: int) -> None:
        if self._received.get(index, 0) < count:
            await workflow.wait_condition(lambda: self._received.get(index, 0) >= count)
        self._received[index] -= count

    def _continue(self, given: Input, step: ContinueAsNew) -> None:
        if self._run < step.times:
            early = {index: count for index, count in self._received.items() if count}
            following = Input(steps=given.steps, run=self._run + 1, received=early)
            workflow.continue_as_new(RawValue(_json_payload(following)))

    def _count(self, step: int, count: int = 1) -> int:
        total = self._received.get(step, 0) + count
        self._received[step] = total
        return total


class _RemoteActivity:
    """Starts a step's activities, one at each call."""

    def __init__(self, step: Activity) -> None:
        self._step = step
        self._random = workflow.random()
        self._payload = [RawValue(_block_payload(step.payload_bytes))] if step.payload_bytes else []
        self._retry = _retry_policy(step)

    def __call__(self) -> Awaitable[Any]:
        duration_s = sample(self._step.duration_s, self._random)
        return self._execute(self._arguments(duration_s), _attempt_timeout(duration_s))

    def _execute(self, arguments: list[RawValue], timeout: timedelta) -> Awaitable[Any]:
        return workflow.start_activity(
            ACTIVITY_NAME, args=arguments, start_to_close_timeout=timeout, retry_policy=self._retry
        )

    def _arguments(self, duration_s: float) -> list[RawValue]:
        step = self._step
        if not (duration_s or step.failure_rate or step.result_bytes or self._payload):
            return []
        work = Work(sleep_s=duration_s, failure_rate=step.failure_rate, result_bytes=step.result_bytes)
        return [RawValue(_json_payload(work)), *self._payload]


class _LocalActivity(_RemoteActivity):
    def _execute(self, arguments: list[RawValue], timeout: timedelta) -> Awaitable[Any]:
        return workflow.start_local_activity(
            ACTIVITY_NAME, args=arguments, start_to_close_timeout=timeout, retry_policy=self._retry
        )


async def _all(mode: str, count: int, make: Callable[[], Awaitable[Any]]) -> None:
    if mode == "parallel":
        await asyncio.gather(*[make() for _ in range(count)])
    else:
        for _ in range(count):
            await make()


def _attempt_timeout(duration_s: float) -> timedelta:
    """Wide enough for a busy worker, and narrow enough that a lost one's activities move on."""
    return timedelta(seconds=10 + 3 * duration_s)


def _retry_policy(step: Activity) -> RetryPolicy | None:
    """None where no failure is asked for: the server's own policy retries what a lost worker held."""
    if step.failure_rate == 0 and step.max_attempts == 0:
        return None
    return RetryPolicy(
        initial_interval=timedelta(seconds=step.retry_interval_s),
        backoff_coefficient=1.0,
        maximum_attempts=step.max_attempts,
    )


def _block_payload(size_bytes: int) -> Payload:
    return Payload(metadata={"encoding": b"binary/plain"}, data=block(size_bytes))


@workflow.defn(name=ROOT_WORKFLOW_TYPE, sandboxed=False)
class WorkloadWorkflow(_Interpreter):
    """The workflow that a benchmark starts."""

    @workflow.run
    async def run(self, argument: RawValue = _NOTHING) -> None:
        """Run the steps that the start gave; none given: complete at once."""
        if argument is not _NOTHING:
            await self.interpret(argument)

    @workflow.signal(name=SIGNAL_NAME)
    def on_signal(self, step: int, payload: bytes = b"") -> None:
        """Count a signal for the step of this index."""
        self._count(step)

    @workflow.update(name=UPDATE_NAME)
    def on_update(self, step: int, payload: bytes = b"") -> int:
        """Count an update for the step of this index; the answer is how many this run holds."""
        return self._count(step)

    @workflow.query(name=QUERY_NAME)
    def on_query(self) -> dict[str, int]:
        """Say where the workflow is."""
        return {"run": self._run, "step": self._step}


@workflow.defn(name=CHILD_WORKFLOW_TYPE, sandboxed=False)
class ChildWorkflow(_Interpreter):
    """A child that a workload's step starts."""

    @workflow.run
    async def run(self, argument: RawValue = _NOTHING) -> None:
        """Run the steps of the child; none given: complete at once."""
        if argument is not _NOTHING:
            await self.interpret(argument)


@workflow.defn(name=PROBE_WORKFLOW_TYPE, sandboxed=False)
class ProbeWorkflow:
    """What a preflight starts to see that workers answer."""

    @workflow.run
    async def run(self) -> None:
        """Complete at once."""


@activity.defn(name=ACTIVITY_NAME)
async def wait_activity(work: Any = None, payload: Any = None) -> bytes | None:
    """Wait without using CPU, then fail or return as told."""
    if work is None:
        return None
    told = msgspec.convert(work, Work)
    if told.sleep_s > 0:
        await asyncio.sleep(told.sleep_s)
    if told.failure_rate and _chance.random() < told.failure_rate:
        raise ApplicationError("a failure that the workload asks for", type=INJECTED_FAILURE)
    return block(told.result_bytes) if told.result_bytes else None


WORKFLOWS: Sequence[type] = (WorkloadWorkflow, ChildWorkflow, ProbeWorkflow)
ACTIVITIES: Sequence[Callable[..., Any]] = (wait_activity,)
