"""The generator's loop in virtual time, behind a server that the test makes up at our own seam."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auroral.bench.load import Generator
from auroral.bench.manifest import Manifest, ManifestArrival, ManifestWorkload
from auroral.bench.protocol import Drained, GeneratorOrder, Samples, ScheduleEnded, Tick
from auroral.bench.samples import Observation, Outcome, Sample
from auroral.bench.starts import Accepted, Flight, InTasks, Refused
from auroral.bench.watch import Closed, Contact
from auroral.bench.workload import builtin, to_plain
from auroral.temporal.spec import ConnectionSpec
from tests.support.virtual_clock import VirtualClock


class Server:
    """Accepts or refuses each start after a while, and closes what it accepted after another while."""

    def __init__(
        self,
        clock: VirtualClock,
        *,
        accept_s: Callable[[int], float] = lambda _: 0.001,
        run_s: Callable[[int], float | None] = lambda _: 0.05,
        refuses: Callable[[int], bool] = lambda _: False,
    ) -> None:
        self.clock = clock
        self.accept_s, self.run_s, self.refuses = accept_s, run_s, refuses
        self.generator: Generator | None = None
        self.closing: set[asyncio.Task[None]] = set()

    async def start(self, flight: Flight) -> Accepted | Refused:
        flight.sent_us = self.clock.now_us()
        flight.sends = 1
        await self.clock.sleep(self.accept_s(flight.index))
        if self.refuses(flight.index):
            return Refused("RESOURCE_EXHAUSTED/RPS_LIMIT/NAMESPACE")
        flight.accepted_us = self.clock.now_us()
        return Accepted()

    def accepted(self, flight: Flight) -> None:
        task = asyncio.create_task(self.run_workflow(flight))
        self.closing.add(task)

    async def run_workflow(self, flight: Flight) -> None:
        duration_s = self.run_s(flight.index)
        if duration_s is None:
            return
        await self.clock.sleep(duration_s)
        assert self.generator is not None
        now_us = self.clock.now_us()
        self.generator.closed(
            flight,
            Closed(
                outcome=Outcome.COMPLETED,
                closed_us=now_us,
                server_closed_us=now_us,
                observation=Observation.WATCHED,
            ),
        )


class Run:
    """What a generator reported."""

    def __init__(self, frames: list[msgspec.Struct]) -> None:
        self.samples: list[Sample] = [s for frame in frames if isinstance(frame, Samples) for s in frame.samples]
        self.ticks = [frame for frame in frames if isinstance(frame, Tick)]
        (self.ended,) = [frame for frame in frames if isinstance(frame, ScheduleEnded)]
        (self.drained,) = [frame for frame in frames if isinstance(frame, Drained)]
        assert isinstance(frames[-1], Drained), "nothing is reported after the end"

    @property
    def outcomes(self) -> Counter[Outcome]:
        return Counter(sample.outcome for sample in self.samples)


def order(
    *,
    rate_per_s: float = 100.0,
    duration_s: float = 2.0,
    max_in_flight: int = 1_000,
    drain_s: float = 10.0,
    parts: int = 1,
) -> GeneratorOrder:
    return GeneratorOrder(
        connection=ConnectionSpec(address="nowhere", namespace="benchmark"),
        manifest=Manifest(
            run_id="r1",
            namespace="benchmark",
            task_queues=["q"],
            workloads=[ManifestWorkload(name="simple", weight=1.0, definition=to_plain(builtin("simple")), digest="")],
            arrival=ManifestArrival(
                process="constant",
                segments=[(duration_s, rate_per_s, rate_per_s)],
                ramp_s=0.0,
                count=None,
                seed=1,
                staged=False,
            ),
            engine="sdk",
            observe="watch",
            generator_processes=parts,
        ),
        generator=0,
        max_in_flight=max_in_flight,
        max_lag_s=1.0,
        max_watchers=100,
        start_timeout_s=10.0,
        drain_timeout_s=drain_s,
        metrics=False,
    )


async def drive(
    what: GeneratorOrder,
    make_server: Callable[[VirtualClock], Server] = Server,
    during: Callable[[Generator, VirtualClock, Contact], asyncio.Task[None] | None] = lambda *_: None,
) -> Run:
    frames: list[msgspec.Struct] = []
    async with VirtualClock(start_us=-500_000) as clock:
        server = make_server(clock)
        contact = Contact()
        generator = Generator(what, clock, InTasks(server), contact, frames.append)
        generator.on_accepted = server.accepted
        server.generator = generator
        task = during(generator, clock, contact)
        await generator.run()
        for pending in (*server.closing, *([task] if task else [])):
            pending.cancel()
    return Run(frames)


async def test_every_start_of_an_easy_run_completes_without_lag() -> None:
    run = await drive(order())
    assert run.outcomes == {Outcome.COMPLETED: 200}
    assert run.ended.scheduled == 200
    assert not run.ended.interrupted
    assert max(sample.lag_us or 0 for sample in run.samples) == 0
    assert {sample.latency_us for sample in run.samples} == {51_000}


async def test_a_slow_start_does_not_hold_up_the_schedule() -> None:
    run = await drive(order(), lambda clock: Server(clock, accept_s=lambda _: 3.0))
    assert run.outcomes == {Outcome.COMPLETED: 200}
    assert max(sample.lag_us or 0 for sample in run.samples) == 0


async def test_a_full_in_flight_limit_is_back_pressure() -> None:
    run = await drive(order(max_in_flight=10), lambda clock: Server(clock, run_s=lambda _: None))
    assert run.outcomes == {Outcome.UNFINISHED: 10, Outcome.BACK_PRESSURED: 190}
    assert run.drained.held == 10
    assert all(sample.sent_us is None for sample in run.samples if sample.outcome is Outcome.BACK_PRESSURED)


async def test_a_refusal_is_an_outcome_with_its_cause() -> None:
    run = await drive(order(), lambda clock: Server(clock, refuses=lambda index: index % 4 == 0))
    assert run.outcomes == {Outcome.COMPLETED: 150, Outcome.REJECTED: 50}
    causes = {sample.cause for sample in run.samples if sample.outcome is Outcome.REJECTED}
    assert causes == {"RESOURCE_EXHAUSTED/RPS_LIMIT/NAMESPACE"}
    assert sum(sum(tick.refusals.values()) for tick in run.ticks) == 50


async def test_our_own_stall_drops_what_is_past_the_lag_limit_and_delays_the_rest() -> None:
    async def stall(clock: VirtualClock) -> None:
        await clock.sleep(0.5)
        clock.advance(1_500_000)

    run = await drive(order(), during=lambda _, clock, __: asyncio.create_task(stall(clock)))
    dropped = run.outcomes[Outcome.GENERATOR_LIMITED]
    assert 45 <= dropped <= 55
    assert run.outcomes[Outcome.COMPLETED] == 200 - dropped
    assert max(sample.lag_us or 0 for sample in run.samples) > 900_000
    delayed = max(sample.latency_us or 0 for sample in run.samples)
    assert delayed > 900_000, "a stall shows in the latency of what it delayed"


async def test_what_is_open_when_the_drain_ends_is_unfinished() -> None:
    run = await drive(order(drain_s=3.0), lambda clock: Server(clock, run_s=lambda index: 60.0 if index % 2 else 0.01))
    assert run.outcomes == {Outcome.COMPLETED: 100, Outcome.UNFINISHED: 100}
    assert run.drained.held == 100
    assert 4.9 < run.drained.t_s < 5.5


async def test_an_unanswered_start_is_left_unresolved() -> None:
    run = await drive(order(drain_s=2.0), lambda clock: Server(clock, accept_s=lambda _: 100.0))
    assert run.outcomes == {Outcome.REJECTED: 200}
    assert {sample.cause for sample in run.samples} == {"NO_ANSWER/unresolved"}


async def test_a_stop_ends_the_schedule_and_shortens_the_drain() -> None:
    async def stop(generator: Generator, clock: VirtualClock) -> None:
        await clock.sleep(1.0)
        generator.stop(0.5)

    run = await drive(
        order(),
        lambda clock: Server(clock, run_s=lambda _: None),
        during=lambda generator, clock, _: asyncio.create_task(stop(generator, clock)),
    )
    assert run.ended.interrupted
    assert 45 <= run.ended.scheduled <= 55
    assert run.outcomes == {Outcome.UNFINISHED: run.ended.scheduled}
    assert run.drained.t_s < 1.5


async def test_the_drain_gives_up_on_a_server_that_no_longer_answers() -> None:
    async def fail(clock: VirtualClock, contact: Contact) -> None:
        while True:
            await clock.sleep(1.0)
            if clock.now_us() > 2_000_000:
                contact.failed_us = clock.now_us()

    run = await drive(
        order(drain_s=500.0),
        lambda clock: Server(clock, run_s=lambda _: None),
        during=lambda _, clock, contact: asyncio.create_task(fail(clock, contact)),
    )
    assert "has not answered for 30 s" in run.drained.reason
    assert run.drained.t_s < 40


async def test_what_breaks_in_the_schedule_ends_the_run_at_once_and_is_raised() -> None:
    class Broken(Server):
        async def start(self, flight: Flight) -> Accepted | Refused:
            if flight.index == 10:
                raise KeyError("ours")
            return await super().start(flight)

    clocks: list[VirtualClock] = []

    def broken(clock: VirtualClock) -> Server:
        clocks.append(clock)
        return Broken(clock, run_s=lambda _: None)

    with pytest.raises(KeyError, match="ours"):
        await drive(order(drain_s=600.0), broken)
    assert clocks[0].now_us() < 1_000_000


async def test_generators_share_a_schedule_without_overlap() -> None:
    first = await drive(order(parts=2))
    second = await drive(msgspec.structs.replace(order(parts=2), generator=1))
    indexes = [sample.index for run in (first, second) for sample in run.samples]
    assert sorted(indexes) == list(range(200))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    rate_per_s=st.sampled_from([5.0, 50.0, 300.0]),
    max_in_flight=st.sampled_from([1, 7, 1_000]),
    stall_us=st.sampled_from([0, 300_000, 2_000_000]),
)
def test_each_intended_start_has_exactly_one_outcome(
    seed: int, rate_per_s: float, max_in_flight: int, stall_us: int
) -> None:
    randomness = random.Random(seed)
    chance = [randomness.random() for _ in range(1_000)]

    def server(clock: VirtualClock) -> Server:
        return Server(
            clock,
            accept_s=lambda index: 0.001 if chance[index] < 0.9 else 2.5,
            run_s=lambda index: None if chance[-index - 1] < 0.05 else chance[index],
            refuses=lambda index: chance[-index - 1] > 0.9,
        )

    async def stall(clock: VirtualClock) -> None:
        await clock.sleep(0.7)
        clock.advance(stall_us)

    run = asyncio.run(
        drive(
            order(rate_per_s=rate_per_s, max_in_flight=max_in_flight, drain_s=4.0),
            server,
            during=lambda _, clock, __: asyncio.create_task(stall(clock)),
        )
    )
    assert sorted(sample.index for sample in run.samples) == list(range(run.ended.scheduled))
    assert run.ended.scheduled == 2 * rate_per_s
    for sample in run.samples:
        times = [t for t in (sample.intended_us, sample.sent_us, sample.accepted_us, sample.closed_us) if t is not None]
        assert times == sorted(times)
