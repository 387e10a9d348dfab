"""Watching over real gRPC: the cap on polls, and sweeps for what no poll watches."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial

import pytest
from temporalio.client import Client

from auroral.bench.clock import MonotonicClock
from auroral.bench.manifest import ENGINES
from auroral.bench.samples import Observation, Outcome
from auroral.bench.starts import Flight, Starter
from auroral.bench.watch import Closed, Contact, Sweeper, Watcher
from auroral.bench.wire.watcher import WireWatcher
from auroral.errors import TargetError
from auroral.temporal.spec import ConnectionSpec
from auroral.temporal.wire.connect import connect_wire
from benchmarks.frontend_process import FrontendProcess
from tests.bench.test_load import order


class Scene:
    """Started workflows and a watcher that follows them."""

    def __init__(self, client: Client, limit: int, make_watcher: Callable[..., Watcher] = Watcher) -> None:
        self.epoch_unix_us = time.time_ns() // 1_000
        self.clock = MonotonicClock(self.epoch_unix_us)
        self.contact = Contact()
        self.closed: dict[int, Closed] = {}
        self.most_active = 0
        self.refused: list[str] = []
        self.errors: list[BaseException] = []
        self.starter = Starter(
            client.workflow_service, order().manifest, [None], self.clock, identity="t", timeout_s=5, resolve_s=5
        )
        self.watcher = make_watcher(
            client.workflow_service,
            "benchmark",
            self.clock,
            self.contact,
            limit=limit,
            epoch_unix_us=self.epoch_unix_us,
            clock_offset_us=0,
            on_closed=lambda flight, closed: self.closed.update({flight.index: closed}),
            on_refused=self.refused.append,
            on_error=self.errors.append,
        )

    @classmethod
    async def of(cls, engine: str, address: str, limit: int) -> Scene:
        """One whose polls the engine makes."""
        if engine == "sdk":
            return cls(await Client.connect(address, namespace="benchmark"), limit)
        client, service = await connect_wire(ConnectionSpec(address=address, namespace="benchmark"))
        return cls(client, limit, partial(WireWatcher, calls=service))

    async def start(self, count: int) -> None:
        for index in range(count):
            flight = Flight(index=index, workload=0, workflow_id=f"r1-0-{index}", intended_us=0)
            await self.starter.start(flight)
            self.watcher.add(flight)
            self.most_active = max(self.most_active, self.watcher.active)

    async def until_closed(self, count: int) -> None:
        async with asyncio.timeout(20):
            while len(self.closed) < count:
                await asyncio.sleep(0.01)


@pytest.mark.parametrize("engine", ENGINES)
def test_never_more_polls_than_the_limit_and_every_close_is_seen(engine: str) -> None:
    async def scenario(address: str) -> Scene:
        scene = await Scene.of(engine, address, limit=5)
        await scene.start(30)
        await scene.until_closed(30)
        await scene.watcher.stop()
        return scene

    with FrontendProcess("--service-time", "100ms") as frontend:
        scene = asyncio.run(scenario(frontend.address))
    assert scene.most_active == 5
    assert all(closed.outcome is Outcome.COMPLETED for closed in scene.closed.values())
    watched = [index for index, closed in scene.closed.items() if closed.observation is Observation.WATCHED]
    assert set(range(5)) <= set(watched), "polls that began at once have seen the close"
    assert scene.watcher.active == 0


@pytest.mark.parametrize("engine", ENGINES)
def test_a_poll_that_comes_after_the_close_takes_the_servers_time_for_it(engine: str) -> None:
    async def scenario(address: str) -> Scene:
        scene = await Scene.of(engine, address, limit=1)
        early, late = (
            Flight(index=index, workload=0, workflow_id=f"r1-0-{index}", intended_us=0) for index in range(2)
        )
        await scene.starter.start(early)
        await scene.clock.sleep(0.15)
        await scene.starter.start(late)
        scene.watcher.add(late)
        scene.watcher.add(early)
        await scene.until_closed(2)
        await scene.watcher.stop()
        return scene

    with FrontendProcess("--service-time", "300ms") as frontend:
        scene = asyncio.run(scenario(frontend.address))
    assert scene.closed[1].observation is Observation.WATCHED
    assert scene.closed[0].observation is Observation.SWEPT
    assert scene.closed[0].closed_us == scene.closed[0].server_closed_us < scene.closed[1].closed_us


@pytest.mark.parametrize("engine", ENGINES)
def test_a_swept_workflow_is_no_longer_watched_and_its_place_is_taken(engine: str) -> None:
    async def scenario(address: str) -> Scene:
        scene = await Scene.of(engine, address, limit=1)
        await scene.start(3)
        assert (scene.watcher.active, scene.watcher.unwatched) == (1, 2)
        scene.watcher.forget(1)
        assert scene.watcher.unwatched == 1
        scene.watcher.forget(0)
        assert (scene.watcher.active, scene.watcher.unwatched) == (1, 0)
        await scene.watcher.stop()
        return scene

    with FrontendProcess("--service-time", "1h") as frontend:
        scene = asyncio.run(scenario(frontend.address))
    assert scene.closed == {}


@pytest.mark.parametrize("engine", ENGINES)
def test_a_server_that_goes_away_is_noticed(engine: str) -> None:
    async def scenario() -> int:
        with FrontendProcess("--service-time", "1h") as frontend:
            scene = await Scene.of(engine, frontend.address, limit=5)
            await scene.start(2)
        async with asyncio.timeout(20):
            while scene.contact.silent_us(scene.clock.now_us()) == 0:
                await asyncio.sleep(0.02)
        await scene.watcher.stop()
        return scene.contact.silent_us(scene.clock.now_us())

    assert asyncio.run(scenario()) > 0


@dataclass
class Row:
    index: int | None
    status: str
    closed_unix_us: int | None
    root: bool = True


class Listing:
    """Visibility at our own seam: what it was asked, and what it answers."""

    def __init__(self, *rows: Row, fails: bool = False) -> None:
        self.rows, self.fails = list(rows), fails
        self.asked: list[int] = []

    async def __call__(self, since_unix_us: int) -> AsyncIterator[list[Row]]:
        self.asked.append(since_unix_us)
        if self.fails:
            raise TargetError("visibility is down")
        yield self.rows


def sweeper(listing: Listing, found: dict[int, Closed], refused: list[str]) -> Sweeper:
    return Sweeper(
        listing,
        MonotonicClock(1_000_000_000),
        Contact(),
        epoch_unix_us=1_000_000_000,
        clock_offset_us=2_000,
        on_swept=lambda index, closed: found.update({index: closed}),
        on_refused=refused.append,
    )


async def test_a_sweep_reports_closed_roots_in_our_own_time() -> None:
    found: dict[int, Closed] = {}
    listing = Listing(
        Row(1, "completed", 1_005_000_000),
        Row(2, "failed", 1_006_000_000),
        Row(3, "running", None),
        Row(4, "continued_as_new", 1_006_000_000),
        Row(5, "completed", 1_006_000_000, root=False),
    )
    await sweeper(listing, found, []).sweep(0)
    assert {index: closed.outcome for index, closed in found.items()} == {1: Outcome.COMPLETED, 2: Outcome.FAILED}
    assert found[1].server_closed_us == 5_000_000
    assert found[1].closed_us == 4_998_000
    assert found[1].observation is Observation.SWEPT


async def test_a_sweep_looks_no_further_back_than_the_oldest_open_workflow_or_the_last_sweep() -> None:
    listing = Listing()
    sweeping = sweeper(listing, {}, [])
    origin_us = 1_000_000_000 + 2_000
    await sweeping.sweep(50_000_000)
    assert listing.asked[-1] == origin_us + 50_000_000 - Sweeper.MARGIN_US
    now_us = sweeping._clock.now_us()
    await sweeping.sweep(50_000_000)
    assert listing.asked[-1] >= origin_us + now_us - Sweeper.MARGIN_US - 1_000_000
    for _ in range(Sweeper.DEEP_EVERY - 1):
        await sweeping.sweep(50_000_000)
    assert listing.asked[-1] < origin_us + now_us - Sweeper.MARGIN_US - 10_000_000, "now and then it looks deeper"
    await sweeping.sweep(50_000_000, everything=True)
    assert listing.asked[-1] == origin_us + 50_000_000 - Sweeper.MARGIN_US


async def test_a_failed_sweep_is_counted_and_looks_back_as_far_next_time() -> None:
    refused: list[str] = []
    listing = Listing(fails=True)
    sweeping = sweeper(listing, {}, refused)
    await sweeping.sweep(0)
    listing.fails = False
    await sweeping.sweep(0)
    assert len(refused) == 1
    assert listing.asked[0] == listing.asked[1]


@pytest.mark.parametrize(
    ("answered_us", "failed_us", "now_us", "silent_us"),
    [
        (0, -1, 60_000_000, 0),  # nothing has failed
        (10, 20, 30, 20),  # the last attempt failed
        (30, 20, 60, 0),  # it has answered since
    ],
)
def test_silence_counts_from_the_last_answer(answered_us: int, failed_us: int, now_us: int, silent_us: int) -> None:
    contact = Contact()
    contact.answered_us, contact.failed_us = answered_us, failed_us
    assert contact.silent_us(now_us) == silent_us
