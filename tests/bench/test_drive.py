"""The coordinator's view of a run in virtual time; the children are made up at our own seam."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import msgspec
import pytest

from auroral.bench.drive import Drive
from auroral.bench.limits import Reading
from auroral.bench.manifest import ManifestArrival
from auroral.bench.progress import Progress
from auroral.bench.protocol import CleanedUp, CleanUp, Drained, FromChild, Samples, ScheduleEnded, StopSchedule, Tick
from auroral.bench.samples import Outcome, Sample
from auroral.bench.schedule import Schedule
from auroral.bench.spread.part import Emptied, Ended, Heartbeat, Recorder, Ring, encode_account, encode_heartbeat
from auroral.bench.spread.remote import RemoteGenerator
from auroral.bench.tally import Tally
from auroral.errors import LostProcessError
from tests.bench.spread.scenes import seen
from tests.support.virtual_clock import VirtualClock


class FakeChild:
    """Says what the test has it say."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.ended = asyncio.Event()
        self.lost = False
        self.broken: Exception | None = None
        self.silent_since_s = 0.0
        self.heard: list[msgspec.Struct] = []
        self.on_frame: Callable[[FakeChild, FromChild], None] | None = None

    def send(self, frame: msgspec.Struct) -> None:
        self.heard.append(frame)

    def say(self, frame: FromChild) -> None:
        assert self.on_frame is not None
        self.on_frame(self, frame)

    def silent_s(self) -> float:
        return self.silent_since_s

    def abandon(self) -> None:
        self.on_frame = None
        self.die()

    def die(self) -> None:
        self.lost = True
        self.ended.set()

    def error(self) -> LostProcessError:
        return LostProcessError(f"{self.name} ended with status -9")

    def measure(self) -> None:
        pass


class Reader:
    """Takes readings of nothing but the ticks."""

    async def read(self, t_s: float, ticks: Sequence[Tick]) -> Reading:
        return Reading(t_s=t_s, in_flight=sum(tick.in_flight for tick in ticks))


class Watching:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.phases: list[str] = []
        self.seen: list[Progress] = []
        self.warnings: list[str] = []

    def phase(self, name: str, detail: str = "") -> None:
        self.phases.append(name)

    def detail(self, text: str) -> None:
        pass

    def progress(self, progress: Progress) -> None:
        self.seen.append(progress)

    def warning(self, text: str) -> None:
        self.warnings.append(text)


def sample(index: int, outcome: Outcome = Outcome.COMPLETED, cause: str = "", sends: int = 1) -> Sample:
    closed_us = index * 100_000 + 50_000 if outcome is Outcome.COMPLETED else None
    return Sample(
        index=index,
        workload=0,
        outcome=outcome,
        intended_us=index * 100_000,
        sent_us=index * 100_000,
        accepted_us=index * 100_000 + 1_000,
        closed_us=closed_us,
        cause=cause,
        sends=sends,
    )


def tick(t_s: float, in_flight: int = 0) -> Tick:
    return Tick(
        t_s=t_s,
        sent=10,
        accepted=10,
        in_flight=in_flight,
        watchers=0,
        unresolved=0,
        refusals={},
        refused_waits=1,
        back_pressured=0,
        generator_limited=0,
        lag_p99_us=100,
        interactions=[("signal", 2_000, ""), ("signal", 3_000, "NOT_FOUND")],
    )


class Scene:
    """A drive of 10/s for three seconds over some generators."""

    def __init__(self, clock: VirtualClock, generators: int = 1, workers: int = 0) -> None:
        self.clock = clock
        schedule = self.schedule = Schedule(
            ManifestArrival(
                process="constant", segments=[(3.0, 10.0, 10.0)], ramp_s=0.0, count=None, seed=1, staged=False
            )
        )
        self.tally = Tally(schedule.windows())
        self.appended: list[Sample] = []
        self.generators = [FakeChild(f"generator-{number}") for number in range(generators)]
        self.workers = [FakeChild(f"worker-{number}") for number in range(workers)]
        self.watching = Watching()
        self.drive = Drive(
            schedule=schedule,
            clock=clock,
            tally=self.tally,
            append=self.appended.extend,
            generators=self.generators,  # type: ignore[arg-type]
            workers=self.workers,  # type: ignore[arg-type]
            reader=Reader(),
            observer=self.watching,
            drain_timeout_s=10.0,
        )


