"""The benchmarks' own arithmetic, and that each of them runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import NAMES, main
from benchmarks.lag import MAX_RATIO, Comparison, Lags, compare, quantile_ms
from benchmarks.memory import growth_bytes
from benchmarks.pool_day import day, failures
from benchmarks.startup import wall_s


def lags(p99_us: int, *, dropped: int = 0, rejected: int = 0) -> Lags:
    return Lags([p99_us] * 100, cpu_s=0.01, dropped=dropped, rejected=rejected)


@pytest.mark.parametrize(("share", "expected_ms"), [(0.0, 0.001), (0.5, 0.05), (0.99, 0.099), (0.995, 0.1), (1.0, 0.1)])
def test_a_quantile_is_the_smallest_value_that_a_share_does_not_exceed(share: float, expected_ms: float) -> None:
    assert quantile_ms(range(1, 101), share) == expected_ms


def test_the_aim_is_judged_by_the_median_of_paired_ratios() -> None:
    within = Comparison(100, [lags(1_000)] * 3, [lags(1_500), lags(1_900), lags(9_000)])
    assert within.ratios == [1.5, 1.9, 9.0]
    assert within.failures == []
    beyond = Comparison(100, [lags(1_000)] * 3, [lags(1_500), lags(2_100), lags(9_000)])
    assert beyond.failures == ["100/s: P99 lag is 2.10 × the bare loop's"]
    assert MAX_RATIO == 2.0


def test_one_dropped_or_rejected_start_misses_the_aim() -> None:
    bare = [lags(1_000)]
    assert Comparison(100, bare, [lags(1_000, dropped=1)]).failures == ["100/s: 1 starts dropped"]
    assert Comparison(100, bare, [lags(1_000, rejected=2)]).failures == ["100/s: 2 starts rejected"]


def test_growth_counts_from_the_first_fifth_to_the_highest_point() -> None:
    assert growth_bytes([0, 50, 100, 90, 130, 120, 120, 120, 120, 120, 110]) == 30
    assert growth_bytes([0, 50, 100, 90, 90, 90, 90, 90, 90, 90, 90]) == 0


@pytest.mark.whole
async def test_lag_runs_both_sides_over_one_schedule() -> None:
    (comparison,) = await compare([100], duration_s=0.5, rounds=1)
    assert [len(side[0].lags_us) for side in (comparison.bare, comparison.generator)] == [50, 50]
    ours = comparison.generator[0]
    assert len(ours.arrivals_us) == 50
    assert ours.arrivals_us[-1] >= ours.lags_us[-1]
    assert (ours.dropped, ours.rejected) == (0, 0)
    assert ours.cpu_s > 0


def test_memory_runs() -> None:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "benchmarks", "memory", "--samples", "4000", "--check"]
    ended = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert " 4,000 |" in ended.stdout


def test_a_pool_day_runs_and_keeps_its_pools_full() -> None:
    outcome, cpu_s, rss_bytes = day(hours=1, seed=1)
    assert outcome.totals.expired > 9_000
    assert outcome.shortages == []
    assert len(rss_bytes) == 2
    assert failures(outcome, cpu_s, rss_bytes) == []
    mebibyte = 1024 * 1024
    assert failures(outcome, 22.0, [0, 10 * mebibyte, 15 * mebibyte]) == [
        "22.0 s of CPU; at most 21 s",
        "5 MiB more after the first hour; at most 4 MiB",
    ]


def test_startup_takes_what_a_program_takes() -> None:
    assert wall_s([sys.executable, "-c", "import time; time.sleep(0.05)"]) >= 0.05
    with pytest.raises(subprocess.CalledProcessError):
        wall_s([sys.executable, "-c", "raise SystemExit(1)"])


def test_they_are_listed_and_others_are_not_known(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(NAMES)
    assert main(["speed"]) == 2
    assert "speed" in capsys.readouterr().err
