"""Starts over real gRPC against a frontend of known behaviour, in a process of its own."""

from __future__ import annotations

import asyncio
import time

import pytest
from temporalio.client import Client
from temporalio.service import RetryConfig

from auroral.bench.clock import MonotonicClock
from auroral.bench.manifest import ENGINES
from auroral.bench.samples import UNRESOLVED
from auroral.bench.starts import Accepted, Flight, InTasks, Refused, Starter
from auroral.bench.wire.starter import WireStarter
from auroral.temporal.spec import ConnectionSpec
from auroral.temporal.wire.connect import connect_wire
from auroral.temporal.wire.service import WireServiceClient
from benchmarks.frontend_process import FrontendProcess
from tests.bench.test_load import order


def flight(index: int) -> Flight:
    return Flight(index=index, workload=0, workflow_id=f"r1-0-{index}", intended_us=0)


async def start_many(
    engine: str, address: str, count: int, *, timeout_s: float = 5.0, resolve_s: float = 30.0
) -> list[tuple[Flight, Accepted | Refused]]:
    wire: WireServiceClient | None = None
    if engine == "wire":
        client, wire = await connect_wire(ConnectionSpec(address=address, namespace="benchmark"))
    else:
        client = await Client.connect(address, namespace="benchmark", retry_config=RetryConfig(max_retries=0))
    clock = MonotonicClock(time.time_ns() // 1_000)
    manifest, service = order().manifest, client.workflow_service
    starter = Starter(service, manifest, [None], clock, identity="test", timeout_s=timeout_s, resolve_s=resolve_s)
    starts = InTasks(starter) if wire is None else WireStarter(wire, starter, clock, timeout_s=timeout_s)
    errors: list[BaseException] = []
    starts.on_error = errors.append
    answers: list[tuple[Flight, Accepted | Refused]] = []
    for index in range(count):
        starts.begin(flight(index), lambda each, answer: answers.append((each, answer)))
    async with asyncio.timeout(20):
        while len(answers) < count and not errors:
            await asyncio.sleep(0.01)
    assert not errors
    return answers


@pytest.mark.parametrize("engine", ENGINES)
def test_an_accepted_start_has_its_times(engine: str) -> None:
    with FrontendProcess() as frontend:
        started = asyncio.run(start_many(engine, frontend.address, 20))
    assert all(answer == Accepted() for _, answer in started)
    assert all(0 < each.sent_us <= each.accepted_us for each, _ in started)
    assert all(each.sends == 1 for each, _ in started)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_refusal_is_not_tried_again_and_keeps_its_details(engine: str) -> None:
    with FrontendProcess("--refuse", "100%") as frontend:
        started = asyncio.run(start_many(engine, frontend.address, 20))
        counts = frontend.close()
    causes = {answer.cause for _, answer in started if isinstance(answer, Refused)}
    assert len(causes) == 1
    assert causes.pop().startswith("RESOURCE_EXHAUSTED/")
    assert all(each.sends == 1 for each, _ in started)
    assert counts["StartWorkflowExecution"] == 20


@pytest.mark.parametrize("engine", ENGINES)
def test_a_lost_acknowledgement_is_found_by_the_request_id_and_nothing_starts_twice(engine: str) -> None:
    with FrontendProcess("--lose-acknowledgements", "30%", "--service-time", "0ms") as frontend:
        started = asyncio.run(start_many(engine, frontend.address, 60))
        counts = frontend.close()
    assert all(answer == Accepted() for _, answer in started)
    again = [each for each, _ in started if each.sends > 1]
    assert 5 < len(again) < 40
    assert all(each.accepted_us - each.sent_us > 90_000 for each in again), "the times count from the first send"
    assert counts["accepted"] == 60


@pytest.mark.parametrize("engine", ENGINES)
def test_a_server_that_is_gone_leaves_the_start_unresolved(engine: str) -> None:
    async def scenario() -> list[tuple[Flight, Accepted | Refused]]:
        frontend = FrontendProcess("--service-time", "1h", "--pause", "0s:1h")
        with frontend:
            return await start_many(engine, frontend.address, 1, timeout_s=0.2, resolve_s=0.5)

    ((each, answer),) = asyncio.run(scenario())
    assert isinstance(answer, Refused)
    assert answer.cause.endswith(f"/{UNRESOLVED}")
    assert each.sends > 1
    assert each.accepted_us == 0
