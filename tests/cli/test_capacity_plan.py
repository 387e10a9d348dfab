from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from auroral.bench.result import encode
from auroral.capacity.document import decode
from auroral.capacity.presets import presets
from tests.capacity.test_calibrate import FAILED, result
from tests.cli.conftest import Cli


def test_a_rate_prints_a_plan(cli: Cli) -> None:
    ended = cli("capacity", "plan", "--wps", "150")
    assert ended.code == 0
    assert ended.out.startswith("150/s state-transitions: this plan keeps every limit")
    assert ended.err == ""


def test_what_it_rests_on_is_printed_when_asked_for(cli: Cli) -> None:
    assert "Where the numbers come from" not in cli("capacity", "plan", "--wps", "150").out
    assert "Where the numbers come from" in cli("capacity", "plan", "--wps", "150", "--explain").out


def test_a_rate_far_beyond_every_limit_is_answered(cli: Cli) -> None:
    """More than two thousand tasks on hundreds of instances."""
    ended = cli("capacity", "plan", "--wps", "20000")
    assert ended.code == 1
    assert "the largest rate that keeps them, with the same options: 450 =/s" in ended.out


def test_json_alone_goes_to_stdout(cli: Cli) -> None:
    ended = cli("capacity", "plan", "--preset", "400wps", "--json", "-")
    plan = decode(ended.out.encode())
    assert ended.code == 0
    assert plan.request.command == "auroral capacity plan --preset 400wps"
    assert plan.service("history").replicas.value == 16


def test_files_are_written_beside_the_text(cli: Cli, tmp_path: Path) -> None:
    ended = cli("capacity", "plan", "--wps", "200", "--json", "p.json", "--tfvars", "p.tfvars")
    assert ended.code == 0
    assert "Services" in ended.out
    assert ended.err == "wrote p.json\nwrote p.tfvars\n"
    assert json.loads((tmp_path / "p.json").read_text())["schema"] == "auroral.capacity.plan/1"
    assert "#   auroral capacity plan --wps 200\n" in (tmp_path / "p.tfvars").read_text()


def test_an_impossible_request_fails_and_writes_no_variables(cli: Cli, tmp_path: Path) -> None:
    ended = cli("capacity", "plan", "--wps", "600", "--tfvars", "p.tfvars", "--json", "p.json")
    assert ended.code == 1
    assert "IS OVER A LIMIT" in ended.out
    assert "Terraform's variables are not written: the plan is over a limit" in ended.err
    assert not (tmp_path / "p.tfvars").exists()
    assert (tmp_path / "p.json").exists()


def test_on_a_pipe_the_limit_is_told_on_stderr(cli: Cli) -> None:
    ended = cli("capacity", "plan", "--wps", "600", "--json", "-")
    assert ended.code == 1
    assert "over a limit: connections at autoscaling's maximum: 24 × 300 history" in ended.err
    decode(ended.out.encode())


def test_the_command_in_the_plan_makes_it_again(cli: Cli) -> None:
    given = ["--wps", "90", "--pool", "history=60,worker=20", "--pool", "frontend=40", "--zones", "2"]
    given += ["--autoscale-max", "worker=4", "--limiter", "distributed", "--lifetime", "30m", "--duty", "30%"]
    first = cli("capacity", "plan", *given, "--json", "-")
    command = decode(first.out.encode()).request.command.split()
    assert cli(*command[1:], "--json", "-").out == first.out
    assert command[:3] == ["auroral", "capacity", "plan"]


def test_the_profiles_are_written(cli: Cli, tmp_path: Path) -> None:
    ended = cli("capacity", "plan", "--profiles", "out")
    assert ended.code == 0
    assert {path.stem for path in (tmp_path / "out").iterdir()} == set(presets().names)


