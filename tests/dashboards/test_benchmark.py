"""The dashboard Benchmark: its numbers are of the chosen run, and are what Prometheus makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from auroral.bench.samples import Outcome
from auroral.dashboards.benchmark import board, of_run
from auroral.dashboards.panels import Panel, Query

from .asked import answers

FIRST, SECOND = "10.0.0.1:9090", "10.0.0.2:9090"


def one(name: str, instance: str, **labels: str) -> str:
    """A series of the generator at an address."""
    all_labels = {"cluster": "c", "service": "benchmark-generator", "instance": instance, **labels}
    written = ",".join(f'{label}="{value}"' for label, value in all_labels.items())
    return f"{name}{{{written}}}"


def two_runs() -> dict[str, str]:
    """At the same time, of which one intends 10 a second and one 20."""
    made: dict[str, str] = {}
    for instance, run, rate in ((FIRST, "run-1", 10), (SECOND, "run-2", 20)):
        made[one("auroral_benchmark_info", instance, run_id=run)] = "1x40"
        made[one("auroral_benchmark_target_rate", instance)] = f"{rate}x40"
        for process in ("generator-0", "generator-1"):
            made[one("auroral_benchmark_scheduled_total", instance, process=process)] = f"0+{rate * 15 // 2}x40"
            for outcome in Outcome:
                each = rate * 15 // 2 if outcome is Outcome.COMPLETED else 0
                series = one("auroral_benchmark_workflows_total", instance, process=process, outcome=outcome.value)
                made[series] = f"0+{each}x40"
    return made


def panel(title: str) -> Panel:
    """By its title."""
    (found,) = (each for each in board().panels() if each.title == title)
    return found


def query(title: str, legend: str = "") -> str:
    """What a panel asks, by the legend where it asks several."""
    (found,) = (
        each for each in panel(title).queries if isinstance(each, Query) and (not legend or each.legend == legend)
    )
    return found.expr


def test_that_what_drains_long_after_the_last_start_has_no_share(tmp_path: Path) -> None:
    given = {
        one("auroral_benchmark_info", FIRST, run_id="run-1"): "1x60",
        one("auroral_benchmark_scheduled_total", FIRST, process="generator-0"): "0+10x10 100x50",
        one("auroral_benchmark_workflows_total", FIRST, process="generator-0", outcome="completed"): "0+1x60",
    }
    answers(tmp_path, query("Completed of intended"), given, {}, at_s=600)


@pytest.mark.parametrize(
    ("run", "expected"), [("run-1", {"{}": 10.0}), ("run-2", {"{}": 20.0}), (".*", {"{}": 30.0}), ("no-such", {})]
)
def test_that_a_run_can_be_chosen(tmp_path: Path, run: str, expected: Mapping[str, float]) -> None:
    for asked in (
        query("Target"),
        query("Completed"),
        query("Target against actual", "intended"),
        query("Target against actual", "target"),
    ):
        answers(tmp_path, asked, two_runs(), expected, at_s=300, variables={"run_id": run})


def test_that_an_outcome_is_of_all_processes_of_the_run(tmp_path: Path) -> None:
    expected = {f'{{outcome="{outcome.value}"}}': 10.0 if outcome is Outcome.COMPLETED else 0.0 for outcome in Outcome}
    answers(tmp_path, query("Outcomes a second"), two_runs(), expected, at_s=300, variables={"run_id": "run-1"})


def test_that_what_was_never_sent_is_told_from_what_failed(tmp_path: Path) -> None:
    given = two_runs()
    series = one("auroral_benchmark_workflows_total", FIRST, process="generator-0", outcome="generator_limited")
    given[series] = "0x16 0+3x24"
    chosen = {"run_id": "run-1"}
    dropped = {'{outcome="back_pressured"}': 0.0, '{outcome="generator_limited"}': 12.0}
    answers(tmp_path, query("Never sent"), given, dropped, at_s=30 * 15, variables=chosen)
    failed = {
        f'{{outcome="{outcome.value}"}}': 0.0
        for outcome in Outcome
        if outcome not in {Outcome.COMPLETED, Outcome.GENERATOR_LIMITED}
    }
    answers(tmp_path, query("Failed"), given, failed, at_s=30 * 15, variables=chosen)


def test_that_a_quantile_is_of_the_chosen_run(tmp_path: Path) -> None:
    given = {}
    for instance, run, slow in ((FIRST, "run-1", 0), (SECOND, "run-2", 10)):
        given[one("auroral_benchmark_info", instance, run_id=run)] = "1x40"
        name = "auroral_benchmark_latency_seconds_bucket"
        for bound, each in (("0.1", 10 - slow), ("1.0", 10), ("+Inf", 10)):
            given[one(name, instance, process="generator-0", le=bound)] = f"0+{each}x40"
    asked = query("Latency", "P50")
    answers(tmp_path, asked, given, {"{}": 0.05}, at_s=300, variables={"run_id": "run-1"})
    answers(tmp_path, asked, given, {"{}": 0.55}, at_s=300, variables={"run_id": "run-2"})


def test_that_found_in_the_cache_needs_no_miss(tmp_path: Path) -> None:
    """There is no series of misses before the first one."""
    hit = one("temporal_sticky_cache_hit_total", FIRST, process="worker-0")
    miss = one("temporal_sticky_cache_miss_total", FIRST, process="worker-0")
    asked = query("Sticky cache: found")
    answers(tmp_path, asked, {hit: "0+3x40"}, {"{}": 1.0}, at_s=300)
    answers(tmp_path, asked, {hit: "0+3x40", miss: "0+1x40"}, {"{}": 0.75}, at_s=300)


def test_that_other_workers_of_the_cluster_are_not_the_benchmarks(tmp_path: Path) -> None:
    given = {
        one("temporal_worker_task_slots_used", FIRST, process="w", worker_type="ActivityWorker"): "3x40",
        one("temporal_worker_task_slots_available", FIRST, process="w", worker_type="ActivityWorker"): "9x40",
    }
    theirs = {name.replace("benchmark-generator", "orders").replace(FIRST, SECOND): "50x40" for name in given}
    answers(tmp_path, query("Slots used, of all"), given | theirs, {'{worker_type="ActivityWorker"}': 0.25}, at_s=300)


def test_that_the_join_needs_cluster_and_instance() -> None:
    assert of_run("x").startswith("(x) and on (cluster, instance) (auroral_benchmark_info{")
