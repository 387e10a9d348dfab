from __future__ import annotations

from tests.support.plans import of_preset, of_rate


def test_shards_are_for_life() -> None:
    assert of_rate(20).notes[0] == "the number of history shards cannot be changed once the cluster has started"


def test_a_preset_says_what_its_run_completed_or_that_there_is_none() -> None:
    assert any("offered 400/s and completed 323/s" in note for note in of_preset("400wps").notes)
    assert any("no run of 100wps is published" in note for note in of_preset("100wps").notes)


def test_beyond_what_was_measured_it_says_so() -> None:
    assert any(note.startswith("beyond 400/s nothing was measured") for note in of_rate(430).notes)
    assert not any(note.startswith("beyond") for note in of_rate(20).notes)


def test_sessions_that_linger_are_a_doubt_where_they_would_not_fit() -> None:
    assert any("11,300 connections would be above" in note for note in of_preset("400wps").notes)
    assert not any("linger" in note or "stay open" in note for note in of_preset("150wps").notes)


def test_what_is_taken_for_granted() -> None:
    assert any("weighs" in one for one in of_rate(20, workload="simple").assumptions)
    assert any("decision 9" in one for one in of_rate(20, distributed=True).assumptions)
    assert any("not replaced within 10.0 s" in one for one in of_preset("150wps").assumptions)


def test_between_two_it_says_what_the_run_it_goes_by_completed() -> None:
    assert any(
        "go by 400wps, whose run completed 323/s of 400/s offered: expect 81%" in one for one in of_rate(350).notes
    )
    assert any("go by 100wps, of which no run is published" in one for one in of_rate(80).notes)
    assert not any("go by" in one for one in of_preset("400wps").notes)


def test_a_zone_that_cannot_be_lost_without_a_wait_is_told() -> None:
    told = [one for one in of_preset("150wps").notes if one.startswith("zone-lost: ")]
    assert told == [
        "zone-lost: zone a: no room for 1 history (cpu short) until other instances start, which the time to recover "
        "leaves out"
    ]
    assert any("with it the whole cluster is lost" in one for one in of_rate(150, zones=1).notes)


def test_that_stops_end_before_successors_open_is_an_assumption() -> None:
    assert any("a stopped task has ended (within 11.2 s when idle)" in one for one in of_rate(20).assumptions)
