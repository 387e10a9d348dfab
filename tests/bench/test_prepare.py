"""What is refused before a run, and what is made ready."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import grpc
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroral.bench import prepare
from auroral.bench.manifest import LANGUAGE_VERSION, WorkerIdentity
from auroral.errors import TargetError, UsageError
from auroral.temporal.connect import connect
from auroral.temporal.local import LocalServer
from auroral.temporal.spec import ConnectionSpec
from tests.support.workers import manifest, worker

if TYPE_CHECKING:
    from temporalio.client import Client


@pytest.fixture
def connection(temporal_server: LocalServer) -> ConnectionSpec:
    return ConnectionSpec(address=temporal_server.address, namespace="benchmark")


@pytest.fixture
async def client(connection: ConnectionSpec) -> Client:
    return await connect(connection)


def silent(line: str) -> None:
    pass


# Names and arithmetic


@pytest.mark.parametrize("name", ["benchmark", "benchmark-7", "benchmark-"])
def test_names_for_benchmarks(name: str) -> None:
    assert prepare.namespace_name_problem(name, allow=False) is None


@pytest.mark.parametrize("name", ["default", "benchmarks", "prod-benchmark", "Benchmark", "team.a1b2c"])
def test_other_names_need_to_be_allowed(name: str) -> None:
    with pytest.raises(UsageError, match=name) as caught:
        prepare.require_benchmark_namespace(name, allow=False)
    assert "--allow-namespace" in caught.value.hint
    prepare.require_benchmark_namespace(name, allow=True)


@given(
    offset_us=st.integers(-(10**9), 10**9),
    calls=st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 10**6), st.floats(0, 1)), min_size=1, max_size=20),
)
def test_the_offset_lies_within_its_error(offset_us: int, calls: list[tuple[int, int, float]]) -> None:
    spans = []
    for sent_us, took_us, share in calls:
        accepted_us = sent_us + took_us
        spans.append((sent_us, accepted_us, sent_us + int(took_us * share) + offset_us))
    estimate = prepare.estimate_offset(spans)
    assert abs(estimate.offset_us - offset_us) <= estimate.error_us + 1
    assert estimate.error_us <= (min(took_us for _, took_us, _ in calls) + 1) // 2 + 1


def test_clocks_that_moved_leave_the_narrowest_span() -> None:
    estimate = prepare.estimate_offset([(0, 100, 50), (1000, 1010, 6005)])
    assert estimate == prepare.ClockOffset(offset_us=5000, error_us=5)


def identity(**changes: Any) -> WorkerIdentity:
    plain = WorkerIdentity(
        auroral_version="9.9",
        language_version=LANGUAGE_VERSION,
        engine="sdk",
        slots=(1, 1, 1),
        pollers=(2, 1),
        nonsticky_ratio=0.5,
        eager_activities=0,
        where="1@host",
    )
    return msgspec.structs.replace(plain, **changes)


def test_what_a_worker_must_match() -> None:
    of = manifest("run")
    good = identity()
    assert prepare.mismatch(good, of) == ""
    assert prepare.mismatch(identity(manifest_digest=of.digest), of) == ""
    other = manifest("run", nonce="of another run")
    assert prepare.mismatch(identity(manifest_digest=other.digest), of) == (
        f"serves the run of manifest {other.digest}, not this one's, {of.digest}"
    )
    assert "step language 99, not" in prepare.mismatch(msgspec.structs.replace(good, language_version=99), of)
    assert "engine lean, not sdk" in prepare.mismatch(msgspec.structs.replace(good, engine="lean"), of)
    assert "no worker of auroral's" in prepare.mismatch(None, of)


# A frontend that refuses, at the boundary of the protocol


class Frontend(grpc.GenericRpcHandler):
    """Answers each method with bytes or a status; anything else with nothing, as a success."""

    def __init__(self, answers: dict[str, bytes | tuple[grpc.StatusCode, str]]) -> None:
        self._answers = answers

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        method = handler_call_details.method.rpartition("/")[2]

        async def answer(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
            found = self._answers.get(method, b"")
            if isinstance(found, bytes):
                return found
            return await context.abort(*found)

        return grpc.unary_unary_rpc_method_handler(answer)


@contextlib.asynccontextmanager
async def frontend(**answers: bytes | tuple[grpc.StatusCode, str]) -> AsyncIterator[tuple[Client, ConnectionSpec]]:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers([Frontend(answers)])
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    spec = ConnectionSpec(address=address, namespace="benchmark")
    yield await connect(spec, retry=False), spec
    await server.stop(grace=None)


NOT_SERVING = b"\x08\x02"


async def test_a_frontend_that_does_not_serve() -> None:
    async with frontend(Check=NOT_SERVING) as (client, spec):
        with pytest.raises(TargetError, match="answers, but its frontend is not serving"):
            await prepare.check_health(client, spec.address, timeout_s=2)
    refusal = (grpc.StatusCode.UNAVAILABLE, "no healthy upstream")
    async with frontend(Check=refusal) as (client, spec):
        with pytest.raises(TargetError, match="UNAVAILABLE: no healthy upstream"):
            await prepare.check_health(client, spec.address, timeout_s=2)


@pytest.mark.parametrize("status", [grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNIMPLEMENTED])
async def test_a_target_that_cannot_register_namespaces(status: grpc.StatusCode) -> None:
    missing = (grpc.StatusCode.NOT_FOUND, "Namespace benchmark is not found.")
    async with frontend(DescribeNamespace=missing, RegisterNamespace=(status, "not here")) as (client, spec):
        with pytest.raises(TargetError, match=r"does not let us create it: .*: not here") as caught:
            await prepare.ensure_namespace(client, spec, allow_namespace=False)
    assert "name an existing one with --namespace" in caught.value.hint


async def test_a_namespace_that_may_not_be_seen() -> None:
    denied = (grpc.StatusCode.PERMISSION_DENIED, "Request unauthorized.")
    async with frontend(DescribeNamespace=denied) as (client, spec):
        with pytest.raises(TargetError, match="cannot see the namespace benchmark: PERMISSION_DENIED"):
            await prepare.ensure_namespace(client, spec, allow_namespace=False)


async def test_usable_means_several_times_in_a_row() -> None:
    """A frontend whose cache has the namespace only now and then is not enough."""
    outcomes: Iterator[str] = iter(["ok", "ok", "missing", "ok", "ok", "ok"])
    taken: list[str] = []

    class Flaky(Frontend):
        def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
            if handler_call_details.method.endswith("/StartWorkflowExecution"):
                taken.append(next(outcomes))
                self._answers["StartWorkflowExecution"] = (
                    b"" if taken[-1] == "ok" else (grpc.StatusCode.NOT_FOUND, "Namespace benchmark is not found.")
                )
            return super().service(handler_call_details)

    server = grpc.aio.server()
    server.add_generic_rpc_handlers([Flaky({})])
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    client = await connect(ConnectionSpec(address=address, namespace="benchmark"), retry=False)
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    await prepare.wait_usable(client, "benchmark", "queue", successes=3, timeout_s=60, sleep=sleep)
    assert taken == ["ok", "ok", "missing", "ok", "ok", "ok"]
    assert len(waits) == 1
    await server.stop(grace=None)


async def test_not_usable_is_told_with_the_last_reason() -> None:
    now = iter(range(100))

    async def sleep(seconds: float) -> None:
        pass

    refusal = (grpc.StatusCode.UNAVAILABLE, "shard status unknown")
    async with frontend(StartWorkflowExecution=refusal) as (client, _):
        with pytest.raises(TargetError, match="after 5 s: UNAVAILABLE: shard status unknown"):
            await prepare.wait_usable(
                client, "benchmark", "queue", timeout_s=5, sleep=sleep, clock=lambda: float(next(now))
            )
    denied = (grpc.StatusCode.PERMISSION_DENIED, "Request unauthorized.")
    async with frontend(StartWorkflowExecution=denied) as (client, _):
        with pytest.raises(TargetError, match="in the namespace benchmark: PERMISSION_DENIED"):
            await prepare.wait_usable(client, "benchmark", "queue", timeout_s=60)


# A real server


@pytest.mark.live
async def test_a_paused_server_fails_its_health_check_in_time(make_temporal_server: Any) -> None:
    server: LocalServer = await make_temporal_server()
    client = await connect(ConnectionSpec(address=server.address, namespace="benchmark"))
    await prepare.check_health(client, server.address, timeout_s=5)
    server.pause()
    started = time.monotonic()
    with pytest.raises(TargetError, match="does not answer its health check"):
        await prepare.check_health(client, server.address, timeout_s=0.5)
    assert time.monotonic() - started < 3
    server.resume()


@pytest.mark.live
async def test_a_missing_namespace_is_created_and_becomes_usable(
    client: Client, connection: ConnectionSpec, unique: str
) -> None:
    from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest

    name = f"benchmark-{unique}"
    spec = msgspec.structs.replace(connection, namespace=name)
    assert (await prepare.ensure_namespace(client, spec, allow_namespace=False)).created
    assert not (await prepare.ensure_namespace(client, spec, allow_namespace=False)).created
    described = await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=name))
    assert described.config.workflow_execution_retention_ttl.ToTimedelta() == timedelta(days=1)

    await prepare.wait_usable(client, name, "nobody", timeout_s=30)
    there = await connect(spec)
    running = True
    for _ in range(100):  # visibility lags
        running = bool([one async for one in there.list_workflows("ExecutionStatus = 'Running'")])
        if not running:
            break
        await asyncio.sleep(0.1)
    assert not running, "its probes are ended"


@pytest.mark.live
async def test_another_namespace_is_not_touched(client: Client, connection: ConnectionSpec) -> None:
    spec = msgspec.structs.replace(connection, namespace="somebody-elses")
    with pytest.raises(UsageError):
        await prepare.ensure_namespace(client, spec, allow_namespace=False)


@pytest.mark.live
async def test_workers_are_found_and_answer(client: Client, connection: ConnectionSpec, unique: str) -> None:
    of = manifest(unique, task_queues=[f"{unique}-0", f"{unique}-1"])
    async with worker(connection, of) as pid:
        found = await prepare.await_workers(client, of, timeout_s=20, report=silent)
        assert [one.where.partition("@")[0] for one in found] == [str(pid)]
        offset = await prepare.warm_up(client, of, probes=4)
        # Same machine, same clock: the truth is zero.
        assert abs(offset.offset_us) <= offset.error_us + 1000
        assert offset.error_us < 1_000_000

        more = msgspec.structs.replace(of, expected_workers=2)
        with pytest.raises(TargetError, match=r"expected 2 workers .* but 1 came within 0 s"):
            await prepare.await_workers(client, more, timeout_s=0, report=silent)


@pytest.mark.live
async def test_a_worker_of_another_engine_is_refused(client: Client, connection: ConnectionSpec, unique: str) -> None:
    of = manifest(unique)
    async with worker(connection, of, engine="other") as pid:
        with pytest.raises(TargetError, match=rf"engine=other;.*{pid}@.*runs the engine other, not sdk"):
            await prepare.await_workers(client, of, timeout_s=20, report=silent)


@pytest.mark.live
async def test_a_worker_of_another_run_is_refused_until_it_has_ended(
    client: Client, connection: ConnectionSpec, unique: str
) -> None:
    of, earlier = manifest(unique), manifest(unique, nonce="earlier")
    async with worker(connection, of, manifest_digest=earlier.digest) as pid:
        with pytest.raises(TargetError, match=rf"{pid}@.*manifest {earlier.digest}, not this one's, {of.digest}"):
            await prepare.await_workers(client, of, timeout_s=20, report=silent)
    # The server shows it still: a process of this machine that has ended is in nobody's way, but counts for nothing.
    with pytest.raises(TargetError, match=r"expected 1 worker to poll .* but 0 came"):
        await prepare.await_workers(client, of, timeout_s=0, report=silent)
    async with worker(connection, of, manifest_digest=of.digest) as pid:
        (found,) = await prepare.await_workers(client, of, timeout_s=20, report=silent)
        assert found.where.startswith(f"{pid}@")
        assert found.manifest_digest == of.digest


@pytest.mark.live
async def test_a_foreign_poller_is_refused(temporal_server: LocalServer, unique: str) -> None:
    from temporalio.worker import UnsandboxedWorkflowRunner, Worker

    from auroral.bench.workflows import ProbeWorkflow

    connection = ConnectionSpec(address=temporal_server.address, namespace="benchmark")
    client = await connect(connection)
    foreign = Worker(
        client,
        task_queue=unique,
        workflows=[ProbeWorkflow],
        workflow_runner=UnsandboxedWorkflowRunner(),
        identity="stranger",
    )
    async with foreign:
        with pytest.raises(TargetError, match="stranger: no worker of auroral's"):
            await prepare.await_workers(client, manifest(unique), timeout_s=20, report=silent)


@pytest.mark.live
async def test_without_workers_the_command_is_told(client: Client, connection: ConnectionSpec, unique: str) -> None:
    of = manifest(unique, task_queues=[f"{unique}-0", f"{unique}-1"], expected_workers=3)
    with pytest.raises(TargetError, match="expected 3 workers") as caught:
        await prepare.await_workers(client, of, timeout_s=0.3, report=silent)
    assert (
        f"auroral bench worker --address {connection.address} --namespace benchmark "
        f"--task-queues 2 --task-queue {unique} --worker-count 3" in caught.value.hint
    )


@pytest.mark.live
async def test_workers_that_do_not_answer(client: Client, unique: str) -> None:
    with pytest.raises(TargetError, match="10 of 10 probe workflows did not complete within 500 ms"):
        await prepare.warm_up(client, manifest(unique), timeout_s=0.5)


@pytest.mark.live
async def test_a_servers_clock_is_estimated_without_workers(temporal_server: LocalServer, unique: str) -> None:
    client = await connect(ConnectionSpec(address=temporal_server.address, namespace="benchmark"))
    offset = await prepare.estimate_clock(client, unique, probes=3)
    assert abs(offset.offset_us) <= offset.error_us + 50_000
    behind = await prepare.estimate_clock(client, unique, now_unix_us=lambda: time.time_ns() // 1000 - 7_000_000)
    assert 6_500_000 < behind.offset_us < 7_500_000
    async with asyncio.timeout(20):
        while (await client.count_workflows(f"WorkflowId STARTS_WITH '{unique}' AND CloseTime IS NOT NULL")).count < 8:
            await asyncio.sleep(0.1)


async def test_a_clock_that_cannot_be_seen_is_told() -> None:
    denied = (grpc.StatusCode.PERMISSION_DENIED, "Request unauthorized.")
    async with frontend(StartWorkflowExecution=denied) as (client, _):
        with pytest.raises(TargetError, match="the server's clock could not be seen in the namespace benchmark"):
            await prepare.estimate_clock(client, "queue")
