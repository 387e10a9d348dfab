"""A run's side of its generators elsewhere, on a real server; the agents are made up in the test's own process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from temporalio import activity
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from auroral.bench.protocol import CleanUp, Drained, Go, ScheduleEnded, StopSchedule
from auroral.bench.settings import BenchSettings, ControlSettings
from auroral.bench.spread import plan
from auroral.bench.spread.control import SpreadWorkflow
from auroral.bench.spread.coordinator import Spread
from auroral.bench.spread.part import (
    Account,
    Emptied,
    Ended,
    Heartbeat,
    Recorder,
    Ring,
    encode_account,
    encode_heartbeat,
)
from auroral.bench.spread.plan import Begin, Claim, LetGo, Released
from auroral.errors import TargetError, UsageError
from auroral.temporal.connect import connect
from auroral.temporal.spec import ConnectionSpec
from tests.bench.spread.scenes import SCHEDULE, order, seen, start, tick
from tests.bench.spread.test_agent import Lines

pytestmark = pytest.mark.live


class MadeUp:
    """Agents whose generators send one start each, without any cluster."""

    def __init__(self, queue: str) -> None:
        self.queue = queue
        self.begins: list[Begin] = []
        self.let_go: list[LetGo] = []
        self.refuses: ApplicationError | None = None
        self.loses: int | None = None
        self.go_on = asyncio.Event()
        self.own_queue = queue
        """Where they say that they take their tasks."""

    @activity.defn(name=plan.CLAIM)
    async def claim(self, plain: dict[str, Any], number: int) -> Any:
        if self.refuses is not None:
            raise self.refuses
        return plan.plain(Claim(generator=number, queue=self.own_queue, seen=seen(number), note="took another way"))

    @activity.defn(name=plan.GENERATE)
    async def generate(self, plain: dict[str, Any]) -> bytes:
        self.begins.append(plan.read(plain, Begin))
        found = plan.parse_activity_id(activity.info().activity_id)
        assert found is not None
        number = found[1]
        recorder, ring = Recorder(SCHEDULE, number, 2), Ring(100_000)
        recorder.add([msgspec.structs.replace(start(0), index=number)])
        ring.push(encode_account(recorder.close(tick(generator=number))))
        plain_heartbeat = Heartbeat(generator=number, first=0, accounts=ring.accounts)
        interrupted = False
        while not self.go_on.is_set():
            activity.heartbeat(encode_heartbeat(plain_heartbeat))
            try:
                await asyncio.wait_for(self.go_on.wait(), 0.1)
            except TimeoutError:
                continue
            except asyncio.CancelledError:
                interrupted = True
                break
        if number == self.loses:
            raise ApplicationError("its generator ended with status -9", non_retryable=True)
        return encode_heartbeat(
            msgspec.structs.replace(
                plain_heartbeat,
                ended=Ended(t_s=2.0, scheduled=1, interrupted=interrupted),
                emptied=Emptied(t_s=2.0, held=number, reason=""),
            )
        )

    @activity.defn(name=plan.RELEASE)
    async def release(self, plain: dict[str, Any]) -> Any:
        self.let_go.append(plan.read(plain, LetGo))
        return plan.plain(Released(terminated=1, failed=0))


@asynccontextmanager
async def agents(address: str, control: str) -> AsyncIterator[MadeUp]:
    client = await Client.connect(address, namespace=control)
    made = MadeUp(plan.CLAIM_QUEUE)
    async with (
        Worker(
            client,
            task_queue=plan.WORKFLOW_QUEUE,
            workflows=[SpreadWorkflow],
            workflow_runner=UnsandboxedWorkflowRunner(),
            max_cached_workflows=0,
        ),
        Worker(
            client,
            task_queue=made.queue,
            activities=[made.claim, made.generate, made.release],
            max_heartbeat_throttle_interval=timedelta(milliseconds=100),
            default_heartbeat_throttle_interval=timedelta(milliseconds=100),
        ),
    ):
        yield made


async def spread(address: str, run_id: str, control: str, *, wait_s: float = 20.0) -> tuple[Spread, Lines]:
    observer = Lines()
    settings = BenchSettings(spread=2, control=ControlSettings(namespace=control), worker_wait_s=wait_s)
    manifest = order(run_id=run_id, generator_processes=2).manifest
    target = ConnectionSpec(address=address, namespace="benchmark")
    return Spread(settings, manifest, target, {}, observer), observer  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def control(temporal_server, tmp_path_factory) -> str:
    """A control namespace of this module, usable."""
    from auroral.bench.spread.place import connect_control

    name = "control-coordinator"
    spec = ConnectionSpec(address=temporal_server.address, namespace=name)
    asyncio.run(connect_control(spec, patience_s=5.0, usable_s=20.0, identity="tests", report=print))
    return name


@activity.defn(name=plan.PRESENCE)
async def gone_presence(self: Spread) -> None:
    """A coordinator that says nothing for too long once the run is under way, though it lives."""
    while not self._begun:
        activity.heartbeat()
        await asyncio.sleep(0.1)
    await asyncio.sleep(1.5)
    raise ApplicationError("as if by a timeout", non_retryable=True)


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not is_so():
            await asyncio.sleep(0.02)


async def status(address: str, control: str, run_id: str) -> WorkflowExecutionStatus | None:
    client = await connect(ConnectionSpec(address=address, namespace=control))
    return (await client.get_workflow_handle(plan.workflow_id(run_id)).describe()).status


def listen(running: Spread) -> list[tuple[str, object]]:
    said: list[tuple[str, object]] = []
    for generator in running.generators:
        generator.on_frame = lambda who, frame: said.append((who.name, frame))
    return said


async def test_a_run_from_claims_to_its_end(temporal_server, unique: str, control: str) -> None:
    running, _ = await spread(temporal_server.address, unique, control)
    async with agents(temporal_server.address, control) as made, running:
        await running.open()
        assert [one.name for one in running.seen] == ["generator-0", "generator-1"]
        assert running.notes == ["generator-0 and generator-1 took another way."]
        said = listen(running)
        for generator in running.generators:
            generator.send(Go(epoch_unix_us=10**15, clock_offset_us=0))
        await until(lambda: len(said) == 2)
        assert sorted(name for name, _ in said) == ["generator-0", "generator-1"]
        assert all(isinstance(frame, Account) for _, frame in said), "from heartbeats, while they generate"
        (epoch,) = {begin.epoch_control_us for begin in made.begins}
        assert abs(epoch - 10**15) < 1_000_000, "on the control cluster's clock"
        made.go_on.set()
        await until(lambda: len(said) == 6)
        kinds = [type(frame) for name, frame in said if name == "generator-1"]
        assert kinds == [Account, ScheduleEnded, Drained]
        assert said[-1][1] in (Drained(t_s=2.0, held=0), Drained(t_s=2.0, held=1))
        for generator in running.generators:
            generator.send(CleanUp(deadline_s=3.0))
        await until(lambda: all(generator.ended.is_set() for generator in running.generators))
        await running.end()
    assert made.let_go == [LetGo(cleanup_s=3.0)] * 2
    assert not any(generator.lost for generator in running.generators)
    assert await status(temporal_server.address, control, unique) is WorkflowExecutionStatus.COMPLETED


async def test_a_stop_and_a_lost_generator(temporal_server, unique: str, control: str) -> None:
    running, _ = await spread(temporal_server.address, unique, control)
    async with agents(temporal_server.address, control) as made, running:
        await running.open()
        made.loses = 1
        said = listen(running)
        for generator in running.generators:
            generator.send(Go(epoch_unix_us=10**15, clock_offset_us=0))
        await until(lambda: len(said) == 2)
        for generator in running.generators:
            generator.send(StopSchedule(drain_timeout_s=5.0))
        one, other = running.generators
        await until(lambda: other.ended.is_set() and isinstance(said[-1][1], Drained))
        assert other.lost
        assert "its generator ended with status -9" in other.error().message
        assert any(isinstance(frame, ScheduleEnded) and frame.interrupted for _, frame in said)
        await running.end()
        assert not one.lost
    assert made.let_go == [LetGo(cleanup_s=0.0)], "who is lost is not asked"


async def test_a_run_ended_at_once_is_terminated(temporal_server, unique: str, control: str) -> None:
    running, _ = await spread(temporal_server.address, unique, control)
    async with agents(temporal_server.address, control) as made, running:
        await running.open()
        for generator in running.generators:
            generator.send(Go(epoch_unix_us=10**15, clock_offset_us=0))
        await until(lambda: len(made.begins) == 2)
        await running.end(at_once=True)
        assert await status(temporal_server.address, control, unique) is WorkflowExecutionStatus.TERMINATED
        await until(lambda: all(generator.ended.is_set() for generator in running.generators))
        assert not any(generator.lost for generator in running.generators), "it was our own doing"


@pytest.mark.parametrize(("kind", "error"), [(plan.REFUSED, UsageError), (plan.UNABLE, TargetError)])
async def test_who_cannot_take_part_is_told(
    temporal_server, unique: str, control: str, kind: str, error: type[Exception]
) -> None:
    running, _ = await spread(temporal_server.address, unique, control)
    async with agents(temporal_server.address, control) as made:
        made.refuses = ApplicationError("the agent 1@host: it is auroral 1", "mend it", type=kind, non_retryable=True)
        with pytest.raises(error, match="cannot take part: the agent 1@host: it is auroral 1") as caught:
            async with running:
                await running.open()
        assert caught.value.hint == "mend it"  # type: ignore[attr-defined]


async def test_without_agents_it_waits_and_then_says_how_to_start_them(
    temporal_server, unique: str, control: str
) -> None:
    running, _ = await spread(temporal_server.address, unique, control, wait_s=0.5)
    with pytest.raises(TargetError, match="expected 2 generators to claim a part of the run, but 0 did") as caught:
        async with running:
            await running.open()
    assert f"auroral bench generator --address {temporal_server.address}" in caught.value.hint
    assert await status(temporal_server.address, control, unique) is WorkflowExecutionStatus.TERMINATED


async def test_a_run_id_that_is_under_way_is_refused(temporal_server, unique: str, control: str) -> None:
    first, _ = await spread(temporal_server.address, unique, control, wait_s=3.0)
    second, _ = await spread(temporal_server.address, unique, control, wait_s=3.0)
    async with first:
        waiting = asyncio.create_task(first.open())
        await asyncio.sleep(1.0)
        with pytest.raises(UsageError, match="is under way in the control namespace"):
            async with second:
                await second.open()
        with pytest.raises(TargetError):
            await waiting


async def test_one_that_is_terminated_by_somebody_loses_its_generators(
    temporal_server, unique: str, control: str
) -> None:
    running, _ = await spread(temporal_server.address, unique, control)
    async with agents(temporal_server.address, control), running:
        await running.open()
        for generator in running.generators:
            generator.send(Go(epoch_unix_us=10**15, clock_offset_us=0))
        client = await connect(ConnectionSpec(address=temporal_server.address, namespace=control))
        await client.get_workflow_handle(plan.workflow_id(unique)).terminate()
        await until(lambda: all(generator.lost for generator in running.generators))
        assert "somebody has terminated the control workflow" in running.generators[0].error().message


async def test_a_run_too_large_for_its_claims_is_refused_before_anything_is_started(
    temporal_server, unique: str, control: str, monkeypatch
) -> None:
    monkeypatch.setattr(plan, "_MOST_ORDERS_BYTES", 100)
    running, _ = await spread(temporal_server.address, unique, control)
    async with running:
        with pytest.raises(UsageError, match=r"each of the 2 generators is told all of the run.*at most 50 bytes"):
            await running.open()
    with pytest.raises(RPCError):
        await status(temporal_server.address, control, unique)


async def test_generators_that_gave_their_coordinator_up_are_lost_with_all_that_they_told(
    temporal_server, unique: str, control: str, monkeypatch
) -> None:
    monkeypatch.setattr(Spread, "_presence", gone_presence)
    async with agents(temporal_server.address, control):
        running, _ = await spread(temporal_server.address, unique, control)
        async with running:
            await running.open()
            said = listen(running)
            for generator in running.generators:
                generator.send(Go(epoch_unix_us=1, clock_offset_us=0))
            await until(lambda: all(generator.ended.is_set() for generator in running.generators))
    assert all(generator.lost for generator in running.generators)
    assert "nothing was heard of the coordinator for 15 s" in running.generators[0].error().message
    assert [type(frame) for _, frame in said] == [Account, Account], "no schedule has come to its end"


async def test_a_run_that_is_stopped_before_its_parts_are_taken_has_lost_nobody(
    temporal_server, unique: str, control: str
) -> None:
    async with agents(temporal_server.address, control) as made:
        made.own_queue = f"{unique}-nobody-yet"
        running, _ = await spread(temporal_server.address, unique, control)
        async with running:
            await running.open()
            said = listen(running)
            for generator in running.generators:
                generator.send(Go(epoch_unix_us=1, clock_offset_us=0))
            await asyncio.sleep(0.5)
            for generator in running.generators:
                generator.send(StopSchedule(drain_timeout_s=5.0))
            await until(lambda: len(said) == 4 or all(generator.ended.is_set() for generator in running.generators))
            assert [type(frame) for _, frame in said] == [ScheduleEnded, Drained] * 2
            assert not any(generator.lost for generator in running.generators)
            await running.end(at_once=True)
