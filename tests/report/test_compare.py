"""A comparison as text and Markdown."""

from __future__ import annotations

import msgspec

from auroral.bench.compare import Compared, ComparedRun, Comparison
from auroral.report.compare import markdown, text


def run(where: str) -> ComparedRun:
    return ComparedRun(
        where=where,
        run_id=where,
        started_at="2026-11-26T01:02:03Z",
        source="histograms",
        window_s=300,
        starts=30_000,
        verdict="pass",
        server_version="1.32.2",
        auroral_version="0.1.0",
    )


SHIFTED = Compared(
    metric="latency.p50",
    unit="ms",
    baseline=200.0,
    candidate=220.0,
    difference=20.0,
    difference_low=15.0,
    difference_high=24.0,
    ratio=1.1,
    ratio_low=1.075,
    ratio_high=1.12,
    p=0.0001,
    p_adjusted=0.0003,
    verdict="worse",
)
LOST = Compared(
    metric="latency.p99", unit="ms", baseline=400.0, candidate=None, p=0.001, p_adjusted=0.004, verdict="worse"
)
UNKNOWN = Compared(
    metric="latency.p95", unit="ms", baseline=None, candidate=None, verdict="not comparable", note="too few starts"
)
FAILING = Compared(
    metric="failed.ratio",
    unit="ratio",
    baseline=0.0,
    candidate=0.01,
    difference=0.01,
    difference_low=0.002,
    difference_high=0.02,
    p=0.2,
    p_adjusted=0.4,
    verdict="no difference shown",
    note="a note of its own",
)
COMPARISON = Comparison(
    verdict="worse",
    reasons=["worse: latency.p50, latency.p99", "not comparable: latency.p95 (too few starts)"],
    confidence=0.95,
    resamples=2000,
    seed=7,
    block_s=12,
    baseline=[run("before-1"), run("before-2")],
    candidate=[run("after | <b>x</b>")],
    metrics=[SHIFTED, UNKNOWN, LOST, FAILING],
    overruled=["engine: a has sdk, b has wire"],
    notes=["The server's version differs: 1, 2."],
)


def test_a_change_has_its_interval_in_percent_and_a_share_in_points() -> None:
    lines = [" ".join(line.split()) for line in text(COMPARISON).splitlines()]
    assert "latency.p50 200 ms 220 ms +10.0 % +7.5 % … +12.0 % <0.01 worse" in lines
    assert "failed.ratio 0 % 1 % +1.00 pp +0.20 pp … +2.00 pp 0.400 no difference shown" in lines


def test_what_did_not_complete_is_no_number_and_what_is_not_known_is_a_dash() -> None:
    shown = text(COMPARISON)
    lost, unknown = (
        next(line for line in shown.splitlines() if line.startswith(name)) for name in ("latency.p99", "latency.p95")
    )
    assert "did not complete" in lost
    assert lost.endswith("worse")
    assert "did not complete" not in unknown
    assert unknown.split()[1:] == ["–", "–", "–", "–", "–", "not", "comparable"]


def test_everything_that_a_reader_needs_to_doubt_it_is_there() -> None:
    for shown in (text(COMPARISON), markdown(COMPARISON)):
        flat = " ".join(shown.split())
        for fact in (
            "2,000 resamples",
            "blocks of 12 consecutive seconds",
            "seed 7",
            "30,000 starts in 300 s",
            "engine: a has sdk",
        ):
            assert fact in flat
        assert "a note of its own" in flat


def test_text_stays_within_its_width() -> None:
    assert max(map(len, text(COMPARISON).splitlines())) <= 100


def test_markdown_keeps_names_from_being_markup() -> None:
    shown = markdown(COMPARISON)
    assert "<b>" not in shown.replace("\\<b\\>", "")
    assert "after \\| \\<b\\>x" in shown


def test_every_verdict_has_its_headline() -> None:
    headlines = set()
    for verdict in ("better", "worse", "no difference shown", "inconclusive"):
        comparison = msgspec.structs.replace(COMPARISON, verdict=verdict)
        headlines.add(markdown(comparison).splitlines()[0])
        assert text(comparison).splitlines()[0] == markdown(comparison).splitlines()[0].removeprefix("### ").upper()
    assert len(headlines) == 4
