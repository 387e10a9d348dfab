from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from auroral.bench.result import Quantiles, Result
from auroral.bench.samples import Outcome
from auroral.report import words

Make = Callable[[str], Result]


def test_a_quantile_is_a_number_or_did_not_complete_or_a_dash() -> None:
    assert words.quantile(Quantiles(count=2, p50_ms=12.5), "p50_ms") == "12.5 ms"
    assert words.quantile(Quantiles(count=2, censored=2), "p50_ms") == "did not complete"
    assert words.quantile(Quantiles(count=0), "p50_ms") == "–"


def test_past_a_quantile_that_did_not_complete_one_cell_spans_the_rest() -> None:
    cells = words.quantile_cells(Quantiles(count=10, censored=2, p50_ms=1.0))
    assert cells == [("1 ms", 1), ("did not complete", 5)]


def test_every_outcome_has_a_label_and_a_meaning() -> None:
    assert set(words.OUTCOME_LABELS) == set(words.OUTCOME_MEANINGS) == set(Outcome)


def test_outcomes_without_a_count_are_left_out_except_completed() -> None:
    counts = {"rejected": 3, "failed": 0, "new_one": 1}
    assert words.outcomes(counts) == [("completed", 0), ("rejected", 3), ("new_one", 1)]
    assert words.outcome_label("new_one") == "new one"


@pytest.mark.parametrize(
    ("t_s", "text"), [(0, "0:00"), (7.4, "0:07"), (59.6, "1:00"), (750, "12:30"), (3723, "1:02:03"), (-5, "-0:05")]
)
def test_clock(t_s: float, text: str) -> None:
    assert words.clock(t_s) == text


def test_rates_read_the_same_in_columns() -> None:
    assert [words.rate_cell(value) for value in (None, 0.0, 0.5, 12.34, 1234.5)] == [
        "–",
        "0.0",
        "0.50",
        "12.3",
        "1,234.5",
    ]
    assert [words.rate(value) for value in (None, 0.5, 99.7, 1234.5)] == ["–", "0.5/s", "99.7/s", "1,234/s"]


def test_a_mix_names_each_workload_with_its_share(make: Make) -> None:
    result = make("pass")
    one = result.manifest.workloads[0]
    mix = [msgspec.structs.replace(one, name="a", weight=3.0), msgspec.structs.replace(one, name="b", weight=1.0)]
    manifest = msgspec.structs.replace(result.manifest, workloads=mix)
    assert words.workload_names(msgspec.structs.replace(result, manifest=manifest)) == "a (75 %), b (25 %)"


def test_latency_that_was_not_watched_says_so_with_the_clock_offset(make: Make) -> None:
    result = make("pass")
    manifest = msgspec.structs.replace(result.manifest, observe="visibility")
    text = words.observation_note(msgspec.structs.replace(result, manifest=manifest))
    assert "not watched one by one" in text
    assert "-0.31 ms ± 0.4 ms" in text


def test_no_limit_is_not_claimed_where_nothing_was_sampled(make: Make) -> None:
    assert "may carry more" in words.no_limit(make("pass"))
    assert "may carry more" not in words.no_limit(make("fail"))
    assert "nothing was sampled" in words.no_limit(msgspec.structs.replace(make("pass"), readings=[]))


def test_a_report_says_which_engine_ran(make: Make) -> None:
    result = make("pass")
    assert words.engine_line(result) == "sdk"
    manifest = msgspec.structs.replace(result.manifest, engine="wire", eager_start=True)
    assert words.engine_line(msgspec.structs.replace(result, manifest=manifest)) == "wire, eager starts"
