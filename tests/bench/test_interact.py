"""Signals, updates and queries to workflows of a real server, run by a real worker."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import pytest

from auroral.bench.clock import MonotonicClock
from auroral.bench.interact import Interactor
from auroral.bench.manifest import ROOT_WORKFLOW_TYPE
from auroral.bench.starts import Accepted, Flight, Starter
from auroral.bench.workflows import encode_input
from auroral.bench.workload import from_plain, to_plain
from auroral.bench.workload_file import parse
from auroral.temporal.connect import connect
from auroral.temporal.spec import ConnectionSpec
from tests.support.workers import manifest, worker

pytestmark = pytest.mark.live

WORKLOAD = """
name = "talkative"
[[steps]]
signal = { count = 3, every = "20ms", payload = "1KiB" }
[[steps]]
update = { count = 2, after = "50ms", every = "10ms" }
[[steps]]
query = { count = 2, after = "300ms", every = "300ms" }
"""


async def test_a_workflow_gets_all_it_waits_for_and_each_is_timed(temporal_server, unique: str) -> None:
    workload = parse(WORKLOAD, format="toml", origin="test")
    assert from_plain(to_plain(workload)) == workload
    of = manifest(unique)
    connection = ConnectionSpec(address=temporal_server.address, namespace="benchmark")
    client = await connect(connection, retry=False)
    clock = MonotonicClock(time.time_ns() // 1_000)
    done: list[tuple[str, int, str]] = []
    interactor = Interactor(client.workflow_service, "benchmark", [workload], clock, lambda *event: done.append(event))
    assert interactor.needed
    starter = Starter(
        client.workflow_service, of, [encode_input(workload)], clock, identity="t", timeout_s=5, resolve_s=5
    )
    flight = Flight(index=0, workload=0, workflow_id=of.workflow_id(0, 0), intended_us=0)
    async with worker(connection, of):
        assert await starter.start(flight) == Accepted()
        interactor.begin(flight)
        async with asyncio.timeout(30):
            await client.get_workflow_handle(flight.workflow_id).result()
            while len(done) < 7:
                await asyncio.sleep(0.02)
        description = await client.get_workflow_handle(flight.workflow_id).describe()
    await interactor.stop()
    assert Counter((kind, cause) for kind, _, cause in done) == {
        ("signal", ""): 3,
        ("update", ""): 2,
        ("query", ""): 2,
    }
    assert all(0 < time_us < 20_000_000 for _, time_us, _ in done)
    assert description.workflow_type == ROOT_WORKFLOW_TYPE


async def test_what_is_refused_is_counted_by_cause_and_raises_nothing(temporal_server) -> None:
    workload = parse('name = "x"\n[[steps]]\nsignal = { count = 2, every = "1ms" }\n', format="toml", origin="test")
    client = await connect(ConnectionSpec(address=temporal_server.address, namespace="benchmark"), retry=False)
    clock = MonotonicClock(time.time_ns() // 1_000)
    done: list[tuple[str, int, str]] = []
    interactor = Interactor(client.workflow_service, "benchmark", [workload], clock, lambda *event: done.append(event))
    interactor.begin(Flight(index=0, workload=0, workflow_id="nobody-of-this-name", intended_us=0))
    async with asyncio.timeout(20):
        while len(done) < 2:
            await asyncio.sleep(0.01)
    await interactor.stop()
    assert {(kind, cause) for kind, _, cause in done} == {("signal", "NOT_FOUND")}


async def test_stopping_ends_what_is_still_to_be_sent(temporal_server) -> None:
    workload = parse('name = "x"\n[[steps]]\nsignal = { count = 5, after = "1h" }\n', format="toml", origin="test")
    client = await connect(ConnectionSpec(address=temporal_server.address, namespace="benchmark"), retry=False)
    done: list[tuple[str, int, str]] = []
    interactor = Interactor(
        client.workflow_service, "benchmark", [workload], MonotonicClock(time.time_ns() // 1_000),
        lambda *event: done.append(event),
    )  # fmt: skip
    interactor.begin(Flight(index=0, workload=0, workflow_id="x", intended_us=0))
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await interactor.stop()
    assert done == []
