"""`auroral bench remote` from its command line, against moto over HTTP."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from auroral.bench import object_place
from auroral.bench.result import encode
from tests.cli.conftest import Cli
from tests.support.fake_ecs import outputs
from tests.support.moto_server import Moto, moto_server
from tests.support.remote_bench import CONTRACT
from tests.support.sample_results import MAKERS


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    with moto_server(tmp_path_factory.mktemp("moto") / "log") as server:
        yield server


@pytest.fixture
def deployed(moto: Moto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The outputs of a deployment whose generator, workers and bucket are in moto."""
    for name, value in moto.environ.items():
        monkeypatch.setenv(name, value)
    contract = copy.deepcopy(CONTRACT)
    environment = {
        "BENCHMARK_NAMESPACE": "benchmark", "BENCHMARK_GENERATOR_ONLY": "true", "BENCHMARK_TASK_QUEUES": "2",
        "AURORAL_RESULTS_URL": f"s3://{contract['benchmark']['results_bucket']}/runs/",
    }  # fmt: skip
    for part, told in (
        (contract["tasks"]["generator"], environment),
        (contract["services"]["benchmark-worker"], {"BENCHMARK_WORKER_COUNT": "2"}),
    ):
        made = moto.client("ecs").register_task_definition(
            family=part["task_family"],
            cpu="2048",
            memory="4096",
            containerDefinitions=[
                {
                    "name": part["container"],
                    "image": "registry/benchmark",
                    "environment": [{"name": name, "value": value} for name, value in told.items()],
                }
            ],
        )
        part["task_definition_arn"] = made["taskDefinition"]["taskDefinitionArn"]
    place = object_place.parse(environment["AURORAL_RESULTS_URL"])
    storage = moto.client("s3")
    storage.create_bucket(Bucket=place.bucket)
    for name in ("pass", "fail"):
        result = MAKERS[name]()
        storage.put_object(
            Bucket=place.bucket, Key=place.key(result.manifest.run_id, "result.json"), Body=encode(result)
        )
    path = tmp_path / "outputs.json"
    path.write_text(outputs(contract))
    return str(path)


def test_a_run_is_planned_from_its_flags_and_the_generators_environment(cli: Cli, deployed: str, moto: Moto) -> None:
    ended = cli(
        "bench", "remote", "run", "--outputs", deployed, "--dry-run", "--workload", "simple=2", "--workload", "timer",
        "--target-rate", "15", "--duration", "10m", "--run-id", "mine", "--threshold", "latency.p99<1s",
        environ={**moto.environ, "BENCHMARK_TARGET_RATE": "4000"},
    )  # fmt: skip
    assert ended.code == 0, ended.err
    assert "10 workers of 2 vCPU for 15/s: 5 × 4 vCPU ÷ 2 vCPU" in ended.err
    assert "the schedule takes 10 m" in ended.err
    run = next(line for line in ended.out.splitlines() if " run-task " in line)
    overrides = json.loads(run.split("--overrides '")[1].split("'")[0])
    assert overrides["containerOverrides"] == [
        {
            "name": "benchmark-generator",
            "command": [
                "bench", "run", "--workload", "simple=2", "--workload", "timer", "--target-rate", "15",
                "--duration", "10m", "--threshold", "latency.p99<1s", "--run-id", "mine", "--worker-count", "20",
            ],
        }
    ]  # fmt: skip


def test_what_the_generators_environment_breaks_is_told(cli: Cli, deployed: str, moto: Moto) -> None:
    ended = cli("bench", "remote", "run", "--outputs", deployed, "--ramp-up", "2h", environ=dict(moto.environ))
    assert ended.code == 2
    assert "ramp-up = 2h (from --ramp-up)" in ended.err


def test_stored_runs_are_listed_and_fetched(cli: Cli, deployed: str, moto: Moto) -> None:
    listed = cli("bench", "remote", "results", "--outputs", deployed, environ=dict(moto.environ))
    assert listed.code == 0, listed.err
    assert {line.split()[0] for line in listed.out.splitlines()} == {"run", "run-pass", "run-fail"}
    fetched = cli("bench", "remote", "results", "run-fail", "--outputs", deployed, environ=dict(moto.environ))
    assert fetched.code == 0, fetched.err
    assert fetched.out.startswith("FAIL")
    assert Path("results/run-fail/report.html").exists()


def test_workers_are_planned(cli: Cli, deployed: str, moto: Moto) -> None:
    ended = cli(
        "bench", "remote", "workers", "--for", "100", "--outputs", deployed, "--dry-run", environ=dict(moto.environ)
    )
    assert ended.code == 0, ended.err
    assert "60 workers of 2 vCPU for 100/s" in ended.err
    assert "--desired-count 6" in ended.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run",), "expected one of --outputs, --stack and --cluster"),
        (("run", "--outputs", "x", "--timeout", "soon"), "expected a duration such as 15m, not soon"),
        (("run", "--outputs", "x", "--timeout", "0s"), "from 1s to 24h"),
        (("run", "--address", "localhost:7233"), "No such option"),
        (("run", "--workers", "0"), "--workers"),
        (("workers",), "got neither"),
        (("workers", "many"), "many"),
        (("results", "--limit", "0"), "--limit"),
        (("resluts",), "did you mean results?"),
    ],
)
def test_wrong_usage_is_told(cli: Cli, arguments: tuple[str, ...], words: str) -> None:
    ended = cli("bench", "remote", *arguments)
    assert ended.code == 2
    assert words.lower() in ended.err.lower()


def test_the_commands_are_listed(cli: Cli) -> None:
    ended = cli("bench", "remote", "--help")
    assert ended.code == 0
    assert [line.split()[0] for line in ended.out.split("Commands:")[1].splitlines() if line.strip()] == [
        "run", "results", "workers",
    ]  # fmt: skip
