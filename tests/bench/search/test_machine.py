"""The state machine, step by step."""

from __future__ import annotations

import msgspec
import pytest

from auroral.bench.search.machine import Found, Measured, Search, Step
from auroral.bench.search.settings import SearchSettings, problems

SETTINGS = SearchSettings(
    slo=("latency.p99<500ms",), least_per_s=5, most_per_s=1_000, step_s=20, ramp_s=5, confirm_s=60, budget_s=600
)


def showed(
    step: Step,
    held: bool | None,
    *,
    spent: float | None = None,
    doubtful: bool = False,
    load_s: float | None = None,
    completed_per_s: float | None = None,
    early: bool = False,
) -> Measured:
    return Measured(
        step=step,
        held=held,
        reasons=["as made up"],
        offered_per_s=step.rate_per_s,
        completed_per_s=step.rate_per_s if completed_per_s is None else completed_per_s,
        quantiles_ms={},
        backlog_start=None,
        backlog_end=None,
        load_s=step.duration_s if load_s is None else load_s,
        spent=spent if spent is not None else (0.0 if held else 10.0),
        doubtful=doubtful,
        early=early,
    )


def given(search: Search) -> Step:
    step = search.next()
    assert isinstance(step, Step), step
    return step


def ended(search: Search) -> Found:
    found = search.next()
    assert isinstance(found, Found), found
    return found


def feed(search: Search, held: bool | None, **facts: float | bool) -> Step:
    step = given(search)
    search.take(showed(step, held, **facts))  # type: ignore[arg-type]
    return step


def test_rates_double_then_halve_the_bracket_and_the_last_that_held_is_confirmed() -> None:
    search = Search(SETTINGS)
    steps = [feed(search, held) for held in (True, True, True, False, True, False, False, True, False)]
    assert [(step.kind, step.rate_per_s) for step in steps[:4]] == [
        ("bracket", 10),
        ("bracket", 20),
        ("bracket", 40),
        ("bracket", 80),
    ]
    assert {step.hold_s for step in steps[:4]} == {10}
    assert [step.rate_per_s for step in steps[4:]] == [56.6, 67.3, 61.7, 59.1, 60.4]
    assert {(step.kind, step.hold_s) for step in steps[4:]} == {("bisect", 20)}
    confirming = feed(search, True)
    assert (confirming.kind, confirming.rate_per_s, confirming.hold_s) == ("confirm", 59.1, 60)
    found = ended(search)
    assert (found.status, found.rate_per_s, found.lost_per_s, found.confirmed) == ("found", 59.1, 60.4, True)
    assert found.sentences[0] == "The cluster sustains 59.1/s with latency.p99<500ms."
    assert found.sentences[1] == "A step of 60 s at 59.1/s confirms it."
    assert found.sentences[2] == "The next rate tried above, 60.4/s (2.2 % more), was lost: as made up."
    assert [step.number for step in (measured.step for measured in found.steps)] == list(range(1, 11))


def test_the_first_rate_is_given_bounded_or_ten() -> None:
    def first(**changes: float) -> float:
        return given(Search(msgspec.structs.replace(SETTINGS, **changes))).rate_per_s

    assert first() == 10
    assert first(start_per_s=200) == 200
    assert first(least_per_s=50) == 50
    assert first(least_per_s=1, most_per_s=4) == 4


def test_a_lost_first_rate_is_halved_or_taken_to_what_completed() -> None:
    search = Search(msgspec.structs.replace(SETTINGS, start_per_s=800))
    feed(search, False, completed_per_s=700)
    assert given(search).rate_per_s == 400
    feed(search, False, completed_per_s=90)
    assert given(search).rate_per_s == 90
    # A collapsed cluster completes next to nothing: that is no measure of what it can do.
    feed(search, False, completed_per_s=0)
    assert given(search).rate_per_s == 90 / 8


def test_bounds_are_tried_and_said() -> None:
    search = Search(msgspec.structs.replace(SETTINGS, most_per_s=30))
    assert [feed(search, True).rate_per_s for _ in range(3)] == [10, 20, 30]
    assert feed(search, True).kind == "confirm"
    found = ended(search)
    assert (found.status, found.rate_per_s, found.lost_per_s, found.confirmed) == ("above-most", 30, None, True)
    assert found.sentences[0].startswith("The cluster sustains at least 30/s, the most")

    search = Search(SETTINGS)
    assert [feed(search, False).rate_per_s for _ in range(2)] == [10, 5]
    found = ended(search)
    assert (found.status, found.rate_per_s, found.confirmed) == ("below-least", None, False)
    assert found.lost_per_s == 5
    assert found.sentences[:2] == [
        "The cluster does not sustain 5/s, the least rate, with latency.p99<500ms.",
        "5/s was lost: as made up.",
    ]