async def play(story: Callable[[Scene], Awaitable[None]], *, generators: int = 1, workers: int = 0) -> Scene:
    async with VirtualClock() as clock:
        scene = Scene(clock, generators, workers)
        telling = asyncio.ensure_future(story(scene))
        await scene.drive.run()
        await telling
    return scene


async def ordinary(scene: Scene) -> None:
    (child,) = scene.generators
    for second in range(3):
        await scene.clock.sleep(1)
        child.say(tick(second + 1.0, in_flight=2))
        child.say(Samples(samples=[sample(index) for index in range(second * 10, second * 10 + 10)]))
    child.say(ScheduleEnded(t_s=3.0, scheduled=30, interrupted=False))
    await scene.clock.sleep(1)
    child.say(Drained(t_s=4.0, held=0))


async def test_an_ordinary_run_is_tallied_read_and_shown_each_second() -> None:
    scene = await play(ordinary)
    assert scene.tally.outcomes[Outcome.COMPLETED] == 30
    assert len(scene.appended) == 30
    assert scene.watching.phases == ["drive", "drain"]
    assert sorted({progress.t_s for progress in scene.watching.seen})[:3] == [1.0, 2.0, 3.0]
    assert [progress.scheduled for progress in scene.watching.seen if progress.phase == "drive"][-1] == 30
    assert scene.watching.seen[-1].scheduled == 30
    assert scene.drive.in_flight[:3] == [2, 2, 2]
    assert scene.drive.refused_waits == 3
    assert scene.drive.lost_generators == []
    assert scene.drive.end_s == 3.0
    assert not scene.drive.interrupted
    signals = scene.drive.interactions["signal"]
    assert (signals.sent, signals.causes) == (6, {"NOT_FOUND": 3})


async def test_unresolved_starts_are_kept_back_until_the_server_is_asked() -> None:
    async def story(scene: Scene) -> None:
        (child,) = scene.generators
        child.say(Samples(samples=[sample(0, Outcome.REJECTED, "UNAVAILABLE/unresolved", sends=4), sample(1, sends=2)]))
        child.say(ScheduleEnded(t_s=3.0, scheduled=2, interrupted=False))
        child.say(Drained(t_s=4.0, held=0))

    scene = await play(story)
    assert [sample.index for sample in scene.drive.unresolved] == [0]
    assert scene.tally.scheduled == 1
    assert scene.tally.resolved_starts == 1
    assert scene.drive.received(0)
    assert scene.drive.received(1)
    assert not scene.drive.received(2)


async def test_a_lost_generator_does_not_hold_up_the_others() -> None:
    async def story(scene: Scene) -> None:
        first, second = scene.generators
        await scene.clock.sleep(1)
        first.die()
        await scene.clock.sleep(3)
        second.say(ScheduleEnded(t_s=3.0, scheduled=15, interrupted=False))
        second.say(Drained(t_s=4.0, held=0))

    scene = await play(story, generators=2)
    assert scene.drive.lost_generators == [0]
    assert len(scene.watching.warnings) == 1
    assert "generator-0" in scene.watching.warnings[0]


async def test_a_lost_worker_is_told_once() -> None:
    async def story(scene: Scene) -> None:
        scene.workers[0].die()
        await ordinary(scene)

    scene = await play(story, workers=1)
    assert len(scene.watching.warnings) == 1
    assert "worker-0" in scene.watching.warnings[0]


async def test_a_generator_that_goes_silent_is_given_up_and_not_listened_to_any_more() -> None:
    async def story(scene: Scene) -> None:
        await scene.clock.sleep(20)
        scene.generators[0].silent_since_s = 61.0

    scene = await play(story)
    assert scene.drive.lost_generators == [0]
    assert scene.generators[0].on_frame is None
    assert 20 <= (scene.drive.drained_s or 0) < 23


async def test_when_nobody_drives_the_rest_of_the_schedule_it_ends_there() -> None:
    async def story(scene: Scene) -> None:
        await scene.clock.sleep(1.2)
        scene.generators[0].die()

    scene = await play(story)
    assert 1.2 <= scene.drive.end_s < 3.0


async def test_what_breaks_while_listening_ends_the_run() -> None:
    async with VirtualClock() as clock:
        scene = Scene(clock)
        scene.generators[0].broken = OSError("no space left")
        with pytest.raises(OSError, match="no space left"):
            await scene.drive.run()


