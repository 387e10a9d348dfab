"""Accounts as they come in: each once, in order, and whoever missed one knows."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auroral.bench.limits import Reading
from auroral.bench.spread.merge import Inbox, Steady, with_cpu
from auroral.bench.spread.part import RING, Heartbeat, Recorder, Ring, encode_account
from tests.bench.spread.scenes import PART, PARTS, SCHEDULE, start, tick


def heartbeats(count: int) -> list[Heartbeat]:
    """One for each account, each with the newest accounts."""
    recording, ring, made = Recorder(SCHEDULE, PART, PARTS), Ring(1_000_000), []
    for place in range(count):
        recording.add([start(place)])
        ring.push(encode_account(recording.close(tick(float(place)))))
        made.append(Heartbeat(generator=PART, first=ring.first, accounts=ring.accounts))
    return made


@settings(max_examples=20)
@given(st.lists(st.integers(0, RING), max_size=20))
def test_skipped_and_repeated_heartbeats_lose_nothing(steps: list[int]) -> None:
    made = heartbeats(100)
    inbox, taken, at = Inbox(PART), [], -1
    for step in [*steps, *[RING] * 4]:
        at = min(len(made) - 1, at + step)
        taken += inbox.take(made[max(0, at)])
    assert [account.number for account in taken] == list(range(100))
    assert inbox.take(made[-1]) == []
    assert inbox.take(made[10]) == [], "an older one says nothing new"


def test_one_that_misses_accounts_says_so() -> None:
    made = heartbeats(60)
    inbox = Inbox(PART)
    inbox.take(made[10])
    with pytest.raises(ValueError, match="19 of its accounts were missed"):
        inbox.take(made[59])


def test_anothers_heartbeat_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a heartbeat of generator-2, not of 1"):
        Inbox(2).take(heartbeats(1)[0])


def test_accounts_out_of_order_are_refused() -> None:
    (one,) = heartbeats(1)
    wrong = Heartbeat(generator=PART, first=0, accounts=one.accounts * 2)
    with pytest.raises(ValueError, match="expected its account 1, not 0"):
        Inbox(PART).take(wrong)


def test_a_second_without_a_tick_holds_what_the_last_one_held() -> None:
    steady = Steady()
    first = [tick(1.0, generator=0, in_flight=5), tick(1.0, generator=1, in_flight=7)]
    assert steady.fill(first) == first
    one, other = steady.fill([tick(2.0, generator=0, in_flight=6)])
    assert (one.in_flight, other.generator, other.in_flight, other.watchers) == (6, 1, 7, 2)
    assert (other.sent, other.accepted, other.back_pressured, other.generator_limited) == (0, 0, 0, 0)
    assert (other.refusals, other.refused_waits, other.lag_p99_us) == ({}, 0, None)
    steady.forget(1)
    assert [each.generator for each in steady.fill([])] == [0]
    steady.forget(5)


def test_processors_elsewhere_stand_beside_our_own() -> None:
    reading = Reading(t_s=1.0, cpu={"coordinator": 0.25})
    ticks = [tick(cpu={"generator-0": 0.5, "generator-0-agent": 0.1}), tick(cpu={"generator-1": 0.75})]
    assert with_cpu(reading, ticks).cpu == {
        "coordinator": 0.25, "generator-0": 0.5, "generator-0-agent": 0.1, "generator-1": 0.75,
    }  # fmt: skip
    assert with_cpu(reading, [tick()]) is reading