def test_a_workload_file_and_prices_of_ones_own(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "w.toml").write_text('name = "mine"\n[[steps]]\nactivity = 4\n')
    (tmp_path / "p.toml").write_text('[regions.eu-west-1]\n"opensearch.gp3" = 0.14\n')
    ended = cli("capacity", "plan", "--wps", "50", "--workload", "w.toml", "--prices", "p.toml", "--json", "-")
    plan = decode(ended.out.encode())
    assert plan.request.workload == "mine"
    assert plan.load.transitions_per_workflow.value == 19
    assert plan.cost.unpriced == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "one of --wps and --preset"),
        (("--wps", "1", "--preset", "dev"), "one of --wps and --preset"),
        (("--wps", "fast"), "wps = fast (from --wps): expected a rate above 0"),
        (("--wps", "0"), "wps = 0 (from --wps)"),
        (("--wps", "nan"), "wps = nan"),
        (("--wps", "1e9"), "1,000,000/s at most"),
        (("--wps", "1", "--lifetime", "60m"), "below DSQL's 60m"),
        (("--wps", "1", "--duty", "0"), "a share above 0"),
        (("--wps", "1", "--pool", "ui=3"), "pool = ui=3 (from --pool): expected SERVICE=N"),
        (("--wps", "1", "--pool", "history=²"), "expected SERVICE=N"),
        (("--wps", "1", "--autoscale-max", "history=1"), "at least 2 after --autoscale-max history="),
        (("--wps", "1", "--history-shards", "1000"), "a power of two"),
        (("--wps", "1", "--zones", "9"), "--zones"),
        (("--wps", "1", "--workload", "nope"), "expected one of simple"),
        (("--wps", "1", "--workload", "nope.toml"), "a file that can be read"),
        (("--wps", "1", "--prices", "nope.toml"), "nope.toml (from --prices) cannot be read"),
        (("--wps", "1", "--region", "mars-1"), "mars-1"),
        (("--wps", "1", "--instance-type", "m7g.medium"), "takes"),
        (("--wps", "1", "--instance-type", "z9.huge"), "z9.huge"),
        (("--preset", "huge"), "dev, 100wps, 150wps, 400wps, got 'huge'"),
        (("--wps", "1", "--json", "-", "--tfvars", "-"), "both want stdout"),
        (("--wps", "1", "--json", "no/such/folder.json"), "cannot be written"),
        (("--wps", "1", "--calibrated-on", "dev"), "go with --calibrate"),
        (("--wps", "1", "--calibrate", "x"), "--calibrated-on 150wps"),
        (("--preset", "dev", "--calibrate", "x", "--calibrated-on", "dev"), "a preset has its sizes"),
        (("--wps", "1", "--calibrate", "x", "--calibrated-on", "dev"), "x (from --calibrate) cannot be read"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(cli: Cli, arguments: tuple[str, ...], message: str) -> None:
    ended = cli("capacity", "plan", *arguments)
    assert ended.code == 2
    assert message in ended.err
    assert "Traceback" not in ended.err


def test_all_problems_are_told_at_once(cli: Cli) -> None:
    ended = cli("capacity", "plan", "--wps", "x", "--lifetime", "2h", "--pool", "a=1,b=2")
    assert "the configuration has 4 problems" in ended.err


def test_ones_own_results_size_the_plan(cli: Cli, tmp_path: Path) -> None:
    for rate in (80, 160):
        (tmp_path / f"run-{rate}").mkdir()
        (tmp_path / f"run-{rate}" / "result.json").write_bytes(encode(result(rate)))
    given = ("--calibrate", "run-80", "--calibrate", "run-160/result.json", "--calibrated-on", "150wps")
    ended = cli("capacity", "plan", "--wps", "300", *given)
    assert ended.code == 0
    assert "is extrapolated (from your measurements (your run run-160 of" in " ".join(ended.out.split())
    assert "history       15 X" in ended.out
    assert "run-160/result.json: passed at 160/s offered" in ended.out


def test_results_that_failed_are_no_measure(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "r.json").write_bytes(encode(result(80, verdict=FAILED)))
    (tmp_path / "other.json").write_text('{"schema": "x"}')
    given = ("capacity", "plan", "--wps", "300", "--calibrated-on", "150wps", "--calibrate")
    assert "it failed at 80/s" in cli(*given, "r.json").err
    ended = cli(*given, "other.json")
    assert ended.code == 2
    assert "other.json: expected a result document auroral.bench.result/1, not x" in ended.err


def test_a_group_without_a_command_shows_its_commands(cli: Cli) -> None:
    ended = cli("capacity")
    assert ended.code == 2
    assert "plan" in ended.err
    assert "simulate" in ended.err


def test_a_plan_imports_nothing_that_acts() -> None:
    code = (
        "import io, sys; from auroral.cli.main import run; from auroral.cli.process import Process; "
        "assert run(Process(['capacity', 'plan', '--wps', '150'], {}, io.StringIO(), io.StringIO())) == 0; "
        "print(*sorted({name.split('.')[0] for name in sys.modules}))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert not set(ended.stdout.split()) & {"temporalio", "boto3", "botocore", "psycopg", "pyarrow", "asyncio", "rich"}
