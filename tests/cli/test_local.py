"""`auroral local`: its words, and a whole life of a cluster as a user has it."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from auroral.bench.result import decode
from auroral.cli.local_commands import _print, _written_since, addresses, table
from auroral.cli.process import Process
from auroral.errors import ExitCode
from auroral.local.detached import Standing
from auroral.local.plan import ClusterOptions, Database, Role, ServerProcess
from auroral.local.processes import alive
from auroral.local.state import ClusterState, Phase, ProcessState, read_state
from tests.cli.conftest import Cli

AURORAL = [sys.executable, "-m", "auroral"]

SERVER = ServerProcess(
    name="frontend", role=Role.FRONTEND, grpc_port=7233, membership_port=2, metrics_port=3, http_port=4
)
STATE = ClusterState(
    phase=Phase.READY,
    supervisor_pid=1,
    supervisor_started_s=1.0,
    options=ClusterOptions(database=Database.DSQL_DOUBLE, history_shards=8),
    address="127.0.0.1:7233",
    control_url="http://127.0.0.1:9",
    processes=[
        ProcessState(name="visibility", pid=10, started_s=1, address="127.0.0.1:5", log_path="v.log"),
        ProcessState(name="frontend", pid=11, started_s=1, address="127.0.0.1:7233", log_path="f.log", server=SERVER),
    ],
)


def test_what_up_prints() -> None:
    assert addresses(STATE, Path("/c"), given=None).splitlines() == [
        "frontend      127.0.0.1:7233",
        "namespace     benchmark",
        "database      dsql-double, 8 shards",
        "metrics       http://127.0.0.1:3/metrics  frontend",
        "scrape list   /c/scrape.json",
        "double        http://127.0.0.1:9",
        "",
        "load it:      auroral bench run --local --namespace benchmark",
        "look at it:   auroral local status",
        "end it:       auroral local down",
    ]
    elsewhere = addresses(STATE, Path("/c"), given="d")
    assert "auroral bench run --address 127.0.0.1:7233 --namespace benchmark" in elsewhere
    assert "auroral local down --directory d" in elsewhere


def test_what_status_prints() -> None:
    found = Standing(state=STATE, unhealthy={"frontend": "its process has ended", "supervisor": "is gone"})
    assert table(found).splitlines() == [
        "process     pid  address         metrics                     health",
        "visibility  10   127.0.0.1:5     -                           serves",
        "frontend    11   127.0.0.1:7233  http://127.0.0.1:3/metrics  its process has ended",
        "supervisor: is gone",
    ]


def test_a_log_is_followed_by_whole_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert _written_since(log, 0) == ([], 0)
    log.write_text("one\ntw")
    assert _written_since(log, 0) == (["one"], 4)
    log.write_text("one\ntwo\n")
    assert _written_since(log, 4) == (["two"], 8)
    assert _written_since(log, 8) == ([], 8)
    log.write_text("new\n")  # shorter: another file
    assert _written_since(log, 8) == (["new"], 4)
    process = Process([], {}, io.StringIO(), io.StringIO())
    _print(process, "history", ["a", "b"], logs=2)
    _print(process, "history", [], logs=2)
    _print(process, "history", ["c"], logs=1)
    assert process.stdout.getvalue() == "history | a\nhistory | b\nc\n"  # type: ignore[attr-defined]


def test_without_a_cluster(cli: Cli, tmp_path: Path) -> None:
    where = ("--directory", str(tmp_path / "none"))
    ended = cli("local", "status", *where)
    assert (ended.code, ended.out) == (ExitCode.FAILED, f"no local cluster is up in {tmp_path / 'none'}\n")
    assert json.loads(cli("local", "status", "--json", *where).out) == {
        "up": False,
        "directory": str(tmp_path / "none"),
    }
    ended = cli("local", "down", *where)
    assert (ended.code, ended.out) == (ExitCode.OK, f"no local cluster is up in {tmp_path / 'none'}\n")
    ended = cli("local", "logs", *where)
    assert ended.code == ExitCode.USAGE
    assert "there are no logs" in ended.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--conflicts", "0.1"), "only the double of DSQL makes conflicts"),
        (("--history", "0"), "at least one history process"),
        (("--dynamic-config", "history.rps"), "expected KEY=VALUE"),
        (("--database", "mysql"), "'mysql' is not one of 'postgres', 'dsql-double'"),
        (("--directory", " "), "expected a directory after --directory"),
    ],
)
def test_wrong_usage_starts_nothing(cli: Cli, tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    ended = cli("local", "up", "--directory", str(tmp_path / "c"), *arguments)
    assert ended.code == ExitCode.USAGE
    assert told in ended.err
    assert not (tmp_path / "c").exists()


def auroral(*arguments: str, cwd: Path, home: Path) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "XDG_STATE_HOME": str(home)}
    return subprocess.run(
        [*AURORAL, *arguments], capture_output=True, text=True, cwd=cwd, env=environ, timeout=850, check=False
    )


def left(state: ClusterState) -> list[str]:
    """Which of a cluster's processes are still there; a zombie is not."""
    named = [("supervisor", state.supervisor_pid, state.supervisor_started_s)]
    named += [(one.name, one.pid, one.started_s) for one in state.processes]
    return [name for name, pid, began_s in named if alive(pid, began_s)]


