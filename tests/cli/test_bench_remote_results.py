"""`auroral bench remote results`: lists, files and documents, from storage and from logs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from auroral.bench.log_document import encode as encode_lines
from auroral.bench.result import decode, encode
from tests.support.remote_bench import Bench


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.chdir(tmp_path)
    return Bench(tmp_path)


def store(bench: Bench, *runs: tuple[str, str]) -> None:
    for run_id, example in runs:
        bench.clock.advance(60)
        bench.example = example
        bench.store.put_run(bench.result(run_id), "samples.parquet")


def test_runs_are_listed_the_newest_first_with_their_verdicts(bench: Bench) -> None:
    store(bench, ("a", "pass"), ("b", "fail"), ("c", "interrupted"))
    bench.store.put("runs/half/samples.parquet", b"")
    bench.store.put("runs/bad/result.json", b"{}")
    assert bench.results() == 0
    lines = bench.printed.splitlines()
    assert [line.split()[0] for line in lines] == ["run", "c", "bad", "b", "a"] or lines[1].startswith(("bad", "c"))
    by_run = {line.split()[0]: line for line in lines}
    assert "half" not in by_run
    assert " pass " in by_run["a"]
    assert "100/s" in by_run["a"]
    assert " fail " in by_run["b"]
    assert " interrupted " in by_run["c"]
    assert "unreadable" in by_run["bad"]


def test_a_long_list_is_cut_and_says_so(bench: Bench) -> None:
    store(bench, *((f"r{number}", "nothing") for number in range(5)))
    assert bench.results(limit=2) == 0
    assert bench.printed.splitlines()[-1] == "and 3 older ones: --limit"
    assert len(bench.printed.splitlines()) == 4


def test_the_list_as_json(bench: Bench) -> None:
    store(bench, ("a", "pass"))
    assert bench.results(json=True) == 0
    document = json.loads(bench.printed)
    assert document["place"] == "s3://dev-benchmark-123456789012-us-east-1/runs/"
    (run,) = document["runs"]
    assert (run["run_id"], run["verdict"], run["files"]) == ("a", "pass", 3)


def test_an_empty_bucket_has_no_runs(bench: Bench) -> None:
    assert bench.results() == 0
    assert bench.printed.startswith("no runs in s3://")
    assert bench.results(last=True) == 3


def test_a_run_is_fetched_whole(bench: Bench) -> None:
    store(bench, ("a", "pass"), ("ab", "fail"))
    assert bench.results("a") == 0
    directory = bench.directory / "results/a"
    assert decode((directory / "result.json").read_bytes()).manifest.run_id == "a"
    assert (directory / "samples.parquet").read_bytes() == b"samples.parquet"
    assert (directory / "logs/worker-0.log").exists()
    assert (directory / "report.html").exists()
    assert bench.printed.startswith("PASS")
    assert not list(directory.rglob(".*"))


def test_the_document_alone_and_the_last_run(bench: Bench) -> None:
    store(bench, ("a", "pass"), ("b", "fail"))
    assert bench.results(last=True, document=True, output="there", json=True) == 0
    assert decode(bench.printed.encode()).manifest.run_id == "b"
    assert {path.name for path in Path("there").iterdir()} == {"result.json", "report.html", "summary.txt"}


def test_a_run_that_is_not_there_says_where_it_was_sought(bench: Bench) -> None:
    assert bench.results("gone") == 3
    assert "runs/gone/: expected a run, but nothing is there" in bench.said
    bench.store.put("runs/half/samples.parquet", b"")
    assert bench.results("half") == 3
    assert "its document is not there" in bench.said


@pytest.mark.parametrize("name", ["../escape", "logs/../../escape"])
def test_no_file_leaves_the_directory(bench: Bench, name: str) -> None:
    store(bench, ("a", "pass"))
    bench.store.put(f"runs/a/{name}", b"x")
    assert bench.results("a") == 3
    assert "expected one inside its directory" in bench.said
    assert not (bench.directory / "escape").exists()
    assert not (bench.directory / "results/escape").exists()


def test_nothing_is_written_over(bench: Bench) -> None:
    store(bench, ("a", "pass"))
    assert bench.results("a") == 0
    assert bench.results("a") == 2
    assert "holds a run already" in bench.said


def test_a_directory_that_cannot_be_is_told(bench: Bench) -> None:
    store(bench, ("a", "pass"))
    Path("file").write_text("")
    assert bench.results("a", output="file/below") == 2
    assert "cannot be written" in bench.said


def write_log(bench: Bench, task: str, lines: list[str]) -> None:
    group, stream = "/ecs/dev/benchmark-generator", f"benchmark-generator/benchmark-generator/{task}"
    for line in lines:
        bench.aws.world.logs.write(group, stream, line)
    bench.clock.advance(10)


def test_a_document_is_read_from_a_generators_log(bench: Bench) -> None:
    document = encode(bench.result("lost"))
    write_log(bench, "abc", ["connect: x", *encode_lines("lost", document), "the end"])
    assert bench.results(task="abc") == 0
    assert (bench.directory / "results/lost/result.json").read_bytes() == document
    assert "its samples are lost" in bench.said
    assert bench.printed.startswith("PASS")


def test_storage_comes_before_the_log(bench: Bench) -> None:
    write_log(bench, "abc", encode_lines("a", encode(bench.result("a"))))
    assert bench.results("a", task="arn:aws:ecs:us-east-1:123456789012:task/dev/abc") == 0
    assert "nothing is there; reading the log of task" in bench.said.replace("warning: ", "")
    store(bench, ("b", "pass"))
    assert bench.results("b", task="abc") == 0
    assert "fetched: 4 files of b" in bench.said or "fetched: 3 files of b" in bench.said


@pytest.mark.parametrize(
    ("lines", "words"),
    [([], "has no lines"), (["only words"], "has no result document"), (None, "in part: of its")],
)
def test_a_log_without_the_whole_document_is_told(bench: Bench, lines, words) -> None:
    written = encode_lines("a", encode(bench.result("a")))[1:] if lines is None else lines
    write_log(bench, "abc", written)
    assert bench.results("a", task="abc") == 3
    assert words in bench.said


@pytest.mark.parametrize(
    ("run_id", "options", "words"),
    [
        ("a", {"last": True}, "got --last and a"),
        (None, {"last": True, "task": "x"}, "got --last and --task x"),
        ("a/b", {}, "expected the id of a run, got 'a/b'"),
        (None, {"outputs": None, "cluster": "dev"}, "from the deployment's outputs alone"),
    ],
)
def test_wrong_usage_is_told(bench: Bench, run_id, options, words) -> None:
    assert bench.results(run_id, **options) == 2
    assert words in bench.said


def test_a_bucket_that_may_not_be_read_is_told(bench: Bench) -> None:
    bench.store.denied = True
    assert bench.results() == 3
    assert "s3:ListObjectsV2 failed: AccessDenied" in bench.said