async def test_a_stop_is_passed_on_and_ends_the_schedule_where_it_came() -> None:
    async def story(scene: Scene) -> None:
        await scene.clock.sleep(1.5)
        scene.drive.stop_schedule(5.0)
        assert scene.generators[0].heard == [StopSchedule(drain_timeout_s=5.0)]
        scene.generators[0].say(ScheduleEnded(t_s=1.5, scheduled=15, interrupted=True))
        scene.generators[0].say(Drained(t_s=1.6, held=0))

    scene = await play(story)
    assert scene.drive.interrupted
    assert scene.drive.end_s == 1.5


async def test_clean_up_is_asked_of_those_that_hold_something() -> None:
    async with VirtualClock() as clock:
        scene = Scene(clock, generators=2)
        for number, child in enumerate(scene.generators):
            child.say(ScheduleEnded(t_s=3.0, scheduled=0, interrupted=False))
            child.say(Drained(t_s=3.0, held=number * 7))
        await scene.drive.run()

        async def answer() -> None:
            await clock.sleep(0.5)
            scene.generators[1].say(CleanedUp(terminated=6, failed=1))

        answering = asyncio.ensure_future(answer())
        assert await scene.drive.clean_up(10.0) == (6, 1)
        await answering
    assert scene.generators[0].heard == []
    assert scene.generators[1].heard == [CleanUp(deadline_s=10.0)]


async def test_clean_up_does_not_wait_for_ever() -> None:
    async with VirtualClock() as clock:
        scene = Scene(clock)
        scene.generators[0].say(ScheduleEnded(t_s=3.0, scheduled=0, interrupted=False))
        scene.generators[0].say(Drained(t_s=3.0, held=5))
        await scene.drive.run()
        assert await scene.drive.clean_up(10.0) == (0, 0)
        assert clock.now_us() < 20_000_000


async def test_the_snapshot_is_per_generator_and_never_falls() -> None:
    seen: list[int] = []

    async def story(scene: Scene) -> None:
        (child,) = scene.generators
        for second in range(3):
            await scene.clock.sleep(1)
            child.say(tick(second + 1.0, in_flight=5 - second))
            child.say(Samples(samples=[sample(index) for index in range(second * 10, second * 10 + 10)]))
            seen.append(scene.drive.snapshot().generators[0].scheduled)
        child.say(ScheduleEnded(t_s=3.0, scheduled=30, interrupted=False))
        child.say(Drained(t_s=4.0, held=0))

    scene = await play(story)
    state = scene.drive.snapshot()
    assert seen == [10, 20, 30]
    assert [each.process for each in state.generators] == ["generator-0"]
    assert state.generators[0].outcomes["completed"] == 30
    assert state.generators[0].lag_count == 30
    assert state.generators[0].in_flight == 3


async def test_whoever_may_end_a_run_hears_of_each_second_and_ends_it_without_interrupting_it() -> None:
    seconds: list[int] = []

    async def story(scene: Scene) -> None:
        scene.drive._each_second = seconds.append
        await scene.clock.sleep(2.5)
        scene.drive.stop_schedule(5.0, interrupted=False)
        assert scene.generators[0].heard == [StopSchedule(drain_timeout_s=5.0)]
        scene.generators[0].say(ScheduleEnded(t_s=2.5, scheduled=25, interrupted=True))
        await scene.clock.sleep(1)
        scene.generators[0].say(Drained(t_s=3.5, held=0))

    scene = await play(story)
    assert seconds == [1, 2, 3]
    assert not scene.drive.interrupted
    assert scene.drive.end_s == 2.5


def remote_scene(clock: VirtualClock, generators: int = 2) -> tuple[Scene, list[RemoteGenerator], list[object]]:
    """A drive of 10/s for three seconds over generators on other machines, and what they are told."""
    told: list[object] = []
    remote = [RemoteGenerator(number, seen(number), told.append) for number in range(generators)]
    scene = Scene(clock, generators)
    scene.drive = Drive(
        schedule=scene.schedule,
        clock=clock,
        tally=scene.tally,
        append=scene.appended.extend,
        generators=remote,
        workers=[],
        reader=Reader(),
        observer=scene.watching,
        drain_timeout_s=10.0,
    )
    return scene, remote, told


