"""`auroral bench compare` on results as runs store them: samples, histograms, documents."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from pathlib import Path

import jsonschema
import msgspec
import pytest

from auroral.bench.histogram import Histogram, Interval, write_log
from auroral.bench.result import Result, encode
from auroral.bench.samples import Outcome, Sample
from auroral.bench.store import HISTOGRAMS, SAMPLES, RunDirectory
from tests import generate
from tests.cli.conftest import Cli
from tests.support.simulated_runs import Plan, Start, build, starts_of

Store = Callable[..., Path]
SEGMENTS = [(5.0, 0.0, 80.0), (60.0, 80.0, 80.0)]


def sample_of(index: int, start: Start) -> Sample:
    intended_us = round(start.intended_s * 1e6)
    completed = start.latency_ms is not None
    return Sample(
        index=index,
        workload=0,
        outcome=Outcome(start.outcome),
        intended_us=intended_us,
        sent_us=intended_us,
        closed_us=intended_us + round((start.latency_ms or 0) * 1e3) if completed else None,
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Store a simulated run as a real one does: `store("a", 50.0, seed=3, failing=0.1)` → its directory."""

    def make(
        name: str, median_ms: float = 50.0, *, seed: int = 3, failing: float = 0.0, log: bool = False, **changes: object
    ) -> Path:
        def behave(rng: random.Random, t_s: float) -> tuple[str, float | None, str]:
            if rng.random() < failing:
                return "failed", None, "ApplicationError"
            pause_ms = max(0.0, 200 - (t_s % 20) * 1000)
            return "completed", median_ms * rng.lognormvariate(0, 0.2) + pause_ms, ""

        plan = Plan(name, SEGMENTS, behave, ramp_s=5.0, seed=seed)
        result = build(plan, **changes)
        directory = RunDirectory.create(tmp_path / name, result.manifest)
        starts = starts_of(plan, 65.0)
        if log:
            by_second: dict[int, Histogram] = {}
            for start in starts:
                if start.latency_ms is not None:
                    by_second.setdefault(int(start.intended_s), Histogram()).record_us(round(start.latency_ms * 1e3))
            intervals = [
                Interval(tag="latency", start_s=second, length_s=1.0, max_us=each.max_us, payload=each.encode())
                for second, each in sorted(by_second.items())
            ]
            with (directory.path / HISTOGRAMS).open("w", encoding="utf-8") as out:
                write_log(out, 1_700_000_000.0, intervals)
        else:
            with_samples = directory.sample_writer()
            with_samples.append([sample_of(index, start) for index, start in enumerate(starts)])
            with_samples.close()
            directory.finish_samples(lambda _: (None, None, None))
        directory.write_result(result)
        return directory.path

    return make


def numbers(out: str) -> dict[str, dict[str, object]]:
    return {metric["metric"]: metric for metric in json.loads(out)["metrics"]}


def test_equal_runs(cli: Cli, store: Store) -> None:
    store("a")
    store("b", seed=4)
    ended = cli("bench", "compare", "a", "b")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("NO DIFFERENCE SHOWN\n  - no metric differs by more than chance explains\n")
    assert re.search(r"^latency\.p99 +\d+(\.\d+)? ms +\d.* no difference shown$", ended.out, re.MULTILINE)
    assert "seed 1" in ended.out
    assert "by samples.parquet" in ended.out


def test_a_slower_candidate_ends_with_1_and_a_faster_one_with_0(cli: Cli, store: Store) -> None:
    store("a")
    store("b", 65.0, seed=4)
    worse = cli("bench", "compare", "a", "b")
    assert worse.code == 1
    assert worse.out.startswith("THE CANDIDATE IS WORSE\n  - worse: latency.p50")
    better = cli("bench", "compare", "b", "a/result.json")
    assert better.code == 0
    assert better.out.startswith("THE CANDIDATE IS BETTER\n")


