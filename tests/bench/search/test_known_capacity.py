"""The whole `auroral bench search`, real processes and all, against a frontend whose largest rate is known.

The truth comes from the frontend's own queue in made-up time (`benchmarks/frontend_virtual.py`), driven far longer
than a search can.
"""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from auroral.bench.search.document import SearchDocument
from auroral.bench.search.files import read_search
from auroral.units import format_duration
from benchmarks.frontend_behaviour import Behaviour
from benchmarks.frontend_process import FrontendProcess, matching_identity
from benchmarks.frontend_virtual import largest_rate_per_s
from tests.support.benchmark import Benchmark

BUDGET_S = 600.0
SEEDS = range(1, 21)
AT_A_TIME = int(os.environ.get("AURORAL_TEST_SEARCHES", "7"))
"""Searches beside each other: each takes a sixth of a core. More than a machine has room for disturb the latencies."""
TRUTH_SEED = 1_000


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster and what is asked of it."""

    behaviour: Behaviour
    limit_s: float

    @property
    def slo(self) -> str:
        return f"latency.p99<{format_duration(self.limit_s).replace(' ', '')}"

    def truth_per_s(self, length_s: float = 4_000.0) -> float:
        """The largest rate that it sustains."""
        behaviour = replace(self.behaviour, seed=TRUTH_SEED)
        return largest_rate_per_s(behaviour, quantile=0.99, limit_s=self.limit_s, length_s=length_s, precision=0.004)

    def arguments(self, seed: int) -> list[str]:
        """The frontend's command line."""
        behaviour = self.behaviour
        return [
            "--service-time", f"{behaviour.service_time_s * 1e3:g}ms",
            "--service-time-cv", str(behaviour.service_time_cv),
            "--servers", str(behaviour.servers),
            "--pause-every", f"{behaviour.pause_every_s:g}s:{behaviour.pause_for_s * 1e3:g}ms",
            "--seed", str(seed),
            "--worker-identity", matching_identity(),
        ]  # fmt: skip


SHAPES = (
    # 40/s by four servers, times that vary by half their mean, a pause of 300 ms every half minute or so.
    Shape(
        behaviour=Behaviour(service_time_s=0.1, service_time_cv=0.5, servers=4, pause_every_s=30, pause_for_s=0.3),
        limit_s=0.8,
    ),
    # 40/s by eight slower ones.
    Shape(
        behaviour=Behaviour(service_time_s=0.2, service_time_cv=0.5, servers=8, pause_every_s=30, pause_for_s=0.3),
        limit_s=1.0,
    ),
    # 50/s by two quick ones with a tighter limit.
    Shape(
        behaviour=Behaviour(service_time_s=0.04, service_time_cv=0.3, servers=2, pause_every_s=40, pause_for_s=0.2),
        limit_s=0.5,
    ),
    # 25/s by one, with longer pauses and a looser limit.
    Shape(
        behaviour=Behaviour(service_time_s=0.04, service_time_cv=0.4, servers=1, pause_every_s=45, pause_for_s=0.5),
        limit_s=1.2,
    ),
)


def searched(shape: Shape, seed: int, directory: Path, *arguments: str, timeout_s: float) -> SearchDocument:
    """One search of a frontend of its own."""
    with (
        FrontendProcess(*shape.arguments(seed)) as frontend,
        Benchmark(
            "search", "--address", frontend.address, "--generator-only", "--slo", shape.slo, "--seed", str(seed),
            "--metrics-port", "0", "--output", str(directory), *arguments, directory=directory,
        ) as run,
    ):  # fmt: skip
        ended = run.finish(timeout_s)
    # 5: nothing was confirmed within the budget; what it found counts all the same.
    assert ended.status in (0, 5), ended.stdout + ended.stderr
    return read_search(directory)


@pytest.mark.slow
def test_a_brief_search_brackets_the_limit_of_a_queue_with_chance_and_pauses(tmp_path: Path) -> None:
    """Bounds of 5/s and 400/s, and the answer is the one rate tried that lies below the limit of 49/s or so."""
    shape = SHAPES[2]
    truth_per_s = shape.truth_per_s(200.0)
    assert 46 < truth_per_s < 50.5
    document = searched(
        shape, 1, tmp_path / "search", "--start-rate", "30", "--least-rate", "5", "--most-rate", "400",
        "--step", "5s", "--ramp", "1s", "--confirm", "6s", "--budget", "60s", "--precision", "0.45",
        timeout_s=150,
    )  # fmt: skip
    answer = document.answer
    assert answer is not None
    assert answer.confirmed, answer.sentences
    assert answer.rate_per_s is not None
    assert answer.lost_per_s is not None
    assert truth_per_s / 1.45 <= answer.rate_per_s <= truth_per_s * 1.03, answer.sentences
    assert truth_per_s * 0.97 <= answer.lost_per_s <= answer.rate_per_s * 1.45, answer.sentences
    assert sum(step.measured.load_s for step in document.steps) <= 60


@pytest.mark.slow
@pytest.mark.timeout(5_400)
def test_the_rate_found_is_within_five_per_cent_of_the_truth_in_nineteen_of_twenty_seeds(tmp_path: Path) -> None:
    """With the defaults, and no more than ten minutes of load each."""
    with ProcessPoolExecutor(max_workers=2) as processes:
        truths_per_s = list(processes.map(Shape.truth_per_s, SHAPES))

    def one(seed: int) -> SearchDocument:
        return searched(SHAPES[seed % len(SHAPES)], seed, tmp_path / str(seed), timeout_s=1_500)

    with ThreadPoolExecutor(max_workers=AT_A_TIME) as threads:
        documents = dict(zip(SEEDS, threads.map(one, SEEDS), strict=True))
    off, table = 0, []
    for seed, document in documents.items():
        truth_per_s = truths_per_s[seed % len(SHAPES)]
        load_s = sum(step.measured.load_s for step in document.steps)
        assert load_s <= BUDGET_S
        assert document.answer is not None
        found_per_s = document.answer.rate_per_s or 0.0
        error = found_per_s / truth_per_s - 1
        off += abs(error) > 0.05
        table.append(
            f"seed {seed:2}: {found_per_s:.4g}/s of {truth_per_s:.4g}/s ({error:+.1%}), {document.answer.status}, "
            f"{len(document.steps)} steps, {load_s:.0f} s of load"
        )
    print("\n".join(table))
    assert off <= 1, "\n".join(table)
