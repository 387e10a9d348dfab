"""How often is connected while nothing comes of it."""

from __future__ import annotations

from auroral.temporal.wire.backoff import Backoff


def attempts(until_s: float, *, connects: bool) -> int:
    """Attempts of one who connects as soon as it may; each connection ends at once, before it has answered."""
    backoff, now_s, count = Backoff(), 0.0, 0
    while (now_s := max(now_s, backoff.due_s)) < until_s:
        count += 1
        if connects:
            backoff.lost(now_s, "it left", answered=False)
        else:
            backoff.failed(now_s, "refused")
    return count


def test_failures_double_the_pause_up_to_two_seconds() -> None:
    backoff, now_s, pauses = Backoff(), 0.0, []
    assert backoff.due_s <= now_s
    for _ in range(8):
        backoff.failed(now_s, "refused")
        pauses.append(round(backoff.due_s - now_s, 3))
        now_s = backoff.due_s
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0]
    assert backoff.reason == "refused"


def test_no_storm_where_connecting_fails_or_brings_nothing() -> None:
    assert attempts(60.0, connects=False) < 40
    assert attempts(60.0, connects=True) < 40


def test_the_first_connection_that_is_sent_away_costs_no_pause() -> None:
    backoff = Backoff()
    backoff.lost(5.0, "it left", answered=False)
    assert backoff.due_s <= 5.0
    backoff.lost(5.0, "it left", answered=False)
    assert backoff.due_s == 5.1


def test_an_answer_makes_good_what_was() -> None:
    backoff = Backoff()
    for now_s in (1.0, 2.0, 3.0):
        backoff.failed(now_s, "refused")
    backoff.lost(50.0, "maximum age", answered=True)
    assert backoff.due_s <= 50.0
    backoff.failed(51.0, "refused")
    assert backoff.due_s == 51.1