@pytest.mark.whole
@pytest.mark.live
@pytest.mark.timeout(900)
@pytest.mark.parametrize("database", ["postgres", pytest.param("dsql-double", marks=pytest.mark.slow)])
def test_up_bench_status_logs_down(database: str, tmp_path: Path) -> None:
    conflicts = ("--conflicts", "0.1") if database == "dsql-double" else ()
    directory = tmp_path / "auroral" / "local"  # the default one, below the state directory

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return auroral(*arguments, cwd=tmp_path, home=tmp_path)

    try:
        up = run("local", "up", "--database", database, *conflicts, "--dynamic-config", "history.rps=5999")
        assert up.returncode == 0, up.stderr
        assert "auroral bench run --local" in up.stdout
        assert "value: 5999" in (directory / "dynamicconfig.yaml").read_text()
        again = run("local", "up")
        assert again.returncode == ExitCode.USAGE
        assert "is running in" in again.stderr

        status = run("local", "status", "--json")
        assert status.returncode == 0, status.stdout
        state = read_state(directory)
        assert state is not None
        assert {one["name"] for one in json.loads(status.stdout)["state"]["processes"]} >= {
            "history",
            "matching",
            "frontend",
            "worker",
        }

        benchmark = run(
            "bench", "run", "--local", "--target-rate", "5", "--duration", "2s", "--metrics-port", "0",
            "--output", "results", "--max-p99-latency", "30s",
        )  # fmt: skip
        assert benchmark.returncode == 0, benchmark.stdout + benchmark.stderr
        result = decode((tmp_path / "results" / "result.json").read_bytes())
        assert result.outcomes["completed"] == 10
        assert result.environment.local_cluster == database
        assert result.environment.persistence_store is not None
        assert ("dsql" in result.environment.persistence_store) == (database == "dsql-double")

        logs = run("local", "logs", "history", "--lines", "3")
        assert logs.returncode == 0
        assert len(logs.stdout.splitlines()) == 3

        worker = next(one for one in state.processes if one.name == "worker")
        os.kill(worker.pid, signal.SIGKILL)
        while alive(worker.pid, worker.started_s):
            pass
        unhealthy = run("local", "status")
        assert unhealthy.returncode == ExitCode.FAILED
        assert "its process has ended" in unhealthy.stdout
        refused = run("bench", "run", "--local", "--duration", "5s", "--output", "refused")
        assert refused.returncode == ExitCode.UNREACHABLE
        assert "is unhealthy: worker: its process has ended" in refused.stderr
    finally:
        down = run("local", "down")
    assert down.returncode == 0, down.stderr
    assert down.stdout == "the local cluster has ended\n"
    assert read_state(directory) is None
    assert not left(state)
    assert run("local", "logs", "frontend").returncode == 0  # they stay


@pytest.mark.live
@pytest.mark.timeout(900)
def test_an_interrupted_up_leaves_nothing(tmp_path: Path) -> None:
    environ = {**os.environ, "XDG_STATE_HOME": str(tmp_path)}
    with subprocess.Popen([*AURORAL, "local", "up"], stderr=subprocess.PIPE, text=True, env=environ) as up:
        assert up.stderr is not None
        for line in up.stderr:
            if line.startswith("waiting for"):
                break
        state = read_state(tmp_path / "auroral" / "local")
        assert state is not None
        up.send_signal(signal.SIGINT)
        assert up.wait(60) == ExitCode.INTERRUPTED
    assert not left(state)
    assert read_state(tmp_path / "auroral" / "local") is None


@pytest.mark.whole
@pytest.mark.live
@pytest.mark.timeout(900)
def test_a_benchmark_starts_a_cluster_of_its_own_and_ends_it(tmp_path: Path) -> None:
    ended = auroral(
        "bench", "run", "--local", "--target-rate", "5", "--duration", "2s", "--metrics-port", "0", "--output", "out",
        "--max-p99-latency", "30s", cwd=tmp_path, home=tmp_path,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
    result = decode((tmp_path / "out" / "result.json").read_bytes())
    assert result.environment.local_server
    assert result.environment.local_cluster == "postgres"
    assert result.environment.history_shards == 4
    logs = {path.stem for path in (tmp_path / "out" / "logs" / "cluster").glob("*.log")}
    assert logs == {"history", "matching", "frontend", "worker"}
