"""Starts over real gRPC against a frontend of known behaviour, in a process of its own."""

from __future__ import annotations

import asyncio
import time

from temporalio.client import Client
from temporalio.service import RetryConfig

from auroral.bench.clock import MonotonicClock
from auroral.bench.samples import UNRESOLVED
from auroral.bench.starts import Accepted, Flight, Refused, Starter
from benchmarks.frontend_process import FrontendProcess
from tests.bench.test_load import order


def flight(index: int) -> Flight:
    return Flight(index=index, workload=0, workflow_id=f"r1-0-{index}", intended_us=0)


async def start_many(address: str, count: int, *, resolve_s: float = 30.0) -> list[tuple[Flight, Accepted | Refused]]:
    client = await Client.connect(address, namespace="benchmark", retry_config=RetryConfig(max_retries=0))
    starter = Starter(
        client.workflow_service,
        order().manifest,
        [None],
        MonotonicClock(time.time_ns() // 1_000),
        identity="test",
        timeout_s=5.0,
        resolve_s=resolve_s,
    )
    flights = [flight(index) for index in range(count)]
    answers = await asyncio.gather(*(starter.start(each) for each in flights))
    return list(zip(flights, answers, strict=True))


def test_an_accepted_start_has_its_times() -> None:
    with FrontendProcess() as frontend:
        started = asyncio.run(start_many(frontend.address, 20))
    assert all(answer == Accepted() for _, answer in started)
    assert all(0 < each.sent_us <= each.accepted_us for each, _ in started)
    assert all(each.sends == 1 for each, _ in started)


def test_a_refusal_is_not_tried_again_and_keeps_its_details() -> None:
    with FrontendProcess("--refuse", "100%") as frontend:
        started = asyncio.run(start_many(frontend.address, 20))
        counts = frontend.close()
    causes = {answer.cause for _, answer in started if isinstance(answer, Refused)}
    assert len(causes) == 1
    assert causes.pop().startswith("RESOURCE_EXHAUSTED/")
    assert all(each.sends == 1 for each, _ in started)
    assert counts["StartWorkflowExecution"] == 20


def test_a_lost_acknowledgement_is_found_by_the_request_id_and_nothing_starts_twice() -> None:
    with FrontendProcess("--lose-acknowledgements", "30%", "--service-time", "0ms") as frontend:
        started = asyncio.run(start_many(frontend.address, 60))
        counts = frontend.close()
    assert all(answer == Accepted() for _, answer in started)
    again = [each for each, _ in started if each.sends > 1]
    assert 5 < len(again) < 40
    assert all(each.accepted_us - each.sent_us > 90_000 for each in again), "the times count from the first send"
    assert counts["accepted"] == 60


def test_a_server_that_is_gone_leaves_the_start_unresolved() -> None:
    async def scenario() -> list[tuple[Flight, Accepted | Refused]]:
        with FrontendProcess() as frontend:
            client = await Client.connect(
                frontend.address, namespace="benchmark", retry_config=RetryConfig(max_retries=0)
            )
        starter = Starter(
            client.workflow_service,
            order().manifest,
            [None],
            MonotonicClock(time.time_ns() // 1_000),
            identity="test",
            timeout_s=0.2,
            resolve_s=0.5,
        )
        each = flight(0)
        return [(each, await starter.start(each))]

    ((each, answer),) = asyncio.run(scenario())
    assert isinstance(answer, Refused)
    assert answer.cause.endswith(f"/{UNRESOLVED}")
    assert each.sends > 1
    assert each.accepted_us == 0
