"""Workers apart from their generator: what they agree on with it, and what they do before it comes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import grpc
import msgspec
import pytest

from auroral.bench import workers_only
from auroral.bench.settings import BenchSettings
from auroral.bench.stopping import StopSignal
from auroral.bench.store import RunDirectory
from auroral.bench.workers_only import agreed_namespace, run_workers
from auroral.errors import TargetError, UsageError
from auroral.temporal.connect import Resolved, connect
from auroral.temporal.local import LocalServer
from auroral.temporal.spec import ConnectionSpec, TargetSettings
from tests.bench.test_manifest_file import good
from tests.bench.test_prepare import frontend


class Lines:
    """An observer that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.working = asyncio.Event()

    def phase(self, name: str, detail: str = "") -> None:
        self.lines.append(f"{name}: {detail}")
        if name == "work":
            self.working.set()

    def detail(self, line: str) -> None:
        self.lines.append(line)


def resolved(namespace: str, origin: str) -> Resolved:
    return Resolved(ConnectionSpec(address="a:1", namespace=namespace), {"namespace": origin})


def test_the_namespace_is_the_manifests_unless_the_target_names_another() -> None:
    manifest = msgspec.structs.replace(good(), namespace="benchmark-7")
    assert agreed_namespace(resolved("benchmark", "default"), None) == "benchmark"
    assert agreed_namespace(resolved("benchmark", "default"), manifest) == "benchmark-7"
    assert agreed_namespace(resolved("benchmark-7", "--namespace"), manifest) == "benchmark-7"
    for origin in ("--namespace", "TEMPORAL_NAMESPACE"):
        with pytest.raises(UsageError, match=f"in the namespace benchmark-7, but {origin} names benchmark-8"):
            agreed_namespace(resolved("benchmark-8", origin), manifest)


async def refused(settings: BenchSettings) -> UsageError:
    with pytest.raises(UsageError) as caught:
        await run_workers(settings, environ={}, observer=Lines(), stop=StopSignal())  # type: ignore[arg-type]
    return caught.value


async def test_a_manifest_in_a_namespace_that_a_benchmark_may_not_use_needs_permission(tmp_path: Path) -> None:
    directory = RunDirectory.create(tmp_path, msgspec.structs.replace(good(), namespace="orders"))
    settings = BenchSettings(
        worker_only=True, manifest=str(directory.path / "manifest.json"), target=TargetSettings(address="127.0.0.1:1")
    )
    assert "orders" in (await refused(settings)).message
    no_address = msgspec.structs.replace(settings, target=TargetSettings())
    assert "expected the address" in (await refused(no_address)).message


async def test_a_namespace_that_may_not_be_created_is_waited_for() -> None:
    missing = (grpc.StatusCode.NOT_FOUND, "Namespace benchmark is not found.")
    denied = (grpc.StatusCode.PERMISSION_DENIED, "not here")
    observer = Lines()
    async with frontend(DescribeNamespace=missing, RegisterNamespace=denied) as (_, spec):
        await workers_only._ensure_namespace(BenchSettings(), spec, observer)  # type: ignore[arg-type]
    (line,) = observer.lines
    assert line.startswith("waiting for the namespace benchmark: ")
    assert "PERMISSION_DENIED: not here" in line


async def test_a_cluster_that_never_answers_ends_the_wait() -> None:
    spec = ConnectionSpec(address="127.0.0.1:1", namespace="benchmark", connect_timeout_s=0.2)
    with pytest.raises(TargetError, match=r"127\.0\.0\.1:1"):
        await workers_only._ensure_namespace(BenchSettings(), spec, Lines())  # type: ignore[arg-type]


@pytest.mark.live
async def test_workers_that_come_before_any_generator_create_the_namespace(
    temporal_server: LocalServer, unique: str
) -> None:
    from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest

    name = f"benchmark-{unique}"
    settings = BenchSettings(
        worker_only=True,
        worker_count=1,
        metrics_port=0,
        target=TargetSettings(address=temporal_server.address, namespace=name, namespace_given=True),
    )
    observer, stop = Lines(), StopSignal()
    working = asyncio.create_task(
        run_workers(settings, environ={}, observer=observer, stop=stop)  # type: ignore[arg-type]
    )
    polls = asyncio.create_task(observer.working.wait())
    await asyncio.wait({working, polls}, timeout=60, return_when=asyncio.FIRST_COMPLETED)
    assert observer.working.is_set(), observer.lines
    assert f"namespace {name} created, retention one day" in observer.lines
    client = await connect(ConnectionSpec(address=temporal_server.address, namespace=name))
    await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=name))
    stop.request()
    await asyncio.wait_for(working, 20)