def test_a_loss_that_may_be_a_stall_is_looked_at_again_and_gives_way() -> None:
    search = Search(SETTINGS)
    feed(search, True)
    lost = feed(search, False, spent=5, doubtful=True)
    again = feed(search, True)
    assert again.rate_per_s == lost.rate_per_s == 20
    assert again.hold_s == 20
    assert given(search).rate_per_s == 40


def test_a_marginal_loss_is_pooled_with_its_repetition() -> None:
    for second, held in ((0.5, True), (0.9, False)):
        search = Search(SETTINGS)
        feed(search, True)
        feed(search, False, spent=1.8, doubtful=True, load_s=25)
        feed(search, True, spent=second, load_s=25)
        # 1.8 and 0.5 are more than one together, too: only the mean counts.
        expected = 40 if (1.8 + second) / 2 <= 1 else 14.1
        assert given(search).rate_per_s == expected, held


def test_a_loss_stays_one_when_it_is_repeated() -> None:
    search = Search(SETTINGS)
    feed(search, True)
    first = feed(search, False, spent=9, doubtful=True)
    assert feed(search, False, spent=9, doubtful=True).rate_per_s == first.rate_per_s
    assert given(search).rate_per_s == 14.1


def test_a_loss_in_the_wake_of_an_overload_is_looked_at_again_where_nothing_is_late_right_below() -> None:
    search = Search(msgspec.structs.replace(SETTINGS, precision=0.2))
    for held in (True, True, True):
        feed(search, held)
    overloaded, spoilt = feed(search, False, early=True), feed(search, False)
    assert (overloaded.rate_per_s, spoilt.rate_per_s) == (80, 56.6)
    assert feed(search, True).rate_per_s == 47.6
    # 47.6 held with nothing late, and 56.6 was lost right after 80.
    assert feed(search, True).rate_per_s == spoilt.rate_per_s
    assert given(search).rate_per_s == 67.3


def test_a_lone_loss_right_above_rates_that_held_easily_is_looked_at_again_before_the_search_ends_there() -> None:
    search = Search(SETTINGS)
    for held in (True, True):
        feed(search, held)
    lost = feed(search, False, spent=9)
    below = [feed(search, True, spent=0.05).rate_per_s for _ in range(5)]
    assert (lost.rate_per_s, below) == (40, [28.3, 33.6, 36.7, 38.3, 39.1])
    again = given(search)
    assert (again.rate_per_s, again.hold_s) == (40, 20)
    feed(search, True, spent=0.05)
    assert given(search).rate_per_s == 80, "a repetition that held easily takes the place of the loss"


def test_a_lone_loss_that_there_is_no_load_to_look_at_again_is_told() -> None:
    search = Search(msgspec.structs.replace(SETTINGS, budget_s=245))
    for held in (True, True, False, True, True, True, True, True, True):
        feed(search, held)
    found = ended(search)
    assert (found.status, found.rate_per_s, found.lost_per_s) == ("found", 39.1, 40)
    assert "It was tried once only, and right below it next to nothing was late: the limit may lie higher." in (
        found.sentences
    )


@pytest.mark.parametrize("second", [{"held": False}, {"held": True, "spent": 0.6}])
def test_a_lone_loss_that_a_repetition_does_not_contradict_stays_one(second: dict[str, float | bool]) -> None:
    search = Search(msgspec.structs.replace(SETTINGS, precision=0.5))
    for held in (True, True, False, True):
        feed(search, held)
    assert feed(search, **second).rate_per_s == 40  # type: ignore[arg-type]
    confirming = given(search)
    assert (confirming.kind, confirming.rate_per_s) == ("confirm", 28.3)


def test_a_lost_confirming_step_confirms_nothing_even_where_shorter_ones_outweigh_it() -> None:
    search = Search(msgspec.structs.replace(SETTINGS, precision=0.5, confirm_s=20, budget_s=200))
    for held in (True, True, False, True, False):
        feed(search, held)
    narrowly = feed(search, False, spent=1.5)
    assert (narrowly.kind, narrowly.rate_per_s) == ("confirm", 28.3)
    second = feed(search, False, spent=1.2)
    assert (second.kind, second.rate_per_s) == ("confirm", 28.3)
    # 0, 1.5 and 1.2 of what is permitted: it holds taken together, but no confirming step did.
    feed(search, True, spent=0.9)
    found = ended(search)
    assert (found.status, found.rate_per_s, found.confirmed) == ("found", 28.3, True)
    assert [each.held for each in found.steps if each.step.kind == "confirm"] == [False, False, True]


