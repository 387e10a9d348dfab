from __future__ import annotations

from auroral.bench.samples import CLOSED, DROPPED, SERVER_FAILURES, Outcome, Sample


def test_every_time_counts_from_where_it_is_defined() -> None:
    sample = Sample(
        index=0,
        workload=0,
        outcome=Outcome.COMPLETED,
        intended_us=1_000,
        sent_us=1_500,
        accepted_us=3_000,
        closed_us=10_000,
        server_started_us=2_000,
        server_closed_us=9_000,
    )
    assert sample.lag_us == 500
    assert sample.start_latency_us == 1_500
    assert sample.service_time_us == 8_500
    assert sample.latency_us == 9_000, "from the intended start, not from when it was sent"
    assert sample.server_time_us == 7_000


def test_what_did_not_happen_has_no_time() -> None:
    sample = Sample(index=0, workload=0, outcome=Outcome.BACK_PRESSURED, intended_us=1_000)
    times = (sample.lag_us, sample.start_latency_us, sample.service_time_us, sample.latency_us, sample.server_time_us)
    assert times == (None,) * 5


def test_the_groups_of_outcomes() -> None:
    assert Outcome.GENERATOR_LIMITED not in SERVER_FAILURES, "our own fault is never the server's"
    assert Outcome.COMPLETED not in SERVER_FAILURES
    assert Outcome.BACK_PRESSURED in SERVER_FAILURES & DROPPED
    assert CLOSED.isdisjoint(DROPPED)
    assert len(Outcome) == 9
