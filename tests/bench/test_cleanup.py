"""Nothing of a run stays open, and where it must, the commands to end it are told."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from auroral.bench.cleanup import manual_commands, terminate_directly, terminate_rest
from auroral.bench.executions import count_by_status
from auroral.bench.manifest import CHILD_WORKFLOW_TYPE, ROOT_WORKFLOW_TYPE, Manifest
from auroral.temporal.build import obtain_cli
from auroral.temporal.connect import connect
from auroral.temporal.local import LocalServer
from auroral.temporal.spec import ConnectionSpec
from tests.support.workers import manifest

if TYPE_CHECKING:
    from temporalio.client import Client

pytestmark = pytest.mark.live


@pytest.fixture
def connection(temporal_server: LocalServer) -> ConnectionSpec:
    return ConnectionSpec(address=temporal_server.address, namespace="benchmark")


@pytest.fixture
async def client(connection: ConnectionSpec) -> Client:
    return await connect(connection)


async def _start(client: Client, of: Manifest, count: int, *, children: int = 0) -> list[str]:
    ids = [of.workflow_id(0, index) for index in range(count)]
    for workflow_id in ids:
        await client.start_workflow(ROOT_WORKFLOW_TYPE, id=workflow_id, task_queue=of.task_queues[0])
    for child in range(children):
        await client.start_workflow(CHILD_WORKFLOW_TYPE, id=f"{ids[0]}/c{child}", task_queue=of.task_queues[0])
    await _until_open(client, of, count + children)
    return ids


async def _until_open(client: Client, of: Manifest, count: int) -> None:
    counts: dict[str, int] = {}
    for _ in range(200):  # visibility lags
        counts = await count_by_status(client, of, root_only=False)
        if counts.get("running", 0) == count:
            return
        await asyncio.sleep(0.05)
    pytest.fail(f"{count} open expected, but {counts}")


@pytest.mark.whole
async def test_a_batch_ends_the_rest_and_nothing_else(client: Client, connection: ConnectionSpec, unique: str) -> None:
    of, other = manifest(unique), manifest(f"{unique}x")
    await _start(client, other, 1)
    await _start(client, of, 12, children=3)
    lines: list[str] = []
    rest = await terminate_rest(client, connection, of, deadline_s=30, report=lines.append)
    assert (rest.found, rest.terminated, rest.remaining, rest.failure, rest.commands) == (15, 15, 0, "", [])
    assert await count_by_status(client, of, root_only=False) == {"terminated": 15}
    assert await count_by_status(client, other) == {"running": 1}
    assert "15 executions are open" in lines[0]
    assert any("of 15 ended" in line for line in lines)


async def test_nothing_open_needs_no_batch(client: Client, connection: ConnectionSpec, unique: str) -> None:
    lines: list[str] = []
    rest = await terminate_rest(client, connection, manifest(unique), deadline_s=30, report=lines.append)
    assert (rest.found, rest.remaining, rest.commands, lines) == (0, 0, [], [])


@pytest.mark.whole
async def test_a_batch_waits_for_another(client: Client, connection: ConnectionSpec, unique: str) -> None:
    """The server runs one batch per namespace: two runs clean up one after the other."""
    one, two = manifest(f"{unique}a"), manifest(f"{unique}b")
    await _start(client, one, 40)
    await _start(client, two, 5)
    lines: list[str] = []
    first, second = await asyncio.gather(
        terminate_rest(client, connection, one, deadline_s=60, report=lines.append),
        terminate_rest(client, connection, two, deadline_s=60, report=lines.append),
    )
    assert (first.terminated, second.terminated) == (40, 5)
    assert first.remaining == second.remaining == 0


async def test_past_its_deadline_it_tells_the_commands(client: Client, connection: ConnectionSpec, unique: str) -> None:
    of = manifest(unique)
    await _start(client, of, 150)
    rest = await terminate_rest(client, connection, of, deadline_s=0.2, report=lambda line: None)
    assert "not done within" in rest.failure
    assert rest.remaining is not None
    assert rest.remaining > 0
    assert rest.commands == manual_commands(connection, of)
    await _until_open(client, of, 0)  # the server goes on with it


async def test_the_command_works_as_told(client: Client, connection: ConnectionSpec, unique: str) -> None:
    of = manifest(unique)
    await _start(client, of, 3)
    (command,) = manual_commands(connection, of)
    executable = await obtain_cli(report=print, given=os.environ.get("AURORAL_TEMPORAL_CLI") or None)
    words = [str(executable), *shlex.split(command)[1:]]
    ran = await asyncio.to_thread(subprocess.run, words, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    await _until_open(client, of, 0)


async def test_without_a_server_it_says_so_and_ends(make_temporal_server: Any, unique: str) -> None:
    server: LocalServer = await make_temporal_server()
    connection = ConnectionSpec(address=server.address, namespace="benchmark")
    client = await connect(connection, retry=False)
    await server.kill()
    rest = await asyncio.wait_for(
        terminate_rest(client, connection, manifest(unique), deadline_s=1, report=lambda line: None), timeout=60
    )
    assert rest.remaining is None
    # In which of the two words depends on whether the connection was seen to break before the call.
    assert re.match("cannot count the run's open executions: (UNAVAILABLE|UNKNOWN: transport error)", rest.failure)
    assert rest.commands == manual_commands(connection, manifest(unique))


async def test_held_ids_are_ended_directly(client: Client, unique: str) -> None:
    of = manifest(unique)
    ids = await _start(client, of, 20)
    await client.get_workflow_handle(ids[0]).terminate()
    done, failed = await terminate_directly(client, "benchmark", [*ids, "never-started"], deadline_s=30)
    assert (done, failed) == (21, 0)  # closed already counts as ended
    await _until_open(client, of, 0)


async def test_ids_past_the_deadline_count_as_failed(client: Client) -> None:
    assert await terminate_directly(client, "benchmark", ["a", "b"], deadline_s=0) == (0, 2)