def test_a_failed_confirmation_steps_down_by_about_the_precision_and_confirms_again() -> None:
    search = Search(msgspec.structs.replace(SETTINGS, precision=0.1))
    for held in (True, True, False, True, True, True):
        feed(search, held, spent=0.4 if held else 10.0)
    first, second, third = feed(search, False), feed(search, False), feed(search, True)
    assert [each.kind for each in (first, second, third)] == ["confirm"] * 3
    assert first.rate_per_s / second.rate_per_s == pytest.approx(1.09, abs=0.01)
    assert second.rate_per_s / third.rate_per_s == pytest.approx(1.15, abs=0.015)
    found = ended(search)
    assert (found.status, found.rate_per_s) == ("found", third.rate_per_s)
    assert found.lost_per_s == second.rate_per_s


def test_a_measurement_in_doubt_is_repeated_once() -> None:
    search = Search(SETTINGS)
    feed(search, True)
    feed(search, None)
    assert feed(search, True).rate_per_s == 20
    feed(search, None)
    feed(search, None)
    found = ended(search)
    assert (found.status, found.rate_per_s, found.confirmed) == ("inconclusive", 20, False)
    assert "the measurement at 40/s was in doubt twice: as made up" in found.sentences[1]


def test_what_is_known_stays_when_it_is_stopped() -> None:
    search = Search(SETTINGS)
    feed(search, True)
    given(search)
    found = search.stop("backlog did not clear within 60 s")
    assert (found.status, found.rate_per_s, len(found.steps)) == ("inconclusive", 10, 1)
    assert found.sentences[1] == "It ended early: backlog did not clear within 60 s."
    assert search.next() is found


def test_the_confirming_step_always_fits_into_the_budget() -> None:
    """However small the budget is, the last load is the confirmation's."""
    for budget_s in range(115, 400, 7):
        settings = msgspec.structs.replace(SETTINGS, budget_s=float(budget_s))
        assert problems(settings) == []
        search, used_s, kinds = Search(settings), 0.0, []
        while isinstance(step := search.next(), Step):
            kinds.append(step.kind)
            used_s += step.duration_s
            search.take(showed(step, step.rate_per_s <= 33))
        assert used_s <= budget_s
        assert kinds[-1] == "confirm"
        assert step.confirmed
        assert step.rate_per_s is not None
        assert step.rate_per_s <= 33
        assert (step.status == "found") == (step.lost_per_s is not None and step.lost_per_s <= step.rate_per_s * 1.048)


def test_another_steps_measurement_is_refused() -> None:
    search = Search(SETTINGS)
    step = given(search)
    with pytest.raises(ValueError, match="expected what the step last given showed"):
        search.take(showed(msgspec.structs.replace(step, number=7), True))
    with pytest.raises(ValueError, match="expected what the step last given showed"):
        Search(SETTINGS).take(showed(step, True))


@pytest.mark.parametrize(
    ("changes", "name", "expected"),
    [
        ({"slo": ()}, "slo", "at least one expression"),
        ({"slo": ("latency.p98<1s",)}, "slo", "a metric such as"),
        ({"slo": ("latency.p99>500ms",)}, "slo", "what a larger rate makes harder to meet"),
        ({"slo": ("latency.p99==0.5s",)}, "slo", "what a larger rate makes harder to meet"),
        ({"slo": ("completed.rate>=95/s",)}, "slo", "that the completed rate keeps up is always asked for"),
        ({"slo": ("completed.ratio<99%",)}, "slo", "what a larger rate makes harder to meet"),
        ({"least_per_s": 0.0}, "least-rate", "above 0"),
        ({"least_per_s": 50.0, "most_per_s": 50.0}, "most-rate", "above the least rate (50/s)"),
        ({"start_per_s": 2.0}, "start-rate", "from the least rate (5/s) to the most (1,000/s)"),
        ({"precision": 0.0001}, "precision", "0.5%"),
        ({"step_s": 1.0}, "step", "at least 5 s"),
        ({"ramp_s": -1.0}, "ramp", "at least 0 s"),
        ({"confirm_s": 10.0}, "confirm", "at least 20 s, the length of a step"),
        ({"settle_limit_s": -1.0}, "settle-limit", "at least 0 s"),
        ({"budget_s": 100.0}, "budget", "at least 115 s: two steps and a confirming one"),
    ],
)
def test_problems_name_the_setting_its_origin_and_what_is_expected(
    changes: dict[str, object], name: str, expected: str
) -> None:
    found = problems(msgspec.structs.replace(SETTINGS, **changes), lambda setting: f"--{setting}")
    assert [problem.name for problem in found] == [name]
    assert found[0].origin == f"--{name}"
    assert expected in found[0].expected


def test_objectives_that_a_larger_rate_makes_harder_to_meet_are_taken() -> None:
    slo = ("latency.p99<=1s", "completed.ratio>=99.9%", "completed.ratio==1", "failures.count==0", "failures.ratio<1%")
    assert problems(msgspec.structs.replace(SETTINGS, slo=slo)) == []