def test_json_keeps_to_its_schema_and_has_the_stored_numbers(cli: Cli, store: Store) -> None:
    store("a")
    store("b", 65.0, seed=4, failing=0.02)
    ended = cli("bench", "compare", "a", "b", "--json", "--seed", "9", "--resamples", "500")
    document = json.loads(ended.out)
    schema = json.loads((generate.REFERENCE / "compare-schema.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(document)
    assert (document["schema"], document["seed"], document["resamples"]) == ("auroral.compare/1", 9, 500)
    assert document["candidate"][0]["window_s"] == 60
    found = numbers(ended.out)
    assert found["latency.p50"]["baseline"] == pytest.approx(50, rel=0.05)
    assert found["latency.p50"]["candidate"] == pytest.approx(66.5, rel=0.05)
    assert (found["latency.p99"]["candidate"], found["latency.p99"]["verdict"]) == (None, "worse")
    assert found["failed.ratio"]["candidate"] == pytest.approx(0.02, abs=0.008)


def test_the_window_quantiles_are_those_of_the_result(cli: Cli, store: Store, tmp_path: Path) -> None:
    store("a")
    store("b", seed=4)
    result = msgspec.json.decode((tmp_path / "a" / "result.json").read_bytes(), type=Result)
    assert result.steady is not None
    found = numbers(cli("bench", "compare", "a", "b", "--json").out)
    for percent in (50, 95, 99):
        stored = getattr(result.steady.latency, f"p{percent}_ms")
        assert found[f"latency.p{percent}"]["baseline"] == pytest.approx(stored, rel=2e-3)
    assert found["completed.rate"]["baseline"] == pytest.approx(result.steady.completed_per_s, rel=1e-3)


def test_histograms_give_the_numbers_that_samples_give(cli: Cli, store: Store) -> None:
    store("a", failing=0.004), store("logged", failing=0.004, log=True)
    store("b", 60.0, seed=4, failing=0.004)
    by_samples, by_log = (cli("bench", "compare", name, "b", "--json").out for name in ("a", "logged"))
    assert json.loads(by_log)["baseline"][0]["source"] == "histograms"
    assert any("seconds' histograms" in note for note in json.loads(by_log)["notes"])
    for name, metric in numbers(by_samples).items():
        if name != "failed.ratio":  # counted in the second of the failure, not of the start
            # Adjusted for all the metrics, that one among them.
            assert numbers(by_log)[name] | {"p_adjusted": None} == metric | {"p_adjusted": None}


def test_markdown_for_a_pull_request(cli: Cli, store: Store) -> None:
    store("a")
    store("b", 65.0, seed=4)
    ended = cli("bench", "compare", "a", "b", "--markdown")
    assert ended.code == 1
    assert ended.out.startswith("### The candidate is worse\n")
    rows = [line for line in ended.out.splitlines() if line.startswith("|")]
    assert {row.count("|") for row in rows} == {8}
    assert any(row.startswith("| `latency.p50` |") and row.endswith("| **worse** |") for row in rows)
    assert ended.out.count("<details>") == ended.out.count("</details>") == 1


def test_repeated_runs_are_pooled_by_either_way_of_naming_them(cli: Cli, store: Store) -> None:
    for number, name in enumerate(("a1", "a2", "b1", "b2")):
        store(name, seed=10 + number)
    ended = cli("bench", "compare", "a1,a2", "b1,b2", "--json")
    flags = ("--baseline", "a1", "--baseline", "a2", "--candidate", "b1,b2")
    assert cli("bench", "compare", *flags, "--json").out == ended.out
    assert [run["run_id"] for run in json.loads(ended.out)["baseline"]] == ["a1", "a2"]
    assert ended.code == 0
    assert not any("one run" in note for note in json.loads(ended.out)["notes"])


def test_what_cannot_be_compared_is_refused_with_reasons_and_compared_anyway(
    cli: Cli, store: Store, tmp_path: Path
) -> None:
    store("a")
    store("b", seed=4)
    path = tmp_path / "b" / "result.json"
    result = msgspec.json.decode(path.read_bytes(), type=Result)
    manifest = msgspec.structs.replace(result.manifest, engine="wire")
    path.write_bytes(encode(msgspec.structs.replace(result, manifest=manifest)))
    refused = cli("bench", "compare", "a", "b")
    assert (refused.code, refused.out) == (2, "")
    assert "these runs cannot be compared:\n  engine: a has sdk, b has wire" in refused.err
    assert "--anyway" in refused.err
    anyway = cli("bench", "compare", "a", "b", "--anyway")
    assert anyway.code == 0
    assert "Compared anyway, although\n  - engine: a has sdk, b has wire" in anyway.out


def test_results_alone_leave_the_latencies_open(cli: Cli, store: Store, tmp_path: Path) -> None:
    store("a")
    store("b", seed=4)
    (tmp_path / "b" / SAMPLES).unlink()
    ended = cli("bench", "compare", "a", "b")
    assert ended.code == 5
    assert ended.out.startswith("INCONCLUSIVE\n")
    assert "b has neither samples.parquet nor histograms.hlog" in " ".join(ended.out.split())


def test_examples_of_the_reports(cli: Cli, tmp_path: Path, stored: Callable[[str, Path], Result]) -> None:
    for name in ("pass", "fail", "empty", "nothing", "inconclusive", "stages"):
        stored(name, tmp_path / name)
    assert cli("bench", "compare", "pass", "fail").code == 1  # fewer completed: seen without any latency
    assert cli("bench", "compare", "pass", "inconclusive", "--anyway").code == 5
    assert cli("bench", "compare", "pass", "stages").code == 2
    assert cli("bench", "compare", "pass", "empty", "--anyway").code == 5
    nothing = cli("bench", "compare", "pass", "nothing")
    assert nothing.code == 2
    assert "run-nothing has no steady window" in nothing.err
    assert cli("bench", "compare", "pass", "nothing", "--anyway").code == 5


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "expected two sides to compare, but came none"),
        (["a"], "expected two sides to compare, but came 1 without a flag"),
        (["a", "b", "c"], "but came 3 without a flag"),
        (["--baseline", "a"], "but came 1 × --baseline"),
        (["a", "--candidate", "b"], "but came 1 without a flag, 1 × --candidate"),
        (["a,", "b"], "expected directories with commas between them, but came 'a,'"),
        (["a", "nowhere"], "nowhere: expected a run's directory with result.json"),
        (["a", "b", "--json", "--markdown"], "expected one of --json and --markdown"),
        (["a", "a"], "a is given twice"),
        (["a", "b", "--resamples", "5"], "500<=x<=100000"),
    ],
)
def test_wrong_usage(cli: Cli, store: Store, arguments: list[str], said: str) -> None:
    if "a" in " ".join(arguments):
        store("a")
    if "b" in arguments:
        store("b", seed=4)
    ended = cli("bench", "compare", *arguments)
    assert ended.code == 2
    assert said in ended.err
    assert "Traceback" not in ended.err


def test_samples_that_are_not_the_runs_are_refused(cli: Cli, store: Store, tmp_path: Path) -> None:
    store("a")
    store("b", seed=4)
    samples = tmp_path / "b" / SAMPLES
    samples.write_bytes(b"PAR1 but not really")
    ended = cli("bench", "compare", "a", "b")
    assert ended.code == 2
    assert f"{Path('b') / SAMPLES}: expected samples in Parquet" in ended.err
    samples.unlink()
    (tmp_path / "b" / HISTOGRAMS).write_text("# cut short\n")
    ended = cli("bench", "compare", "a", "b")
    assert ended.code == 2
    assert re.search(r"expected the latencies of [\d,]+ completed starts, but it holds 0", ended.err)
    (tmp_path / "b" / HISTOGRAMS).write_text("Tag=latency,1.000,1.000,5,nonsense\n")
    ended = cli("bench", "compare", "a", "b")
    assert ended.code == 2
    assert f"{Path('b') / HISTOGRAMS}: expected a log of histograms" in ended.err
