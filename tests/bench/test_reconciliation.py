"""Our counts against the server's: what agrees, what does not, and when to stop asking."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroral.bench.reconciliation import Settling, compare
from auroral.bench.samples import CLOSED, Outcome

CLOSED_NAMES = sorted(CLOSED)


@pytest.mark.parametrize(
    ("sentence", "ours", "server", "status"),
    [
        ("equal counts agree", {"completed": 10}, {"completed": 10}, "agreed"),
        ("nothing on either side agrees", {}, {}, "agreed"),
        (
            "what is open here may run there",
            {"completed": 8, "unfinished": 2},
            {"completed": 8, "running": 2},
            "agreed",
        ),
        ("what is open here may have closed since", {"completed": 8, "unfinished": 2}, {"completed": 10}, "agreed"),
        (
            "it may have closed in any way",
            {"completed": 8, "unfinished": 3},
            {"completed": 9, "timed_out": 1, "running": 1},
            "agreed",
        ),
        ("paused is open", {"unfinished": 1}, {"paused": 1}, "agreed"),
        (
            "what was never accepted is unknown there",
            {"completed": 1, "rejected": 5, "back_pressured": 2},
            {"completed": 1},
            "agreed",
        ),
        ("a link of a chain is no end", {"completed": 4}, {"completed": 4, "continued_as_new": 12}, "agreed"),
        ("one too few is a disagreement", {"completed": 10}, {"completed": 9}, "disagreed"),
        ("one too many is a disagreement", {"completed": 10}, {"completed": 11}, "disagreed"),
        ("another status is a disagreement", {"completed": 10}, {"completed": 9, "failed": 1}, "disagreed"),
        ("still running there is a disagreement", {"completed": 10}, {"completed": 9, "running": 1}, "disagreed"),
        ("open here, unknown there", {"unfinished": 1}, {}, "disagreed"),
        (
            "a surplus does not make up for a lack",
            {"completed": 5, "failed": 1, "unfinished": 1},
            {"completed": 7, "failed": 0},
            "disagreed",
        ),
        ("a status that nobody knows", {"completed": 1}, {"completed": 1, "vanished": 1}, "disagreed"),
    ],
)
def test_compare(sentence: str, ours: dict[str, int], server: dict[str, int], status: str) -> None:
    reconciliation = compare(ours, server, settled_after_s=1.5)
    assert reconciliation.status == status, sentence
    assert reconciliation.settled_after_s == 1.5
    assert bool(reconciliation.detail) is (status == "disagreed")
    assert reconciliation.server == server


def test_the_detail_names_each_difference() -> None:
    detail = compare({"completed": 1000, "unfinished": 2}, {"completed": 998, "failed": 1}, settled_after_s=0).detail
    assert "completed: 1,000 counted here, 998 by the server" in detail
    assert "unfinished: 2 counted here, 0 running and 1 more closed by the server" in detail


def test_without_an_answer_it_is_unavailable_and_says_why() -> None:
    reconciliation = compare({"completed": 1}, None, settled_after_s=30.0, failure="UNAVAILABLE: gone")
    assert (reconciliation.status, reconciliation.detail) == ("unavailable", "UNAVAILABLE: gone")
    assert compare({}, None, settled_after_s=0).detail


counts = st.integers(0, 1000)
outcome_counts = st.fixed_dictionaries({outcome.value: counts for outcome in Outcome})


@given(outcome_counts, st.data())
def test_whatever_closes_later_still_agrees(ours: dict[str, int], data: st.DataObject) -> None:
    server = {status: ours[status] for status in CLOSED_NAMES}
    left = ours["unfinished"]
    for status in CLOSED_NAMES:
        closed_since = data.draw(st.integers(0, left))
        server[status] += closed_since
        left -= closed_since
    server["running"] = left
    assert compare(ours, server, settled_after_s=0).status == "agreed"


@given(outcome_counts, st.fixed_dictionaries({status: counts for status in [*CLOSED_NAMES, "running"]}))
def test_agreement_means_that_the_totals_are_equal(ours: dict[str, int], server: dict[str, int]) -> None:
    if compare(ours, server, settled_after_s=0).status == "agreed":
        assert sum(server.values()) == sum(ours[status] for status in [*CLOSED_NAMES, "unfinished"])


def test_agreement_ends_the_waiting_at_once() -> None:
    settling = Settling(30.0)
    assert settling.observe(0.0, {"completed": 3}, {"completed": 3}) == "again"
    assert settling.observe(0.5, {"completed": 3}, {"completed": 3}) == "settled"
    assert Settling(0.0).observe(0.0, {"completed": 3}, {"completed": 3}) == "settled"


def test_a_count_that_still_moves_is_waited_for() -> None:
    settling = Settling(60.0, stable_polls=3, stable_s=2.0)
    for second in range(40):
        assert settling.observe(second, {"completed": 100}, {"completed": second}) == "again"


def test_a_disagreement_that_stands_still_is_final() -> None:
    settling = Settling(60.0, stable_polls=3, stable_s=10.0)
    answers = [settling.observe(second, {"completed": 5}, {"completed": 4}) for second in range(12)]
    assert answers == ["again"] * 10 + ["settled"] * 2


def test_few_answers_far_apart_are_not_yet_stable() -> None:
    settling = Settling(60.0, stable_polls=3, stable_s=10.0)
    assert settling.observe(0.0, {"completed": 5}, {"completed": 4}) == "again"
    assert settling.observe(20.0, {"completed": 5}, {"completed": 4}) == "again"
    assert settling.observe(21.0, {"completed": 5}, {"completed": 4}) == "settled"


def test_a_missing_answer_starts_the_stability_anew() -> None:
    settling = Settling(60.0, stable_polls=2, stable_s=1.0)
    assert settling.observe(0.0, {"completed": 5}, {"completed": 4}) == "again"
    assert settling.observe(5.0, {"completed": 5}, None) == "again"
    assert settling.observe(6.0, {"completed": 5}, {"completed": 4}) == "again"


def test_time_runs_out_with_and_without_answers() -> None:
    assert Settling(30.0).observe(30.0, {"completed": 5}, {"completed": 4}) == "settled"
    assert Settling(30.0).observe(30.0, {"completed": 5}, None) == "settled"


def test_while_our_own_counts_are_unknown_nothing_agrees() -> None:
    settling = Settling(30.0, stable_polls=2, stable_s=1.0)
    assert settling.observe(0.0, {}, {}) == "again"
    assert settling.observe(1.0, {}, {}) == "settled"
