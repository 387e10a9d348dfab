"""Per-second columns at their edges; `test_tally.py` checks them against whole runs."""

from __future__ import annotations

from auroral.bench.seconds import LAST_SECOND, Seconds


def test_room_is_made_for_every_second_and_bounded() -> None:
    seconds = Seconds()
    assert seconds.at(2_999_999) == 2
    assert seconds.length == 3
    assert seconds.at(-1) == 0
    assert seconds.at(10**18) == LAST_SECOND
    assert len(seconds.intended) == seconds.length == LAST_SECOND + 1


def test_what_is_beyond_the_series_counts_in_its_last_second() -> None:
    seconds = Seconds()
    for second in range(5):
        seconds.accepted[seconds.at(second * 1_000_000)] += 1
        seconds.add_latency(second, 1_000 * (second + 1))
    series = seconds.series([1.0, 1.0, 1.0])
    assert series.accepted == [1, 1, 3]
    assert series.in_flight == [1, 2, 5]
    assert series.latency_p50_ms == [1.0, 2.0, 4.001]
    assert series.latency_max_ms[-1] == 5.003


def test_a_series_longer_than_the_run_ends_with_nothing() -> None:
    seconds = Seconds()
    seconds.intended[seconds.at(0)] += 1
    series = seconds.series([1.0, 0.0])
    assert series.intended == [1, 0]
    assert series.latency_max_ms == [None, None]


def test_the_latency_of_one_second() -> None:
    seconds = Seconds()
    seconds.at(1_500_000)
    seconds.add_latency(1, 7_000)
    assert seconds.latency(0).count == 0
    assert seconds.latency(1).max_us == 7_003
    assert seconds.latency(9).count == 0