class Elsewhere:
    """What an agent would say of its part."""

    def __init__(self, scene: Scene, generator: RemoteGenerator, parts: int = 2) -> None:
        self._generator = generator
        self._recorder = Recorder(scene.schedule, generator.number, parts)
        self._ring = Ring(1_000_000)
        self._ended: Ended | None = None

    def say(self, *samples: Sample, t_s: float = 1.0, in_flight: int = 0) -> None:
        self._recorder.add(samples)
        told = msgspec.structs.replace(
            tick(t_s, in_flight), generator=self._generator.number, cpu={self._generator.name: 0.5}
        )
        self._ring.push(encode_account(self._recorder.close(told)))
        self._generator.heard(self._heartbeat())

    def end(self, t_s: float, *, interrupted: bool = False) -> None:
        self._ended = Ended(t_s=t_s, scheduled=15, interrupted=interrupted)
        self._generator.generated(self._heartbeat(Emptied(t_s=t_s, held=0, reason="")))

    def _heartbeat(self, emptied: Emptied | None = None) -> bytes:
        return encode_heartbeat(
            Heartbeat(
                generator=self._generator.number,
                first=self._ring.first,
                accounts=self._ring.accounts,
                ended=self._ended,
                emptied=emptied,
            )
        )


async def test_generators_elsewhere_are_tallied_from_their_accounts() -> None:
    async with VirtualClock() as clock:
        scene, remote, _ = remote_scene(clock)
        one, other = (Elsewhere(scene, generator) for generator in remote)
        running = asyncio.ensure_future(scene.drive.run())
        await clock.sleep(1)
        one.say(*(sample(index) for index in range(0, 10, 2)), in_flight=4)
        other.say(*(sample(index) for index in range(1, 9, 2)), sample(9, Outcome.REJECTED, "NO_ANSWER/unresolved"))
        await clock.sleep(1)
        other.say(in_flight=2)
        await clock.sleep(1)
        one.end(3.0)
        other.end(3.0)
        await running
    drive = scene.drive
    assert scene.tally.outcomes[Outcome.COMPLETED] == 9
    assert [each.index for each in drive.unresolved] == [9]
    assert all(drive.received(index) for index in range(10))
    assert not drive.received(10)
    assert scene.appended == [], "the samples stay where they are"
    assert [reading.in_flight for reading in drive.readings][:2] == [4, 6], "who says nothing holds what it held"
    assert drive.readings[0].cpu == {"generator-0": 0.5, "generator-1": 0.5}
    assert drive.interactions["signal"].sent == 6
    assert drive.interactions["signal"].causes == {"NOT_FOUND": 3}
    assert drive.interactions["signal"].times.count == 3
    assert drive.refused_waits == 3
    assert [each.outcomes["completed"] for each in drive.snapshot().generators] == [5, 4]
    assert drive.lost_generators == []


async def test_a_generator_elsewhere_that_is_lost_leaves_its_share_unreported() -> None:
    async with VirtualClock() as clock:
        scene, remote, _ = remote_scene(clock)
        one, other = (Elsewhere(scene, generator) for generator in remote)
        running = asyncio.ensure_future(scene.drive.run())
        await clock.sleep(1)
        one.say(sample(0), in_flight=3)
        other.say(sample(1))
        remote[0].fail("nothing was heard of it for 15 s")
        await clock.sleep(2)
        other.end(3.0)
        await running
    assert scene.drive.lost_generators == [0]
    assert scene.watching.warnings == [
        "generator-0 on 1@host was lost: nothing was heard of it for 15 s: its share of the run is in doubt"
    ]
    assert scene.drive.received(0)
    assert not scene.drive.received(2)
    assert scene.drive.readings[-1].in_flight == 0, "it holds nothing any more"


async def test_generators_elsewhere_that_stop_unasked_leave_their_share_unreported() -> None:
    async with VirtualClock() as clock:
        scene, remote, _ = remote_scene(clock)
        one, other = (Elsewhere(scene, generator) for generator in remote)
        running = asyncio.ensure_future(scene.drive.run())
        await clock.sleep(1)
        one.say(sample(0))
        other.say(sample(1))
        one.end(1.2, interrupted=True)
        await clock.sleep(2)
        other.end(3.0)
        await running
    assert scene.drive.lost_generators == [0]
    assert scene.drive.end_s == 3.0, "its starts until then were never sent"
    assert scene.drive.received(0)


async def test_a_stopped_run_ends_where_the_last_generator_elsewhere_stopped() -> None:
    async with VirtualClock() as clock:
        scene, remote, told = remote_scene(clock)
        one, other = (Elsewhere(scene, generator) for generator in remote)
        running = asyncio.ensure_future(scene.drive.run())
        await clock.sleep(1)
        scene.drive.stop_schedule(5.0)
        one.end(1.2, interrupted=True)
        other.end(2.5, interrupted=True)
        await running
    assert told == [StopSchedule(drain_timeout_s=5.0)] * 2
    assert scene.drive.end_s == 2.5
