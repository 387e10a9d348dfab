"""A real cluster on this machine: it serves, loses processes, gets them back, and ends as a whole."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from temporalio.client import Client, WorkflowExecutionStatus

from auroral.errors import TargetError, UsageError
from auroral.local.cluster import LocalCluster
from auroral.local.plan import ClusterOptions, Database

pytestmark = [pytest.mark.live, pytest.mark.timeout(900)]  # the first build may take minutes

DATABASES = pytest.mark.parametrize(
    "database", [Database.DSQL_DOUBLE, pytest.param(Database.POSTGRES, marks=pytest.mark.slow)], ids=str
)


async def until(holds: Callable[[], object], timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


def fetched(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as answer:
        body: bytes = answer.read()
    return body


async def start_one(client: Client, name: str) -> None:
    await client.start_workflow("nobody-serves-it", id=name, task_queue="nobody")


async def is_running(client: Client, name: str) -> bool:
    described = await client.get_workflow_handle(name).describe()
    return described.status is WorkflowExecutionStatus.RUNNING


@pytest.mark.whole
@DATABASES
async def test_a_cluster_survives_its_processes(database: Database, tmp_path: Path) -> None:
    options = ClusterOptions(database=database, histories=2, pool_size=4)
    async with LocalCluster(tmp_path, options, report=print) as cluster:
        assert set(cluster.pids()) == {"history-1", "history-2", "matching", "frontend", "worker"}
        assert not await cluster.unhealthy()
        client = await cluster.client()
        await start_one(client, "first")

        for url in cluster.metrics_urls.values():
            assert b"# TYPE" in await asyncio.to_thread(fetched, url)
        targets = json.loads((tmp_path / "scrape.json").read_text())
        assert {group["labels"]["instance"] for group in targets} == set(cluster.pids())

        await cluster.kill("history-1")
        assert await cluster.unhealthy() == {"history-1": "its process has ended"}
        # The other history takes the shards over; until then calls are refused or wait.
        await until_served(client, "second")
        assert await is_running(client, "first")
        await cluster.restart("history-1")

        cluster.pause("matching")
        assert list(await cluster.unhealthy()) == ["matching"]
        cluster.resume("matching")
        before = cluster.pids()
        await cluster.roll()
        assert not await cluster.unhealthy()
        assert not set(before.values()) & set(cluster.pids().values())
        await until_served(client, "third")
        assert await is_running(client, "first")
        with pytest.raises(UsageError, match=r"expected one of history-1, .*, got 'history'"):
            await cluster.kill("history")
        pids = [*cluster.pids().values(), *(part.pid for part in cluster.store_parts())]
    assert not [pid for pid in pids if psutil.pid_exists(pid)]


async def until_served(client: Client, name: str, timeout_s: float = 60) -> None:
    from temporalio.service import RPCError

    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return await start_one(client, name)
        except RPCError:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.2)


async def test_a_server_that_ends_at_once_is_told_with_its_log(tmp_path: Path) -> None:
    options = ClusterOptions(environment={"NUM_HISTORY_SHARDS": "nonsense"})
    cluster = LocalCluster(tmp_path, options)
    with pytest.raises(TargetError, match="ended while starting") as caught:
        await cluster.start()
    assert "nonsense" in caught.value.message
    assert not cluster.pids()
    assert not cluster.store_parts()


@pytest.mark.whole
@DATABASES
async def test_none_of_it_outlives_a_starter_that_is_killed(database: Database, tmp_path: Path) -> None:
    program = """
        import asyncio, pathlib, sys
        from auroral.local.cluster import LocalCluster
        from auroral.local.plan import ClusterOptions, Database
        async def main():
            options = ClusterOptions(database=Database(sys.argv[2]), pool_size=4)
            async with LocalCluster(pathlib.Path(sys.argv[1]), options) as cluster:
                print(*cluster.pids().values(), *(part.pid for part in cluster.store_parts()), flush=True)
                await asyncio.sleep(600)
        asyncio.run(main())
    """
    command = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path), str(database)]
    starter = await asyncio.create_subprocess_exec(
        *command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    )
    assert starter.stdout is not None
    pids = [int(pid) for pid in (await starter.stdout.readline()).split()]
    assert len(pids) == 4 + (1 if database is Database.POSTGRES else 2)
    processes = [psutil.Process(pid) for pid in pids]
    starter.send_signal(signal.SIGKILL)
    await starter.wait()
    await until(lambda: not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in processes), 30)
