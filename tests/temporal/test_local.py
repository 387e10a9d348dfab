"""The local server: starts, serves, survives and ends as told."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from auroral.errors import TargetError
from auroral.temporal.connect import connect
from auroral.temporal.local import LocalServer, start_local
from auroral.temporal.spec import ConnectionSpec

pytestmark = pytest.mark.live


def spec(server: LocalServer) -> ConnectionSpec:
    return ConnectionSpec(address=server.address, namespace=server.namespace)


async def test_serves_its_namespace_and_its_metrics(temporal_server: LocalServer) -> None:
    from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest

    client = await connect(spec(temporal_server))
    assert await client.service_client.check_health()
    described = await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace="benchmark"))
    assert described.namespace_info.name == "benchmark"
    reader, writer = await asyncio.open_connection("127.0.0.1", temporal_server.metrics_port)
    writer.write(b"GET /metrics HTTP/1.0\r\n\r\n")
    assert b"service_requests" in await reader.read()
    writer.close()


async def test_keeps_its_data_and_address_over_a_crash(make_temporal_server: Any, tmp_path: Path) -> None:
    server = await make_temporal_server(db_filename=tmp_path / "temporal.db")
    address, pid = server.address, server.pid
    client = await connect(spec(server))
    await client.start_workflow("auroral.probe", id="kept", task_queue="nobody")

    await server.kill()
    assert not server.running
    assert not psutil.pid_exists(pid)
    await server.restart()

    assert server.address == address
    description = await client.get_workflow_handle("kept").describe()
    assert description.workflow_type == "auroral.probe"


async def test_a_paused_server_is_silent_until_resumed(make_temporal_server: Any) -> None:
    server = await make_temporal_server()
    hasty = ConnectionSpec(address=server.address, namespace="benchmark", connect_timeout_s=0.5)
    server.pause()
    with pytest.raises(TargetError, match="does not answer within"):
        await connect(hasty)
    server.resume()
    await connect(hasty)
    server.pause()  # and a paused one still ends when it is stopped
    await server.stop()
    assert not server.running


async def test_says_why_it_does_not_start(tmp_path: Path, temporal_server: LocalServer) -> None:
    log = tmp_path / "server.log"
    with pytest.raises(TargetError, match="ended while starting") as caught:
        await start_local(
            namespace="benchmark",
            directory=tmp_path,
            log_path=log,
            report=lambda line: None,
            port=temporal_server.port,
            executable=os.environ.get("AURORAL_TEMPORAL_CLI"),
        )
    assert "address already in use" in caught.value.message
    assert str(log) in caught.value.hint


def test_ends_with_a_process_that_is_killed(tmp_path: Path) -> None:
    program = textwrap.dedent(
        """
        import asyncio, os, pathlib, sys, time
        from auroral.temporal.local import start_local
        folder = pathlib.Path(sys.argv[1])
        server = asyncio.run(start_local(
            namespace="benchmark", directory=folder, log_path=folder / "log", report=lambda line: None,
            executable=os.environ.get("AURORAL_TEMPORAL_CLI"),
        ))
        print(server.pid, flush=True)
        time.sleep(600)
        """
    )
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        server = psutil.Process(int(owner.stdout.readline()))
        guard = server.parent()
        assert guard is not None
        assert "auroral.temporal.guard" in guard.cmdline()
        owner.send_signal(signal.SIGKILL)
        killed = time.monotonic()
    _, alive = psutil.wait_procs([server, guard], timeout=10)
    assert not alive, f"still there after {time.monotonic() - killed:.1f} s"
