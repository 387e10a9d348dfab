"""Remote runs as text."""

from __future__ import annotations

from auroral.report.bench_remote import Row, table, with_result
from tests.support.sample_results import MAKERS


def bare(run_id: str) -> Row:
    return Row(run_id=run_id, at="2026-11-26T01:02:03+00:00", files=7, size_bytes=123_456)


def test_columns_stand_below_their_heads_whatever_the_names_length() -> None:
    rows = [with_result(bare("r1"), MAKERS["pass"]()), with_result(bare("a-run-with-a-long-name"), MAKERS["fail"]())]
    head, first, second = table(rows, "s3://x/", 0).splitlines()
    assert first.index("2026") == second.index("2026") == head.index("stored")
    assert first.index("pass") == second.index("fail") == head.index("verdict")


def test_a_run_of_several_stages_is_known_by_its_highest_rate() -> None:
    assert with_result(bare("r1"), MAKERS["stages"]()).target_per_s == 60


def test_a_run_without_a_window_has_no_rate() -> None:
    row = with_result(bare("r1"), MAKERS["nothing"]())
    assert (row.target_per_s, row.verdict) == (None, "interrupted")
    assert " - " in table([row], "s3://x/", 0)


def test_nothing_is_said_in_words() -> None:
    assert table([], "s3://x/runs/", 0) == "no runs in s3://x/runs/"
