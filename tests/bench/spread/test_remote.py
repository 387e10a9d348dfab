"""A generator elsewhere, as the run sees it."""

from __future__ import annotations

import time

import msgspec

from auroral.bench.protocol import CleanedUp, CleanUp, Drained, FromChild, Go, ScheduleEnded, StopSchedule
from auroral.bench.spread.part import (
    Account,
    Emptied,
    Ended,
    Heartbeat,
    Recorder,
    Ring,
    encode_account,
    encode_heartbeat,
)
from auroral.bench.spread.plan import Released
from auroral.bench.spread.remote import RemoteGenerator
from tests.bench.spread.scenes import PART, PARTS, SCHEDULE, seen, start, tick

Frame = FromChild | Account


class Scene:
    """A remote generator, what it was told, and what it says."""

    def __init__(self) -> None:
        self.told: list[object] = []
        self.said: list[Frame] = []
        self.generator = RemoteGenerator(PART, seen(PART), self.told.append)
        self.generator.on_frame = lambda _, frame: self.said.append(frame)
        self._recorder = Recorder(SCHEDULE, PART, PARTS)
        self._ring = Ring(1_000_000)

    def account(self, *places: int) -> None:
        self._recorder.add([start(place) for place in places])
        self._ring.push(encode_account(self._recorder.close(tick())))

    def heartbeat(self, **changes: object) -> bytes:
        plain = Heartbeat(generator=PART, first=self._ring.first, accounts=self._ring.accounts, cpu_s=1.5)
        return encode_heartbeat(msgspec.structs.replace(plain, **changes))


ENDED = Ended(t_s=20.0, scheduled=200, interrupted=False)
EMPTIED = Emptied(t_s=21.0, held=2, reason="")


def test_each_account_is_said_once_and_the_ends_once() -> None:
    scene = Scene()
    scene.account(0, 1)
    scene.generator.heard(scene.heartbeat())
    scene.account(2)
    for _ in range(2):
        scene.generator.heard(scene.heartbeat(ended=ENDED))
    scene.generator.generated(scene.heartbeat(ended=ENDED, emptied=EMPTIED))
    kinds = [type(frame) for frame in scene.said]
    assert kinds == [Account, Account, ScheduleEnded, Drained]
    assert scene.said[-1] == Drained(t_s=21.0, held=2)
    assert not scene.generator.ended.is_set(), "it waits for its clean-up"
    scene.generator.released(Released(terminated=2, failed=0))
    assert scene.said[-1] == CleanedUp(terminated=2, failed=0)
    assert scene.generator.ended.is_set()
    assert not scene.generator.lost
    assert scene.generator.usage().cpu_s == 1.5


def test_what_was_missed_loses_it() -> None:
    scene = Scene()
    for place in range(40):
        scene.account(place)
    scene.generator.heard(scene.heartbeat())
    assert scene.generator.lost
    assert "10 of its accounts were missed" in scene.generator.error().message
    assert "generator-1 on 2@host" in scene.generator.error().message
    assert not scene.said


def test_what_is_no_heartbeat_loses_it() -> None:
    scene = Scene()
    scene.generator.heard(b"nothing of the kind")
    assert scene.generator.lost


def test_one_that_ends_without_all_its_outcomes_is_lost() -> None:
    scene = Scene()
    scene.account(0)
    scene.generator.generated(scene.heartbeat(ended=ENDED))
    assert scene.generator.lost
    assert isinstance(scene.said[-1], ScheduleEnded)
    usage = scene.generator.usage()
    assert usage.lost
    assert usage.detail == "on 2@host: it ended before everything of its part had an outcome"


def test_one_that_is_lost_is_neither_heard_nor_told_anything() -> None:
    scene = Scene()
    scene.generator.abandon()
    scene.generator.fail("once more")
    scene.generator.end()
    assert scene.generator.lost
    scene.account(0)
    scene.generator.heard(scene.heartbeat())
    scene.generator.send(StopSchedule(drain_timeout_s=1.0))
    assert (scene.said, scene.told) == ([], [])


def test_it_is_silent_from_its_beginning_not_from_its_claim() -> None:
    scene = Scene()
    scene.generator._heard_s = time.monotonic() - 100
    assert scene.generator.silent_s() > 99
    go = Go(epoch_unix_us=1, clock_offset_us=0)
    scene.generator.send(go)
    assert scene.generator.silent_s() < 50
    scene.generator.send(CleanUp(deadline_s=1.0))
    assert scene.told == [go, CleanUp(deadline_s=1.0)]


STOPPED = Ended(t_s=4.0, scheduled=40, interrupted=True)


def test_one_that_stopped_as_it_was_told_has_done_its_part() -> None:
    scene = Scene()
    scene.account(0)
    scene.generator.send(StopSchedule(drain_timeout_s=5.0))
    scene.generator.generated(scene.heartbeat(ended=STOPPED, emptied=EMPTIED))
    assert [type(frame) for frame in scene.said] == [Account, ScheduleEnded, Drained]
    assert not scene.generator.lost


def test_one_that_stopped_although_nobody_told_it_is_lost_with_what_it_never_sent() -> None:
    scene = Scene()
    scene.account(0)
    scene.generator.heard(scene.heartbeat(ended=STOPPED))
    assert not scene.generator.lost, "it drains, and what it tells of that counts"
    scene.account(1)
    scene.generator.generated(scene.heartbeat(ended=STOPPED, emptied=EMPTIED))
    assert [type(frame) for frame in scene.said] == [Account, Account], "its schedule has not come to its end"
    assert scene.generator.lost
    assert "although this run did not ask it to" in scene.generator.error().message


def test_one_whose_drain_was_cut_short_is_lost() -> None:
    scene = Scene()
    scene.account(0)
    scene.generator.heard(scene.heartbeat(ended=ENDED))
    scene.generator.stopped_unasked("nothing was heard of the coordinator for 15 s")
    scene.generator.generated(scene.heartbeat(ended=ENDED, emptied=EMPTIED))
    assert [type(frame) for frame in scene.said] == [Account, ScheduleEnded]
    assert scene.generator.usage().detail == "on 2@host: nothing was heard of the coordinator for 15 s"
