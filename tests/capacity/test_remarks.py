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
