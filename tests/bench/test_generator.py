"""A generator process, told over its pipes what to do, against a frontend of known behaviour."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path

import msgspec
import psutil
import pytest

from auroral.bench.fleet import Child, wait_each
from auroral.bench.protocol import (
    CleanedUp,
    CleanUp,
    Drained,
    FromChild,
    GeneratorOrder,
    Go,
    Samples,
    ScheduleEnded,
    StopSchedule,
)
from auroral.bench.samples import Outcome, Sample
from auroral.errors import AuroralError, ExitCode
from auroral.temporal.spec import ConnectionSpec
from benchmarks.frontend_process import FrontendProcess
from tests.bench.test_load import order


class Talk:
    """One generator and what it has said."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.frames: list[FromChild] = []
        self.more = asyncio.Event()
        child.on_frame = self.hear

    def hear(self, _: Child, frame: FromChild) -> None:
        self.frames.append(frame)
        self.more.set()

    async def until(self, kind: type[msgspec.Struct]) -> FromChild:
        async with asyncio.timeout(60):
            while True:
                for frame in self.frames:
                    if isinstance(frame, kind):
                        return frame
                assert not self.child.ended.is_set(), self.child.error()
                self.more.clear()
                await self.more.wait()

    @property
    def samples(self) -> list[Sample]:
        return [sample for frame in self.frames if isinstance(frame, Samples) for sample in frame.samples]

    @property
    def outcomes(self) -> Counter[Outcome]:
        return Counter(sample.outcome for sample in self.samples)


async def begin(address: str, directory: Path, **changes: object) -> Talk:
    what: GeneratorOrder = msgspec.structs.replace(
        order(rate_per_s=50, duration_s=1),
        connection=ConnectionSpec(address=address, namespace="benchmark", connect_timeout_s=5.0),
        **changes,
    )
    child = await Child.spawn("auroral.bench.generator", "generator-0", directory / "log", what)
    talk = Talk(child)
    await wait_each([child.ready], [child])
    child.send(Go(epoch_unix_us=time.time_ns() // 1_000 + 200_000, clock_offset_us=0))
    return talk


async def test_it_drives_its_schedule_and_reports_every_start(tmp_path: Path) -> None:
    with FrontendProcess("--service-time", "20ms") as frontend:
        talk = await begin(frontend.address, tmp_path)
        await talk.until(Drained)
        await talk.child.stop(5)
    assert talk.outcomes == {Outcome.COMPLETED: 50}
    assert all(sample.server_closed_us is not None for sample in talk.samples)
    assert all((sample.latency_us or 0) >= 20_000 for sample in talk.samples)


async def test_what_it_still_holds_it_terminates_when_told(tmp_path: Path) -> None:
    with FrontendProcess("--service-time", "1h") as frontend:
        talk = await begin(frontend.address, tmp_path, drain_timeout_s=0.2)
        drained = await talk.until(Drained)
        assert isinstance(drained, Drained)
        assert drained.held == 50
        talk.child.send(CleanUp(deadline_s=10))
        cleaned = await talk.until(CleanedUp)
        await talk.child.stop(5)
    assert talk.outcomes == {Outcome.UNFINISHED: 50}
    assert cleaned == CleanedUp(terminated=50, failed=0)


async def test_a_stop_ends_it_early(tmp_path: Path) -> None:
    with FrontendProcess("--service-time", "1h") as frontend:
        talk = await begin(frontend.address, tmp_path)
        await asyncio.sleep(0.6)
        talk.child.send(StopSchedule(drain_timeout_s=0.1))
        ended = await talk.until(ScheduleEnded)
        await talk.until(Drained)
        await talk.child.stop(5)
    assert isinstance(ended, ScheduleEnded)
    assert ended.interrupted
    assert len(talk.samples) == ended.scheduled < 50


async def test_it_does_not_outlive_its_parent(tmp_path: Path) -> None:
    with FrontendProcess("--service-time", "1h") as frontend:
        talk = await begin(frontend.address, tmp_path)
        process = psutil.Process(talk.child.pid)
        assert talk.child._process.stdin is not None
        talk.child._process.stdin.close()
        async with asyncio.timeout(5):
            await talk.child.ended.wait()
    assert not process.is_running()
    await talk.child.stop(1)


@pytest.mark.whole
async def test_a_cluster_out_of_reach_is_said_in_a_frame(tmp_path: Path) -> None:
    with pytest.raises(AuroralError) as caught:
        await begin("127.0.0.1:1", tmp_path)
    assert caught.value.exit_code is ExitCode.UNREACHABLE
    assert "127.0.0.1:1" in caught.value.message
