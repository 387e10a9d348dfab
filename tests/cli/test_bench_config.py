"""`auroral bench config`: values, origins, problems."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from auroral.bench.options import SETTINGS
from tests.cli.conftest import Cli, Ended


def rows(ended: Ended) -> dict[str, tuple[str, str]]:
    [header, *lines] = ended.out.splitlines()
    value, origin = header.index("VALUE"), header.index("ORIGIN")
    return {line[:value].strip(): (line[value:origin].strip(), line[origin:].strip()) for line in lines}


def test_every_value_with_its_origin(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "b.toml").write_text('[bench]\nduration = 90\nramp-up = "9s"\ntarget-rate = 1\n')
    environ = {"BENCHMARK_RAMP_UP": "5s", "BENCHMARK_TARGET_RATE": "2"}
    ended = cli("bench", "config", "--config", "b.toml", "--target-rate", "3", environ=environ)
    assert (ended.code, ended.err) == (0, "")
    found = rows(ended)
    assert found["target-rate"] == ("3/s", "--target-rate")
    assert found["ramp-up"] == ("5s", "BENCHMARK_RAMP_UP")
    assert found["duration"] == ("1m30s", "b.toml: [bench] duration")
    assert found["iterations"] == ("1", "default")
    assert list(found) == [setting.name for setting in SETTINGS]
    assert max(len(line) for line in ended.out.splitlines()) <= 110


def test_as_json(cli: Cli) -> None:
    ended = cli("bench", "config", "--json", "--worker-count", "2", environ={"BENCHMARK_RAET": "1"})
    document = json.loads(ended.out)
    assert ended.code == 0
    assert {"name": "worker-count", "value": "2", "origin": "--worker-count"} in document["settings"]
    assert document["problems"] == []
    assert len(document["warnings"]) == 1
    assert ended.err == f"warning: {document['warnings'][0]}\n"


def test_all_problems_at_once(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "b.toml").write_text("[bench]\nchild-count = 0\nactivty-count = 3\n")
    environ = {"BENCHMARK_CONFIG": "b.toml", "BENCHMARK_DURATION": "soon"}
    arguments = ("bench", "config", "--target-rate", "0", "--threshold", "p99")
    ended = cli(*arguments, environ=environ)
    assert ended.code == 2
    shown = rows(ended)
    assert shown["child-count"] == ("0", "b.toml: [bench] child-count")
    assert shown["duration"] == ("soon", "BENCHMARK_DURATION")
    assert shown["seed"][1] == "default"
    lines = ended.err.splitlines()
    assert lines[0] == "error: the configuration has 5 problems:"
    assert lines[1] == (
        "  activty-count = 3 (from b.toml: [bench] activty-count): "
        "expected a known setting; did you mean activity-count?"
    )
    assert lines[2] == "  child-count = 0 (from b.toml: [bench] child-count): expected a whole number from 1 to 100"
    assert any(line.startswith("  target-rate = 0 (from --target-rate): expected a rate above 0/s") for line in lines)
    assert any(line.startswith("  duration = soon (from BENCHMARK_DURATION): expected a duration") for line in lines)
    assert any(line.startswith("  threshold = p99 (from --threshold): expected ") for line in lines)
    document = json.loads(cli(*arguments, "--json", environ=environ).out)
    assert sorted(problem["name"] for problem in document["problems"]) == [
        "activty-count", "child-count", "duration", "target-rate", "threshold",
    ]  # fmt: skip


def test_temporals_own_configuration_comes_before_the_defaults(cli: Cli, tmp_path: Path) -> None:
    environ = {
        "TEMPORAL_ADDRESS": "cloud:7233",
        "TEMPORAL_NAMESPACE": "benchmark-7",
        "TEMPORAL_API_KEY": "s3cret-key",
    }
    ended = cli("bench", "config", environ=environ)
    found = rows(ended)
    assert found["address"] == ("cloud:7233", "TEMPORAL_ADDRESS")
    assert found["namespace"] == ("benchmark-7", "TEMPORAL_NAMESPACE")
    assert found["api-key"] == ("given, not shown", "TEMPORAL_API_KEY")
    assert "s3cret" not in ended.out + ended.err + cli("bench", "config", "--json", environ=environ).out

    ours = rows(
        cli("bench", "config", environ={**environ, "BENCHMARK_ADDRESS": "own:1", "BENCHMARK_NAMESPACE": "benchmark"})
    )
    assert ours["address"] == ("own:1", "BENCHMARK_ADDRESS")
    assert ours["namespace"] == ("benchmark", "BENCHMARK_NAMESPACE")


def test_a_namespace_from_temporals_configuration_needs_leave_too(cli: Cli) -> None:
    environ = {"TEMPORAL_ADDRESS": "cloud:7233", "TEMPORAL_NAMESPACE": "production"}
    ended = cli("bench", "config", environ=environ)
    assert ended.code == 2
    assert "namespace = production (from TEMPORAL_NAMESPACE): expected benchmark or benchmark-…" in ended.err
    assert cli("bench", "config", "--allow-namespace", environ=environ).code == 0


@pytest.mark.parametrize("named_by", ["--config", "BENCHMARK_CONFIG"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no configuration file b.toml (from {})"),
        (b"[bench", "b.toml is not valid TOML"),
        (b"\xff\xfe", "the configuration file b.toml (from {}) cannot be read: it is not UTF-8 text"),
    ],
)
def test_a_file_of_no_use(cli: Cli, tmp_path: Path, named_by: str, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "b.toml").write_bytes(content)
    by_flag = named_by == "--config"
    environ = {} if by_flag else {named_by: "b.toml"}
    ended = cli("bench", "config", *(["--config", "b.toml"] if by_flag else []), environ=environ)
    assert ended.code == 2
    assert ended.err.startswith(f"error: {message.format(named_by)}")
    assert ended.err.count("error:") == 1


def test_a_directory_is_no_configuration_file(cli: Cli, tmp_path: Path) -> None:
    ended = cli("bench", "config", "--config", str(tmp_path))
    assert ended.code == 2
    assert "cannot be read: Is a directory" in ended.err


def test_a_configuration_file_needs_a_name(cli: Cli) -> None:
    ended = cli("bench", "config", "--config", "")
    assert (ended.code, ended.err.splitlines()[0]) == (2, "error: expected a file after --config, not ''")


def test_a_byte_order_mark_is_no_fault(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "b.toml").write_text("\ufeff[bench]\nchild-count = 7\n", encoding="utf-8")
    assert rows(cli("bench", "config", "--config", "b.toml"))["child-count"][0] == "7"
