"""An agent's part of one run, with a real generator process on a real server and a coordinator that is the test."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest
from temporalio.client import Client

from auroral.bench.blueprint import make_blueprint
from auroral.bench.result import ProcessUsage
from auroral.bench.samples import Outcome
from auroral.bench.schedule import Schedule
from auroral.bench.settings import BenchSettings
from auroral.bench.spread.engagement import Engagement, _Used
from auroral.bench.spread.merge import Inbox
from auroral.bench.spread.part import Heartbeat, decode_heartbeat
from auroral.bench.spread.plan import Begin, ClaimOrder, LetGo
from auroral.bench.tally import Tally
from auroral.errors import LostProcessError
from auroral.temporal.spec import ConnectionSpec
from tests.bench.spread.scenes import order

pytestmark = pytest.mark.live


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no control workflow whose end an agent could see; drains are brief."""
    monkeypatch.setattr("auroral.bench.spread.engagement._LOOK_S", 600.0)
    monkeypatch.setattr("auroral.bench.spread.plan.BRIEF_DRAIN_S", 0.5)


class Coordinator:
    """Hears heartbeats."""

    def __init__(self, part: ClaimOrder) -> None:
        schedule = Schedule(part.manifest.arrival)
        self.tally = Tally(schedule.windows())
        self.beats = 0
        self.last: Heartbeat | None = None
        self._inbox = Inbox(1)

    def hear(self, data: bytes) -> None:
        self.beats += 1
        self.last = decode_heartbeat(data)
        for account in self._inbox.take(self.last):
            self.tally.add_plain(account.counts)


def claim(address: str, unique: str) -> ClaimOrder:
    """Nobody works on its task queue, so that its workflows stay open."""
    blueprint = make_blueprint(
        BenchSettings(target_rate_per_s=20.0, duration_s=2.0, spread=2),
        run_id=unique,
        nonce=unique,
        namespace="benchmark",
        cores=1,
        created_at="",
        version="9.9",
        read_text=lambda path: path.read_text(),
    )
    made = order(target_address=address, drain_timeout_s=1.0)
    return msgspec.structs.replace(made, manifest=blueprint.manifest)


@asynccontextmanager
async def engaged(address: str, unique: str, tmp_path: Path) -> AsyncIterator[tuple[Engagement, Coordinator]]:
    part = claim(address, unique)
    said: list[str] = []
    engagement = Engagement(
        part,
        1,
        ConnectionSpec(address=address, namespace="benchmark"),
        await Client.connect(address, namespace="benchmark"),
        ("no-such-workflow", ""),
        logs=tmp_path,
        output=tmp_path / "kept",
        report=said.append,
    )
    await engagement.open(lambda: None)
    try:
        yield engagement, Coordinator(part)
    finally:
        await engagement.close()
        assert engagement.child is not None
        assert engagement.child.ended.is_set()


def in_a_moment() -> Begin:
    return Begin(epoch_control_us=time.time_ns() // 1_000 + 200_000)


async def test_a_part_is_driven_told_and_let_go(temporal_server, unique: str, tmp_path: Path) -> None:
    async with engaged(temporal_server.address, unique, tmp_path) as (engagement, coordinator):
        assert abs(engagement.control_clock.offset_us) < 500_000
        assert engagement.is_of("no-such-workflow", "")
        assert not engagement.is_of("another", "")
        last = await engagement.generate(in_a_moment(), coordinator.hear, lambda: False)
        coordinator.hear(last)
        assert coordinator.last is not None
        assert coordinator.last.emptied is not None
        assert coordinator.last.emptied.held == 20
        assert coordinator.tally.outcomes[Outcome.UNFINISHED] == 20
        assert coordinator.beats >= 4
        assert coordinator.last.cpu_s > 0
        released = await engagement.release(LetGo(cleanup_s=10.0))
        assert (released.terminated, released.failed) == (20, 0)
        assert engagement.over.is_set()
        with pytest.raises(LostProcessError, match="no generator for the run any more"):
            await engagement.release(LetGo(cleanup_s=0.0))
    (kept,) = (tmp_path / "kept").glob("*/generator-1/samples.parquet")
    assert sorted(pq.read_table(kept)["index"].to_pylist()) == list(range(1, 40, 2))
    assert not list(kept.parent.glob("samples.parts"))


async def test_a_stop_by_the_coordinator_drains_and_still_answers(temporal_server, unique: str, tmp_path: Path) -> None:
    async with engaged(temporal_server.address, unique, tmp_path) as (engagement, coordinator):
        driving = asyncio.create_task(engagement.generate(in_a_moment(), coordinator.hear, lambda: True))
        await asyncio.sleep(1.2)
        driving.cancel()
        coordinator.hear(await driving)
    assert coordinator.last is not None
    assert coordinator.last.ended is not None
    assert coordinator.last.ended.interrupted
    assert 0 < sum(coordinator.tally.outcomes.values()) < 20


async def test_one_that_the_run_has_given_up_ends_at_once(temporal_server, unique: str, tmp_path: Path) -> None:
    async with engaged(temporal_server.address, unique, tmp_path) as (engagement, coordinator):
        driving = asyncio.create_task(engagement.generate(in_a_moment(), coordinator.hear, lambda: False))
        await asyncio.sleep(0.5)
        driving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await driving
        assert engagement.over.is_set()


async def test_a_generator_that_is_killed_is_told(temporal_server, unique: str, tmp_path: Path) -> None:
    async with engaged(temporal_server.address, unique, tmp_path) as (engagement, coordinator):
        driving = asyncio.create_task(engagement.generate(in_a_moment(), coordinator.hear, lambda: False))
        await asyncio.sleep(0.5)
        assert engagement.child is not None
        engagement.child._process.kill()
        with pytest.raises(LostProcessError, match="generator-1 ended with status -9"):
            await driving


async def test_an_agent_that_is_stopped_gives_its_part_up(temporal_server, unique: str, tmp_path: Path) -> None:
    async with engaged(temporal_server.address, unique, tmp_path) as (engagement, coordinator):
        driving = asyncio.create_task(engagement.generate(in_a_moment(), coordinator.hear, lambda: False))
        await asyncio.sleep(0.3)
        engagement.fail("the agent 1@host was stopped")
        with pytest.raises(LostProcessError, match="the agent 1@host was stopped"):
            await driving


async def test_one_whose_run_is_over_is_free_by_itself(
    temporal_server, unique: str, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr("auroral.bench.spread.engagement._LOOK_S", 0.2)
    async with engaged(temporal_server.address, unique, tmp_path) as (engagement, _):
        async with asyncio.timeout(10):  # there never was a control workflow
            await engagement.over.wait()
    assert not (tmp_path / "kept" / unique / "generator-1").exists(), "it has begun nothing"


@pytest.mark.parametrize(("at_once", "counted"), [(1, 1.0), (4, 0.25)])
def test_parts_in_one_agent_share_what_it_uses_itself(
    monkeypatch: pytest.MonkeyPatch, at_once: int, counted: float
) -> None:
    class Idle:
        name = "generator-0"

        def measure(self) -> None: ...

        def usage(self) -> ProcessUsage:
            return ProcessUsage(name=self.name, cpu_s=2.0, max_rss_bytes=1)

    clock = iter([10.0, 11.0, 12.0])
    monkeypatch.setattr(_Used, "_own_cpu_s", lambda _: next(clock))
    used = _Used(lambda: at_once)
    used.cores(Idle())  # type: ignore[arg-type]
    used.cores(Idle())  # type: ignore[arg-type]
    assert used.cpu_s == 2.0 + 2 * counted
