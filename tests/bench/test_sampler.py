"""Readings: from ticks, from child processes, and from a real server that may be slow or gone."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from auroral.bench.limits import SlotsReading
from auroral.bench.manifest import Manifest, ManifestArrival
from auroral.bench.protocol import Tick
from auroral.bench.sampler import ANSWER_S, Sampler
from tests.support.http_texts import HttpTexts

if TYPE_CHECKING:
    from temporalio.client import Client

    from auroral.temporal.local import LocalServer

pytestmark = pytest.mark.live

WORKER = b"""# TYPE temporal_num_pollers gauge
temporal_num_pollers{poller_type="activity_task",task_queue="a"} 5
temporal_num_pollers{poller_type="activity_task",task_queue="b"} 4
temporal_num_pollers{poller_type="workflow_task",task_queue="a"} 3
temporal_worker_task_slots_available{task_queue="a",worker_type="ActivityWorker"} 88
temporal_worker_task_slots_used{task_queue="a",worker_type="ActivityWorker"} 12
temporal_worker_task_slots_available{task_queue="a",worker_type="WorkflowWorker"} 100
"""


def manifest(*task_queues: str) -> Manifest:
    return Manifest(
        run_id="run-1",
        namespace="benchmark",
        task_queues=list(task_queues) or ["a"],
        workloads=[],
        arrival=ManifestArrival(
            process="constant", segments=[(1.0, 1.0, 1.0)], ramp_s=0.0, count=None, seed=1, staged=False
        ),
        engine="sdk",
        observe="watch",
    )


def tick(**changes: Any) -> Tick:
    fields: dict[str, Any] = {
        "t_s": 5.0,
        "sent": 10,
        "accepted": 10,
        "in_flight": 30,
        "watchers": 20,
        "unresolved": 0,
        "refusals": {},
        "refused_waits": 0,
        "back_pressured": 0,
        "generator_limited": 0,
        "lag_p99_us": 1_500,
    }
    return Tick(**{**fields, **changes})


async def connected(server: LocalServer) -> Client:
    from temporalio.client import Client

    return await Client.connect(server.address, namespace="benchmark")


def sampler(client: Client, task_queues: tuple[str, ...] = ("a",), **sources: Any) -> Sampler:
    given: dict[str, Any] = {"child_metrics": dict, "processes": dict, **sources}
    return Sampler(client, manifest(*task_queues), in_flight_limit=100, watcher_limit=50, **given)


async def test_ticks_of_all_generators_are_one_second(temporal_server: LocalServer) -> None:
    reading = await sampler(await connected(temporal_server)).read(
        5.0,
        [
            # This one came late: its counts are of the run, what it held is of the second before.
            tick(t_s=4.01, in_flight=29, back_pressured=2, lag_p99_us=None),
            tick(refusals={"UNAVAILABLE": 2}, back_pressured=1),
            tick(
                generator=1,
                t_s=5.004,
                refusals={"UNAVAILABLE": 1, "INTERNAL": 4},
                generator_limited=3,
                lag_p99_us=9_250,
            ),
        ],
    )
    assert (reading.t_s, reading.in_flight, reading.in_flight_limit) == (5.0, 60, 100)
    assert (reading.watchers, reading.watcher_limit) == (40, 50)
    assert reading.refusals == {"UNAVAILABLE": 3, "INTERNAL": 4}
    assert (reading.back_pressured, reading.generator_limited, reading.lag_p99_ms) == (3, 3, 9.25)


async def test_a_backlog_that_nobody_serves_is_seen(make_temporal_server: Any) -> None:
    # By default an answer of DescribeTaskQueue is repeated for 5 s.
    config = {"matching.TaskQueueInfoByBuildIdTTL": "100ms"}
    client = await connected(await make_temporal_server(dynamic_config=config))
    queues = ("unserved-1", "unserved-2")
    for number in range(6):
        await client.start_workflow(
            "auroral.probe",
            id=f"unserved-{number}",
            task_queue=queues[number % 2],
            execution_timeout=timedelta(seconds=30),
        )
    reader = sampler(client, queues)
    for second in range(100):
        reading = await reader.read(second, [])
        assert reading.workflow_queue is not None
        if reading.workflow_queue.backlog == 6:
            break
        await asyncio.sleep(0.1)
    assert reading.activity_queue is not None
    assert (reading.workflow_queue.backlog, reading.workflow_queue.pollers) == (6, 0)
    assert reading.activity_queue.backlog == 0
    assert reader.unread == []


async def test_slots_and_pollers_of_all_workers_are_added_up(temporal_server: LocalServer) -> None:
    with HttpTexts({"/metrics": WORKER}) as texts:
        children = {"worker-0": texts.url(), "worker-1": texts.url("/metrics?second"), "generator-0": texts.url("/no")}
        texts.texts["/metrics?second"] = WORKER
        reader = sampler(await connected(temporal_server), child_metrics=lambda: children)
        reading = await reader.read(1.0, [])
        assert "/no" not in texts.asked, "a generator has no slots"
    assert reading.slots == {
        "ActivityWorker": SlotsReading(used=24, available=176),
        "WorkflowWorker": SlotsReading(used=0, available=200),
    }
    assert reading.pollers == {"activity_task": 18, "workflow_task": 6}
    assert reader.unread == []


async def test_a_real_worker_shows_its_slots_pollers_and_identity(temporal_server: LocalServer) -> None:
    from temporalio import activity
    from temporalio.client import Client
    from temporalio.worker import Worker

    from auroral.bench.telemetry import runtime_with_metrics

    @activity.defn
    async def nothing() -> None:
        pass

    runtime, port = runtime_with_metrics(enabled=True)
    client = await Client.connect(temporal_server.address, namespace="benchmark", runtime=runtime)
    reader = sampler(client, ("slots",), child_metrics=lambda: {"worker-0": f"http://127.0.0.1:{port}/metrics"})
    async with Worker(client, task_queue="slots", activities=[nothing], max_concurrent_activities=17):
        for _ in range(100):
            reading = await reader.read(1.0, [])
            polled = reading.activity_queue is not None and reading.activity_queue.pollers == 1
            if polled and "ActivityWorker" in reading.slots and reading.pollers.get("activity_task"):
                break
            await asyncio.sleep(0.1)
    assert reading.slots["ActivityWorker"] == SlotsReading(used=0, available=17)
    assert reading.pollers["activity_task"] >= 1
    assert reading.activity_queue is not None
    assert reading.activity_queue.pollers == 1


async def test_the_cpu_of_processes_is_in_cores_and_one_that_is_gone_is_absent(temporal_server: LocalServer) -> None:
    spin = await asyncio.create_subprocess_exec(sys.executable, "-c", "while True: pass")
    processes = {"worker-0": spin.pid, "coordinator": os.getpid(), "server": temporal_server.pid}
    try:
        reader = sampler(await connected(temporal_server), processes=lambda: processes)
        await asyncio.sleep(0.3)
        reading = await reader.read(1.0, [])
    finally:
        spin.kill()
        await spin.wait()
    assert 0.01 < reading.cpu["worker-0"] < 1.5
    assert reading.cpu["coordinator"] >= 0
    assert reading.cpu["server"] >= 0
    assert reading.machine_cpu is not None
    assert 0 < reading.machine_cpu <= 1
    assert "worker-0" not in (await reader.read(2.0, [])).cpu


async def test_the_server_s_own_metrics_become_rates(temporal_server: LocalServer) -> None:
    client = await connected(temporal_server)
    reader = sampler(client, server_metrics=[temporal_server.metrics_url])
    assert (await reader.read(1.0, [])).server == {}, "one scrape is no rate"
    rates = {"service_requests_per_s", "persistence_requests_per_s"}
    means = {"service_latency_mean_s", "persistence_latency_mean_s"}
    seen: dict[str, float] = {}
    for number in range(40):
        # The server shows its counters about once a second, and its histograms at another time.
        await client.start_workflow(
            "auroral.probe", id=f"rates-{number}", task_queue="rates", execution_timeout=timedelta(seconds=30)
        )
        server = (await reader.read(2.0, [])).server
        seen.update({name: value for name, value in server.items() if value})
        if rates | means <= set(seen):
            break
        await asyncio.sleep(0.25)
    assert rates | means <= set(seen)
    assert all(0 < seen[name] < 1 for name in means)
    assert server["persistence_errors_per_s"] == 0
    assert server["service_errors_resource_exhausted_per_s"] == 0
    assert reader.unread == []


async def test_what_hangs_or_is_gone_is_left_out_in_time_and_told_once_a_second(temporal_server: LocalServer) -> None:
    client = await connected(temporal_server)
    with HttpTexts({"/other": b"go_goroutines 7\n"}, hangs=frozenset({"/hangs"})) as texts:
        reader = sampler(
            client,
            child_metrics=lambda: {"worker-0": "http://127.0.0.1:1/metrics"},
            server_metrics=[texts.url("/hangs"), texts.url("/other")],
        )
        for second in (1, 2):
            began_s = time.monotonic()
            reading = await reader.read(second, [])
            assert time.monotonic() - began_s < ANSWER_S + 2.3
        assert reading.workflow_queue is not None
        assert (reading.slots, reading.server) == ({}, {})
    gone, other, hangs = sorted(reader.unread, key=lambda text: ("/hangs" in text, "/other" in text))
    assert gone.startswith("http://127.0.0.1:1/metrics: not read in 2 of 2 s: ")
    assert hangs.startswith(f"{texts.url('/hangs')}: not read in 2 of 2 s: ")
    assert other == f"{texts.url('/other')}: not read in 2 of 2 s: it holds no metrics of a Temporal server"


async def test_a_paused_server_holds_nobody_up_and_is_read_again_when_it_goes_on(make_temporal_server: Any) -> None:
    server = await make_temporal_server()
    reader = sampler(await connected(server), server_metrics=[server.metrics_url])
    assert (await reader.read(1.0, [])).workflow_queue is not None
    server.pause()
    try:
        for second in (2, 3):
            began_s = time.monotonic()
            reading = await reader.read(second, [tick()])
            assert time.monotonic() - began_s < ANSWER_S + 2.3
            assert reading.workflow_queue is None
            assert reading.in_flight == 30
    finally:
        server.resume()
    for second in range(4, 20):
        reading = await reader.read(second, [])
        if reading.workflow_queue is not None:
            break
    assert reading.workflow_queue is not None
    assert any(text.startswith("task queues: not read in ") for text in reader.unread)
