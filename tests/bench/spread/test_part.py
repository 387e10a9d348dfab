"""Accounts of a part: whole, small, and the newest in every heartbeat."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auroral.bench.samples import Observation, Outcome, Sample
from auroral.bench.schedule import Schedule
from auroral.bench.spread import plan
from auroral.bench.spread.merge import interaction_times
from auroral.bench.spread.part import (
    MOST_UNRESOLVED,
    RING,
    Heartbeat,
    Recorder,
    Ring,
    decode_account,
    decode_heartbeat,
    encode_account,
    encode_heartbeat,
)
from auroral.bench.tally import Tally
from tests.bench.spread.scenes import PART, PARTS, SCHEDULE, arrival, start, tick, unresolved


def recorder() -> Recorder:
    return Recorder(SCHEDULE, PART, PARTS)


@settings(max_examples=100)
@given(st.permutations(range(40)), st.lists(st.integers(0, 40), max_size=5), st.sets(st.integers(0, 39)))
def test_the_accounts_of_a_part_are_all_its_starts_once(places: list[int], cuts: list[int], without: set[int]) -> None:
    recording, expected = recorder(), Tally(SCHEDULE.windows())
    merged, indices, questions = Tally(SCHEDULE.windows()), list[int](), list[Sample]()
    bounds = [0, *sorted(cuts), len(places)]
    for number, (first, last) in enumerate(itertools.pairwise(bounds)):
        samples = [unresolved(place) if place in without else start(place) for place in places[first:last]]
        recording.add(samples)
        for sample in samples:
            if not sample.cause:
                expected.add(sample)
        account = decode_account(encode_account(recording.close(tick())))
        assert account.number == number
        merged.add_plain(account.counts)
        indices += account.indices(PART, PARTS)
        questions += account.unresolved
    assert sorted(indices) == [place * PARTS + PART for place in range(40) if place not in without]
    assert sorted(questions, key=lambda one: one.index) == [unresolved(place) for place in sorted(without)]
    assert merged.times() == expected.times()
    assert merged.outcomes == expected.outcomes
    assert not recording.waiting


def test_interactions_are_counted_and_leave_the_tick() -> None:
    recording = recorder()
    told = [("signal", 2_000, ""), ("signal", 3_000, "NOT_FOUND"), ("query", 26 * 3600 * 1_000_000, "")]
    account = decode_account(encode_account(recording.close(tick(interactions=told))))
    assert account.tick == tick()
    signal, query = account.interactions["signal"], account.interactions["query"]
    assert (signal.sent, signal.causes) == (2, {"NOT_FOUND": 1})
    assert interaction_times(signal).value_at(50) == 2_000
    assert interaction_times(query).out_of_range == 1


def test_many_unresolved_starts_are_told_in_turn() -> None:
    recording = recorder()
    recording.add([unresolved(place) for place in range(MOST_UNRESOLVED + 10)])
    assert len(recording.close(None).unresolved) == MOST_UNRESOLVED
    assert recording.waiting
    assert len(recording.close(None).unresolved) == 10
    assert not recording.waiting


def test_after_a_stop_closes_count_in_the_drain() -> None:
    recording = recorder()
    recording.add([start(0)])
    recording.stop(1.0)
    first = recording.close(None)
    recording.add([start(30)])
    second = recording.close(None)
    whole = Tally(SCHEDULE.windows())
    for account in (first, second):
        whole.add_plain(account.counts)
    whole.cut(SCHEDULE.windows(1.0))
    steady, drain = whole.windows()
    assert (steady.end_s, steady.completed_per_s) == (1.0, 1.0)
    assert drain.kind == "drain"
    assert drain.latency.count == 1


@given(st.lists(st.integers(1, 300), max_size=80), st.integers(1, 1_000))
def test_the_ring_holds_the_newest_that_fit_and_always_the_last(sizes: list[int], most: int) -> None:
    ring = Ring(most)
    for number, size in enumerate(sizes):
        ring.push(number.to_bytes(2, "big") * size)
    kept = [int.from_bytes(account[:2], "big") for account in ring.accounts]
    assert kept == list(range(ring.first, len(sizes)))
    if sizes:
        assert kept[-1] == len(sizes) - 1
        assert len(kept) == 1 or (len(kept) <= RING and sum(map(len, ring.accounts)) <= most)
        following = sum(len(account) for account in ring.accounts) + 2 * sizes[ring.first - 1]
        assert ring.first == 0 or len(kept) == RING or following > most, "no more would have fitted"


@pytest.mark.parametrize("data", [b"", b"anything", encode_heartbeat(Heartbeat(generator=0, first=0, accounts=[]))])
def test_what_is_no_account_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="expected the account of a generator"):
        decode_account(data)
    if not data.startswith(b"\x87"):
        with pytest.raises(ValueError, match="expected the heartbeat of a generator"):
            decode_heartbeat(data)


def busy_second(second: int, rate_per_s: int, chance: random.Random, *, lost: bool) -> list[Sample]:
    """Starts of one second: 2 ms late on average, open for times that spread over four decades, closed in any order."""
    samples = []
    for number in range(rate_per_s):
        place = second * rate_per_s + number
        intended_us = round(place * 1e6 / rate_per_s)
        sent_us = intended_us + round(chance.expovariate(1 / 2_000))
        common = {"index": place * PARTS + PART, "workload": 0, "intended_us": intended_us, "sent_us": sent_us}
        if lost:
            samples.append(Sample(**common, outcome=Outcome.REJECTED, sends=17, cause="UNAVAILABLE/unresolved"))
            continue
        accepted_us = sent_us + round(chance.lognormvariate(9, 0.5))
        samples.append(
            Sample(
                **common,
                outcome=Outcome.COMPLETED,
                accepted_us=accepted_us,
                closed_us=accepted_us + round(chance.lognormvariate(11, 2)),
                observation=Observation.WATCHED,
            )
        )
    chance.shuffle(samples)
    return samples


@pytest.mark.parametrize(("generators", "lost", "least"), [(4, False, 30), (64, False, 16), (4, True, 16)])
def test_a_heartbeat_at_a_thousand_a_second_is_small_and_outlasts_a_silence(
    generators: int, lost: bool, least: int
) -> None:
    """Whoever is silent for longer than these accounts reach back is lost anyway."""
    rate_per_s, chance = 1_000, random.Random(7)
    recording = Recorder(Schedule(arrival(rate_per_s * PARTS, 60)), PART, PARTS)
    budget = plan.heartbeat_bytes(generators)
    ring = Ring(budget)
    for second in range(35):
        recording.add(busy_second(second, rate_per_s, chance, lost=lost))
        ring.push(encode_account(recording.close(tick())))
    data = encode_heartbeat(Heartbeat(generator=PART, first=ring.first, accounts=ring.accounts))
    assert len(data) <= budget + 1_024
    assert budget <= 256 * 1024
    assert generators * budget <= 4 * 1024 * 1024
    assert len(ring.accounts) >= least > plan.HEARTBEAT_TIMEOUT_S
