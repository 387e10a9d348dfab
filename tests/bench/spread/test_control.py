"""The control workflow on a real server, with agents that answer as the test has them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from temporalio import activity
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from auroral.bench.spread import plan
from auroral.bench.spread.control import SpreadWorkflow
from auroral.bench.spread.plan import Begin, Claim, LetGo, Released
from tests.bench.spread.scenes import order, seen

pytestmark = pytest.mark.live

BEGIN = plan.plain(Begin(epoch_control_us=7))
LET_GO = plan.plain(LetGo(cleanup_s=2.0))
Handle = WorkflowHandle[Any, Any]


class Agents:
    """Two agents in one worker, and a coordinator that lives for as long as the test says."""

    def __init__(self, queue: str) -> None:
        self.queue = queue
        self.claimed: list[int] = []
        self.began: list[dict[str, Any]] = []
        self.let_go: list[dict[str, Any]] = []
        self.refused: ApplicationError | None = None
        self.gone = asyncio.Event()
        """The coordinator is."""
        self.gone_quietly = False
        """Its worker could still say so, and nothing else."""
        self.finish = asyncio.Event()
        """The generators are to be done by themselves."""
        self.stopped = 0
        self.fails: int | None = None

    @activity.defn(name=plan.PRESENCE)
    async def presence(self) -> None:
        await self.gone.wait()
        if self.gone_quietly:
            return
        raise ApplicationError("gone", non_retryable=True)

    @activity.defn(name=plan.CLAIM)
    async def claim(self, plain: dict[str, Any], number: int) -> Any:
        if self.refused is not None:
            raise self.refused
        self.claimed.append(number)
        return plan.plain(Claim(generator=number, queue=self.queue, seen=seen(number)))

    @activity.defn(name=plan.GENERATE)
    async def generate(self, begin: dict[str, Any]) -> bytes:
        self.began.append(begin)
        if activity.info().activity_id == plan.activity_id(plan.GENERATE, self.fails or 0) and self.fails is not None:
            raise ApplicationError("its generator was lost", non_retryable=True)
        while not self.finish.is_set():
            activity.heartbeat()
            try:
                await asyncio.wait_for(self.finish.wait(), 0.1)
            except TimeoutError:
                continue
            except asyncio.CancelledError:
                self.stopped += 1
                break
        return b"the last of it"

    @activity.defn(name=plan.RELEASE)
    async def release(self, plain: dict[str, Any]) -> Any:
        self.let_go.append(plain)
        return plan.plain(Released(terminated=1, failed=0))


@asynccontextmanager
async def played(address: str, unique: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Agents, Handle]]:
    client = await Client.connect(address, namespace="benchmark")
    agents = Agents(f"{unique}-agents")
    monkeypatch.setattr(plan, "CLAIM_QUEUE", agents.queue)
    made = plan.order_of(
        order(generator_processes=2), connect_s=10, schedule_s=5, drain_timeout_s=5, others_s=10
    )  # fmt: skip
    plain = {**plan.plain(made), "coordinator_queue": agents.queue}
    async with (
        Worker(
            client,
            task_queue=unique,
            workflows=[SpreadWorkflow],
            workflow_runner=UnsandboxedWorkflowRunner(),
            max_cached_workflows=0,
        ),
        Worker(
            client,
            task_queue=agents.queue,
            activities=[agents.presence, agents.claim, agents.generate, agents.release],
            max_heartbeat_throttle_interval=timedelta(milliseconds=100),
            default_heartbeat_throttle_interval=timedelta(milliseconds=100),
        ),
    ):
        yield agents, await client.start_workflow(plan.WORKFLOW_TYPE, plain, id=unique, task_queue=unique)


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not is_so():
            await asyncio.sleep(0.02)


async def test_claims_then_all_generators_then_letting_go(temporal_server, unique: str, monkeypatch) -> None:
    async with played(temporal_server.address, unique, monkeypatch) as (agents, handle):
        await until(lambda: len(agents.claimed) == 2)
        assert sorted(agents.claimed) == [0, 1]
        assert agents.began == []
        await handle.signal(plan.BEGIN, BEGIN)
        await until(lambda: len(agents.began) == 2)
        assert agents.began == [BEGIN, BEGIN]
        agents.finish.set()
        await handle.signal(plan.LET_GO, LET_GO)
        await handle.result()
    assert agents.let_go == [LET_GO, LET_GO]


async def test_a_stop_reaches_every_generator_and_takes_its_answer(temporal_server, unique: str, monkeypatch) -> None:
    async with played(temporal_server.address, unique, monkeypatch) as (agents, handle):
        await handle.signal(plan.BEGIN, BEGIN)
        await until(lambda: len(agents.began) == 2)
        await handle.signal(plan.STOP)
        await until(lambda: agents.stopped == 2)
        assert agents.let_go == []
        await handle.signal(plan.LET_GO, LET_GO)
        await handle.result()
        assert len(agents.let_go) == 2, "they answered although they were stopped"


async def test_a_lost_generator_is_not_waited_for_and_its_agent_is_not_asked(
    temporal_server, unique: str, monkeypatch
) -> None:
    async with played(temporal_server.address, unique, monkeypatch) as (agents, handle):
        agents.fails = 1
        await handle.signal(plan.BEGIN, BEGIN)
        await until(lambda: len(agents.began) == 2)
        agents.finish.set()
        await handle.signal(plan.LET_GO, LET_GO)
        await handle.result()
    assert len(agents.let_go) == 1


@pytest.mark.parametrize("quietly", [False, True])
async def test_without_its_coordinator_it_stops_and_cleans_up(
    temporal_server, unique: str, monkeypatch, quietly: bool
) -> None:
    async with played(temporal_server.address, unique, monkeypatch) as (agents, handle):
        agents.gone_quietly = quietly
        await handle.signal(plan.BEGIN, BEGIN)
        await until(lambda: len(agents.began) == 2)
        agents.gone.set()
        await handle.result()
    assert agents.stopped == 2
    assert [one["cleanup_s"] for one in agents.let_go] == [plan.FORGOTTEN_CLEANUP_S] * 2


async def test_a_coordinator_that_goes_before_the_beginning_lets_everyone_go(
    temporal_server, unique: str, monkeypatch
) -> None:
    async with played(temporal_server.address, unique, monkeypatch) as (agents, handle):
        await until(lambda: len(agents.claimed) == 2)
        agents.gone.set()
        await handle.result()
    assert agents.began == []
    assert len(agents.let_go) == 2


@pytest.mark.parametrize("kind", [plan.REFUSED, plan.UNABLE])
async def test_a_refusal_ends_it_at_once(temporal_server, unique: str, monkeypatch, kind: str) -> None:
    async with played(temporal_server.address, unique, monkeypatch) as (agents, handle):
        agents.refused = ApplicationError("it is another version", "end it", type=kind, non_retryable=False)
        agents.claimed.clear()
        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()
        failure = caught.value.cause
        assert isinstance(failure, ActivityError)
        assert isinstance(failure.cause, ApplicationError)
        assert failure.cause.message == "it is another version"
        assert (await handle.describe()).status is WorkflowExecutionStatus.FAILED
