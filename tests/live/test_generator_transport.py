"""Generators of the engine sdk go over the wire, and where a middlebox keeps that out, over the SDK's client."""

from __future__ import annotations

import asyncio
import signal
import uuid
from pathlib import Path

import pytest

from tests.live.test_spread import agent
from tests.support.benchmark import Benchmark, Finished
from tests.support.middlebox import Middlebox, is_ours

pytestmark = pytest.mark.live

INSTEAD = "drove the API with the SDK's client, as auroral's own transport cannot connect to {}: the server closed the "


def run(address: str, directory: Path, *arguments: str) -> Benchmark:
    return Benchmark(
        "run", "--address", address, "--target-rate", "20", "--duration", "2s", "--worker-count", "1",
        "--metrics-port", "0", "--settle-timeout", "20s", "--output", str(directory), *arguments, directory=directory,
    )  # fmt: skip


async def ended(one: Benchmark, timeout_s: float = 120.0) -> Finished:
    return await asyncio.to_thread(one.finish, timeout_s)


def all_completed(finished: Finished, count: int) -> None:
    result = finished.result
    assert finished.status == 0, finished.stderr + finished.logs
    assert result.outcomes["completed"] == result.scheduled == count, result.causes
    assert result.reconciliation.status == "agreed"


def transports(finished: Finished) -> dict[str, str | None]:
    return {process.name: process.transport for process in finished.result.processes if process.transport is not None}


async def test_a_middlebox_that_keeps_the_wire_out_costs_no_start_and_is_told(temporal_server, tmp_path: Path) -> None:
    async with Middlebox(temporal_server.address) as box:
        with run(box.address, tmp_path / "run", "--generator-processes", "2") as one:
            finished = await ended(one)
    all_completed(finished, 40)
    (note,) = [note for note in finished.result.notes if "own transport" in note]
    assert note == f"generator-0 and generator-1 {INSTEAD.format(box.address)}connection."
    assert note in finished.stderr
    assert transports(finished) == {"generator-0": "sdk", "generator-1": "sdk"}
    assert box.disliked >= 4


async def test_the_engine_wire_does_not_run_there(temporal_server, tmp_path: Path) -> None:
    async with Middlebox(temporal_server.address) as box:
        with run(box.address, tmp_path / "run", "--engine", "wire", "--connect-timeout", "1s") as one:
            finished = await ended(one)
    assert finished.status == 3
    assert f"cannot connect to {box.address}: the server closed the connection" in finished.stderr


@pytest.mark.whole
async def test_generators_on_other_machines_tell_of_it_too(temporal_server, tmp_path: Path) -> None:
    control = ("--control-namespace", f"control-{uuid.uuid4().hex[:8]}")
    async with Middlebox(temporal_server.address) as box:
        with agent(box.address, tmp_path / "agent", *control, "--generator-processes", "2") as one:
            await asyncio.to_thread(one.wait_for, "wait: for a run")
            with run(box.address, tmp_path / "run", *control, "--spread", "2") as conducted:
                finished = await ended(conducted)
            one.interrupt(signal.SIGTERM)
            assert (await ended(one, 30)).status == 0
    all_completed(finished, 40)
    (note,) = [note for note in finished.result.notes if "own transport" in note]
    assert note == f"generator-0 and generator-1 {INSTEAD.format(box.address)}connection."
    assert transports(finished) == {"generator-0": "sdk", "generator-1": "sdk"}
    assert [one.transport for one in finished.result.spread] == ["sdk", "sdk"]


@pytest.mark.whole
async def test_elsewhere_no_word_is_lost_on_it(temporal_server, tmp_path: Path) -> None:
    ours: list[bool] = []

    def look(settings: dict[int, int]) -> bool:
        ours.append(is_ours(settings))
        return False

    async with Middlebox(temporal_server.address, look) as box:
        with run(box.address, tmp_path / "run") as one:
            finished = await ended(one)
    all_completed(finished, 40)
    assert not [note for note in finished.result.notes if "own transport" in note]
    assert transports(finished) == {"generator-0": "wire"}
    assert ours.count(True) == 1, "the generator, and nobody else"
